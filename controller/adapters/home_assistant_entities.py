"""What Home Assistant shows of a station: a table of entities, and their description in its own abbreviations."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from protocols.events import Phase, Side, Verdict
from protocols.topics import StationTopics

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class StateEntity:
    """A sensor on a field of the state. words: all that the field can be; is_number: it can be drawn as a curve."""

    field: str
    name: str
    icon: str | None = None
    side: Side | None = None
    device_class: str | None = None
    unit: str | None = None
    words: tuple[str, ...] = ()
    is_number: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EventEntity:
    """An event of a kind. only: the words of `status` for which it happens, as far as it has one."""

    kind: Literal["rep", "set", "comparison", "session", "cue", "fault"]
    name: str
    icon: str
    only: str | None = None


STATES: Final = (
    StateEntity(field="left_reps", name="Left reps", side="left", icon="mdi:counter", is_number=True),
    StateEntity(field="right_reps", name="Right reps", side="right", icon="mdi:counter", is_number=True),
    StateEntity(field="phase_left", name="Left phase", side="left", words=get_args(Phase)),
    StateEntity(field="phase_right", name="Right phase", side="right", words=get_args(Phase)),
    StateEntity(field="set", name="Set", icon="mdi:format-list-numbered", is_number=True),
    StateEntity(field="exercise", name="Exercise", icon="mdi:weight-lifter"),
    StateEntity(field="load_kg", name="Load", device_class="weight", unit="kg", is_number=True),
    StateEntity(
        field="asymmetry_pct", name="Asymmetry of the last set", icon="mdi:scale-unbalanced", unit="%", is_number=True
    ),
    StateEntity(field="asymmetry_low_pct", name="Asymmetry, at least", icon="mdi:scale-unbalanced", unit="%"),
    StateEntity(field="asymmetry_high_pct", name="Asymmetry, at most", icon="mdi:scale-unbalanced", unit="%"),
    StateEntity(field="verdict", name="Verdict", words=get_args(Verdict)),
)
EVENTS: Final = (
    EventEntity(kind="rep", name="Rep", icon="mdi:repeat", only="final"),
    EventEntity(kind="set", name="Set finished", icon="mdi:flag-checkered"),
    EventEntity(kind="comparison", name="Sides compared", icon="mdi:scale-balance"),
    EventEntity(kind="session", name="Session", icon="mdi:account-clock"),
    EventEntity(kind="cue", name="Cue", icon="mdi:bullhorn"),
    EventEntity(kind="fault", name="Fault", icon="mdi:alert"),
)


def components(topics: StationTopics, *, device: str, sides: Collection[Side]) -> dict[str, Json]:
    """All entities of a station by their keys; those of a side that is not there are only named, which removes them."""
    found: dict[str, Json] = {}
    for state in STATES:
        is_there = state.side is None or state.side in sides
        found[state.field] = _sensor(state, topics.of("state")) if is_there else {"p": "sensor"}
    found["problem"] = {
        "p": "binary_sensor",
        "name": "Problem",
        "dev_cla": "problem",
        "stat_t": topics.of("state"),
        "val_tpl": "{{ 'OFF' if value_json.quality == 'ok' else 'ON' }}",
        "json_attr_t": topics.of("state"),
        "json_attr_tpl": "{{ {'faults': value_json.quality} | tojson }}",
    }
    for event in EVENTS:
        found[f"event_{event.kind}"] = _event(event, topics.event(event.kind))
    for key, entity in found.items():
        if len(entity) > 1:
            entity["uniq_id"] = f"{device}_{key}"
    return found


def _sensor(state: StateEntity, topic: str) -> Json:
    """A null of the state is rendered as None, which is Home Assistant's word for unknown."""
    described: Json = {
        "p": "sensor",
        "name": state.name,
        "stat_t": topic,
        "val_tpl": f"{{{{ value_json.{state.field} }}}}",
    }
    if state.words:
        described |= {"dev_cla": "enum", "options": list(state.words)}
    if state.device_class is not None:
        described["dev_cla"] = state.device_class
    if state.unit is not None:
        described["unit_of_meas"] = state.unit
    if state.is_number:
        described["stat_cla"] = "measurement"
    if state.icon is not None:
        described["ic"] = state.icon
    return described


def _event(event: EventEntity, topic: str) -> Json:
    """Our payload has the `event_type` that Home Assistant asks for; an empty rendering is no event."""
    described: Json = {"p": "event", "name": event.name, "stat_t": topic, "event_types": [event.kind], "ic": event.icon}
    if event.only is not None:
        described["val_tpl"] = f"{{{{ value if value_json.status == '{event.only}' else '' }}}}"
    return described
