"""The contract as an AsyncAPI 3 document, with a JSON Schema of every payload, made from the types themselves.

AsyncAPI's schemas are those of JSON Schema draft 07; a field's unit stands in `x-unit`.
"""

from __future__ import annotations

import json
from typing import Any, Final, get_args

import msgspec
from msgspec import Struct

from controller.commands import COMMANDS
from protocols.events import VERSION, AnyEvent, CommandResult, Event, Health, Info, Owner, State, Telemetry
from protocols.topics import ROOT

Json = dict[str, Any]

MQTT_BINDING: Final = "0.2.0"
TELEMETRY_EXPIRES: Final = 5  # s
EVENTS: Final[dict[str, type[Event]]] = {str(each.__struct_config__.tag): each for each in get_args(AnyEvent)}
VIEWS: Final[dict[str, type[Struct]]] = {
    "state": State,
    "telemetry": Telemetry,
    "info": Info,
    "health": Health,
    "owner": Owner,
}
PARAMETERS: Final = {
    "site": "Id of the site; a-z, 0-9 and -.",
    "gateway": "Id of the gateway; a-z, 0-9 and -.",
    "station": "Id of the station; a-z, 0-9 and -.",
    "command": "Name of the command; a-z and _.",
}
LATE: Final = {"type": "boolean", "description": "whether it was published more than 5 s after it was made"}
STATUS: Final = {"type": "string", "enum": ["online", "offline"], "description": "plain text, no JSON"}
CLOUD_EVENT: Final = (
    "Under MQTT 5 every event is a CloudEvent in binary mode: its attributes are user properties, the payload stays "
    "as it is."
)
ABOUT: Final = (
    "What a gateway of gym stations says over MQTT and takes from it. A station is available when its own status and "
    "its gateway's are both online. Unknown is null. Within version 1 fields are only added."
)


def document() -> Json:
    """The whole contract."""
    channels: Json = {
        "gatewayStatus": _channel("_gateway/{gateway}/status", "status", "Whether the gateway is there: its last will.")
    }
    operations: Json = {"sendGatewayStatus": _sends("gatewayStatus", retain=True)}
    channels["stationStatus"] = _channel("{station}/status", "status", "Whether the station has all its boards.")
    operations["sendStationStatus"] = _sends("stationStatus", retain=True)
    for name, kind in VIEWS.items():
        channels[name] = _channel(f"{{station}}/{name}", name, _about(kind))
        operations[f"send{name.title()}"] = _sends(name, retain=name != "telemetry", telemetry=name == "telemetry")
    for name, event in EVENTS.items():
        channels[f"{name}Event"] = _channel(f"{{station}}/event/{name}", f"{name}Event", _about(event))
        operations[f"send{name.title()}Event"] = _sends(f"{name}Event", retain=False)
    channels["commandResult"] = _channel(
        "{station}/cmd/{command}/result", "commandResult", f"{_about(CommandResult)} An unknown command gets one too."
    )
    for name, command in COMMANDS.items():
        asked = f"{name}Command"
        channels[asked] = _channel(f"{{station}}/cmd/{name}", asked, _about(command))
        operations[f"receive{asked[0].upper()}{asked[1:]}"] = {
            "action": "receive",
            "channel": _ref("channels", asked),
            "bindings": {"mqtt": {"qos": 1, "retain": False, "bindingVersion": MQTT_BINDING}},
            "reply": {"channel": _ref("channels", "commandResult")},
        }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "cable-station",
            "version": f"{VERSION}.0.0",
            "description": ABOUT,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {
            "schemas": schemas(),
            "messages": _messages(),
            "parameters": {name: {"description": text} for name, text in PARAMETERS.items()},
        },
    }


def render() -> str:
    """The whole contract as JSON text."""
    return json.dumps(document(), indent=1, ensure_ascii=False)


def schemas() -> dict[str, Json]:
    """The JSON Schema of each payload, by its name in the document: events as they are published, with `late`."""
    found = {"status": dict(STATUS)}
    for name, kind in VIEWS.items():
        found[name] = payload_schema(kind)
    for name, event in EVENTS.items():
        schema = payload_schema(event)
        schema["properties"]["late"] = dict(LATE)
        schema["required"].append("late")
        found[f"{name}Event"] = schema
    for name, command in COMMANDS.items():
        found[f"{name}Command"] = _plain(command)
    found["commandResult"] = payload_schema(CommandResult)
    return found


def payload_schema(kind: type[Struct]) -> Json:
    """The schema of a payload that we send: all its fields are always there."""
    schema = _plain(kind)
    for field in schema["properties"].values():
        field.pop("default", None)
    schema["required"] = list(schema["properties"])
    schema["properties"]["v"]["const"] = VERSION
    if "event_type" in schema["properties"]:
        schema["properties"]["event_type"]["description"] = "what kind of event it is, as in the topic"
    return schema


def _plain(kind: type[Struct]) -> Json:
    """A struct's schema as msgspec makes it, in the words of draft 07."""
    _, components = msgspec.json.schema_components([kind])
    schema: Json = components[kind.__name__]
    return {
        "type": "object",
        "description": _about(kind),
        "required": list(schema.get("required", [])),
        "properties": {name: _field(field) for name, field in schema["properties"].items()},
        **({"additionalProperties": False} if schema.get("additionalProperties") is False else {}),
    }


def _field(field: Json) -> Json:
    """A field with its null as one more type, and its unit under a name that AsyncAPI allows."""
    merged: Json = {}
    for alternative in field.get("anyOf", []):
        for key, value in alternative.items():
            if key == "type" and "type" in merged:
                merged["type"] = [*_listed(merged["type"]), *_listed(value)]
            else:
                merged[key] = value
    merged.update({key: value for key, value in field.items() if key != "anyOf"})
    if "enum" in merged:
        nullable = "null" in _listed(merged.pop("type", []))
        merged["enum"] = [*(each for each in merged["enum"] if each is not None), *([None] if nullable else [])]
        if len(merged["enum"]) == 1:
            merged["const"] = merged.pop("enum")[0]
    if "unit" in merged:
        merged["x-unit"] = merged.pop("unit")
    return merged


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _messages() -> Json:
    messages: Json = {"status": {"payload": _ref("schemas", "status"), "contentType": "text/plain"}}
    for name in [*VIEWS, *(f"{command}Command" for command in COMMANDS), "commandResult"]:
        messages[name] = {"payload": _ref("schemas", name)}
    for name in EVENTS:
        messages[f"{name}Event"] = {
            "payload": _ref("schemas", f"{name}Event"),
            "description": CLOUD_EVENT,
            "bindings": {
                "mqtt": {
                    "payloadFormatIndicator": 1,
                    "contentType": "application/json",
                    "bindingVersion": MQTT_BINDING,
                }
            },
        }
    return {name: {"name": name, **message} for name, message in messages.items()}


def _channel(path: str, message: str, about: str) -> Json:
    address = f"{ROOT}/{{site}}/{path}"
    return {
        "address": address,
        "description": about,
        "parameters": {name: _ref("parameters", name) for name in PARAMETERS if f"{{{name}}}" in address},
        "messages": {message: _ref("messages", message)},
    }


def _sends(channel: str, *, retain: bool, telemetry: bool = False) -> Json:
    binding: Json = {"qos": 0 if telemetry else 1, "retain": retain, "bindingVersion": MQTT_BINDING}
    if telemetry:
        binding["messageExpiryInterval"] = TELEMETRY_EXPIRES
    return {"action": "send", "channel": _ref("channels", channel), "bindings": {"mqtt": binding}}


def _ref(where: str, name: str) -> Json:
    return {"$ref": f"#/{where}/{name}" if where == "channels" else f"#/components/{where}/{name}"}


def _about(kind: type[Struct]) -> str:
    return (kind.__doc__ or "").splitlines()[0]
