"""The watch over one cable's sensors: every sample goes by, and what cannot be is marked.

The checks say what; here it gets its name, its stretch of time, and what to do about it. `{side}` in a detail is the
side's name.
"""

from __future__ import annotations

from typing import Final

from controller.core.channel_watch import Rate, Steps, StuckForce
from controller.core.encoder_checks import MOVES, STANDS, Inward, Stops, Swings
from controller.core.force_checks import Sign, Unloaded, ZeroShift
from controller.core.rep_metrics import Measures
from controller.core.sensor_truth import Marks, Spoils
from controller.core.settings import Exercise

AT_STOP: Final = 6.0  # N; under it, or under a tenth of the usual force, the stack is down

HANGS_ON: Final = 0.4  # of a stroke's mean force; a stack weighs so much at the top too, a flywheel nothing


class CableWatch:
    """Forces in N, positions in m, times in s of stream time. What is found goes into `marks`."""

    def __init__(self, exercise: Exercise, marks: Marks) -> None:
        self._exercise = exercise
        self.marks = marks
        self.between_sets = True
        self._zero = ZeroShift()
        self._reset()

    def _reset(self) -> None:
        self._rates = {"position": Rate(), "force": Rate()}
        self._steps, self._stuck, self._swings = Steps(), StuckForce(), Swings()
        self._sign, self._inward, self._stops, self._unloaded = Sign(), Inward(), Stops(), Unloaded()
        self._x: float | None = None
        self._v = 0.0
        self._noise = 0.0  # N, of the load cell
        self._swings_at = 0.0  # m, where the cable stands while it is pulled

    def restart(self, t: float) -> None:
        """The board restarted: nothing learned of its channels holds."""
        for name in ("stuck", "wrong_sign", "force_without_motion", "motion_without_force", "implausible_rate"):
            self.marks.end(name, t, "the {side} board began afresh")
        self._reset()

    @property
    def usual(self) -> float | None:
        """Mean force of the session's loaded reps, N."""
        return self._zero.usual

    # -- each channel by itself

    def sampled(self, channel: str, t: float) -> None:
        """A sample of `position` or `force` came."""
        rate = self._rates[channel]
        wrong, since = rate.step(t)
        if wrong:
            self.marks.begin(
                "implausible_rate", since, spoils="timing",
                detail=f"the {{side}} {channel} comes with {rate.why}; times and velocities are not shown",
            )  # fmt: skip
        elif self.marks.lasts("implausible_rate") and not any(each.why for each in self._rates.values()):
            self.marks.end("implausible_rate", t, "the {side} sample rate can be believed again")

    def gap(self, channel: str, t0: float, t1: float) -> None:
        """Nothing came from a channel between two times."""
        spoils: Spoils = "both" if channel == "position" else "force"
        self.marks.see(
            "gap", t0, t1, spoils=spoils,
            detail=f"no {{side}} {channel} for {1000.0 * (t1 - t0):.0f} ms; nothing is measured across it",
        )  # fmt: skip

    def leapt(self, channel: str, taken_out: list[tuple[float, float]], t: float) -> None:
        """Samples were left out because they leap away and come back."""
        (first, value), count = taken_out[0], len(taken_out)
        what = "one sample" if count == 1 else f"{count} samples"
        self.marks.see(
            "spike", first - 1e-6, t, spoils="nothing",
            detail=f"{what} of the {{side}} {channel} leapt to {value:.4g} and back and was left out; look for a loose "
            "contact",
        )  # fmt: skip

    def railed(self, t0: float, t1: float) -> None:
        """The load cell stood at the end of its range."""
        self.marks.see(
            "saturated", t0 - 1e-6, t1, spoils="force",
            detail="the {side} load cell is at the end of its range; forces are not shown",
        )  # fmt: skip

    # -- both together

    def position(self, t: float, x: float, velocity: float, *, noise: float, quantum: float) -> None:
        """Take a position and the live velocity."""
        self._x, self._v = x, velocity
        found = self._steps.step(t, x, noise=noise, quantum=quantum)
        if found is not None:
            name, t0, t1, size = found
            how = f"stepped by {1000.0 * size:+.0f} mm" if name == "encoder_slip" else "jumps to and fro"
            self.marks.see(
                name, t0 - 1e-6, t1, spoils="motion",
                detail=f"the {{side}} position {how}, faster than anything moves; look at the encoder's coupling",
            )  # fmt: skip
        self._stuck.moved(x)
        self._stops.moved(x)
        if self.marks.lasts("force_without_motion") and abs(x - self._swings_at) > MOVES:
            self.marks.end("force_without_motion", t, "the {side} position moves again")

    def force(self, t: float, force: float, *, zero: float, at_rail: bool, noise: float, noise_m: float) -> None:
        """Take a force, before its zero is taken off, and that zero; noise of the force in N, and of the position."""
        self._noise = noise
        stuck_since = self._stuck.step(t, force, at_rail=at_rail)
        if stuck_since is not None:
            self.marks.begin(
                "stuck", stuck_since, spoils="force",
                detail=f"the {{side}} load cell says {force:.4g} and nothing else; check its wiring",
            )  # fmt: skip
        else:
            self.marks.end("stuck", t, "the {side} load cell moves again")
        if self._x is None:
            pushed, pulled = self._sign.alone(t, force)
            if pushed is not None:
                self._pulls_negative(pushed)
            elif pulled:
                self.marks.end("wrong_sign", t, "the {side} force is positive under load again")
            return
        self._inward.step(self._x, self._v, force - zero)
        swings = self._swings.step(t, force - zero, self._x, stands=max(STANDS, 8.0 * noise_m), noise=noise)
        if self.marks.lasts("sides_swapped"):
            self.marks.end("force_without_motion", t, "the load cells are swapped")
        elif swings:
            if not self.marks.lasts("force_without_motion"):
                self._swings_at = self._x
            self.marks.begin(
                "force_without_motion", self._swings.since, spoils="both",
                detail="the {side} cable is pulled as in strokes and its position does not move; is the encoder's "
                "cable off?",
            )  # fmt: skip

    # -- rest

    def rests(self, t: float, force: float) -> None:
        """Take a force (its zero not taken off) of a cable that stands where its stack may be down."""
        self._sign.rests(t, force, noise=self._noise)

    def moves(self) -> None:
        """The cable moves or is loaded."""
        self._sign.moves()
        self._zero.moves()

    def is_unloaded(self, over: float) -> bool:
        """Whether a force over zero is that of a cable whose stack is down."""
        return abs(over) < max(AT_STOP, 0.1 * (self.usual or 0.0), 3.0 * self._noise)

    def home(self, t: float, x: float) -> None:
        """The cable stands and nothing pulls it: it is at its stop."""
        self._inward.home(x)
        self._stops.home(t, x)
        found = self._stops.settled(t)
        if found is not None:
            since, shift = found
            self.marks.see(
                "encoder_slip", since, t, spoils="motion",
                detail=f"the {{side}} cable comes home {1000.0 * shift:+.0f} mm from where it did; its encoder lost "
                "count, look at its coupling",
            )  # fmt: skip

    def zero_seen(self, t: float, level: float, *, corrected: bool) -> None:
        """The unloaded level of a rest is known; corrected: it is taken for zero from now on."""
        found = self._zero.rests(
            t, level, quantum=self._stuck.quantum, corrected=corrected, at_home=self._x is not None
        )
        if found is True:
            self.marks.end("zero_drift", t, "the zero of the {side} load cell stayed from one rest to the next")
        elif found:
            since, moved = found
            detail = f"with nothing on it the {{side}} load cell says {moved:+.1f} N more than at the rest before; " + (
                "that is taken off from here on" if corrected else "forces are not shown until it is tared"
            )
            self.marks.see("zero_drift", since, t, spoils="force", detail=detail)
            self.marks.begin("zero_drift", t, spoils="nothing" if corrected else "force", detail=detail)

    def tared(self, t: float, force: float) -> None:
        """Somebody took the force as it is for zero."""
        self._zero.tared(t, force)
        self._sign.tared(force)
        for name in ("zero_drift", "wrong_sign"):
            self.marks.end(name, t, "the {side} load cell was tared")

    # -- strokes

    def topped(self, measures: Measures, *, zero: float) -> None:
        """A stroke out has ended: what its mean force and its place say about signs."""
        if measures.mean_force is None:
            return
        raw = measures.mean_force + zero
        since = self._sign.stroke(measures.t_start, raw)
        if since is not None:
            self._pulls_negative(since)
        elif self._sign.rises(raw):
            self.marks.end("wrong_sign", measures.t_start, "the {side} force is positive under load again")
        if self._exercise.starts_with == "concentric" and self._inward.stroke(
            measures.start_x, least=self._exercise.min_force_n
        ):
            visits = self._stops.visits
            self.marks.begin(
                "wrong_sign", visits[-1].t1 if visits else measures.t_start, spoils="both",
                detail="the {side} cable goes in beyond its stop under load, as its encoder says; turn the sign of the "
                "position's span",
            )  # fmt: skip

    def _pulls_negative(self, since: float) -> None:
        self.marks.begin(
            "wrong_sign", since, spoils="force",
            detail="the {side} force falls when its cable is pulled; turn the sign of its span",
        )  # fmt: skip

    def unloaded(self, measures: Measures) -> None:
        """A whole stroke out and back carried no load."""
        if measures.rom is None or measures.t_end is None:
            return
        since = self._unloaded.stroke(measures.t_start, measures.t_end, measures.rom)
        if since is not None:
            self.marks.begin(
                "motion_without_force", since, spoils="force" if self._unloaded.usual else "nothing",
                detail="the {side} cable makes whole strokes and its load cell feels nothing; is it unplugged, or the "
                "stack's pin out?",
            )  # fmt: skip

    def counted(self, measures: Measures, force: float | None) -> None:
        """A rep was counted; force: its mean, None where there is none to believe."""
        self.between_sets = False
        if force is not None:
            self._zero.rep(force)
            if measures.top_force is not None:
                self._stops.held(load=measures.top_force > HANGS_ON * force)
            self._unloaded.loaded(measures.rom)
            self.marks.end("motion_without_force", measures.t_start, "the {side} load cell feels the load again")
        if measures.rom is not None:
            self._stops.rep(measures.t_start, measures.start_x)

    def new_set(self) -> None:
        """A set has ended."""
        self.between_sets = True
        self._unloaded.in_set = False
