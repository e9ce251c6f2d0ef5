"""One station: samples of both cables in, events out."""

from __future__ import annotations

from controller.core.settings import ChannelCalibration, CoreSettings, Identity
from protocols.events import AnyEvent, Side, State, Telemetry


class Station:
    """The core's only door. Time comes in with the data, in seconds of stream time that never run back."""

    def __init__(self, settings: CoreSettings, identity: Identity) -> None:
        """Start a session at stream time 0."""
        raise NotImplementedError

    def calibrate(
        self, side: Side, *, force: ChannelCalibration | None = None, position: ChannelCalibration | None = None
    ) -> None:
        """Set a side's calibration; a side never fed and never calibrated does not exist."""
        raise NotImplementedError

    def describe(self, side: Side, *, firmware: str | None) -> None:
        """Say which firmware reads a side; None when unknown."""

    def feed(
        self,
        t: float,
        *,
        left_position: float | None = None,
        left_force: float | None = None,
        right_position: float | None = None,
        right_force: float | None = None,
        left_saturated: bool = False,
        right_saturated: bool = False,
    ) -> None:
        """Take the counts of one instant at stream time t; None: no sample of that channel."""
        raise NotImplementedError

    def advance(self, t: float) -> None:
        """Let stream time pass without a sample, so that silence can close a set."""
        raise NotImplementedError

    def link(self, side: Side, *, t: float, up: bool, restarted: bool = False) -> None:
        """A side's board came or went; restarted: its incremental position is unknown now."""
        raise NotImplementedError

    def clock(self, *, uncertainty_s: float) -> None:
        """Say how well the two sides' times are aligned (standard uncertainty of left against right)."""

    def fault(
        self, t: float, name: str, *, raised: bool, severity: str = "warning", side: Side | None = None, detail: str = ""
    ) -> None:
        """Put a fault that was found outside the core (link, firmware) into the event log."""
        raise NotImplementedError

    def command(self, t: float, name: str, fields: dict[str, object]) -> str | None:
        """Carry out tare, select or set_end. Returns None when done, else why it is refused."""
        raise NotImplementedError

    def finish(self) -> None:
        """The stream is over: close what is open."""
        raise NotImplementedError

    def drain(self) -> list[AnyEvent]:
        """The events since the last call, in order."""
        raise NotImplementedError

    def state(self) -> State:
        """Where the station stands now."""
        raise NotImplementedError

    def telemetry(self) -> Telemetry:
        """The cables as they are now."""
        raise NotImplementedError

    @property
    def active(self) -> bool:
        """Whether a cable moves or is loaded, or did within the last second."""
        raise NotImplementedError
