"""A dashboard of the whole site that keeps what it needs to judge delivery: each arrival, and each event once."""

from __future__ import annotations

import json
import time
from typing import Any

import aiomqtt

from controller.broker import Broker
from tests.delivery.brokers import Brokers
from tests.delivery.listener import Listener


class _Port:
    def __init__(self, port: int) -> None:
        self.port = port


class TheGateways(Brokers):
    """The broker that a gateway has started; it is not ours to start and end."""

    name, v5 = "mosquitto", True

    def __init__(self, broker: Broker) -> None:
        super().__init__()
        assert broker.dashboard is not None
        self.servers = [_Port(broker.port)]  # type: ignore[list-item]  # all that a listener asks of it
        self.listener = f"{broker.dashboard.user}:{broker.dashboard.password}"


class Dashboard(Listener):
    """Hears every event of the site over a session that outlives its connections."""

    def __init__(self, broker: Broker) -> None:
        super().__init__(TheGateways(broker))
        self.arrivals: dict[str, int] = {}  # by id
        self.ids_of: dict[tuple[str, int], set[str]] = {}  # by station and seq
        self.first: list[dict[str, Any]] = []  # each event as it first came
        self.delays_s: list[tuple[float, float]] = []  # of reps: Unix time of arrival, and that minus the stream time

    def take(self, event: dict[str, Any], *, at: float) -> None:
        """One arrival, Unix s."""
        new = event["id"] not in self.arrivals
        self.arrivals[event["id"]] = self.arrivals.get(event["id"], 0) + 1
        self.ids_of.setdefault((event["station"], event["seq"]), set()).add(event["id"])
        if new:
            self.ids.add(event["id"])
            self.first.append(event)
            if event["event_type"] == "rep":
                self.delays_s.append((at, at - event["ts"] / 1000.0))

    def _hear(self, message: aiomqtt.Message) -> None:
        assert isinstance(message.payload, bytes)
        self.take(json.loads(message.payload), at=time.time())
