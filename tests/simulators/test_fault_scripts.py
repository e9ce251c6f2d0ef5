"""Scripts of faults: each of the library does what it says to any board, and a wrong one says where it is wrong."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from firmware_bridge.drivers import BoardConfig, LineConfig, make_driver
from firmware_bridge.link import Chunk
from firmware_bridge.messages import SampleBlock
from simulators.fault_scripts import During, library, load
from simulators.gym import session_board, twin
from simulators.impairments import ImpairmentError, Loss
from simulators.scenarios import SCENARIOS, Session
from simulators.sensor_faults import SENSOR_FAULTS, settings
from simulators.sensors import Sensor
from simulators.twin import Twin
from simulators.virtual_board import VirtualBoard, World
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
    device = session_board(session(), faults=faults, world=world, restarts=script.restarts, paces=script.paces)
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


@pytest.mark.parametrize("name", list(SENSOR_FAULTS))
def test_every_defect_of_a_sensor_can_stand_in_a_script_with_all_that_it_may_be_told(name: str, tmp_path: Path) -> None:
    channels, made = SENSOR_FAULTS[name]
    must, may = settings(made)
    told = "".join(f"{each} = 3\n" for each in dict.fromkeys(["at", *must, *may]))
    path = tmp_path / "one.toml"
    path.write_text(f'about = "x"\n[[fault]]\nkind = "{name}"\nchannel = "{channels[0]}"\n{told}', encoding="utf-8")
    (fault,) = load(str(path)).sensor_faults()
    assert isinstance(fault, made)
    assert {getattr(fault, each) for each in (*must, *may)} == {3}


@pytest.mark.parametrize("name", list(SENSOR_FAULTS))
@pytest.mark.parametrize("cut", [1, 7, 64])
def test_a_defect_is_the_same_however_the_samples_are_cut(name: str, cut: int) -> None:
    channels, made = SENSOR_FAULTS[name]
    must, _ = settings(made)
    told = {"at": 1.0, "lasts": 2.0, "by": 5.0, "limit": 100.0}
    times = np.arange(500) / 100.0
    sensor = Sensor(channels[0], session().scenario.sensors, 1)
    counts = sensor.counts(session().values(channels[0], times + 3.0))
    whole, cutting = (made(channels[0], **{each: told[each] for each in must}) for _ in range(2))
    parts = [cutting(sensor, times[k : k + cut], counts[k : k + cut]) for k in range(0, 500, cut)]
    assert np.concatenate(parts).tolist() == whole(sensor, times, counts).tolist() != counts.tolist()
    assert cutting.hits == whole.hits > 0


@pytest.mark.parametrize("driver", ["cablelink", "tindeq", "chronojump-encoder", "ascii-line"])
def test_a_board_samples_at_another_rate_for_a_while_and_loses_nothing(driver: str) -> None:
    paces = [(4.0, 0.5), (8.0, 1.0)]
    world = World(began=BEGAN)
    config = BoardConfig(
        id="b",
        url="ble://AA:BB:CC:DD:EE:FF" if driver == "tindeq" else "tcp://127.0.0.1:1",
        driver=driver,
        line=LineConfig(columns=["time_us", "left_force_n"]) if driver == "ascii-line" else None,
    )
    device: VirtualBoard | Twin
    if driver == "cablelink":
        device = session_board(session(), world=world, paces=paces)
    else:
        device = twin(driver, session(), world=world, rate_hz=100.0)
        device.paces.extend(paces)
    reader = make_driver(config).reader
    reader.link_up()
    for chunk in device.chunks(BEGAN):
        reader.feed(chunk)
    device.receive(start(1) if driver == "cablelink" else b"\x65")
    counts = [0] * 12
    for k in range(1, 121):
        for chunk in device.chunks(BEGAN + 0.1 * k):
            for message in reader.feed(chunk):
                if isinstance(message, SampleBlock):
                    counts[min(int(chunk.received_at - BEGAN), 11)] += len(message.rows)
    usual = counts[2]
    assert usual >= 75
    assert counts[3] == pytest.approx(usual, rel=0.06)
    assert counts[5:7] == pytest.approx([usual / 2] * 2, rel=0.06)
    assert counts[9:11] == pytest.approx([usual] * 2, rel=0.06)


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
    ("about = 'x'\n[[fault]]\nat = 1\nkind = 'drift'\nchannel = 'left_force_n'", "fault[0]: drift needs by"),
    (
        "about = 'x'\n[[fault]]\nat = 1\nkind = 'slip'\nchannel = 'left_force_n'\nby = 1",
        "left_force_n is no channel that can be slip; there are left_position_m",
    ),
    ("about = 'x'\n[[fault]]\nat = 1\nkind = 'rate_change'\nlasts = 1", "rate_change needs factor"),
    ("about = 'x'\n[[fault]]\nat = nan\nkind = 'restart'", "at"),
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
