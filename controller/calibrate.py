"""Calibrates one channel of a station that does not run: look at it, guide through the steps, fit, show, keep."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from controller import calibration_file
from controller.calibration_file import CalibratedStation, Entry
from controller.calibration_guide import CalibrateError, Guide, Wish, ratio
from controller.config import ConfigError
from controller.conversation import Conversation
from controller.core.calibration_fit import Fit, Point, UnsoundError, fit_loads
from controller.diagnose import look
from controller.live_station import LiveChannel, opened


async def calibrate(station: CalibratedStation, wish: Wish, *, file: Path, console: Console) -> None:
    """Calibrate a channel of a station whose gateway does not run, and keep the result in a file.

    Raises UnsoundError when it is refused, LiveError, CalibrateError, ConfigError or OSError when it cannot be done.
    """
    talk = Conversation(console)
    async with opened(station) as live:
        channel, others = await live.channel(wish.side, wish.kind)
        guide = Guide(live, channel, [each for each in others if each.wire.kind == wish.kind], talk)
        talk.say(f"{station.id}: {channel.name}, board {channel.key.board}, channel {channel.wire.column}")
        found = await look(live, [channel], talk)
        if found[0].worst == "error":
            raise CalibrateError(f"{channel.name}: mend what the diagnostic shows, then calibrate")
        if wish.kind == "force":
            points = await guide.force(wish, usual_kg=station.load_kg)
            try:
                fit = fit_loads(points, reference_pct=wish.load_uncertainty_pct, what=channel.name)
            except UnsoundError as unsound:
                if unsound.fit is not None:
                    _show(talk, channel, points, unsound.fit)
                raise
        else:
            points, fit = await guide.position(wish)
    _show(talk, channel, points, fit)
    entry = _entry(station, channel, wish, points, fit)
    try:
        entry = calibration_file.add(file, entry)
    except (OSError, ConfigError):
        talk.say(f"it could not be kept; add this to {file} once that is mended:")
        talk.say(calibration_file.render([entry]))
        raise
    talk.say(f"{entry.id} is kept in {file}; the station uses it from its next start on")


def _show(talk: Conversation, channel: LiveChannel, points: Sequence[Point], fit: Fit) -> None:
    """What came out."""
    if fit.residuals:
        full = max(point.load for point in points)
        table = Table("N", "counts", "off the line, N", "% of the largest")
        for point, off in zip(points, fit.residuals, strict=True):
            table.add_row(f"{point.load:.2f}", f"{point.counts:.1f}", f"{off:+.2f}", f"{100.0 * off / full:+.2f}")
        talk.console.print(table, markup=False, highlight=False)
    unit = "N" if channel.wire.kind == "force" else "m"
    talk.say(f"zero {fit.zero:.1f} counts, span {fit.span:.6g} {unit} for one count")
    talk.say(
        f"standard uncertainty of the span {fit.uncertainty_pct:.2f} % "
        f"({fit.fit_pct:.2f} % from the readings, {fit.reference_pct:.2f} % from what they were compared with)"
    )
    if fit.nonlinearity_pct is not None:
        hysteresis = "not looked at" if fit.hysteresis_pct is None else f"{fit.hysteresis_pct:.2f} %"
        talk.say(f"nonlinearity {fit.nonlinearity_pct:.2f} %, hysteresis {hysteresis}")
    before = channel.wire.calibration
    named = before.id if before.id is not None else "what the board states" if before.nominal else "the configuration's"
    turned = ", the other way round" if fit.span * before.span < 0.0 else ""
    talk.say(f"that is {100.0 * (abs(fit.span / before.span) - 1.0):+.2f} % against {named}{turned}")


def _entry(station: CalibratedStation, channel: LiveChannel, wish: Wish, points: Sequence[Point], fit: Fit) -> Entry:
    date = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Entry(
        id=calibration_file.new_id([], side=wish.side, kind=wish.kind, date=date),
        date=date,
        station=station.id,
        side=wish.side,
        channel=wish.kind,
        board=channel.key.board,
        source=channel.key.source,
        number=channel.wire.column,
        uid=channel.wiring.identity.uid,
        ratio=ratio(station, channel),
        zero=fit.zero,
        span=fit.span / ratio(station, channel),
        uncertainty_pct=fit.uncertainty_pct,
        zero_uncertainty=fit.zero_uncertainty,
        residual=fit.residual,
        method="masses" if wish.kind == "force" else "pull" if wish.pull_m is not None else "drum",
        points=[(round(point.load, 6), round(point.counts, 3)) for point in points],
    )
