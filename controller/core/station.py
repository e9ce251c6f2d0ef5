"""One station: samples of both cables in, events out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from controller.core import views
from controller.core.event_maker import EventMaker
from controller.core.fault_log import FaultLog
from controller.core.rep_book import RepBook
from controller.core.set_summary import SetSummariser
from controller.core.settings import ChannelCalibration, CoreSettings, Exercise, Identity
from controller.core.side import Side
from controller.core.silence import SILENT_AFTER, Silence
from controller.core.tare import LOADED, MOVING, tare
from protocols.events import SIDES, AnyEvent, Session, Severity, State, Telemetry
from protocols.events import Side as SideName

ALGORITHM: Final = "1"
INTERRUPTED_AFTER: Final = 60.0  # s of silence that close a set
PAUSED_AT_MOST: Final = 600.0  # s; a pause that nobody ends must not join one person's set to the next one's
NEED_A_SET: Final = frozenset({"set_end", "set_restart", "pause", "resume"})
NEED_REST: Final = frozenset({"session_start", "session_end", "set_restart"})  # a rep would be cut in two
ACTIVE_FOR: Final = 1.0  # s


class Station:
    """The core's only door. Time comes in with the data, in seconds of stream time that never run back."""

    def __init__(self, settings: CoreSettings, identity: Identity) -> None:
        """Start a session at stream time 0."""
        self.settings = settings
        self._make = EventMaker(settings, identity, algorithm=ALGORITHM)
        self._sides: dict[SideName, Side] = {}
        self._book = RepBook(self._make, settings.exercise, number=identity.first_set)
        self._faults = FaultLog(self._make, self._book, self._sides)
        self._summariser = SetSummariser(self._make)
        self._silence = Silence()
        self._now: float | None = None
        self._active_at = -1e9
        self._sessions = identity.first_session - 1  # of the recording, that have begun
        self._in_session = False
        self._finished = False

    # -- what the station is made of

    def calibrate(
        self, side: SideName, *, force: ChannelCalibration | None = None, position: ChannelCalibration | None = None
    ) -> None:
        """Set a side's calibration; a side never fed and never calibrated does not exist."""
        self._side(side).calibrate(force=force, position=position, track_zero=self.settings.track_zero)

    def describe(self, side: SideName, *, firmware: str | None) -> None:
        """Say which firmware reads a side; None when unknown."""
        self._side(side).firmware = firmware

    def clock(self, *, uncertainty_s: float) -> None:
        """Say how well the two sides' times are aligned (standard uncertainty of left against right, s)."""
        self._book.clock_uncertainty = uncertainty_s

    def _side(self, name: SideName) -> Side:
        if name not in self._sides:
            self._sides[name] = Side(self.settings.exercise)
        return self._sides[name]

    # -- inputs

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
        """Take the counts of one instant at stream time t; None: no sample of that channel.

        Raises ValueError when t lies before a time already taken.
        """
        self._time(t)
        if left_position is not None or left_force is not None:
            self._feed_side("left", t, left_position, left_force, saturated=left_saturated)
        if right_position is not None or right_force is not None:
            self._feed_side("right", t, right_position, right_force, saturated=right_saturated)
        self._watch(t)
        self._maybe_close(t)

    def _feed_side(
        self, name: SideName, t: float, position: float | None, force: float | None, *, saturated: bool
    ) -> None:
        side = self._side(name)
        if self._silence.ends(name, t):
            self._faults.end("no_samples", name, "samples come again")
        if force is not None:
            side.feed_force(t, force, saturated=saturated)
        if position is not None:
            side.feed_position(t, position)
        self._faults.compare_strokes(side)
        self._faults.collect(name)
        self._enter(name, side)
        if abs(side.velocity or 0.0) > MOVING or (side.cable.over_zero or 0.0) > LOADED:
            self._active_at = t

    def advance(self, t: float) -> None:
        """Let stream time pass without a sample, so that silence can close a set."""
        if self._now is not None and t < self._now:
            return
        self._time(t)
        self._watch(t)
        self._maybe_close(t)

    def restarted(self, name: SideName, *, t: float) -> None:
        """A side's board began afresh: its incremental position is unknown now."""
        self.advance(t)
        side = self._sides.get(name)
        if side is not None:
            side.restart()
            self._book.running.flag("board_restarted")
            self._enter(name, side)

    def fault(
        self,
        t: float,
        name: str,
        *,
        raised: bool,
        severity: Severity = "warning",
        side: SideName | None = None,
        detail: str = "",
    ) -> None:
        """Put a fault that was found outside the core (link, firmware) into the event log."""
        self.advance(t)
        if raised:
            self._faults.begin(name, side, severity, detail)
        else:
            self._faults.end(name, side, detail)

    def command(self, t: float, name: str, fields: dict[str, Any]) -> str | None:
        """Carry out a command. Returns None when done, else why it is refused."""
        self.advance(t)
        if name in NEED_A_SET and self._book.running.empty:
            return "no set is running"
        if name in NEED_REST and any(side.busy for side in self._sides.values()):
            return "a rep is under way; let the cables rest"
        orders: dict[str, Callable[[dict[str, Any]], str | None]] = {
            "tare": self._tare,
            "select": self._select,
            "session_start": self._start_session,
            "session_end": self._stop_session,
            "set_start": self._end_set,
            "set_end": self._end_set,
            "set_undo": self._undo_set,
            "set_restart": self._restart_set,
            "pause": self._pause_set,
            "resume": self._resume_set,
        }
        return orders[name](fields) if name in orders else f"unknown command {name!r}"

    def finish(self, *, interrupted: bool = False) -> None:
        """The stream is over: close what is open. interrupted: nobody ended it."""
        if self._finished or self._now is None:
            return
        self._finished = True
        for name in SIDES:
            if name in self._sides:
                self._sides[name].flush()
                self._enter(name, self._sides[name])
        if interrupted:
            self._book.running.flag("interrupted")
        self._end_session(interrupted=interrupted)

    def drain(self) -> list[AnyEvent]:
        """The events since the last call, in order."""
        return self._make.drain()

    # -- time

    def _time(self, t: float) -> None:
        if self._now is None:
            self._now = t
            self._make.now = t
            self._begin_session()
            return
        if t < self._now:
            raise ValueError(f"time runs back from {self._now} to {t}")
        self._silence.goes_on(self._now, t)
        self._now = self._make.now = t

    def _watch(self, t: float) -> None:
        """Time goes on: who is silent, which clocks are apart, and which faults are over."""
        for name, side in self._sides.items():
            silent_for = self._silence.since(name, t)
            if silent_for is None:
                continue
            if silent_for <= SILENT_AFTER:
                side.idle(t)
            elif self._silence.begins(name):
                detail = f"nothing from the {name} side since {silent_for:.1f} s"
                self._faults.begin("no_samples", name, "warning", detail)
            self._faults.collect(name)
        self._faults.compare_clocks(t, self._book.clock_uncertainty)
        self._faults.expire(t)

    # -- reps and sets

    def _enter(self, name: SideName, side: Side) -> None:
        """Enter what a side has announced; the leg's cable of a limb pair belongs to the arm's effort."""
        exercise = self.settings.exercise
        for said in side.drain():
            if exercise.cables_are == "one_limb_pair" and exercise.arm_side not in (None, name):
                continue
            if said.status == "retracted":
                self._handled(name, self._book.retract(name, said.take_back))
                continue
            if said.measures is not None:
                self._rep_begins(said.measures.t_start)
            self._book.enter(name, side, said)
            if said.measures is not None and said.status == "final":
                self._silence.rep_ends(said.measures.t_top)

    def _handled(self, name: SideName, spans: list[tuple[float, float]]) -> None:
        """A side's first strokes were handling: the other one's at the same time may be so too."""
        other: SideName = "right" if name == "left" else "left"
        side = self._sides.get(other)
        if spans and side is not None:
            side.handled_beside(spans)
            self._enter(other, side)

    def _rep_begins(self, t: float) -> None:
        """A rep that began at t is entered: it ends a pause, and opens a set or a session where none runs."""
        paused = self._silence.paused_since
        if paused is not None and t >= paused:
            self._silence.resume(t)
        if self._silence.paused_since is None and self._rested(t) >= self.exercise.set_gap_s:
            self._close()  # handling held it open
        if not self._in_session:
            self._begin_session()

    def _maybe_close(self, t: float) -> None:
        if self._book.running.empty:
            return
        if self._silence.lasts >= INTERRUPTED_AFTER:
            self._book.running.flag("interrupted")
            self._close()
        elif self._silence.paused_since is not None:
            if t - self._silence.paused_since >= PAUSED_AT_MOST:
                self._silence.resume(self._silence.paused_since + PAUSED_AT_MOST)
        elif not any(side.busy for side in self._sides.values()) and self._rested(t) >= self.exercise.set_gap_s:
            self._close()

    def _rested(self, t: float) -> float:
        """How long the running set has rested at t: since its last rep, or the last attempt at one; silence apart."""
        if self._book.running.empty:
            return 0.0
        ends = [self._book.running.last_end, *(side.dropped_at for side in self._sides.values())]
        return t - max(end for end in ends if end is not None) - self._silence.frozen

    def _close(self) -> None:
        self._book.withdraw()
        running = self._book.running
        shape = running.shape()
        if shape is None:
            return
        self._faults.flag_set()
        pairs = self._book.settle_pairs(shape)
        self._summariser.close(
            running, pairs, shape, self._sides, self.settings, spoilt_by=self._faults.spoilt_by(shape)
        )
        self._fresh_set(running.number + 1)

    def _fresh_set(self, number: int) -> None:
        self._book.open(number)
        for side in self._sides.values():
            side.new_set()
        self._silence.new_set()

    def _begin_session(self) -> None:
        """The first one keeps the recording's name; each further one has a name of its own and begins with set 1."""
        is_further = self._sessions >= self._make.identity.first_session
        self._sessions += 1
        self._in_session = True
        if self._sessions > 1:
            self._make.begin_session(self._sessions)
        if is_further:
            self._summariser = SetSummariser(self._make)
            self._book.open(1)
        self._make.add(Session, self._book.running.number, state="started", person=self.settings.person)

    def _end_session(self, *, interrupted: bool = False) -> None:
        self._close()
        if not self._in_session:
            return
        self._in_session = False
        state, totals = "interrupted" if interrupted else "ended", self._summariser.totals(self._sides)
        self._make.add(Session, self._book.running.number, state=state, person=self.settings.person, **totals)

    def _start_session(self, fields: dict[str, Any]) -> None:
        self._end_session()
        self.settings = self.settings.selected({"person": fields.get("person")})
        self._begin_session()

    # -- commands

    def _tare(self, fields: dict[str, Any]) -> str | None:
        return tare(self._sides, self._book.running, fields.get("side"))

    def _end_set(self, _fields: dict[str, Any]) -> None:
        self._close()

    def _undo_set(self, _fields: dict[str, Any]) -> str | None:
        return None if self._summariser.undo() else "there is no set to take back"

    def _restart_set(self, _fields: dict[str, Any]) -> None:
        self._book.discard()
        self._fresh_set(self._book.running.number)

    def _pause_set(self, _fields: dict[str, Any]) -> str | None:
        if self._silence.paused_since is not None:
            return "the set is paused already"
        self._book.running.flag("paused")
        self._silence.pause(self._make.now)
        return None

    def _resume_set(self, _fields: dict[str, Any]) -> str | None:
        if self._silence.paused_since is None:
            return "the set is not paused"
        self._silence.resume(self._make.now)
        return None

    def _stop_session(self, _fields: dict[str, Any]) -> str | None:
        if not self._in_session:
            return "no session is running"
        self._end_session()
        return None

    def _select(self, fields: dict[str, Any]) -> str | None:
        if not self._book.running.empty:
            self._close()
        self.settings = self.settings.selected(fields)
        return None

    # -- views

    @property
    def exercise(self) -> Exercise:
        """The exercise in force."""
        return self.settings.exercise

    @property
    def active(self) -> bool:
        """Whether a cable moves or is loaded, or did within the last second."""
        return self._now is not None and self._now - self._active_at < ACTIVE_FOR

    @property
    def between_sets(self) -> bool:
        """Whether no set runs and the cables rest."""
        is_moving = self.active or any(side.busy for side in self._sides.values())
        return self._book.running.empty and not is_moving

    @property
    def next_numbers(self) -> tuple[int, int, int]:
        """The numbers that the next event, and the running or next set and session, have."""
        seq, first = self._make.seq, self._make.identity.first_session
        if self._in_session or self._sessions < first:
            return seq, self._book.running.number, max(self._sessions, first)
        return seq, 1, self._sessions + 1

    @property
    def session(self) -> str:
        """The name of the session that runs, or ran last."""
        return self._make.identity.session

    @property
    def ts(self) -> int:
        """The station's time in integer milliseconds."""
        return self._make.ts

    def view(self, name: SideName) -> views.SideView | None:
        """What is known of a side, None where there is none."""
        side = self._sides.get(name)
        return views.side_view(side) if side is not None else None

    def state(self) -> State:
        """Where the station stands now."""
        return views.state(
            self._make, self.settings, self._sides,
            running=self._book.running, last=self._summariser.last, faults=self._faults.names, now=self._now,
        )  # fmt: skip

    def telemetry(self) -> Telemetry:
        """The cables as they are now."""
        return views.telemetry(self._make, self._sides, heard=[side for side in self._sides if self._heard(side)])

    def _heard(self, name: SideName) -> bool:
        silent_for = self._silence.since(name, self._now) if self._now is not None else None
        return silent_for is not None and silent_for < SILENT_AFTER
