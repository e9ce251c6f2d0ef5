"""The steps of a calibration: read it empty, read it under what is known, with advice until it stands still."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from math import hypot
from typing import Final

from controller import calibration_file
from controller.calibration_file import CalibratedStation, Kind
from controller.conversation import Conversation
from controller.core.calibration_fit import (
    G_UNCERTAINTY_PCT,
    LEAST_LOADS,
    Fit,
    G,
    Point,
    UnsoundError,
    fit_drum,
    fit_pull,
)
from controller.core.diagnostic import RAILS
from controller.core.steady import BLOCK, BLOCKS, Reading, Steadiness
from controller.live_station import LiveChannel, LiveStation
from protocols.events import Side

CHANGED: Final = 10.0  # standard deviations of a sample that make another reading
WANDERING_N: Final = 0.2  # N that never matter
LEAST_CHANGE_N: Final = 2.0  # N by the board's scale; a hand that brushes the cable gives less
HAND: Final = 0.004  # of a pull; so still a hand holds a handle, 2 mm of half a metre
PATIENCE: Final = 6.0  # s before there is advice
GIVEN_UP: Final = 600.0  # s; masses have to be fetched
MOST_KG: Final = 1000.0


class CalibrateError(Exception):
    """It was not done; one line that says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to be calibrated, and against what. Uncertainties are standard ones."""

    side: Side
    kind: Kind = "force"
    masses_kg: tuple[float, ...] = ()  # in the order in which they are hung; empty: they are asked for
    mass_uncertainty_pct: float = 0.5
    g: float | None = None  # m/s^2, of the place
    pull_m: float | None = None
    pull_uncertainty_m: float = 0.002
    drum_m: float | None = None  # diameter at the middle of the cable
    drum_uncertainty_m: float = 0.0002
    counts_per_turn: float | None = None

    @property
    def load_uncertainty_pct(self) -> float:
        """Of the masses' weight."""
        return hypot(self.mass_uncertainty_pct, G_UNCERTAINTY_PCT if self.g is None else 0.0)


@dataclass(frozen=True, slots=True)
class _Settled:
    """A steady reading, and what the channels beside it showed meanwhile, N as their boards have it."""

    reading: Reading
    nominal: float
    others: dict[str, float]

    def point(self, load: float) -> Point:
        return Point(
            load=load,
            counts=self.reading.mean,
            error=self.reading.error,
            deviation=self.reading.deviation,
            nominal=self.nominal,
            others=self.others,
        )


class Guide:
    """One channel's steps."""

    def __init__(self, live: LiveStation, channel: LiveChannel, beside: list[LiveChannel], talk: Conversation) -> None:
        self._live, self._channel, self._beside, self._talk = live, channel, beside, talk
        self._side = channel.wire.side

    async def force(self, wish: Wish, *, usual_kg: float | None) -> list[Point]:
        """Readings under known masses at the handle, one after the other."""
        talk, side = self._talk, self._side
        talk.say(f"Take everything off the {side} handle and let it hang or rest without any pull.")
        if not wish.masses_kg:
            await talk.ask("Enter when it is empty:")
        empty = await self._settle("empty")
        points = [empty.point(0.0)]
        talk.say(f"  empty: {empty.reading.mean:.1f} counts, noise {empty.reading.deviation:.1f}")
        half = f"{usual_kg / 2.0:g} kg, half of load_kg" if usual_kg is not None else "half of what is lifted here"
        talk.say(
            f"Now hang known masses on the {side} handle, one after the other, nothing on the other one: at least two, "
            f"the largest at least {half}. The same ones again on the way down show whether the cable rubs."
        )
        g = wish.g if wish.g is not None else G
        planned = list(wish.masses_kg)
        while True:
            if wish.masses_kg:
                if not planned:
                    break
                kg = planned.pop(0)
                talk.say(f"Hang {kg:g} kg on the {side} handle." if kg else f"Take everything off the {side} handle.")
            else:
                asked = await self._ask_kg(points)
                if asked is None:
                    break
                kg = asked
            load = kg * g
            same = load == points[-1].load
            settled = await self._settle(f"{kg:g} kg", zero=points[0].counts, before=None if same else points[-1])
            points.append(settled.point(load))
            talk.say(f"  {kg:g} kg: {settled.reading.mean:.1f} counts, noise {settled.reading.deviation:.1f}")
        largest = max(point.load for point in points) / g
        if usual_kg is not None and largest < usual_kg / 2.0:
            talk.say(f"  {largest:g} kg is under half of load_kg, {usual_kg:g} kg: above it the line is not proven")
        return points

    async def _ask_kg(self, points: list[Point]) -> float | None:
        """The next mass in kg, None when there is none to come."""
        while True:
            answer = await self._talk.ask(
                f"kg on the {self._side} handle (undo: the last was wrong; Enter: that was all):"
            )
            if answer is None:
                return None
            if answer == "undo" and len(points) > 1:
                self._talk.say(f"  left out: {points.pop().load:.1f} N")
                continue
            if not answer:
                missing = LEAST_LOADS - len({point.load for point in points})
                if missing <= 0:
                    return None
                self._talk.say(f"  {missing} more {'is' if missing == 1 else 'are'} needed")
                continue
            try:
                kg = float(answer.removesuffix("kg").strip().replace(",", "."))
            except ValueError:
                kg = -1.0
            if 0.0 <= kg <= MOST_KG:
                return kg
            self._talk.say(f"  {answer!r} is no mass; a number in kg, as in 12.5")

    async def position(self, wish: Wish) -> tuple[list[Point], Fit]:
        """A pull at the handle, of a known length where the drum is not known."""
        talk, side = self._talk, self._side
        talk.say(f"Let the {side} handle rest at home, all of its cable in.")
        await talk.ask("Enter when it rests:")
        home = await self._settle("home")
        talk.say(f"  home: {home.reading.mean:.1f} counts")
        length = "some 0.3 m" if wish.pull_m is None else f"exactly {wish.pull_m:g} m, along a tape,"
        talk.say(f"Pull the {side} handle out by {length} and hold it there.")
        await talk.ask("Enter when you hold it:")
        out = await self._settle("out", zero=home.reading.mean, before=home.point(0.0), share=HAND)
        talk.say(f"  out: {out.reading.mean:.1f} counts")
        begin = home.point(0.0)
        if wish.pull_m is not None:
            end = out.point(wish.pull_m)
            return [begin, end], fit_pull(begin, end, length_uncertainty=wish.pull_uncertainty_m)
        assert wish.drum_m is not None
        assert wish.counts_per_turn is not None
        fit = fit_drum(
            begin,
            out.point(0.0),
            diameter=wish.drum_m,
            diameter_uncertainty=wish.drum_uncertainty_m,
            counts_per_turn=wish.counts_per_turn,
        )
        fit = replace(fit, span=fit.span * ratio(self._live.config, self._channel))
        moved = (out.reading.mean - home.reading.mean) * fit.span
        talk.say(f"  by the drum that pull was {moved:.3f} m long; if it was not, drum, counts or ratio are wrong")
        return [begin], fit

    async def _settle(
        self, what: str, *, zero: float | None = None, before: Point | None = None, share: float | None = None
    ) -> _Settled:
        """Wait until the reading stands still, and differs from the one before where it must."""
        channel, scale = self._channel, abs(self._channel.info.scale)
        is_force = channel.wire.kind == "force"
        floor = WANDERING_N / scale if is_force else 2.0
        own = Steadiness(zero=zero, floor=floor, share=share)
        beside = [(each, Steadiness()) for each in self._beside]
        begun = changed = time.monotonic()
        railed = -1e9
        self._live.forget()
        with self._talk.waiting() as tell:
            while (now := time.monotonic()) - begun < GIVEN_UP:
                key, block = await self._live.block(channel.key.board)
                for other, steadiness in beside:
                    if other.key == key:
                        for t, row in zip(block.times, block.rows, strict=True):
                            steadiness.step(t, row[other.wire.column])
                if channel.key != key:
                    continue
                for t, row in zip(block.times, block.rows, strict=True):
                    counts = row[channel.wire.column]
                    own.step(t, counts)
                    if counts in RAILS or channel.saturated(block):
                        railed = t
                reading, level = own.reading, own.level
                if level is None:
                    continue
                least = max(CHANGED * own.deviation, LEAST_CHANGE_N / scale if is_force else 20.0)
                waits = before is not None and abs(level - before.counts) < least
                changed = now if waits else changed
                others = {each.name: each.nominal(s.level) for each, s in beside if s.level is not None}
                if reading is None or waits:
                    waited = now - begun if waits else now - changed
                    tell(f"{what}: {self._advice(waited, before if waits else None, others)}", own.share)
                    continue
                if railed > block.times[-1] - BLOCKS * BLOCK:
                    raise UnsoundError(f"{channel.name} is at the end of its range; hang less on it, or see its wiring")
                return _Settled(reading, channel.nominal(reading.mean), others)
        raise CalibrateError(f"{channel.name}: the reading has not changed and stood still for {GIVEN_UP:g} s")

    def _advice(self, waited: float, before: Point | None, others: dict[str, float]) -> str:
        """What to do while a reading is not there yet; before: the one from which it does not differ."""
        if before is None:
            if waited > PATIENCE:
                return "still swinging: steady it with a hand, then let go"
            return "waits until it stands still"
        if waited < PATIENCE:
            return "waits for the reading to change"
        moved = [name for name, now in others.items() if abs(now - before.others.get(name, now)) > LEAST_CHANGE_N]
        if moved and self._channel.wire.kind == "force":
            return f"it is {moved[0]} that changed: is it the other cable, or are the two mixed up?"
        return f"the reading did not change: {self._where}"

    @property
    def _where(self) -> str:
        if self._channel.wire.kind == "force":
            return "is the mass on this cable?"
        return "does the encoder turn with the cable?"


def ratio(station: CalibratedStation, channel: LiveChannel) -> float:
    """At the handle for one at the sensor, as configured."""
    configured = calibration_file.configured(station, channel.wire.side, channel.wire.kind)
    return configured.ratio if configured is not None else 1.0
