"""What is kept of a session that runs: its recording, in parts, and the state that a restart begins with."""

from __future__ import annotations

import secrets
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

import msgspec
from msgspec.structs import replace

from controller import checkpoint
from controller.config import RecordingConfig, StationConfig
from controller.flight import FOLDER, FlightRecorder
from controller.pipeline import Pipeline
from controller.recorder import CLOSE_WITHIN, Disk, Recorder
from controller.recording_folder import Keep
from controller.resume import Start, boot
from protocols.events import AnyEvent, Fault
from protocols.recording import VERSION, Ended, Header, Input

STATE_EVERY: Final = 20.0  # s; 1 kHz of two cables is played in under 2 s for it, and written in 2 ms
EVENTS_KEPT: Final = 200  # with the state; a set's reps and pairs
PARTS_AT_MOST: Final = 2.0  # times the size of a part, after which not even a set that runs is waited for
MB: Final = 1e6
HOUR: Final = 3600.0  # s
DAY: Final = 24 * HOUR


def software() -> str:
    """The version of this program."""
    return version("cable-station")


def settings_of(config: StationConfig) -> bytes:
    """A station's configuration as it stands in a header."""
    return msgspec.json.encode(config)


def new_header(config: StationConfig, *, next_seq: int) -> Header:
    """The header of a session that begins now."""
    monotonic, unix = time.monotonic(), time.time()
    recording = secrets.token_hex(16)
    when = datetime.fromtimestamp(unix, UTC).strftime("%Y%m%dT%H%M%SZ")
    return Header(
        recording=recording,
        station=config.id,
        session=f"{when}-{recording[:8]}",
        first_seq=next_seq,
        first_set=1,
        monotonic_anchor=monotonic,
        unix_anchor=unix,
        settings=settings_of(config),
        software=software(),
        version=VERSION,
        boot=boot(),
    )


class LiveRecording:
    """Owns a session's recorder, and its flight recorder."""

    def __init__(
        self,
        config: StationConfig,
        wish: RecordingConfig,
        start: Start,
        *,
        trouble: Callable[[str | None], None],
        say: Callable[[str], None],
    ) -> None:
        """trouble: see Recorder; say: takes a line, from any thread."""
        going_on = start.going_on
        self._config, self._wish = config, wish
        self.header = going_on.header if going_on is not None else new_header(config, next_seq=start.next_seq)
        self._began = self._kept_at = time.monotonic()
        self._events: deque[AnyEvent] = deque(start.events if going_on is not None else (), maxlen=EVENTS_KEPT)
        self._say = say
        self._flight = _flight(wish)
        self._close_by = 0.0  # host monotonic, s
        self._fault: Fault | None = None  # for which the last minute is still to be written
        self.recorder: Recorder | None = None
        if wish.enabled:
            self.recorder = Recorder(
                Path(wish.folder),
                self.header,
                trouble=trouble,
                goes_on=going_on.written if going_on is not None else None,
                disk=_disk(wish),
            )

    @property
    def dropped(self) -> int:
        """Bytes that could not be recorded."""
        return self.recorder.dropped if self.recorder is not None else 0

    def put(self, record: Input) -> None:
        """Take one input, before the pipeline does."""
        if self.recorder is not None:
            self.recorder.put(record)
        if self._flight is not None:
            self._flight.put(record)

    def said(self, event: AnyEvent) -> None:
        """Take one event that came of it."""
        self._events.append(event)
        if isinstance(event, Fault) and event.raised and event.severity == "error":
            self._fault = event

    def when_written(self, call: Callable[[], object]) -> bool:
        """Have it called, from another thread, once all inputs so far are in the file; False: nothing is written."""
        if self.recorder is None:
            return False
        self.recorder.when_written(call)
        return True

    def tend(self, pipeline: Pipeline) -> None:
        """Keep the state, and go on in the next part, where it is time; all events have been taken before."""
        if self._fault is not None:
            self._write_flight(pipeline, self._fault)
        if self.recorder is None:
            return
        now = time.monotonic()
        full = self.recorder.size / (self._wish.part_mb * MB)
        is_due = full >= 1.0 or now - self._began >= self._wish.part_h * HOUR
        if is_due and (pipeline.station.between_sets or full >= PARTS_AT_MOST):
            self._next_part(self.recorder, pipeline, now)
        if now - self._kept_at >= STATE_EVERY:
            self._keep(self.recorder, pipeline, now)

    def _next_part(self, recorder: Recorder, pipeline: Pipeline, now: float) -> None:
        self.header = replace(self._header_now(pipeline), part=self.header.part + 1, boards=pipeline.introductions())
        recorder.go_on_in(self.header, received_at=now, unix=time.time())
        self._began = now
        self._keep(recorder, pipeline, now)

    def _header_now(self, pipeline: Pipeline) -> Header:
        """The session's header with numbers and settings as they stand."""
        next_seq, next_set, next_session = pipeline.station.next_numbers
        now = pipeline.station.settings
        config = replace(self._config, exercise=now.exercise, load_kg=now.load_kg, person=now.person)
        return replace(
            self.header, first_seq=next_seq, first_set=next_set, first_session=next_session,
            settings=settings_of(config),
        )  # fmt: skip

    def _write_flight(self, pipeline: Pipeline, fault: Fault) -> None:
        self._fault = None
        if self._flight is None:
            return
        header = replace(
            self._header_now(pipeline),
            recording=secrets.token_hex(16),
            part=1,
            boards=pipeline.introductions(also_down=True),
        )
        path = self._flight.write(header, next_seq=header.first_seq, say=self._say)
        if path is not None:
            self._say(f"{self._config.id}: {fault.name}: what came before it is kept in {path}")

    def _keep(self, recorder: Recorder, pipeline: Pipeline, now: float) -> None:
        self._kept_at = now
        recorder.keep_state(checkpoint.frozen(pipeline, self._events, now=now))

    def end(self, pipeline: Pipeline) -> None:
        """The session is over: close the pipeline. Its events are still in it then; the file is whole after `close`."""
        if self._fault is not None:
            self._write_flight(pipeline, self._fault)
        if self.recorder is not None:
            self._keep(self.recorder, pipeline, time.monotonic())
        pipeline.finish()
        if self.recorder is not None:
            self.recorder.put(Ended(received_at=time.monotonic(), next_seq=pipeline.station.next_numbers[0]))
            self.recorder.end()
        self._close_by = time.monotonic() + CLOSE_WITHIN

    def close(self) -> None:
        """Wait for the disk, no longer than CLOSE_WITHIN from `end`. For another thread than the event loop's."""
        if self.recorder is not None:
            self.recorder.close(within=max(self._close_by - time.monotonic(), 0.0))
        if self._flight is not None:
            self._flight.close(within=max(self._close_by - time.monotonic(), 0.0))

    def delivered(self) -> None:
        """The outputs have taken all events for good; the next start need not offer them again."""
        if self.recorder is not None:
            checkpoint.forget(self.recorder.path)


def _flight(wish: RecordingConfig) -> FlightRecorder | None:
    if wish.flight_s == 0.0:
        return None
    return FlightRecorder(
        Path(wish.folder) / FOLDER,
        seconds=wish.flight_s,
        most_bytes=wish.flight_mb * MB,
        most_files=wish.flight_files,
        least_free=_disk(wish).least_free,
    )


def _disk(wish: RecordingConfig) -> Disk:
    keep = Keep(
        seconds=wish.keep_days * DAY if wish.keep_days is not None else None,
        bytes=wish.keep_gb * 1000.0 * MB if wish.keep_gb is not None else None,
    )
    return Disk(least_free=round(wish.least_free_mb * MB), keep=keep)
