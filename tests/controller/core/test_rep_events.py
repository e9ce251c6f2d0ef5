"""What a rep's event says of its measures: every null has a word, every flag its cost, every time its place."""

from __future__ import annotations

from dataclasses import fields as fields_of
from datetime import datetime
from typing import Any, Literal

import pytest

from controller.core.announcement import Announcement
from controller.core.event_maker import EventMaker, reasons_text, rep_fields, rounded
from controller.core.rep_metrics import Measures
from controller.core.settings import ChannelCalibration, CoreSettings, Exercise, Identity
from controller.core.side import Side
from protocols.events import Fault, Rep, Session

ANCHOR = 1_770_000_000.0  # s, Unix
FORCES = (
    "mean_force_n", "peak_force_n", "eccentric_mean_force_n", "eccentric_peak_force_n",
    "work_concentric_j", "work_eccentric_j", "mean_power_w", "peak_power_w",
)  # fmt: skip
UNITS = ("", "_m", "_m_per_s", "_n", "_j", "_w", "_ns", "_n_per_s", "_s")
NAMES = {
    measure.name: key
    for measure in fields_of(Measures)
    for key in Rep.__struct_fields__
    if measure.default is None and not key.startswith("t_") and key in {measure.name + unit for unit in UNITS}
}


def cable(*, force: ChannelCalibration | None = None, position: ChannelCalibration | None = None) -> Side:
    side = Side(Exercise())
    side.calibrate(force=force, position=position, track_zero=True)
    return side


def both(date: str | None = None, other: str | None = None) -> Side:
    return cable(
        force=ChannelCalibration(id="cell", date=date), position=ChannelCalibration(id="encoder", date=other or date)
    )


def said(
    status: Literal["provisional", "final"] = "final", *, turn: float = 14.0, partial: bool = False,
    flags: tuple[str, ...] = (), hold: float | None = None, **values: Any,
) -> Announcement:  # fmt: skip
    measures = Measures(t_start=10.0, t_top=11.0, t_lower=11.5, t_end=14.0, t_lowered=13.5, rom=0.5)
    for name, value in values.items():
        setattr(measures, name, value)
    return Announcement(status, turn, measures, partial, list(flags), hold)


def fields(
    announcement: Announcement, side: Side | None = None, *, now: float = 14.1, before: float | None = None,
    anchor: float = 0.0,
) -> dict[str, Any]:  # fmt: skip
    return rep_fields(announcement, side or both(), now=now, before=before, anchor=anchor, algorithm="7")


def reasons(values: dict[str, Any]) -> dict[str, str]:
    return dict(each.split("=") for each in values["reasons"].split(",") if each)


def test_every_measure_that_is_told_in_a_rep_has_its_unit() -> None:
    assert len(NAMES) == 19
    assert NAMES["rfd"] == "rfd_n_per_s"


@pytest.mark.parametrize(("name", "key"), NAMES.items())
def test_each_measure_has_its_place_and_six_decimals(name: str, key: str) -> None:
    announcement = said()
    setattr(announcement.measures, name, 0.12345678)
    values = fields(announcement)
    assert values[key] == 0.123457
    assert key not in reasons(values)


def test_what_is_no_number_is_null() -> None:
    assert rounded(None) is None
    assert rounded(float("nan")) is None
    assert rounded(1.23456789, 3) == 1.235
    assert rounded(1.23456789) == 1.234568


def test_reasons_are_field_and_word() -> None:
    assert reasons_text({"rom_m": "gap", "sparc": "rate"}) == "rom_m=gap,sparc=rate"


def test_times_are_the_stations_and_durations_are_between_them() -> None:
    values = fields(said(hold=0.5), before=8.5, anchor=ANCHOR)
    assert (values["t_start"], values["t_top"], values["t_end"]) == (ANCHOR + 10.0, ANCHOR + 11.0, ANCHOR + 14.0)
    assert (values["concentric_s"], values["top_s"], values["eccentric_s"]) == (1.0, 0.5, 2.0)
    assert (values["bottom_s"], values["hold_s"]) == (1.5, 0.5)


def test_a_provisional_rep_says_of_its_way_back_that_it_is_to_come() -> None:
    values = fields(said("provisional", turn=11.0, hold=0.5))
    for name in ("t_end", "top_s", "eccentric_s", "hold_s", "eccentric_mean_velocity_m_per_s"):
        assert values[name] is None
        assert reasons(values)[name] == "provisional"
    assert values["concentric_s"] == 1.0


def test_the_first_rep_has_no_rest_before_it_and_one_that_begins_before_the_last_ended_none_either() -> None:
    assert reasons(fields(said()))["bottom_s"] == "first"
    early = fields(said(), before=10.2)
    assert early["bottom_s"] is None
    assert reasons(early)["bottom_s"] == "overlap"
    at_once = fields(said(), before=10.0)
    assert at_once["bottom_s"] == 0.0
    assert "bottom_s" not in reasons(at_once)


def test_where_the_way_back_came_first_there_is_no_top() -> None:
    values = fields(said(t_lower=7.0, t_lowered=9.5, t_end=11.0))
    assert values["top_s"] is None
    assert values["eccentric_s"] == 2.5


def squatting(**values: Any) -> tuple[Side, dict[str, Any]]:
    """A cable that is lowered first, and the times of a rep on it: down from 7 to 9.5 s, up from 10 to 11 s."""
    side = Side(Exercise(starts_with="eccentric"))
    side.calibrate(force=ChannelCalibration(id="cell"), position=ChannelCalibration(id="encoder"), track_zero=True)
    return side, {"t_lower": 7.0, "t_lowered": 9.5, "t_end": 11.0, "reasons": {"hold_s": "ends_at_top"}} | values


def test_a_rep_that_is_lowered_first_stands_at_the_top_before_it_and_at_the_bottom_within_it() -> None:
    side, times = squatting()
    values = fields(said(**times), side, before=6.25)
    assert (values["top_s"], values["eccentric_s"], values["bottom_s"], values["concentric_s"]) == (0.75, 2.5, 0.5, 1.0)
    assert values["hold_s"] is None
    assert reasons(values)["hold_s"] == "ends_at_top"
    first = fields(said(**times), side)
    assert (first["top_s"], first["bottom_s"]) == (None, 0.5)
    assert reasons(first)["top_s"] == "first"
    assert reasons(fields(said(**times), side, before=7.5))["top_s"] == "overlap"


def test_at_its_top_a_rep_that_is_lowered_first_does_not_know_yet_how_it_was_lowered() -> None:
    side, times = squatting(t_lower=None, t_lowered=None, t_end=None)
    values = fields(said("provisional", turn=11.0, **times), side, before=6.25)
    for name in ("top_s", "eccentric_s", "bottom_s"):
        assert values[name] is None
        assert reasons(values)[name] == "provisional"


def test_the_fall_of_a_handle_that_was_let_go_is_no_eccentric() -> None:
    values = fields(said(flags=("let_go",)))
    assert values["eccentric_s"] is None
    assert reasons(values)["eccentric_s"] == "let_go"
    assert values["t_end"] == 14.0


def test_a_turn_without_a_stand_has_a_top_of_nothing() -> None:
    assert fields(said(t_lower=11.0))["top_s"] == 0.0


def test_an_effort_has_no_phases_of_a_motion() -> None:
    values = fields(said(rom=None, hold=3.0), cable(force=ChannelCalibration(id="cell")))
    for name in ("rom_m", "concentric_s", "top_s", "eccentric_s"):
        assert values[name] is None
        assert reasons(values)[name] == "no_position"
    assert values["hold_s"] == 3.0


def test_without_a_cell_what_needs_the_force_says_so() -> None:
    values = fields(said(), cable(position=ChannelCalibration(id="encoder")))
    for name in FORCES:
        assert reasons(values)[name] == "no_force"
    assert reasons(values)["sparc"] == "unknown"


def test_with_both_channels_a_null_that_nobody_explained_is_unknown() -> None:
    assert reasons(fields(said()))["mean_force_n"] == "unknown"


def test_a_measures_own_reason_stands_before_any_other_and_only_where_it_is_null() -> None:
    values = fields(said(reasons={"rom": "gap", "rfd": "rate", "sparc": "short"}, rfd=None, sparc=None))
    assert reasons(values)["rfd_n_per_s"] == "rate"
    assert reasons(values)["sparc"] == "short"
    assert "rom_m" not in reasons(values)


def test_every_null_has_exactly_one_word() -> None:
    bare = cable(force=ChannelCalibration(), position=ChannelCalibration())
    for announcement in (said(), said("provisional"), said(rom=None)):
        for side in (both(), bare):
            values = fields(announcement, side)
            words = reasons(values)
            assert {name for name, value in values.items() if value is None} == set(words)
            assert values["reasons"].count("=") == len(words)


def test_latency_is_from_the_dated_turn_to_now() -> None:
    assert fields(said(turn=14.0), now=14.1234)["latency_ms"] == 123.4


def test_a_rep_carries_where_it_comes_from() -> None:
    side = both()
    side.firmware = "1.2.3"
    side.cable.positions.period.seconds = 1.0 / 79.96
    values = fields(said(partial=True), side)
    assert (values["firmware"], values["calibration"], values["algorithm"]) == ("1.2.3", "cell,encoder", "7")
    assert values["sample_hz"] == 80.0
    assert values["partial"] is True


@pytest.mark.parametrize(
    ("side", "flagged", "name"),
    [
        (both(), False, "cell,encoder"),
        (cable(force=ChannelCalibration(id="cell"), position=ChannelCalibration()), True, "cell"),
        (cable(force=ChannelCalibration(), position=ChannelCalibration()), True, None),
        (cable(position=ChannelCalibration(id="encoder")), False, "encoder"),
        (Side(Exercise()), False, None),
    ],
)
def test_a_channel_that_nobody_calibrated_flags_the_rep(side: Side, flagged: bool, name: str | None) -> None:  # noqa: FBT001
    values = fields(said(), side)
    assert ("uncalibrated" in values["flags"].split(",")) == flagged
    assert values["calibration"] == name


@pytest.mark.parametrize(
    ("zero", "known", "flagged"), [(1.1, True, True), (-1.1, True, True), (1.0, True, False), (9.0, False, False)]
)
def test_a_zero_of_more_than_a_newton_flags_the_rep(zero: float, known: bool, flagged: bool) -> None:  # noqa: FBT001
    side = both()
    side.cable.zero.zero, side.cable.zero.known = zero, known
    assert (fields(said(), side)["flags"] == "zero_tracked") == flagged


def test_flags_are_named_once_and_in_order() -> None:
    side = both()
    side.cable.unreferenced = True
    assert fields(said(flags=("gap", "cut_off", "gap")), side)["flags"] == "gap,cut_off,unreferenced"


@pytest.mark.parametrize(
    ("status", "flags", "partial", "confidence"),
    [
        ("final", (), False, 1.0),
        ("provisional", (), False, 0.8),
        ("final", ("gap",), False, 0.8),
        ("final", ("cut_off",), False, 0.7),
        ("final", ("let_go",), False, 0.9),
        ("final", ("unreferenced",), False, 0.9),
        ("final", ("saturated",), False, 0.95),
        ("final", (), True, 0.9),
        ("final", ("zero_tracked",), False, 1.0),  # touches no count
        ("provisional", ("gap", "cut_off", "let_go", "unreferenced"), True, 0.1),
    ],
)
def test_confidence_is_less_for_each_flag_that_touches_the_count(
    status: Literal["provisional", "final"], flags: tuple[str, ...], partial: bool, confidence: float  # noqa: FBT001
) -> None:  # fmt: skip
    assert fields(said(status, flags=flags, partial=partial))["confidence"] == confidence


def test_a_calibration_is_as_old_as_the_oldest_channels() -> None:
    old, new = "2026-01-01T00:00:00+01:00", "2026-01-31T00:00:00"  # without a zone it is UTC
    age = ANCHOR + 14.0 - datetime.fromisoformat(old).timestamp()
    assert fields(said(), both(old, new), now=14.0, anchor=ANCHOR)["calibration_age_s"] == age
    assert fields(said(), both(new, old), now=14.0, anchor=ANCHOR)["calibration_age_s"] == age
    zoned = ANCHOR + 14.0 - datetime.fromisoformat(new + "+00:00").timestamp()
    assert fields(said(), both(new), now=14.0, anchor=ANCHOR)["calibration_age_s"] == zoned


@pytest.mark.parametrize(
    ("date", "anchor", "word"),
    [
        (None, ANCHOR, "undated"),
        ("last spring", ANCHOR, "undated"),
        ("2026-01-01T00:00:00+00:00", 0.0, "no_clock"),
    ],
)
def test_without_a_date_or_a_clock_there_is_no_age(date: str | None, anchor: float, word: str) -> None:
    values = fields(said(), both(date), anchor=anchor)
    assert values["calibration_age_s"] is None
    assert reasons(values)["calibration_age_s"] == word
    assert "calibration" not in reasons(values)


def test_a_side_that_nobody_calibrated_says_so_for_its_calibration_and_its_age() -> None:
    bare = fields(said(), cable(force=ChannelCalibration(), position=ChannelCalibration()), anchor=ANCHOR)
    assert reasons(bare)["calibration"] == reasons(bare)["calibration_age_s"] == "uncalibrated"
    half = ChannelCalibration(id="cell", date="2026-01-01T00:00:00")
    values = fields(said(), cable(force=half, position=ChannelCalibration()), anchor=ANCHOR)
    assert values["calibration"] == "cell"
    assert reasons(values)["calibration_age_s"] == "uncalibrated"


def maker(**identity: Any) -> EventMaker:
    named = Identity(recording="recording", session="monday", **identity)
    return EventMaker(CoreSettings(station="press"), named, algorithm="7")


def test_events_are_numbered_from_the_first_and_handed_out_once() -> None:
    make = maker(first_seq=5, unix_anchor=ANCHOR)
    make.now = 1.2345
    first = make.add(Session, 3, state="started", person="ann")
    second = make.add(Fault, 3, name="no_samples", side="left", severity="warning", raised=True, detail="")
    assert (first.seq, second.seq) == (5, 6)
    assert (first.station, first.session, first.set, first.person) == ("press", "monday", 3, "ann")
    assert first.ts == 1_770_000_001_234
    assert first.id != second.id
    assert make.drain() == [first, second]
    assert make.drain() == []


def test_an_event_made_again_changes_what_is_told_and_its_id() -> None:
    make = maker()
    rep = make.add(Rep, 2, side="left", rep=3, status="final", rom_m=0.5, flags="gap")
    make.now = 4.0
    again = make.again(rep, rep=2, replaces=rep.id)
    assert (again.rep, again.replaces, again.set, again.rom_m, again.flags) == (2, rep.id, 2, 0.5, "gap")
    assert (again.seq, again.ts) == (2, 4000)
    assert again.id != rep.id
    assert make.drain() == [rep, again]


def test_the_same_recording_gives_the_same_ids() -> None:
    ids = {maker().add(Session, 1, state="started", person=None).id for _ in range(2)}
    assert len(ids) == 1
