"""Impairments do what they say, as often as they say, the same at each run."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.link import Chunk
from protocols.framing import FrameDecoder, encode
from simulators.impairments import (
    Corrupt,
    Disconnect,
    Duplicate,
    Impairment,
    ImpairmentError,
    Impairments,
    Jitter,
    Loss,
    Reorder,
    parse,
)

SENT = [Chunk(0.01 * k, encode(k.to_bytes(8, "little"))) for k in range(2000)]


def in_pieces(impairment: Impairment, size: int) -> list[Chunk]:
    out = []
    for at in range(0, len(SENT), size):
        out += impairment(SENT[at : at + size])
    return out


@pytest.mark.parametrize("make", [Loss, Duplicate, Corrupt, Reorder])
def test_the_same_seed_strikes_the_same_frames_however_they_are_cut(make: type[Loss]) -> None:
    assert in_pieces(make(0.1, 5), 1) == in_pieces(make(0.1, 5), 37)
    assert in_pieces(make(0.1, 5), 1) != in_pieces(make(0.1, 6), 1)
    assert make(0.0)(SENT) == SENT


def test_loss_takes_frames_away_and_counts_them() -> None:
    loss = Loss(0.05)
    kept = loss(SENT)
    assert len(kept) == len(SENT) - loss.hits
    assert 60 < loss.hits < 140
    assert [chunk for chunk in SENT if chunk in kept] == kept


def test_a_duplicate_follows_its_original() -> None:
    duplicate = Duplicate(0.05)
    out = duplicate(SENT)
    assert len(out) == len(SENT) + duplicate.hits
    assert sorted(set(out), key=lambda chunk: chunk.received_at) == SENT
    assert sum(a == b for a, b in pairwise(out)) == duplicate.hits


def test_each_corrupted_frame_is_damaged_by_one_bit_and_a_decoder_invents_none() -> None:
    corrupt = Corrupt(0.1)
    out = corrupt(SENT)
    flipped = [(a.data, b.data) for a, b in zip(SENT, out, strict=True) if a != b]
    assert len(flipped) == corrupt.hits
    for before, after in flipped:
        bits = int.from_bytes(before, "little") ^ int.from_bytes(after, "little")
        assert bits.bit_count() == 1
    bodies = FrameDecoder().feed(b"".join(chunk.data for chunk in out))
    assert set(bodies) <= {k.to_bytes(8, "little") for k in range(2000)}
    assert len(bodies) >= len(SENT) - 2 * corrupt.hits


def test_a_reordered_frame_changes_places_with_the_next_and_takes_its_time() -> None:
    reorder = Reorder(1.0)
    out = reorder(SENT[:4])
    assert [chunk.data for chunk in out] == [SENT[k].data for k in (1, 0, 3, 2)]
    assert [chunk.received_at for chunk in out] == [SENT[k].received_at for k in (1, 1, 3, 3)]
    assert reorder.hits == 2


@given(st.floats(0.001, 0.5), st.integers(0, 100))
def test_jitter_makes_late_never_early_and_nothing_overtakes(most: float, seed: int) -> None:
    out = Jitter(most, seed)(SENT[:200])
    times = [chunk.received_at for chunk in out]
    assert times == sorted(times)
    assert all(b - a.received_at >= 0.0 for a, b in zip(SENT, times, strict=False))
    assert times[-1] <= SENT[199].received_at + most
    assert [chunk.data for chunk in out] == [chunk.data for chunk in SENT[:200]]


def test_a_disconnection_loses_what_was_sent_meanwhile() -> None:
    cut = Disconnect(5.0, 2.0)
    out = cut(SENT)
    assert cut.hits == 200
    assert len(out) == len(SENT) - 200
    assert cut.down(5.5)
    assert not cut.down(4.9)
    assert not cut.down(7.01)


def test_one_after_the_other_the_first_is_nearest_to_the_board() -> None:
    loss, duplicate = Loss(0.1), Duplicate(1.0)
    out = Impairments((loss, duplicate))(SENT)
    assert len(out) == 2 * (len(SENT) - loss.hits)


def test_texts_become_impairments_and_sensor_faults() -> None:
    over, faults = parse(["loss=0.01", "jitter=0.02", "disconnect=20:3", "stuck=left_force_n:10:2"], seed=4)
    assert [type(each) for each in over.each] == [Loss, Jitter, Disconnect]
    assert len(faults) == 1


@pytest.mark.parametrize(
    "text",
    [
        "loss",
        "loss=2",
        "loss=x",
        "loss=nan",
        "jitter=inf",
        "disconnect=nan:1",
        "fog=1",
        "stuck=left:1:2",
        "saturate=left_position_m:1:2",
        "disconnect=1",
        "=",
        "",
    ],
)
def test_a_wrong_text_is_refused_with_what_there_is(text: str) -> None:
    with pytest.raises(ImpairmentError, match="loss=SHARE"):
        parse([text])


def test_every_defect_of_a_sensor_can_be_asked_for_by_its_name() -> None:
    texts = (
        "stuck=left_position_m:10:2", "saturate=left_force_n:10:2", "clip=left_force_n:250",
        "spike=left_force_n:10:400", "unplugged=left_force_n:10:60", "drift=right_force_n:30:-25",
        "reversed=right_position_m", "slip=left_position_m:10:0.03", "chatter=left_position_m:10:1", "swapped",
    )  # fmt: skip
    _, faults = parse(texts)
    assert len(faults) == len(texts)


@pytest.mark.parametrize(
    "text",
    [
        "spike=left_force_n:1:nan",
        "drift=left_force_n:1:inf",
        "slip=left_force_n:1:1",
        "drift=left_force_n:1",
        "clip=left_force_n:1:2",
        "reversed=up",
        "swapped=left",
    ],
)
def test_a_defect_of_the_wrong_channel_or_form_is_refused(text: str) -> None:
    with pytest.raises(ImpairmentError, match="there are"):
        parse([text])


def test_a_hush_is_silence_on_a_link_that_stays_up() -> None:
    impairments, _ = parse(["gap=5:0.4"])
    kept = impairments(SENT)
    assert [chunk for chunk in SENT if not 5.0 <= chunk.received_at < 5.4] == kept
    assert not impairments.down(5.2)
