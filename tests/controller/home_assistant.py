"""What Home Assistant asks of a device discovery message, as far as we rely on it; `problems` says what is wrong.

From its documentation and source: home-assistant.io integrations/mqtt ("Device discovery payload", "Discovery topic"),
sensor.mqtt, binary_sensor.mqtt, event.mqtt; core components/mqtt/schemas.py (what is required, what is refused),
components/mqtt/sensor.py (enum, options, units, the word None), components/sensor/const.py (units and state classes).
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

ABBREVIATIONS: Final = {
    "dev": "device", "o": "origin", "cmps": "components", "avty": "availability", "avty_mode": "availability_mode",
    "p": "platform", "stat_t": "state_topic", "val_tpl": "value_template", "uniq_id": "unique_id",
    "dev_cla": "device_class", "unit_of_meas": "unit_of_measurement", "stat_cla": "state_class", "ic": "icon",
    "json_attr_t": "json_attributes_topic", "json_attr_tpl": "json_attributes_template", "t": "topic",
}  # fmt: skip
DEVICE: Final = {"ids": "identifiers", "mf": "manufacturer", "mdl": "model", "sw": "sw_version"}
ORIGIN: Final = {"sw": "sw_version", "url": "support_url"}

DEVICE_KEYS: Final = {
    "identifiers", "connections", "manufacturer", "model", "model_id", "name", "hw_version", "serial_number",
    "sw_version", "via_device", "suggested_area", "configuration_url",
}  # fmt: skip
ORIGIN_KEYS: Final = {"name", "sw_version", "support_url"}
SHARED: Final = {
    "device", "origin", "components", "availability", "availability_mode", "state_topic", "command_topic", "qos",
    "encoding",
}  # fmt: skip
COMMON: Final = {
    "platform", "name", "unique_id", "icon", "device_class", "entity_category", "enabled_by_default", "state_topic",
    "value_template", "json_attributes_topic", "json_attributes_template", "availability", "availability_mode",
}  # fmt: skip
OWN: Final[dict[str, set[str]]] = {
    "sensor": {"unit_of_measurement", "state_class", "options", "expire_after", "suggested_display_precision"},
    "binary_sensor": {"payload_on", "payload_off", "off_delay", "expire_after"},
    "event": {"event_types"},
}
SENSOR_UNITS: Final[dict[str, set[str | None]]] = {  # of the device classes that could be of use here
    "weight": {"kg", "g", "mg", "µg", "oz", "lb", "st"},
    "duration": {"d", "h", "min", "s", "ms"},
    "energy": {"J", "kJ", "MJ", "Wh", "kWh", "MWh", "cal", "kcal"},
    "power": {"W", "kW"}, "speed": {"m/s", "km/h"}, "distance": {"m", "cm", "mm", "km"}, "voltage": {"V", "mV"},
    "frequency": {"Hz", "kHz", "MHz", "GHz"}, "signal_strength": {"dB", "dBm"}, "battery": {"%"},
    "enum": {None},
}  # fmt: skip
MEASURABLE: Final = set(SENSOR_UNITS) - {"enum", "energy"}  # energy is a total
BINARY_CLASSES: Final = {"problem", "connectivity", "running", "motion", "occupancy", "battery"}
TOPIC: Final = re.compile(r"homeassistant/device/[a-zA-Z0-9_-]+/config")


def _long(data: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    return {names.get(key, key): value for key, value in data.items()}


def read(payload: str) -> dict[str, Any]:
    """A message with the long names."""
    said = _long(json.loads(payload), ABBREVIATIONS)
    said["device"] = _long(said["device"], DEVICE)
    said["origin"] = _long(said["origin"], ORIGIN)
    said["availability"] = [_long(each, ABBREVIATIONS) for each in said["availability"]]
    said["components"] = {key: _long(each, ABBREVIATIONS) for key, each in said["components"].items()}
    return said


def problems(topic: str, payload: str) -> list[str]:
    """Why Home Assistant would refuse a message, or show something wrong."""
    said = read(payload)
    found = [] if TOPIC.fullmatch(topic) else [f"{topic} is no topic for a device"]
    found += [f"unknown key {key}" for key in said.keys() - SHARED]
    found += [f"device: unknown key {key}" for key in said["device"].keys() - DEVICE_KEYS]
    found += [f"origin: unknown key {key}" for key in said["origin"].keys() - ORIGIN_KEYS]
    if not (said["device"].get("identifiers") or said["device"].get("connections")):
        found.append("device: needs identifiers or connections")
    if not said["origin"].get("name"):
        found.append("origin: needs a name")
    if said.get("availability_mode") not in ("all", "any", "latest"):
        found.append("availability_mode is all, any or latest")
    found += [f"availability: {each}" for each in said["availability"] if not each.get("topic")]
    unique = [each["unique_id"] for each in said["components"].values() if "unique_id" in each]
    if len(set(unique)) != len(unique):
        found.append("a unique_id comes twice")
    for key, each in said["components"].items():
        found += [f"{key}: {problem}" for problem in _component(each)]
    return found


def _component(each: dict[str, Any]) -> list[str]:
    platform = each.get("platform")
    if platform not in OWN:
        return [f"platform {platform}"]
    if len(each) == 1:
        return []  # this removes a component
    found = [f"unknown key {key}" for key in each.keys() - COMMON - OWN[platform]]
    found += [f"needs {key}" for key in ("unique_id", "state_topic", "name") if not each.get(key)]
    if re.search(r"[+#]", each.get("state_topic", "")):
        found.append("a state topic has no wildcards here")
    if platform == "event" and not each.get("event_types"):
        found.append("needs event_types")
    if platform == "binary_sensor" and each.get("device_class") not in (None, *BINARY_CLASSES):
        found.append(f"device class {each['device_class']}")
    return found + (_sensor(each) if platform == "sensor" else [])


def _sensor(each: dict[str, Any]) -> list[str]:
    found, kind, unit = [], each.get("device_class"), each.get("unit_of_measurement")
    if kind is not None and kind not in SENSOR_UNITS:
        return [f"device class {kind}"]
    if kind is not None and unit not in SENSOR_UNITS[kind]:
        found.append(f"{kind} is not in {unit}")
    if ("options" in each) != (kind == "enum"):
        found.append("options and the device class enum go together")
    if "state_class" in each and (each["state_class"] != "measurement" or kind not in (None, *MEASURABLE)):
        found.append(f"state class {each['state_class']} with {kind}")
    return found
