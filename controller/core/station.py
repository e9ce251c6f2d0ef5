"""One station: samples of both cables in, events out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgspec

from controller.core.event_maker import EventMaker, rep_fields
from controller.core.set_summary import SetSummariser, pair_fields
from controller.core.sets import Counted, RunningSet, partner
from controller.core.settings import ChannelCalibration, CoreSettings, Exercise, Identity
from controller.core.side import Announcement, Side
from protocols.events import SIDES, AnyEvent, Fault, Pair, Rep, Session, SetSummary, State, Telemetry
from protocols.events import Side as SideName

ALGORITHM: Final = "1"
SILENT_AFTER: Final = 1.0  # s without a sample; the side's set gap stands still from here
INTERRUPTED_AFTER: Final = 60.0  # s of silence that close a set
ACTIVE_FOR: Final = 1.0  # s
MOVING: Final = 0.02  # m/s
LOADED: Final = 15.0  # N


@dataclass(frozen=True, slots=True)
class SideView:
    """What is known of a side: samples a second, calibration id and date, None where unknown."""

    hz: float | None
    calibration: str | None
    calibrated: str | None


class Station:
    """The core's only door. Time comes in with the data, in seconds of stream time that never run back."""

    def __init__(self, settings: CoreSettings, identity: Identity) -> None:
        """Start a session at stream time 0."""
        self.settings = settings
        self._make = EventMaker(settings, identity, algorithm=ALGORITHM)
        self._sides: dict[SideName, Side] = {}
        self._last_sample: dict[SideName, float] = {}
        self._silent: dict[SideName, bool] = {}
        self._down: set[SideName] = set()
        self._running = RunningSet(number=identity.first_set)
        self._provisional: dict[SideName, Rep] = {}
        self._pairs: dict[str, Pair] = {}
        self._summariser = SetSummariser(self._make)
        self._faults: dict[tuple[str, SideName | None], str] = {}
        self._saturated_at: dict[SideName, float] = {}
        self._now: float | None = None
        self._frozen = 0.0  # s of silence that the set gap does not count
        self._silent_for = 0.0
        self._active_at = -1e9
        self._clock_uncertainty: float | None = None
        self._last_set: SetSummary | None = None
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
        self._clock_uncertainty = uncertainty_s

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
        self._maybe_close(t)

    def _feed_side(
        self, name: SideName, t: float, position: float | None, force: float | None, *, saturated: bool
    ) -> None:
        side = self._side(name)
        self._heard(name, t)
        if force is not None:
            side.feed_force(t, force, saturated=saturated)
            self._saturation(name, side, t)
        if position is not None:
            side.feed_position(t, position)
        if side.announcements:
            self._announcements(name, side, side.drain())
        if abs(side.velocity or 0.0) > MOVING or (side.f is not None and side.f - side.zero.zero > LOADED):
            self._active_at = t

    def advance(self, t: float) -> None:
        """Let stream time pass without a sample, so that silence can close a set."""
        if self._now is not None and t < self._now:
            return
        self._time(t)
        for name in self._sides:
            last = self._last_sample.get(name)
            if last is not None and t - last > SILENT_AFTER and not self._silent.get(name):
                self._silent[name] = True
                self._raise_fault("no_samples", name, "warning", f"nothing from the {name} side since {t - last:.1f} s")
        self._maybe_close(t)

    def link(self, side: SideName, *, t: float, up: bool, restarted: bool = False) -> None:
        """A side's board came or went; restarted: its incremental position is unknown now."""
        self.advance(t)
        if up:
            self._down.discard(side)
        else:
            self._down.add(side)
        if restarted and side in self._sides:
            self._sides[side].restart()
            self._running.flag("board_restarted")
            self._announcements(side, self._sides[side], self._sides[side].drain())

    def fault(
        self,
        t: float,
        name: str,
        *,
        raised: bool,
        severity: str = "warning",
        side: SideName | None = None,
        detail: str = "",
    ) -> None:
        """Put a fault that was found outside the core (link, firmware) into the event log."""
        self.advance(t)
        if raised:
            self._raise_fault(name, side, severity, detail)
        else:
            self._clear_fault(name, side, detail)

    def command(self, t: float, name: str, fields: dict[str, Any]) -> str | None:
        """Carry out tare, select or set_end. Returns None when done, else why it is refused."""
        self.advance(t)
        if name == "tare":
            return self._tare(fields.get("side"))
        if name == "set_end":
            if self._running.empty:
                return "no set is running"
            self._close()
            return None
        if name == "select":
            return self._select(fields)
        return f"unknown command {name!r}"

    def finish(self) -> None:
        """The stream is over: close what is open."""
        if self._finished or self._now is None:
            return
        self._finished = True
        for name in SIDES:
            if name in self._sides:
                self._sides[name].flush()
                self._announcements(name, self._sides[name], self._sides[name].drain())
        self._close()
        totals = self._summariser.totals
        self._make.add(Session, self._running.number, state="ended", person=self.settings.person, **totals)

    def drain(self) -> list[AnyEvent]:
        """The events since the last call, in order."""
        return self._make.drain()

    # -- time

    def _time(self, t: float) -> None:
        if self._now is None:
            self._now = t
            self._make.now = t
            self._make.add(Session, self._running.number, state="started", person=self.settings.person)
            return
        if t < self._now:
            raise ValueError(f"time runs back from {self._now} to {t}")
        step = t - self._now
        latest = max(self._last_sample.values(), default=t)
        if any(t - self._last_sample.get(name, t) > SILENT_AFTER for name in self._sides):
            self._silent_for = t - min(self._last_sample.get(name, latest) for name in self._sides)
            self._frozen += step
        else:
            self._silent_for = 0.0
        self._now = t
        self._make.now = t

    def _heard(self, name: SideName, t: float) -> None:
        self._last_sample[name] = t
        if self._silent.get(name):
            self._silent[name] = False
            self._clear_fault("no_samples", name, "samples come again")

    # -- reps

    def _announcements(self, name: SideName, side: Side, announcements: list[Announcement]) -> None:
        exercise = self.settings.exercise
        if exercise.cables_are == "one_limb_pair" and exercise.arm_side not in (None, name):
            return  # the leg's cable belongs to the arm's effort
        for each in announcements:
            if each.status == "retracted":
                self._retract(name, each.take_back)
            else:
                self._announce(name, side, each)

    def _announce(self, name: SideName, side: Side, said: Announcement) -> None:
        assert said.measures is not None
        assert self._now is not None
        if not self._running.empty:
            rest = said.measures.t_start - self._last_end - self._frozen
            if rest >= self.settings.exercise.set_gap_s:
                self._close()  # handling held it open
        number = len(self._running.reps[name]) + 1
        before = self._running.reps[name][-1].measures.t_end if self._running.reps[name] else None
        replaced = self._provisional.pop(name, None)
        event = self._make.add(
            Rep,
            self._running.number,
            side=name,
            rep=number,
            status=said.status,
            replaces=replaced.id if replaced is not None else None,
            **rep_fields(said, side, now=self._now, before=before, anchor=self._make.anchor, algorithm=ALGORITHM),
        )
        if said.status == "provisional":
            self._provisional[name] = event
            return
        counted = Counted(event, said.measures, said.force, said.hold)
        self._running.reps[name].append(counted)
        other: SideName = "right" if name == "left" else "left"
        mate = partner(counted, [rep for rep in self._running.reps[other] if rep.pair is None])
        if mate is not None and self.settings.exercise.cables_are == "two_limbs":
            left, right = (counted, mate) if name == "left" else (mate, counted)
            self._pair(left, right, shape="together")

    def _pair(self, left: Counted, right: Counted, *, shape: str, retracts: str | None = None) -> None:
        fields = pair_fields(
            left, right, shape=shape, exercise=self.settings.exercise, clock_uncertainty=self._clock_uncertainty
        )
        event = self._make.add(Pair, self._running.number, retracts=retracts, **fields)
        left.pair = right.pair = event.id
        self._pairs[event.id] = event

    def _retract(self, name: SideName, take_back: int) -> None:
        reps = self._running.reps[name]
        if take_back == 0:
            gone = self._provisional.pop(name, None)
            if gone is not None:
                self._retracted(gone)
            return
        doomed = reps[-1:] if take_back < 0 else reps[:take_back]
        kept = [rep for rep in reps if rep not in doomed]
        self._running.reps[name] = kept
        for rep in doomed:
            self._retracted(rep.event)
            if rep.pair is not None:
                self._unpair(rep.pair)
        for number, rep in enumerate(kept, 1):  # numbers are used again
            if rep.event.rep != number:
                rep.event = self._make.again(rep.event, rep=number, replaces=rep.event.id)
                if rep.pair is not None:
                    self._pair_again(rep.pair)

    def _retracted(self, event: Rep) -> None:
        self._make.add(
            Rep, event.set, side=event.side, rep=event.rep, status="retracted", retracts=event.id, confidence=0.0,
            reasons="", algorithm=ALGORITHM,
        )  # fmt: skip

    def _unpair(self, pair: str) -> None:
        members = [rep for side in SIDES for rep in self._running.reps[side] if rep.pair == pair]
        for rep in members:
            rep.pair = None
        event = self._pairs.pop(pair)
        self._make.add(
            Pair, event.set, shape=event.shape, left_rep=event.left_rep, right_rep=event.right_rep,
            index=event.index, retracts=pair,
        )  # fmt: skip

    def _pair_again(self, pair: str) -> None:
        left = next((rep for rep in self._running.reps["left"] if rep.pair == pair), None)
        right = next((rep for rep in self._running.reps["right"] if rep.pair == pair), None)
        if left is not None and right is not None:
            self._pair(left, right, shape="together", retracts=pair)

    # -- sets

    def _maybe_close(self, t: float) -> None:
        if self._running.empty:
            return
        if self._silent_for >= INTERRUPTED_AFTER:
            self._running.flag("interrupted")
            self._close()
            return
        if any(side.busy for side in self._sides.values()):
            return
        quiet = t - self._last_end - self._frozen
        if quiet >= self.settings.exercise.set_gap_s:
            self._close()

    @property
    def _last_end(self) -> float:
        """When the running set's last rep, or the last attempt at one, ended."""
        ends = [self._running.last_end, *(side.dropped_at for side in self._sides.values())]
        return max(end for end in ends if end is not None)

    def _close(self) -> None:
        for name in SIDES:
            if name in self._provisional:
                self._retracted(self._provisional.pop(name))
        if self._running.empty:
            return
        running = self._running
        if self.settings.exercise.cables_are == "two_limbs":
            for name in running.idle_sides():
                self._retract(name, len(running.reps[name]))
        shape = running.shape()
        assert shape is not None
        limbs = self.settings.exercise.cables_are == "two_limbs"
        pairs = running.pairs(shape) if limbs else []
        wanted = {(id(left), id(right)) for left, right in pairs}
        for pair in {rep.pair for side in SIDES for rep in running.reps[side] if rep.pair is not None}:
            members = [rep for side in SIDES for rep in running.reps[side] if rep.pair == pair]
            if len(members) == 2 and (id(members[0]), id(members[1])) not in wanted:
                self._unpair(pair)
        for left, right in pairs:
            if left.pair is None or left.pair != right.pair:
                self._pair(left, right, shape=shape)
        self._last_set = self._summariser.close(running, pairs, shape, self._sides, self.settings)
        for side in self._sides.values():
            side.new_set()
            side.announced = False
        self._running = RunningSet(number=running.number + 1)
        self._pairs.clear()
        self._frozen = 0.0

    # -- commands

    def _tare(self, side: object) -> str | None:
        names = [name for name in SIDES if name in self._sides and (side is None or name == side)]
        if not names:
            return f"there is no side {side!r}"
        for name in names:
            each = self._sides[name]
            if each.force is None or each.f is None:
                return f"the {name} side has no force to tare"
            if each.busy or abs(each.velocity or 0.0) > MOVING:
                return f"the {name} cable is moving; let it rest"
            if self._running.reps[name] and each.f - each.zero.zero > LOADED:
                return f"the {name} cable is loaded; put the handle down"
        for name in names:
            self._sides[name].tare()
        return None

    def _select(self, fields: dict[str, Any]) -> str | None:
        if not self._running.empty:
            self._close()
        exercise = self.settings.exercise
        if "exercise" in fields and fields["exercise"] != exercise.name:
            exercise = msgspec.structs.replace(exercise, name=fields["exercise"])
        self.settings = msgspec.structs.replace(
            self.settings,
            exercise=exercise,
            load_kg=fields.get("load_kg", self.settings.load_kg),
            person=fields.get("person", self.settings.person),
        )
        return None

    # -- faults

    def _raise_fault(self, name: str, side: SideName | None, severity: str, detail: str) -> None:
        if (name, side) in self._faults:
            return
        self._faults[name, side] = detail
        if not self._running.empty:
            self._running.flag(name)
        self._make.add(Fault, self._running.number, name=name, side=side, severity=severity, raised=True, detail=detail)

    def _clear_fault(self, name: str, side: SideName | None, detail: str) -> None:
        if self._faults.pop((name, side), None) is not None:
            self._make.add(
                Fault, self._running.number, name=name, side=side, severity="info", raised=False, detail=detail
            )

    def _saturation(self, name: SideName, side: Side, t: float) -> None:
        if side.saturated.touch(t - 0.1, t + 0.1):
            self._saturated_at[name] = t
            self._raise_fault(
                "saturated", name, "warning", f"the {name} load cell is at the end of its range; forces are not shown"
            )
        elif t - self._saturated_at.get(name, t) > 1.0:
            del self._saturated_at[name]
            self._clear_fault("saturated", name, f"the {name} load cell is in its range again")

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
    def ts(self) -> int:
        """The station's time in integer milliseconds."""
        return self._make.ts

    def view(self, name: SideName) -> SideView | None:
        """What is known of a side, None where there is none."""
        side = self._sides.get(name)
        if side is None:
            return None
        channels = [each.calibration for each in (side.force, side.position) if each is not None]
        ids = [each.id for each in channels if each.id is not None]
        dates = [each.date for each in channels if each.date is not None]
        return SideView(
            round(side.hz, 1) if side.hz is not None else None, ",".join(ids) or None, min(dates, default=None)
        )

    def state(self) -> State:
        """Where the station stands now."""
        last, running = self._last_set, self._running
        show = running if not running.empty or last is None else None
        left, right = self._sides.get("left"), self._sides.get("right")
        quiet = max((side.motion_end for side in self._sides.values()), default=-1e9)
        return State(
            ts=self._make.ts,
            phase_left=left.phase if left is not None else None,
            phase_right=right.phase if right is not None else None,
            session=self._make.identity.session,
            set=running.number,
            exercise=self.exercise.name,
            load_kg=self.settings.load_kg,
            person=self.settings.person,
            left_reps=None if left is None else len(show.reps["left"]) if show else last.left_reps if last else 0,
            right_reps=None if right is None else len(show.reps["right"]) if show else last.right_reps if last else 0,
            target=self.exercise.target_reps,
            shape=running.shape() or (last.shape if last is not None else None),
            index=self.exercise.index,
            asymmetry_pct=last.asymmetry_pct if last is not None else None,
            asymmetry_low_pct=last.asymmetry_low_pct if last is not None else None,
            asymmetry_high_pct=last.asymmetry_high_pct if last is not None else None,
            verdict=last.verdict if last is not None else None,
            verdict_reason=last.verdict_reason if last is not None else None,
            resting_s=round(float(self._now - quiet), 1) if self._now is not None and quiet > -1e8 else None,
            quality=",".join(sorted({name for name, _ in self._faults})) or "ok",
        )

    def telemetry(self) -> Telemetry:
        """The cables as they are now."""
        values: dict[str, Any] = {}
        for name, side in self._sides.items():
            heard = self._now is not None and self._now - self._last_sample.get(name, -1e9) < SILENT_AFTER
            if heard:
                values[f"force_{name}_n"] = round(side.f - side.zero.zero, 2) if side.f is not None else None
                values[f"position_{name}_m"] = round(side.x, 4) if side.x is not None else None
                values[f"velocity_{name}_m_per_s"] = round(side.velocity, 3) if side.velocity is not None else None
                values[f"phase_{name}"] = side.phase
        return Telemetry(ts=self._make.ts, **values)
