"""The book of the running set: what is entered, and what is struck out."""

from __future__ import annotations

from controller.core.announcement import Announcement
from controller.core.event_maker import EventMaker
from controller.core.rep_book import RepBook
from controller.core.rep_metrics import Measures
from controller.core.settings import CoreSettings, Exercise, Identity
from controller.core.side import Side
from protocols.events import Pair
from protocols.events import Side as SideName


def book() -> tuple[RepBook, EventMaker]:
    make = EventMaker(CoreSettings(), Identity(recording="r", session="s"), algorithm="1")
    return RepBook(make, Exercise(), number=1), make


def final(t_start: float) -> Announcement:
    """A rep of one second out and one back."""
    measures = Measures(t_start=t_start, t_top=t_start + 1.0, t_lower=t_start + 1.0, t_end=t_start + 2.0, rom=0.5)
    return Announcement("final", t_start + 2.0, measures, hold=0.0)


def test_pairs_that_were_none_are_taken_back_in_the_order_of_their_reps() -> None:
    alone, both = 7, 6
    page, make = book()
    side = Side(Exercise())
    starts: dict[SideName, range] = {"left": range(alone + both), "right": range(alone, 2 * alone + both)}
    for k in range(2 * alone + both):
        for name, those in starts.items():
            if k in those:
                page.enter(name, side, final(3.0 * k))
    made = [event.id for event in make.drain() if isinstance(event, Pair)]
    assert len(made) == both
    assert page.running.shape() == "sequential"
    page.settle_pairs("sequential")
    assert [event.retracts for event in make.drain() if isinstance(event, Pair) and event.retracts] == made


def test_a_rep_that_is_announced_again_takes_its_pair_back_with_the_new_one() -> None:
    page, make = book()
    sides: dict[SideName, Side] = {"left": Side(Exercise()), "right": Side(Exercise())}
    for name, side in sides.items():
        page.enter(name, side, final(0.0))
    (pair,) = [event for event in make.drain() if isinstance(event, Pair)]
    page.retract("right", 1)
    (gone,) = [event for event in make.drain() if isinstance(event, Pair)]
    assert (gone.retracts, gone.left_rep, gone.right_rep) == (pair.id, pair.left_rep, pair.right_rep)
    page.enter("right", sides["right"], final(0.0))
    (again,) = [event for event in make.drain() if isinstance(event, Pair)]
    assert (again.retracts, again.shape) == (None, "together")
    assert again.right_rep != pair.right_rep
