"""Which sets are simulated: every value of every condition equally often, in combinations drawn from a seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final, Generic, Literal, TypeVar, get_args

from protocols.events import Shape
from protocols.neutral_csv import CHANNELS
from simulators.lifter import Deed, Handling, Oddity
from simulators.profiles import PROFILES
from simulators.scenarios import SCENARIOS, Scenario
from simulators.sensors import FORCE_CHANNELS, POSITION_CHANNELS

T = TypeVar("T")
Channels = Literal["both", "position", "force"]
Noise = Literal["clean", "typical", "poor"]
Clock = Literal["regular", "jitter", "coarse"]
Exercise = Literal["row", "pulldown", "squat", "raise", "hold"]

REPS: Final = 8
NOISE: Final[dict[Noise, dict[str, float]]] = {
    "clean": {"position_noise_m": 0.0, "force_noise_n": 0.0},
    "typical": {"position_noise_m": 0.0005, "force_noise_n": 2.0},
    "poor": {"position_noise_m": 0.0015, "force_noise_n": 5.0},
}
SPEED: Final[dict[str, tuple[float, float]]] = {"slow": (2.2, 3.2), "normal": (1.1, 1.7), "fast": (0.65, 0.95)}
TURNS: Final[dict[str, tuple[float, float]]] = {  # s of standing at the top and at the bottom
    "stands": (0.4, 0.7),
    "turns": (0.0, 0.0),
    "top only": (0.5, 0.0),
    "bottom only": (0.0, 0.8),
}
NAMES: Final[dict[Exercise, str]] = {
    "row": "iso_lateral_row",
    "pulldown": "iso_lateral_pulldown",
    "squat": "back_squat",
    "raise": "prone_diagonal_raise",
    "hold": "isometric_hold",
}
HANDLING: Final[tuple[tuple[Handling, ...], ...]] = (
    (),
    ("take_up",),
    ("walk_out",),
    ("unrack",),
    ("reposition",),
    ("bump",),
    ("bump", "take_up"),
    ("reposition", "walk_out"),
)
DEEDS: Final[tuple[Deed | None, ...]] = (None, None, None, *get_args(Deed))
RATIOS: Final = (0.6, 0.75, 0.88, 0.95, 1.0, 1.05, 1.15, 1.3, 1.4)


@dataclass(frozen=True, slots=True)
class Case:
    """One set, and under which conditions it is done and measured."""

    scenario: Scenario
    exercise: Exercise
    channels: Channels
    noise: Noise
    speed: str
    turns: str
    clock: Clock
    deed: str
    handled: str

    @property
    def told(self) -> str:
        """Enough to make it again."""
        s = self.scenario
        return (
            f"{self.exercise} {s.shapes[0]} {s.rate_hz:g} Hz {self.channels} {self.noise} {self.speed} {self.turns} "
            f"{s.lifter.profile} {self.clock} clock, handling {self.handled}, {self.deed}, ratio {s.lifter.ratio:g}, "
            f"seed {s.seed}"
        )


class Deck(Generic[T]):
    """Cards that are dealt until none is left, then shuffled and dealt again."""

    def __init__(self, random: Random, cards: Sequence[T]) -> None:
        self._random, self._cards = random, list(cards)
        self._left: list[T] = []

    def deal(self) -> T:
        """The next card."""
        if not self._left:
            self._left = self._random.sample(self._cards, len(self._cards))
        return self._left.pop()


def cases(rate_hz: float, count: int, *, seed: int) -> Iterator[Case]:
    """So many sets at one rate."""
    random = Random(f"{seed} at {rate_hz}")
    exercise = Deck[Exercise](random, ("row", "row", "row", "pulldown", "pulldown", "squat", "raise", "hold"))
    shape = Deck[Shape](random, get_args(Shape))
    channels = Deck[Channels](random, ("both", "both", "both", "position"))
    noise = Deck[Noise](random, ("clean", "typical", "typical", "poor"))
    speed, turns = Deck(random, list(SPEED)), Deck(random, list(TURNS))
    clock = Deck[Clock](random, ("regular", "regular", "jitter", "coarse"))
    handling, deed = Deck(random, HANDLING), Deck(random, DEEDS)
    ratio, profile = Deck(random, RATIOS), Deck(random, PROFILES)
    mass, lag = Deck(random, (0.5, 1.0, 1.0, 1.8)), Deck(random, (0.0, 0.0, 0.05, -0.08))
    zero, step = Deck(random, (0.0, 0.0, 25.0, -10.0)), Deck(random, (0.0002, 0.0002, 0.0002, 0.001))
    for k in range(count):
        yield _case(
            rate_hz, seed=seed * 1_000_000 + round(rate_hz) * 1000 + k, exercise=exercise.deal(), shape=shape.deal(),
            channels=channels.deal(), noise=noise.deal(), speed=speed.deal(), turns=turns.deal(), clock=clock.deal(),
            handling=handling.deal(), deed=deed.deal(), at_rep=random.randint(3, REPS), mass=mass.deal(),
            changes={
                "ratio": ratio.deal(), "profile": profile.deal(), "lag_s": lag.deal(), "force_zero_n": zero.deal(),
                "position_step_m": step.deal(),
            },
        )  # fmt: skip


def _case(
    rate_hz: float,
    *,
    seed: int,
    exercise: Exercise,
    shape: Shape,
    channels: Channels,
    noise: Noise,
    speed: str,
    turns: str,
    clock: Clock,
    handling: tuple[Handling, ...],
    deed: Deed | None,
    at_rep: int,
    mass: float,
    changes: dict[str, Any],
) -> Case:
    base = SCENARIOS[NAMES[exercise]]
    if exercise == "hold":  # nothing is moved: with a force channel alone a load that is held is an effort
        handling, deed, channels = (), None, "force"
        changes = {**changes, "profile": "minimum_jerk"}
    if shape == "sequential":  # the other side must begin within the set gap
        long = ("reposition", "walk_out") if TURNS[turns][1] else ("reposition",)
        handling = tuple(each for each in handling if each not in long)
        at_rep = min(at_rep, REPS - 1)
    if exercise == "squat":  # a bar on both sides, out of a rack, lowered first
        shape = "together" if shape in ("alternating", "sequential") else shape
        handling = ("walk_out",) if "walk_out" in handling else ("unrack",)
        deed = None if deed in ("dropped", "let_go", "snatch") else deed
    if exercise == "raise":  # light as it is; half of it would be no load
        shape, mass = "together", max(mass, 1.0)
        changes = {**changes, "lag_s": base.lifter.lag_s}
    if exercise not in ("hold", "raise"):
        changes["concentric_s"], changes["eccentric_s"] = SPEED[speed]
        changes["top_s"], changes["bottom_s"] = TURNS[turns]
    scenario = base.but(
        rate_hz=rate_hz, seed=seed, shape=shape, reps=REPS, handling=handling, tail_s=10.0,
        oddities=(Oddity(deed, at_rep),) if deed is not None else (),
        channels={"both": CHANNELS, "position": POSITION_CHANNELS, "force": FORCE_CHANNELS}[channels],
        clock_jitter=0.3 if clock == "jitter" else 0.0, mass_kg=base.cable.mass_kg * mass, **NOISE[noise], **changes,
    )  # fmt: skip
    own = exercise in ("hold", "raise")
    return Case(
        scenario, exercise, channels, noise, "own" if own else speed, "own" if own else turns, clock,
        deed or "nothing odd", "+".join(handling) or "none",
    )  # fmt: skip
