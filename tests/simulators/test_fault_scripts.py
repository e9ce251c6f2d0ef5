"""Scripts of faults: each of the library does what it says to any board, and a wrong one says where it is wrong."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

from firmware_bridge.link import Chunk
from simulators.fault_scripts import During, library, load
from simulators.gym import session_board, twin
from simulators.impairments import ImpairmentError, Loss
from simulators.scenarios import SCENARIOS, Session
from simulators.virtual_board import World
from tests.simulators.wire import start

BEGAN = 1.0  # s, host time at which the world of these boards begins


@cache
def session() -> Session:
    return Session(SCENARIOS["iso_lateral_row"].but(reps=3))


def test_there_are_a_dozen_and_each_says_what_it_is_about() -> None:
    assert len(library()) >= 12
    for name in library():
        assert load(name).about.endswith(".")


@pytest.mark.parametrize("name", library())
def test_each_fault_of_each_script_strikes_a_board_of_ours(name: str) -> None:
    script = load(name)
    world = World()
    faults = script.sensor_faults()
    device = session_board(session(), faults=faults, world=world, restarts=script.restarts)
    boots = {device.boot_id}
    impairments = script.impairments(world)
    chunks = []
    for k in range(1, 91):  # told to start again and again, as a controller does with a board that has restarted
        chunks += impairments(device.chunks(0.5 * k))
        device.receive(start(k))
        boots.add(device.boot_id)
    assert all(each.hits > 0 for each in impairments.each)
    assert all(getattr(fault, "hits", 0) > 0 for fault in faults)
    assert len(boots) == 1 + len(script.restarts)
    assert all(a.received_at <= b.received_at for a, b in pairwise(chunks))


@pytest.mark.parametrize("driver", ["tindeq", "chronojump-encoder", "ascii-line"])
def test_the_same_script_strikes_a_board_of_any_other_kind(driver: str) -> None:
    script = load("unplugged_in_a_set")
    world = World()
    device = twin(driver, session(), world=world, side="left")
    world.began = BEGAN
    device.chunks(BEGAN)
    device.receive(b"\x65")
    chunks = [c for k in range(300) for c in script.impairments(world)(device.chunks(BEGAN + 0.1 * k))]
    assert [c for c in chunks if 9.0 < c.received_at - BEGAN < 10.0]
    assert not [c for c in chunks if 10.0 <= c.received_at - BEGAN < 14.0]
    assert [c for c in chunks if 14.0 < c.received_at - BEGAN < 15.0]


def test_a_fault_strikes_in_its_time_only() -> None:
    world = World(began=100.0)
    loss = During(Loss(1.0), 12.0, 3.0, world)
    out = loss([Chunk(100.0 + 0.5 * k, b"x") for k in range(60)])
    gone = [a.received_at for a, b in pairwise(out) if b.received_at - a.received_at > 0.6]
    assert gone == [111.5]
    assert loss.hits == 6


def test_nothing_happens_before_the_board_is_told_to_start() -> None:
    loss = During(Loss(1.0), 0.0, 100.0, World())
    chunks = [Chunk(1.0, b"x")]
    assert loss(chunks) == chunks


WRONG = [
    ("about = 'x'", "fault"),
    ("about = 'x'\n[[fault]]\nat = 1\nkind = 'fog'\nlasts = 1", "there is no kind 'fog'; there are loss"),
    ("about = 'x'\n[[fault]]\nat = 1\nkind = 'loss'\nlasts = 1", "fault[0]: loss needs share"),
    ("about = 'x'\n[[fault]]\nat = 1\nkind = 'loss'\nshare = 2\nlasts = 1", "share"),
    ("about = 'x'\n[[fault]]\nat = 1\nkind = 'loss'\nshare = 0.5", "loss needs to last"),
    ("about = 'x'\n[[fault]]\nat = 1\nkind = 'unplug'\nlasts = 1\nshare = 0.1", "unplug knows no share"),
    ("about = 'x'\n[[fault]]\nat = 1\nkind = 'stuck'\nlasts = 1\nchannel = 'nose'", "nose is no channel"),
    ("about = 'x'\n[[fault]]\nat = 1\nkind = 'restart'\nfor = 1", "unknown field `for`"),
    ("about = ", "Invalid value"),
]


@pytest.mark.parametrize(("text", "words"), WRONG)
def test_a_wrong_script_says_where_it_is_wrong(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ImpairmentError) as error:
        load(str(path))
    assert words in str(error.value)
    assert str(path) in str(error.value)


def test_a_script_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(ImpairmentError, match="bad_half_minute, brown_out"):
        load("good_half_minute")
