"""Two boards with a clock each, 100 ppm apart: how well the lag between the sides is known."""

from __future__ import annotations

from controller.matching import Standing
from simulators.gym import two_boards
from simulators.impairments import Impairments, Jitter, Loss
from simulators.scenarios import SCENARIOS, Session
from tests.controller.inputs import ANCHOR, heard, played, station, together

PPM = (50.0, -50.0)
RATE_HZ = 80
LAGS = (0.0, 0.06, -0.1)  # s that the right side starts later


LOST = 0.005  # of the frames, in every second session


def loses(number: int) -> bool:
    """Whether a session's lines lose frames."""
    return number % 2 == 1


def lags(number: int, *, seed: int, sets: int) -> list[tuple[float, float]]:
    """Found and true lag of each pair, ms, of one session over lines that delay frames, some also lose them."""
    session = Session(
        SCENARIOS["iso_lateral_row"].but(
            rate_hz=float(RATE_HZ), reps=8, sets=sets, seed=seed + number, lag_s=LAGS[number % len(LAGS)]
        )
    )
    until = session.duration + 1.0
    inputs = []
    for k, (name, board) in enumerate(
        zip(("left", "right"), two_boards(session, now=ANCHOR - 5.0, ppm=PPM), strict=True)
    ):
        worse = Impairments(
            (Loss(LOST if loses(number) else 0.0, seed=10 * number + k), Jitter(0.02, seed=10 * number + k))
        )
        inputs.append(heard(name, board, until=until, rate_hz=RATE_HZ, batch=4, impairments=worse))
    standing = Standing.of(played(station("left", "right"), together(*inputs, until=until)))
    true = {(s.number, rep.side, rep.number): rep for s in session.truth.sets for rep in s.reps}
    reps = {rep.id: rep for rep in standing.reps}
    found = []
    for pair in standing.pairs:
        left, right = reps[pair.left_rep], reps[pair.right_rep]
        a, b = true.get((pair.set, "left", left.rep)), true.get((pair.set, "right", right.rep))
        if pair.lag_ms is not None and a is not None and b is not None:
            found.append((pair.lag_ms, 1000.0 * (b.t_start - a.t_start)))
    return found
