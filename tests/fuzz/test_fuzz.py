"""The fuzzing itself: its good inputs are good, and a decoder that breaks is caught with what broke it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from protocols import cablelink, tindeq
from protocols.neutral_csv import parse_csv
from protocols.recording import RecordDecoder
from tests.fuzz import targets
from tests.fuzz.one import at_random, changed
from tests.fuzz.targets import TARGETS, Target


@pytest.mark.parametrize("name", TARGETS)
def test_good_inputs_and_a_thousand_changes_of_them_are_taken_or_refused(name: str) -> None:
    rng = random.Random(7)
    for seed in TARGETS[name].seeds:
        TARGETS[name].take(seed)
        for _ in range(1000 // len(TARGETS[name].seeds)):
            TARGETS[name].take(changed(seed, rng))


def test_the_good_inputs_reach_what_they_are_meant_for() -> None:
    assert len(parse_csv(TARGETS["neutral-csv"].seeds[0].decode(), name="seed").rows) == 3
    assert len(RecordDecoder().feed(TARGETS["recording"].seeds[0])) == 4
    assert tindeq.Tindeq().feed(TARGETS["tindeq"].seeds[0]) != []
    said = [cablelink.decode(body) for body in TARGETS["cablelink"].seeds]
    assert {type(message) for message in said} == {*cablelink.FROM_BOARD, *cablelink.TO_BOARD}


def test_what_breaks_a_decoder_is_raised_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def take(data: bytes) -> None:
        if b"\xff" in data:
            raise IndexError("an error of another kind")

    monkeypatch.setitem(targets.TARGETS, "framing", Target(take, (bytes(20),)))
    with pytest.raises(IndexError, match="another kind"):
        at_random("framing", 20.0, tmp_path)
    (kept,) = tmp_path.iterdir()
    assert b"\xff" in kept.read_bytes()
