"""Gives events their id, number and time, and a rep's measures their places in its event."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec

from controller.core.announcement import Announcement
from controller.core.rep_metrics import Measures
from controller.core.sensor_truth import KINDS
from controller.core.settings import ChannelCalibration, CoreSettings, Identity
from controller.core.side import Side
from protocols.event_ids import event_id
from protocols.events import AnyEvent, Event, Rep

E = TypeVar("E", bound=Event)

REP_FIELDS = {
    "rom": "rom_m",
    "mean_velocity": "mean_velocity_m_per_s",
    "peak_velocity": "peak_velocity_m_per_s",
    "eccentric_mean_velocity": "eccentric_mean_velocity_m_per_s",
    "eccentric_peak_velocity": "eccentric_peak_velocity_m_per_s",
    "mean_force": "mean_force_n",
    "peak_force": "peak_force_n",
    "eccentric_mean_force": "eccentric_mean_force_n",
    "eccentric_peak_force": "eccentric_peak_force_n",
    "work_concentric": "work_concentric_j",
    "work_eccentric": "work_eccentric_j",
    "mean_power": "mean_power_w",
    "peak_power": "peak_power_w",
    "impulse": "impulse_ns",
    "rfd": "rfd_n_per_s",
    "time_under_tension": "time_under_tension_s",
    "sparc": "sparc",
    "ldlj": "ldlj",
    "sticking_point_pct": "sticking_point_pct",
}

TIMES = ("concentric_s", "top_s", "eccentric_s", "bottom_s", "hold_s")
COSTS = {"cut_off": 0.3, "let_go": 0.1, "unreferenced": 0.1} | {name: kind.cost for name, kind in KINDS.items()}


def rounded(value: float | None, digits: int = 6) -> float | None:
    """A number as it is published; None stays None, and so does what is no number."""
    if value is None or value != value:  # noqa: PLR0124 - NaN is the one that differs from itself
        return None
    return round(float(value), digits)


def reasons_text(reasons: dict[str, str]) -> str:
    """field=word, comma-separated."""
    return ",".join(f"{name}={word}" for name, word in reasons.items())


class EventMaker:
    """Makes the events of one recording, each once and in order."""

    def __init__(self, settings: CoreSettings, identity: Identity, *, algorithm: str) -> None:
        self.identity = identity
        self.algorithm = algorithm
        self.anchor = identity.unix_anchor
        self.now = 0.0  # s, stream time of the sample at hand
        self._station = settings.station
        self._first_session = identity.session
        self.seq = identity.first_seq  # of the next event
        self._out: list[AnyEvent] = []

    @property
    def ts(self) -> int:
        """The station's time in integer milliseconds."""
        return round((self.anchor + self.now) * 1000.0)

    def begin_session(self, number: int) -> None:
        """Events are of another session from now on; its name follows from the recording's, so that a replay has it."""
        self.identity = msgspec.structs.replace(self.identity, session=f"{self._first_session}-{number}")

    def add(self, kind: type[E], number: int, **fields: Any) -> E:
        """Make an event of set `number` and put it into the log."""
        event = kind(
            id=event_id(recording=self.identity.recording, seq=self.seq, ts=self.ts),
            ts=self.ts,
            station=self._station,
            session=self.identity.session,
            set=number,
            seq=self.seq,
            **fields,
        )
        self.seq += 1
        self._out.append(event)  # type: ignore[arg-type]  # every Event that is made is one of AnyEvent
        return event

    def again(self, event: E, **changed: Any) -> E:
        """Publish an event once more with changed fields, under an id of its own."""
        fields = {name: getattr(event, name) for name in event.__struct_fields__}
        for name in ("v", "id", "ts", "station", "session", "set", "seq"):
            del fields[name]
        return self.add(type(event), event.set, **{**fields, **changed})

    def drain(self) -> list[AnyEvent]:
        """The events since the last call."""
        out, self._out = self._out, []
        return out


def rep_fields(
    said: Announcement, side: Side, *, now: float, before: float | None, anchor: float, algorithm: str
) -> dict[str, Any]:
    """What a rep event says of the measures. before: end of the rep before, s; anchor: of stream time in Unix time."""
    measures = said.measures
    assert measures is not None
    final = said.status == "final"
    fields: dict[str, Any] = {key: rounded(getattr(measures, name)) for name, key in REP_FIELDS.items()}
    lowers_first = side.exercise.starts_with == "eccentric" and measures.rom is not None
    fields |= _times(measures, said, before=before, anchor=anchor, lowers_first=lowers_first)
    rest = "top_s" if lowers_first else "bottom_s"  # the pause before the rep
    calibrations = [channel.calibration for channel in (side.force, side.position) if channel is not None]
    origin, why = _origin(side, calibrations, algorithm=algorithm, unix=anchor + now if anchor > 0.0 else None)
    for name in TIMES:
        if name in measures.reasons:
            fields[name] = None
    flags = list(said.flags)
    if any(each.id is None for each in calibrations):
        flags.append("uncalibrated")
    if side.cable.zero.known and abs(side.cable.zero.zero) > 1.0:
        flags.append("zero_tracked")
    if side.cable.unreferenced:
        flags.append("unreferenced")
    reasons = {REP_FIELDS.get(name, name): word for name, word in measures.reasons.items()}
    if "let_go" in said.flags:  # the stack fell, nobody lowered it
        fields["eccentric_s"], reasons["eccentric_s"] = None, "let_go"
    for name, value in fields.items():
        if value is None and name not in reasons and name != rest:
            reasons[name] = _why(name, side, final=final)
    if fields[rest] is None and rest not in reasons:
        reasons[rest] = "first" if before is None else "overlap" if final or not lowers_first else "provisional"
    reasons = {name: word for name, word in reasons.items() if fields.get(name) is None} | why
    fields |= origin
    return fields | {
        "partial": said.partial,
        "confidence": _confidence(said, flags),
        "flags": ",".join(dict.fromkeys(flags)),
        "reasons": reasons_text(reasons),
        "latency_ms": rounded((now - said.turn) * 1000.0, 3),
    }


def revised_fields(event: Rep, measures: Measures, flags: list[str]) -> dict[str, Any]:
    """What changes in a rep's event when a fault is found that had touched it; nothing where it said so already."""
    had = event.flags.split(",") if event.flags else []
    new = [flag for flag in flags if flag not in had]
    gone = {key: measures.reasons[name] for name, key in REP_FIELDS.items() if name in measures.reasons}
    gone |= {name: measures.reasons[name] for name in TIMES if name in measures.reasons}
    lost = {key: word for key, word in gone.items() if getattr(event, key) is not None}
    if not new and not lost:
        return {}
    cost = sum(COSTS.get(flag, 0.0) for flag in new)
    return dict.fromkeys(lost) | {
        "flags": ",".join([*had, *new]),
        "reasons": ",".join(filter(None, (event.reasons, reasons_text(lost)))),
        "confidence": round(max(event.confidence - cost, 0.1), 2),
    }


def _times(
    measures: Measures, said: Announcement, *, before: float | None, anchor: float, lowers_first: bool
) -> dict[str, Any]:
    """When its phases were and how long they took; the pause before the rep is at the bottom, or at the top."""
    final, moved = said.status == "final", measures.rom is not None
    lower = measures.t_lower if final else None
    end = measures.t_end if final else None
    lowered = measures.t_lowered if final else None
    if lowers_first:
        top, bottom = _between(before, lower), _between(lowered, measures.t_start)
    else:
        top, bottom = _between(measures.t_top, lower) if moved else None, _between(before, measures.t_start)
    return {
        "t_start": rounded(anchor + measures.t_start),
        "t_top": rounded(anchor + measures.t_top),
        "t_end": rounded(anchor + end) if end is not None else None,
        "concentric_s": rounded(measures.t_top - measures.t_start) if moved else None,
        "top_s": rounded(top),
        "eccentric_s": rounded(lowered - lower) if moved and lowered is not None and lower is not None else None,
        "bottom_s": rounded(bottom),
        "hold_s": rounded(said.hold) if final else None,
    }


def _between(first: float | None, then: float | None) -> float | None:
    """The time between two instants, None where one is unknown or they are the other way round."""
    if first is None or then is None or then < first - 1e-9:
        return None
    return max(then - first, 0.0)


def _why(name: str, side: Side, *, final: bool) -> str:
    """Why a field without a reason of its own is null."""
    if not final:
        return "provisional"
    if side.position is None:
        return "no_position"
    if side.force is None and ("force" in name or "work" in name or "power" in name):
        return "no_force"
    return "unknown"


def _confidence(said: Announcement, flags: list[str]) -> float:
    """0 to 1: a finished rep without a flag is sure; each flag that touches the count takes something away."""
    value = 1.0 if said.status == "final" else 0.8
    for flag in dict.fromkeys(flags):
        value -= COSTS.get(flag, 0.0)
    if said.partial:
        value -= 0.1
    return round(max(value, 0.1), 2)


def _origin(
    side: Side, calibrations: list[ChannelCalibration], *, algorithm: str, unix: float | None
) -> tuple[dict[str, Any], dict[str, str]]:
    """What a rep was measured with, and why of that is null what is. unix: now, s; None where there is no clock."""
    named = [each.id for each in calibrations if each.id is not None]
    values = {
        "firmware": side.firmware,
        "calibration": ",".join(named) or None,
        "calibration_age_s": _age(calibrations, unix) if unix is not None else None,
        "algorithm": algorithm,
        "sample_hz": rounded(side.hz, 1),
    }
    words = {
        "firmware": "not_said",
        "calibration": "uncalibrated",
        "calibration_age_s": "undated",
        "sample_hz": "few_samples",
    }
    if len(named) < len(calibrations):
        words["calibration_age_s"] = "uncalibrated"
    elif unix is None:
        words["calibration_age_s"] = "no_clock"
    return values, {name: word for name, word in words.items() if values[name] is None}


def _age(calibrations: list[ChannelCalibration], unix: float) -> float | None:
    """Seconds since the oldest of a side's calibrations, None where one has no date that can be read."""
    ages = []
    for each in calibrations:
        try:
            when = datetime.fromisoformat(each.date or "")
        except ValueError:
            return None
        ages.append(unix - (when if when.tzinfo is not None else when.replace(tzinfo=UTC)).timestamp())
    return rounded(max(ages, default=None), 0)
