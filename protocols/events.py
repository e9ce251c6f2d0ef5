"""The one vocabulary from the core to the screen: what a station says, and its JSON.

Every payload is a flat, frozen struct. The JSON key is the field's name, with its unit in it; unknown is null.
An event is made once, by the core, and the same object is recorded, published and shown.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

VERSION = 1  # of every payload; within it fields are only added

Side = Literal["left", "right"]
Shape = Literal["together", "alternating", "left_only", "right_only", "sequential"]
Phase = Literal["rest", "concentric", "top", "eccentric"]
RepStatus = Literal["provisional", "final", "retracted"]
Verdict = Literal["none", "watch", "supported"]
Severity = Literal["info", "warning", "error"]
SIDES: tuple[Side, Side] = ("left", "right")


def field(text: str, unit: str | None = None) -> Meta:
    """Describe a payload field for readers, schemas and tables; unit as in the key, spelled out."""
    return Meta(description=text, extra_json_schema={"unit": unit} if unit else None)


Seconds = Annotated[float | None, field("duration", "s")]
Newtons = Annotated[float | None, field("force at the handle", "N")]
MetresPerSecond = Annotated[float | None, field("velocity of the handle, out is positive", "m/s")]
Joules = Annotated[float | None, field("mechanical work, the integral of F dx", "J")]
Watts = Annotated[float | None, field("mechanical power", "W")]
Percent = Annotated[float | None, field("percent; a difference is positive where the right side is larger", "%")]
Kilograms = Annotated[float | None, field("what the stack is set to", "kg")]
Hertz = Annotated[float | None, field("measured samples of this side a second", "Hz")]
Count = Annotated[int, Meta(ge=0)]
Reps = Annotated[Count | None, field("reps of this side, partial ones too; null where the side is not there")]
Version = Annotated[int, field("version of the payload")]
Time = Annotated[int, field("stream time of the sample that caused it, Unix", "ms")]
PhaseNow = Annotated[Phase | None, field("what this side does")]
Exercise = Annotated[str | None, field("what is trained, as configured or selected")]
Person = Annotated[str | None, field("opaque id")]
Index = Annotated[str, field("which asymmetry index the percentages are")]
Facet = Annotated[str | None, field("which quantity asymmetry_pct compares")]
VerdictOf = Annotated[Verdict | None, field("what the index and its interval say; null: nothing can be said")]
Why = Annotated[str | None, field("the rule behind the verdict, or why there is none")]
Flags = Annotated[str, field("comma-separated quality flags")]
Reasons = Annotated[str, field("comma-separated field=word, one for each null that has a reason")]
Retracts = Annotated[str | None, field("id of the event that this one takes back")]
Name = Annotated[str, field("a word that programs know it by")]
OneSide = Annotated[Side | None, field("which cable; null: both, or neither in particular")]


class Event(Struct, frozen=True, kw_only=True, tag_field="event_type"):
    """What all events carry."""

    v: Version = VERSION
    id: Annotated[str, field("UUID in version 7 layout; the same event always has the same id")]
    ts: Time
    station: Annotated[str, field("id of the station")]
    session: Annotated[str, field("id of the session")]
    set: Annotated[int, field("set in the session, from 1")]
    seq: Annotated[int, field("grows by one over all events of a station")]


class Rep(Event, frozen=True, kw_only=True, tag="rep"):
    """One repetition, or one force-only effort, of one side."""

    side: Annotated[Side, field("which cable")]
    rep: Annotated[int, field("number in the set on this side, from 1")]
    status: Annotated[RepStatus, field("how sure the announcement is: provisional, final, or retracted")]
    replaces: Annotated[str | None, field("id of the announcement that this one replaces")] = None
    retracts: Annotated[str | None, field("id of the announcement that this one takes back")] = None
    partial: Annotated[bool, field("ROM under 60 % of the set's reference, as known at this moment")] = False
    t_start: Annotated[float | None, field("start of the concentric stroke, station time", "s")] = None
    t_top: Annotated[float | None, field("end of the concentric stroke", "s")] = None
    t_end: Annotated[float | None, field("end of the eccentric stroke", "s")] = None
    rom_m: Annotated[float | None, field("range of motion of the concentric stroke", "m")] = None
    concentric_s: Seconds = None
    top_s: Seconds = None
    eccentric_s: Seconds = None
    bottom_s: Annotated[float | None, field("rest before this rep, null for the first", "s")] = None
    mean_velocity_m_per_s: MetresPerSecond = None
    peak_velocity_m_per_s: MetresPerSecond = None
    eccentric_mean_velocity_m_per_s: MetresPerSecond = None
    eccentric_peak_velocity_m_per_s: MetresPerSecond = None
    mean_force_n: Newtons = None
    peak_force_n: Newtons = None
    eccentric_mean_force_n: Newtons = None
    eccentric_peak_force_n: Newtons = None
    work_concentric_j: Joules = None
    work_eccentric_j: Joules = None
    mean_power_w: Watts = None
    peak_power_w: Watts = None
    impulse_ns: Annotated[float | None, field("time integral of force over the concentric stroke", "N s")] = None
    rfd_n_per_s: Annotated[float | None, field("mean rate of force development, 0-200 ms from onset", "N/s")] = None
    time_under_tension_s: Seconds = None
    sparc: Annotated[float | None, field("spectral arc length of the concentric velocity; nearer 0 is smoother")] = None
    ldlj: Annotated[float | None, field("log dimensionless jerk of the concentric stroke; nearer 0 is smoother")] = None
    sticking_point_pct: Annotated[float | None, field("where in the ROM the lift is slowest, its ends aside", "%")] = (
        None
    )
    hold_s: Annotated[float | None, field("hold at the top; of a force-only effort, time over threshold", "s")] = None
    confidence: Annotated[float, field("0 to 1")] = 1.0
    flags: Flags = ""
    reasons: Annotated[str, field("comma-separated field=word, one for each null")] = ""
    latency_ms: Annotated[float | None, field("stream time of this announcement minus the dated turn", "ms")] = None
    firmware: Annotated[str | None, field("version of the board's firmware")] = None
    calibration: Annotated[str | None, field("id of the calibration in force")] = None
    calibration_age_s: Seconds = None
    algorithm: Annotated[str | None, field("version of the measuring core")] = None
    sample_hz: Hertz = None


class Pair(Event, frozen=True, kw_only=True, tag="pair"):
    """A left and a right rep that belong together, and how they differ."""

    shape: Annotated[Shape, field("how the two sides work together")]
    left_rep: Annotated[str, field("id of the left rep")]
    right_rep: Annotated[str, field("id of the right rep")]
    index: Index
    asymmetry_peak_force_pct: Percent = None
    asymmetry_mean_force_pct: Percent = None
    asymmetry_impulse_pct: Percent = None
    asymmetry_work_pct: Percent = None
    asymmetry_rom_pct: Percent = None
    asymmetry_mean_velocity_pct: Percent = None
    asymmetry_concentric_s_pct: Percent = None
    asymmetry_eccentric_peak_force_pct: Percent = None
    asymmetry_eccentric_mean_force_pct: Percent = None
    asymmetry_eccentric_work_pct: Percent = None
    asymmetry_eccentric_mean_velocity_pct: Percent = None
    asymmetry_eccentric_s_pct: Percent = None
    asymmetry_hold_s_pct: Percent = None
    lag_ms: Annotated[float | None, field("t_start right minus left; positive: the right is later", "ms")] = None
    lag_uncertainty_ms: Annotated[float | None, field("standard uncertainty of the lag", "ms")] = None
    reasons: Reasons = ""
    retracts: Retracts = None


class SetSummary(Event, frozen=True, kw_only=True, tag="set"):
    """A finished set."""

    exercise: Exercise = None
    load_kg: Kilograms = None
    person: Person = None
    shape: Annotated[Shape | None, field("how the two sides worked together")] = None
    left_reps: Reps = None
    right_reps: Reps = None
    left_partial_reps: Annotated[Count | None, field("reps under 60 % of the set's reference ROM")] = None
    right_partial_reps: Annotated[Count | None, field("reps under 60 % of the set's reference ROM")] = None
    index: Index = "percent_difference"
    facet: Facet = None
    asymmetry_pct: Annotated[float | None, field("mean of the signed pairs; positive: the right is larger", "%")] = None
    asymmetry_low_pct: Annotated[float | None, field("lower end of the 95 % interval", "%")] = None
    asymmetry_high_pct: Annotated[float | None, field("upper end of the 95 % interval", "%")] = None
    pairs: Annotated[int, field("pairs that the index stands on")] = 0
    verdict: VerdictOf = None
    verdict_reason: Why = None
    velocity_loss_left_pct: Percent = None
    velocity_loss_right_pct: Percent = None
    time_under_tension_s: Seconds = None
    work_j: Joules = None
    volume_kg: Annotated[float | None, field("load times full reps of both sides", "kg")] = None
    kcal_low: Annotated[float | None, field("energy from concentric work at 25 % efficiency", "kcal")] = None
    kcal_high: Annotated[float | None, field("energy from concentric work at 20 % efficiency", "kcal")] = None
    t_start: Annotated[float | None, field("start of the first rep", "s")] = None
    t_end: Annotated[float | None, field("end of the last rep", "s")] = None
    left_mean_force_n: Newtons = None
    right_mean_force_n: Newtons = None
    left_rom_m: Annotated[float | None, field("mean ROM of the full reps", "m")] = None
    right_rom_m: Annotated[float | None, field("mean ROM of the full reps", "m")] = None
    left_mean_velocity_m_per_s: MetresPerSecond = None
    right_mean_velocity_m_per_s: MetresPerSecond = None
    left_work_j: Joules = None
    right_work_j: Joules = None
    flags: Flags = ""
    reasons: Reasons = ""
    retracts: Retracts = None


class Comparison(Event, frozen=True, kw_only=True, tag="comparison"):
    """Two single-side sets of one exercise, compared rep by rep."""

    exercise: Exercise = None
    load_kg: Kilograms = None
    left_set: Annotated[int, field("number of the left side's set")]
    right_set: Annotated[int, field("number of the right side's set")]
    index: Index = "percent_difference"
    facet: Facet = None
    asymmetry_pct: Percent = None
    asymmetry_low_pct: Percent = None
    asymmetry_high_pct: Percent = None
    pairs: Annotated[int, field("pairs that the index stands on")] = 0
    verdict: VerdictOf = None
    verdict_reason: Why = None
    reasons: Reasons = ""
    retracts: Retracts = None


class Session(Event, frozen=True, kw_only=True, tag="session"):
    """A session began, ended or was broken off."""

    state: Annotated[Literal["started", "ended", "interrupted"], field("what became of it")]
    person: Person = None
    sets: Annotated[int | None, field("finished sets")] = None
    left_reps: Reps = None
    right_reps: Reps = None
    work_j: Joules = None


class Cue(Event, frozen=True, kw_only=True, tag="cue"):
    """A hint to the person training."""

    name: Name
    side: OneSide = None
    value: Annotated[float | None, field("what it is about, in the unit of its name")] = None
    target: Annotated[float | None, field("what it should be, in the unit of its name")] = None


class Fault(Event, frozen=True, kw_only=True, tag="fault"):
    """Something is wrong, or right again."""

    name: Name
    side: OneSide = None
    severity: Annotated[Severity, field("how bad: error means that something is not measured or not kept")]
    raised: Annotated[bool, field("true when it begins, false when it is over")]
    detail: Annotated[str, field("what, where and what to do, for a person")] = ""


AnyEvent = Rep | Pair | SetSummary | Comparison | Session | Cue | Fault


class Telemetry(Struct, frozen=True, kw_only=True):
    """The cables as they are, some ten times a second; latest only."""

    v: Version = VERSION
    ts: Time
    force_left_n: Newtons = None
    force_right_n: Newtons = None
    position_left_m: Annotated[float | None, field("cable out at the handle", "m")] = None
    position_right_m: Annotated[float | None, field("cable out at the handle", "m")] = None
    velocity_left_m_per_s: MetresPerSecond = None
    velocity_right_m_per_s: MetresPerSecond = None
    phase_left: PhaseNow = None
    phase_right: PhaseNow = None


class State(Struct, frozen=True, kw_only=True):
    """Where the station stands; retained, on change and at most once a second."""

    v: Version = VERSION
    ts: Time
    phase_left: PhaseNow = None
    phase_right: PhaseNow = None
    session: Annotated[str | None, field("id of the session")] = None
    set: Annotated[int | None, field("the running or coming set, from 1")] = None
    exercise: Exercise = None
    load_kg: Kilograms = None
    person: Person = None
    left_reps: Annotated[int | None, field("reps of the running set, or of the last one while resting")] = None
    right_reps: Annotated[int | None, field("reps of the running set, or of the last one while resting")] = None
    target: Annotated[int | None, field("reps to do, a side")] = None
    shape: Annotated[Shape | None, field("as it looks so far")] = None
    index: Annotated[str | None, field("which asymmetry index the percentages are")] = None
    asymmetry_pct: Annotated[float | None, field("of the last set", "%")] = None
    asymmetry_low_pct: Percent = None
    asymmetry_high_pct: Percent = None
    verdict: VerdictOf = None
    verdict_reason: Why = None
    resting_s: Annotated[float | None, field("since the last motion", "s")] = None
    quality: Annotated[str, field("ok, or the comma-separated names of the faults that stand")] = "ok"


class Info(Struct, frozen=True, kw_only=True):
    """What a station is made of; retained."""

    v: Version = VERSION
    ts: Time
    station: Annotated[str, field("id of the station")]
    name: Annotated[str | None, field("what people call it")] = None
    sides: Annotated[list[Side], field("the cables that it has")] = []
    left_sample_hz: Hertz = None
    right_sample_hz: Hertz = None
    left_calibration: Annotated[str | None, field("id, null: uncalibrated")] = None
    right_calibration: Annotated[str | None, field("id, null: uncalibrated")] = None
    left_calibration_date: Annotated[
        str | None, field("day of the oldest of the side, null: none, or one is undated")
    ] = None
    right_calibration_date: Annotated[
        str | None, field("day of the oldest of the side, null: none, or one is undated")
    ] = None
    boards: Annotated[
        str,
        field(
            "comma-separated board:model:firmware, and :experimental where its driver has not been tried on hardware"
        ),
    ] = ""
    software: Annotated[str, field("version of the controller")]
    algorithm: Annotated[str, field("version of the measuring core")]
    units: Annotated[dict[str, str], field("suffix of a key to its unit")] = {}


class Health(Struct, frozen=True, kw_only=True):
    """How well the station hears its boards and is heard."""

    v: Version = VERSION
    ts: Time
    left_sample_hz: Hertz = None
    right_sample_hz: Hertz = None
    left_frames_lost: Annotated[int | None, field("frames that never came, of this side's boards")] = None
    right_frames_lost: Annotated[int | None, field("frames that never came, of this side's boards")] = None
    left_jitter_ms: Annotated[float | None, field("scatter of the arrivals, of this side's worst board", "ms")] = None
    right_jitter_ms: Annotated[float | None, field("scatter of the arrivals, of this side's worst board", "ms")] = None
    left_zero_drift_n: Annotated[float | None, field("load cell's zero now, less its calibration's", "N")] = None
    right_zero_drift_n: Annotated[float | None, field("load cell's zero now, less its calibration's", "N")] = None
    left_slips: Annotated[int | None, field("times that the encoder lost count in this session")] = None
    right_slips: Annotated[int | None, field("times that the encoder lost count in this session")] = None
    link: Annotated[str, field("comma-separated board=up or board=down")] = ""
    frames_lost: Annotated[int | None, field("frames that never came, of all boards")] = None
    frames_damaged: Annotated[int | None, field("frames whose check failed, of all boards")] = None
    samples_late: Annotated[int | None, field("dropped: later ones of another board had gone on")] = None
    jitter_ms: Annotated[float | None, field("scatter of the arrivals, of the worst board", "ms")] = None
    clock_uncertainty_ms: Annotated[float | None, field("standard, of the worst board's clock", "ms")] = None
    clock_skew_ppm: Annotated[float | None, field("of the board's clock that is furthest off", "ppm")] = None
    battery_v: Annotated[float | None, field("of the emptiest board's battery that says so", "V")] = None
    battery_pct: Annotated[int | None, field("the same, of the boards that say so in percent", "%")] = None
    rssi_dbm: Annotated[int | None, field("of the board that is heard worst", "dBm")] = None
    recorder_dropped_bytes: Annotated[int | None, field("that could not be recorded", "bytes")] = None
    outbox_depth: Annotated[int | None, field("events that the broker has not confirmed")] = None
    outbox_unsaved: Annotated[int | None, field("of these, what is in memory only; null without a file")] = None
    events_dropped: Annotated[int | None, field("that made room for newer ones, or grew too old")] = None
    dead_letters: Annotated[int | None, field("events that the broker refused")] = None
    telemetry_dropped: Annotated[int | None, field("readings that a newer one overtook")] = None


class Owner(Struct, frozen=True, kw_only=True):
    """Which controller runs a station; retained, said again every 10 s, of no account while its gateway is offline."""

    v: Version = VERSION
    ts: Annotated[int, field("when this was said, by the clock of its machine, Unix", "ms")]
    gateway: Annotated[str, field("id of its gateway")]
    instance: Annotated[str, field("of the controller's process; another one at every start")]
    host: Annotated[str, field("name of its machine")]


class CommandResult(Struct, frozen=True, kw_only=True):
    """The answer to a command, with the request's own id."""

    v: Version = VERSION
    ts: Annotated[int, field("stream time at which it was carried out or refused, Unix", "ms")]
    request: Annotated[str, field("id that the command gave itself")]
    state: Annotated[Literal["accepted", "done", "refused"], field("what became of the command")]
    reason: Annotated[str | None, field("why it is refused")] = None


UNITS = {
    "_n": "N",
    "_m": "m",
    "_m_per_s": "m/s",
    "_n_per_s": "N/s",
    "_ns": "N s",
    "_j": "J",
    "_w": "W",
    "_s": "s",
    "_kg": "kg",
    "_pct": "%",
    "_ms": "ms",
    "_hz": "Hz",
    "_v": "V",
}

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[AnyEvent] = msgspec.json.Decoder(AnyEvent)


def to_json(payload: Struct) -> bytes:
    """One payload as UTF-8 JSON, in the order of its fields; NaN and infinity become null."""
    return _encoder.encode(payload)


def from_json(data: bytes | str) -> AnyEvent:
    """An event from its JSON. Raises msgspec.DecodeError, or its ValidationError, which say where."""
    try:
        return _decoder.decode(data)
    except (UnicodeDecodeError, RecursionError) as error:
        raise msgspec.DecodeError(str(error)) from None


def kind(event: AnyEvent) -> str:
    """The event's kind as it stands in the topic: rep, pair, set, comparison, session, cue or fault."""
    return str(event.__struct_config__.tag)
