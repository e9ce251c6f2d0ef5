"""What every command of the simulator can be asked, written once."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, cast, get_args, get_type_hints

from typer import BadParameter, Option

from protocols.events import SIDES, Shape, Side
from simulators import fault_scripts
from simulators.holds import parse_holds
from simulators.scenarios import SCENARIOS, Scenario

Link = Literal["a stream", "the air"]

DRIVERS: Final[dict[Link, tuple[str, ...]]] = {
    "a stream": ("cablelink", "chronojump-force", "chronojump-four", "chronojump-encoder", "ascii-line"),
    "the air": ("cablelink", "tindeq"),
}
"""What boards speak over a serial line or TCP, and over Bluetooth LE."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The options that all commands share."""

    scenario: Annotated[str, Option(help=f"One of: {', '.join(SCENARIOS)}.")] = "iso_lateral_row"
    csv: Annotated[Path | None, Option(help="Serve this recording (neutral CSV) instead of a scenario, once.")] = None
    side: Annotated[str | None, Option(help="left or right: a board with that cable alone.")] = None
    two_boards: Annotated[bool, Option("--two-boards", help="A board for each cable, with a clock of its own.")] = False
    shape: Annotated[
        str | None, Option(help="together, alternating, left_only, right_only or sequential; several: a,b.")
    ] = None
    sets: Annotated[int, Option(min=1, help="Sets in the session.")] = 1
    reps: Annotated[int | None, Option(min=1, help="Reps of a set (a side).")] = None
    rate: Annotated[int, Option(min=1, max=4000, help="Samples a second that the board offers, Hz.")] = 100
    ratio: Annotated[float, Option(min=0.1, max=10.0, help="Strength, right over left.")] = 1.0
    lag: Annotated[float | None, Option(help="How much later the right side starts, s.")] = None
    rest: Annotated[float, Option(min=0.0, help="Rest between sets, s.")] = 12.0
    seed: Annotated[int, Option(min=0, help="The same seed gives the same session.")] = 1
    ppm: Annotated[float, Option(help="How much too fast the board's clock runs, ppm.")] = 0.0
    impair: Annotated[
        list[str] | None,
        Option(
            help="What goes wrong; may be given several times: loss=0.01 duplicate=0.01 corrupt=0.001 reorder=0.01 "
            "jitter=0.02 disconnect=20:3 gap=20:0.4 stuck=left_force_n:10:2 saturate=left_force_n:10:2 "
            "clip=left_force_n:250 unplugged=left_force_n:10:60 drift=left_force_n:30:25 spike=left_force_n:10:400 "
            "reversed=left_force_n slip=left_position_m:10:0.03 chatter=left_position_m:10:1 swapped"
        ),
    ] = None
    script: Annotated[
        str | None, Option(help=f"A timeline of faults, by its path or one of: {', '.join(fault_scripts.library())}.")
    ] = None
    driver: Annotated[
        str,
        Option(
            help=f"What the board speaks, of {', '.join(DRIVERS['a stream'])}; over Bluetooth LE of "
            f"{', '.join(DRIVERS['the air'])}. With --two-boards maybe LEFT,RIGHT."
        ),
    ] = "cablelink"
    hold: Annotated[
        str | None, Option(help="Masses that hang on the handles, or lengths they are out, instead of sets.")
    ] = None
    hold_s: Annotated[float, Option(min=0.5, help="Each of them for so long, s.")] = 6.0
    hold_on: Annotated[str | None, Option(help="left or right: on that cable alone.")] = None
    force_gain: Annotated[float, Option(help="What the load cells say over what is so.")] = 1.0
    position_gain: Annotated[float, Option(help="The same of the encoders; negative: they count the other way.")] = 1.0
    truth: Annotated[Path | None, Option(help="Write what really happens to this file, as JSON.")] = None
    once: Annotated[bool, Option("--once/--loop", help="End after the session, or play it over and over.")] = False

    @property
    def sides(self) -> list[Side | None]:
        """Whose cables each board reads, None: both. Raises BadParameter."""
        one = _side(self.side)
        if one is not None and self.two_boards:
            raise BadParameter("--side is one board, --two-boards is two; take one of them")
        return list(SIDES) if self.two_boards else [one]

    @property
    def drivers(self) -> list[str]:
        """What each board speaks. Raises BadParameter."""
        names = self.driver.split(",") if self.two_boards else [self.driver]
        if len(names) == 1:
            names *= len(self.sides)
        if len(names) != len(self.sides):
            raise BadParameter(f"--driver {self.driver} names {len(names)} boards, and there are {len(self.sides)}")
        return names

    def played(self) -> Scenario:
        """The scenario as it is asked for. Raises BadParameter."""
        if self.scenario not in SCENARIOS:
            raise BadParameter(f"no scenario {self.scenario!r}; there are {', '.join(SCENARIOS)}")
        on = _side(self.hold_on)
        try:
            holds = parse_holds(self.hold) if self.hold is not None else ()
        except ValueError as wrong:
            raise BadParameter(str(wrong)) from None
        chosen = SCENARIOS[self.scenario].but(
            sets=self.sets,
            rate_hz=float(self.rate),
            ratio=self.ratio,
            rest_s=self.rest,
            seed=self.seed,
            holds=holds,
            hold_s=self.hold_s,
            hold_on=SIDES if on is None else (on,),
            force_gain=self.force_gain,
            position_gain=self.position_gain,
        )
        if self.reps is not None:
            chosen = chosen.but(reps=self.reps)
        if self.lag is not None:
            chosen = chosen.but(lag_s=self.lag)
        if self.shape is not None:
            chosen = chosen.but(shapes=_shapes(self.shape))
        if not self.once:  # the rest between the last set and the first is like the others
            chosen = chosen.but(tail_s=max(self.rest - chosen.lead_s, 0.0))
        return chosen


def _side(text: str | None) -> Side | None:
    if text not in (None, "left", "right"):
        raise BadParameter(f"a side is left or right, not {text!r}")
    return cast("Side | None", text)


def _shapes(text: str) -> tuple[Shape, ...]:
    shapes = tuple(text.split(","))
    wrong = [each for each in shapes if each not in get_args(Shape)]
    if wrong:
        raise BadParameter(f"no shape {wrong[0]!r}; there are {', '.join(get_args(Shape))}")
    return cast("tuple[Shape, ...]", shapes)


def asking(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose first argument is an Asked, as one that has all those options besides its own."""
    hints = get_type_hints(Asked, include_extras=True)
    shared = [
        inspect.Parameter(each.name, inspect.Parameter.KEYWORD_ONLY, default=each.default, annotation=hints[each.name])
        for each in dataclasses.fields(Asked)
    ]
    names = {each.name for each in shared}

    def asked(**options: Any) -> None:
        own = {name: value for name, value in options.items() if name not in names}
        command(Asked(**{name: value for name, value in options.items() if name in names}), **own)

    _, *own = inspect.signature(command, eval_str=True).parameters.values()
    parameters = [*(each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own), *shared]
    asked.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    asked.__annotations__ = {each.name: each.annotation for each in parameters}
    asked.__doc__ = command.__doc__
    return asked
