"""Any device that prints one line a sample: HX711 sketches and the like. The configuration says what stands where."""

from __future__ import annotations

from collections.abc import Mapping

from protocols.device import CommandName, Told
from protocols.sample_lines import LineFormat, SampleLines


class AsciiLine(SampleLines):
    """The dialect of one format. It listens only."""

    commands: Mapping[CommandName, Told] = {}

    def __init__(self, line: LineFormat, *, rate_hz: float, model: str = "ASCII line") -> None:
        super().__init__(line)
        self.model, self.rate_hz = model, rate_hz
