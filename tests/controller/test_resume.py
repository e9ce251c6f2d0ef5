"""A session that a kill has cut goes on as it was, or is closed aloud; its recording says the same either way."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest

from controller import catching_up, checkpoint, resume
from controller.catching_up import StoppedError
from controller.pipeline import Pipeline
from controller.replay import events_of
from controller.resume import Start
from protocols.events import AnyEvent, Session, SetSummary, from_json
from protocols.recording import MAGIC, VERSION, Dropped, Ended, Input, RecordDecoder, Tick, encode, ending
from tests.controller.inputs import ANCHOR, header, log
from tests.controller.lives import (
    BACK,
    KILLED,
    ONE,
    going_on,
    killed,
    lived,
    our_header,
    recorder,
    start_again,
    two_lives,
)


def replay(file: Path) -> list[bytes]:
    return [line for _, events in events_of(file) for line in log(events)]


def events(lines: list[bytes]) -> list[AnyEvent]:
    return [from_json(line) for line in lines]


def the_set(lines: list[bytes]) -> SetSummary:
    [summary] = [event for event in events(lines) if isinstance(event, SetSummary)]
    return summary


def test_a_session_goes_on_in_its_set_and_its_recording_says_all_of_it(tmp_path: Path) -> None:
    file, before = killed(tmp_path)
    begun, said = start_again(tmp_path)
    assert log(begun.events) == before
    assert begun.said_up_to == len(before)
    assert "goes on after" in said[0]
    after = going_on(tmp_path, begun, two_lives()[1])
    assert replay(file) == before + after
    assert [event.seq for event in events(before + after)] == list(range(1, len(before + after) + 1))
    summary = the_set(after)
    assert (summary.set, summary.left_reps, summary.right_reps) == (1, 4, 4)
    assert "interrupted" not in summary.flags
    assert len(list(tmp_path.iterdir())) == 1


def test_half_a_record_is_cut_off_before_more_is_written(tmp_path: Path) -> None:
    file, _ = killed(tmp_path)
    begun, _ = start_again(tmp_path)
    going_on(tmp_path, begun, two_lives()[1])
    decoder = RecordDecoder()
    decoder.feed(file.read_bytes())
    assert (decoder.damage, decoder.left_over) == (None, 0)


def test_two_kills_in_one_set_lose_no_rep_and_no_number(tmp_path: Path) -> None:
    file, before = killed(tmp_path)
    begun, _ = start_again(tmp_path)
    later = two_lives()[1]
    half = [each for each in later if each.received_at < ANCHOR + BACK + 4.0]
    between = going_on(tmp_path, begun, half, ends=False)
    begun, _ = start_again(tmp_path, after=BACK - KILLED + 4.0)
    assert log(begun.events) == before + between
    end = going_on(tmp_path, begun, [Tick(received_at=ANCHOR + 20.0), Tick(received_at=ANCHOR + 90.0)])
    assert replay(file) == before + between + end
    assert [event.seq for event in events(replay(file))] == list(range(1, len(replay(file)) + 1))


@pytest.mark.parametrize("gap", [5.0, 9.0, 17.0])
def test_the_gap_of_a_set_stands_still_over_the_absence(tmp_path: Path, gap: float) -> None:
    """8 s of rest end a set; of a silence they do not."""
    killed(tmp_path)
    begun, _ = start_again(tmp_path, after=gap)
    said = going_on(tmp_path, begun, [Tick(received_at=ANCHOR + KILLED + gap + k) for k in range(10)], ends=False)
    assert not [event for event in events(said) if isinstance(event, SetSummary)]
    assert "no_samples" in [getattr(event, "name", "") for event in events(said)]


def test_a_set_that_nobody_comes_back_to_closes_interrupted_after_a_minute(tmp_path: Path) -> None:
    file, before = killed(tmp_path)
    begun, _ = start_again(tmp_path, after=40.0)
    ticks: list[Input] = [Tick(received_at=ANCHOR + KILLED + 40.0 + k) for k in range(30)]
    said = going_on(tmp_path, begun, ticks, ends=False)
    assert "interrupted" in the_set(said).flags.split(",")
    assert 60.0 <= the_set(said).ts / 1000.0 - 1_700_000_000.0 - KILLED < 62.0
    assert replay(file)[: len(before + said)] == before + said


@pytest.mark.parametrize("at", [0.3, 4.0, 10.9])
def test_a_state_that_was_kept_changes_no_byte(tmp_path: Path, at: float) -> None:
    file, before = killed(tmp_path)
    begun, _ = start_again(tmp_path)
    played = going_on(tmp_path, begun, two_lives()[1], ends=False)
    shutil.rmtree(tmp_path)

    file, _ = killed(tmp_path)
    first = [each for each in two_lives()[0] if each.received_at < ANCHOR + at]
    pipeline = Pipeline(our_header())
    for record in first:
        pipeline.feed(record)
    kept = pipeline.events()
    size = len(MAGIC) + len(encode(our_header())) + sum(len(encode(record)) for record in first)
    checkpoint.write(
        checkpoint.frozen(pipeline, kept, now=ANCHOR + at), file, name=our_header().recording, part=1, at=size
    )
    assert checkpoint.read(file) is not None
    begun, _ = start_again(tmp_path)
    assert log(begun.events) == before
    assert going_on(tmp_path, begun, two_lives()[1], ends=False) == played


def test_a_state_that_is_not_whole_or_not_ours_alone_is_not_read(tmp_path: Path) -> None:
    file, before = killed(tmp_path)
    checkpoint.write(checkpoint.frozen(Pipeline(our_header()), [], now=0.0), file, name="x", part=1, at=8)
    state = file.with_suffix(".state")
    assert checkpoint.read(file) is not None
    state.chmod(0o666)
    assert checkpoint.read(file) is None
    state.chmod(0o600)
    data = bytearray(state.read_bytes())
    data[-1] ^= 1
    for wrong in (bytes(data), data[:-3], data[:20], b""):
        state.write_bytes(wrong)
        assert checkpoint.read(file) is None
        assert log(start_again(tmp_path)[0].events) == before


def test_a_session_of_long_ago_is_closed_as_interrupted_in_its_recording_too(tmp_path: Path) -> None:
    file, before = killed(tmp_path)
    begun, [line] = start_again(tmp_path, after=601.0)
    assert "601 s ago" in line
    assert begun.going_on is None
    assert log(begun.events)[: len(before)] == before
    assert begun.said_up_to == len(before)
    [*_, last] = begun.events
    assert isinstance(last, Session)
    assert last.state == "interrupted"
    assert "interrupted" in the_set(log(begun.events)).flags.split(",")
    assert (begun.next_seq, replay(file)) == (last.seq + 1, log(begun.events))
    assert ending(file) is not None
    assert start_again(tmp_path) == (Start(next_seq=last.seq + 1), [])


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"settings": b"{}"}, "the configuration has changed"),
        ({"software": "9.9"}, "recorded by version test"),
        ({"after": -100.0}, "started anew"),
    ],
)
def test_a_session_of_another_configuration_or_boot_is_closed(
    tmp_path: Path, changes: dict[str, Any], why: str
) -> None:
    file, _ = killed(tmp_path)
    begun, [line] = start_again(tmp_path, **changes)
    assert why in line
    assert begun.going_on is None
    assert replay(file) == log(begun.events)


def test_a_session_of_another_boot_is_closed(tmp_path: Path) -> None:
    killed(tmp_path, our_header(boot="another"))
    begun, [line] = start_again(tmp_path)
    assert "started anew" in line
    assert isinstance(begun.events[-1], Session)


def test_what_was_not_recorded_whole_is_not_said_again(tmp_path: Path) -> None:
    """Its replay may say something else under the ids of what was said."""
    head = our_header()
    with recorder(tmp_path, head) as made:
        lived(made, Pipeline(head), two_lives()[0], ends=False)
        made.put(Dropped(received_at=ANCHOR + KILLED, bytes=700))
    begun, [line] = start_again(tmp_path)
    assert "700 bytes" in line
    assert (begun.going_on, begun.events) == (None, ())
    assert begun.next_seq > 1


def test_a_state_ahead_of_its_recording_is_not_used(tmp_path: Path) -> None:
    """After a power cut the disk may hold a state whose recording it had not yet taken."""
    file, before = killed(tmp_path)
    pipeline = Pipeline(our_header())
    for record in two_lives()[0]:
        pipeline.feed(record)
    kept = checkpoint.frozen(pipeline, pipeline.events(), now=ANCHOR + KILLED)
    size = file.stat().st_size
    checkpoint.write(kept, file, name=our_header().recording, part=1, at=size + 1)
    begun, _ = start_again(tmp_path, after=601.0)
    assert log(begun.events)[: len(before)] == before
    assert replay(file) == log(begun.events)
    decoder = RecordDecoder()
    decoder.feed(file.read_bytes())
    assert (decoder.damage, decoder.left_over) == (None, 0)


def test_a_recording_that_takes_long_to_play_says_how_far_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catching_up, "SAY_AFTER", 0.0)
    monkeypatch.setattr(catching_up, "SAY_EVERY", 0.0)
    monkeypatch.setattr(resume, "BLOCK", 4096)
    file, _ = killed(tmp_path)
    _, said = start_again(tmp_path)
    *lines, last = said
    assert "goes on" in last
    assert all(line.startswith(f"rack: plays {file.name} (0.1 MB)") for line in lines)
    shares = [int(line.partition("stands: ")[2].partition("%")[0]) for line in lines]
    assert shares == sorted(shares)
    assert len(shares) == -(-file.stat().st_size // 4096)
    assert shares[-1] == 100
    assert "about 0 s more" in lines[-1]


def test_a_recording_is_played_no_further_when_the_gateway_ends(tmp_path: Path) -> None:
    killed(tmp_path)
    stop = threading.Event()
    stop.set()
    with pytest.raises(StoppedError):
        start_again(tmp_path, stop=stop)


# -- where a station's numbers go on


def ended(folder: Path) -> int:
    """A whole session; the number of its last event."""
    head = our_header()
    with recorder(folder, head) as made:
        return len(lived(made, Pipeline(head), two_lives()[0], ends=True))


def test_numbers_go_on_after_a_session_that_ended(tmp_path: Path) -> None:
    count = ended(tmp_path)
    assert start_again(tmp_path) == (Start(next_seq=count + 1), [])
    assert start_again(tmp_path, station="other")[0] == Start()
    assert start_again(tmp_path / "absent")[0] == Start()


def test_a_station_does_not_count_the_recordings_of_one_with_a_longer_name(tmp_path: Path) -> None:
    ended(tmp_path)
    [file] = tmp_path.iterdir()
    file.rename(file.with_name(file.name.replace("-rack-", "-squat-rack-")))
    assert start_again(tmp_path)[0] == Start()


def test_a_last_recording_that_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    count = ended(tmp_path)
    (tmp_path / "20990101T000000Z-rack-ffffffff.cablerec").write_bytes(MAGIC + b"\1\2\3")
    (tmp_path / "20990102T000000Z-rack-ffffffff.cablerec").write_bytes(b"")
    later = msgspec.structs.replace(header(ONE), version=VERSION + 1)
    (tmp_path / "20990103T000000Z-rack-ffffffff.cablerec").write_bytes(MAGIC + encode(later))
    begun, said = start_again(tmp_path)
    assert begun.next_seq == count + 1
    assert [line.split()[1][:8] for line in said] == ["20990103", "20990102", "20990101"]
    assert "update it" in said[0]


def test_numbers_go_on_after_a_recording_of_version_1_which_is_never_resumed(tmp_path: Path) -> None:
    head = header(ONE)
    head = msgspec.structs.replace(head, version=1)
    with recorder(tmp_path, head) as made:
        lived(made, Pipeline(head), two_lives()[0], ends=False)
    whole = replay(made.path)
    assert events(whole)[-1] == msgspec.structs.replace(events(whole)[-1], state="ended")
    assert start_again(tmp_path) == (Start(next_seq=len(whole) + 1), [])


def test_the_last_words_of_a_session_are_said_again_until_the_outputs_have_them(tmp_path: Path) -> None:
    head = our_header()
    with recorder(tmp_path, head) as made:
        pipeline = Pipeline(head)
        before = lived(made, pipeline, two_lives()[0], ends=False)
        made.keep_state(checkpoint.frozen(pipeline, events(before), now=ANCHOR + KILLED))
        pipeline.finish()
        last = log(pipeline.events())
        made.put(Ended(received_at=ANCHOR + KILLED, next_seq=pipeline.station.next_numbers[0]))
    begun, _ = start_again(tmp_path)
    assert log(begun.events) == before + last
    assert begun.said_up_to == len(before + last)
    assert start_again(tmp_path)[0].events == ()
    assert start_again(tmp_path)[0].next_seq == begun.next_seq == len(before + last) + 1


@pytest.mark.parametrize("ends", [False, True], ids=["killed", "ended"])
def test_the_last_session_is_known_though_the_clock_was_set_back_before_it_began(tmp_path: Path, *, ends: bool) -> None:
    count = ended(tmp_path)
    later = our_header(recording="b" * 32, first_seq=count + 1, unix_anchor=header(ONE).unix_anchor - 1e6)
    with recorder(tmp_path, later) as made:
        more = lived(made, Pipeline(later), two_lives()[0], ends=ends)
    begun, _ = start_again(tmp_path)
    assert begun.next_seq == count + len(more) + 1
    assert (begun.going_on is None) == ends
