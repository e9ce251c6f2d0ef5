"""The contract as a judge: what we publish under cable/v1 must be a message of docs/asyncapi.json, in full.

`watch()` puts it where every message of a process passes; tests and the processes that they start do that first of
all. Clients that a test makes up, to see what a broker allows, may say what they like: only ours are named OURS.
"""

from __future__ import annotations

import json
import re
from functools import wraps
from typing import Any, Final

from jsonschema import Draft7Validator
from jsonschema.exceptions import best_match
from paho.mqtt import client as mqtt

from controller.asyncapi import document
from protocols.topics import ROOT

OURS: Final = b"cable-station-"  # how the name of each client of ours begins


class ContractError(AssertionError):
    """A message that the contract does not have."""


class Contract:
    """Topics and their schemas; a field that no schema names is an error here, though not for those who read."""

    def __init__(self, asyncapi: dict[str, Any]) -> None:
        self._channels: list[tuple[re.Pattern[str], str]] = []
        schemas = asyncapi["components"]["schemas"]
        for channel in asyncapi["channels"].values():
            address = re.sub(r"\\{\w+\\}", "[a-z0-9_-]+", re.escape(channel["address"]))
            (message,) = channel["messages"]
            said = asyncapi["components"]["messages"][message]["payload"]["$ref"].rsplit("/", 1)[1]
            deeper = "(/.+)?" if said == "commandResult" else ""  # an asker may have its answers to itself
            self._channels.append((re.compile(address + deeper), said))
        self._judges = {
            name: Draft7Validator({**schema, **({"additionalProperties": False} if "properties" in schema else {})})
            for name, schema in schemas.items()
        }

    def check(self, topic: str, payload: bytes) -> None:
        """Raises ContractError for a message that is not of the contract; commands may be as wrong as a test wants."""
        if not topic.startswith(f"{ROOT}/") or (re.search(r"/cmd/[^/]+$", topic)) or payload == b"":
            return
        said = next((said for address, said in self._channels if address.fullmatch(topic)), None)
        if said is None:
            raise ContractError(f"{topic} is no topic of the contract")
        try:
            value = payload.decode() if said == "status" else json.loads(payload, parse_constant=_no_number)
        except ValueError as error:
            raise ContractError(f"{topic}: {error}: {payload[:200]!r}") from None
        problem = best_match(self._judges[said].iter_errors(value))
        if problem is not None:
            raise ContractError(f"{topic}: {problem.json_path}: {problem.message}: {payload[:300]!r}")


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no JSON")


CONTRACT: Final = Contract(document())
BROKEN: Final[list[str]] = []  # what this process has published against it


def watch() -> None:
    """From now on no message leaves this process unchecked."""
    publish = mqtt.Client.publish
    if hasattr(publish, "__wrapped__"):
        return

    @wraps(publish)
    def checked(self: mqtt.Client, topic: str, payload: Any = None, *rest: Any, **options: Any) -> Any:
        data = payload.encode() if isinstance(payload, str) else bytes(payload or b"")
        try:
            if self._client_id.startswith(OURS):
                CONTRACT.check(topic, data)
        except ContractError as error:
            BROKEN.append(str(error))  # whoever publishes may swallow it
            raise
        return publish(self, topic, payload, *rest, **options)

    mqtt.Client.publish = checked  # type: ignore[method-assign]
