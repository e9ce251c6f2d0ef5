"""A gym of twenty stations for half an hour: one gateway, its broker and its page, and all that goes wrong there.

The gateway, its mosquitto and the boards are processes of their own; the boards lie on TCP.
"""

from __future__ import annotations

import asyncio
import signal
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

import msgspec

from controller.broker import find_mosquitto, free_port
from simulators.truth import Truth
from tests.delivery import deaf
from tests.soak import figures, programme
from tests.soak.boards import Served
from tests.soak.gateway import gateway
from tests.soak.heard import Dashboard
from tests.soak.outcome import Outcome, Run
from tests.soak.programme import ACTS
from tests.stations.processes import program

STATIONS: Final = 20
MOST_MINUTES: Final = 30.0
PROCESSES: Final = 4  # that serve the boards
MADE_WITHIN: Final = 240.0  # s until all boards' worlds are laid
UP_WITHIN: Final = 60.0  # s until all stations stream
HEARD_WITHIN: Final = 60.0  # s after the last set until the dashboard has all
COUNTED_AT: Final = 0.22  # of the run, before the first fault
SUBSCRIBES_S: Final = 60.0  # that one subscriber reads nothing before it goes and another comes
AGAIN_AFTER: Final = 0.5  # s
STALLS_S: Final = 8.0  # that one browser reads nothing before it goes and another comes
BATCH: Final = 2  # samples in a message


def soak(minutes: float = MOST_MINUTES, *, stations: int = STATIONS) -> Outcome:
    """A gym for so long, at most half an hour."""
    seconds = 60.0 * min(minutes, MOST_MINUTES)
    report = Outcome("gym", seconds=seconds, stations=stations)
    if find_mosquitto() is None:
        report.failures.append("mosquitto is not installed; make test installs it")
        return report
    with tempfile.TemporaryDirectory(prefix="cable-station-gym-") as folder:
        asyncio.run(_gym(Path(folder), report, programme.served(stations, seconds)))
    return report


async def _gym(folder: Path, report: Outcome, served: list[Served]) -> None:
    with ExitStack() as parts:
        urls = _serve(parts, folder, served)
        report.boards = sum(each.boards for each in served)
        truths = {each.name: Truth.read(folder / f"{each.name}.truth") for each in served}
        display, metrics = free_port(), free_port()
        config = _configured(folder, served, urls, display=display, metrics=metrics)
        running = parts.enter_context(gateway(config, display=display, metrics=metrics))
        run = Run(running, Dashboard(await asyncio.to_thread(lambda: running.broker)), report.seconds)
        report.run = run
        listening = asyncio.create_task(run.dashboard.run(), name="dashboard")
        try:
            await _up(run)
            run.began = time.monotonic()
            async with asyncio.TaskGroup() as tasks:
                looking = tasks.create_task(_look(run), name="looks")
                acts = [tasks.create_task(_act(run, act, first, last), name=act) for act, first, last in ACTS]
                await run.at(COUNTED_AT)
                run.before = await asyncio.to_thread(running.taken)
                await asyncio.wait(acts)
                await asyncio.sleep(
                    max(run.began + max(each.duration_s for each in truths.values()) - time.monotonic(), 0.0)
                )
                looking.cancel()
            await _up(run)
            await _all_heard(run)
            run.after = await asyncio.to_thread(running.taken)
            figures.judge(report, run, served, truths)
        finally:
            listening.cancel()
            with suppress(asyncio.CancelledError):
                await listening
        code = await asyncio.to_thread(running.end)
        if code != 0 or any("Traceback" in line for line in running.said):
            report.failures.append(f"the gateway ended with {code}; it said {running.said[-3:]}")


def _serve(parts: ExitStack, folder: Path, served: list[Served]) -> dict[str, list[str]]:
    """Start the processes of the boards; each station's addresses."""
    count = min(PROCESSES, len(served))
    groups = [served[k::count] for k in range(count)]
    running = []
    for k, group in enumerate(groups):
        plan = folder / f"plan-{k}"
        plan.write_bytes(msgspec.json.encode(group))
        running.append(parts.enter_context(program("-m", "tests.soak.boards", str(plan))))
    urls: dict[str, list[str]] = {}
    for group, each in zip(groups, running, strict=True):
        each.until(lambda each=each: any(line.startswith("ready") for line in each.out), within=MADE_WITHIN)  # type: ignore[misc]
        addresses = next(line for line in each.out if line.startswith("ready")).split()[1:]
        for one in group:
            urls[one.name] = [f"tcp://{addresses.pop(0)}" for _ in range(one.boards)]
    return urls


def _configured(folder: Path, served: list[Served], urls: dict[str, list[str]], *, display: int, metrics: int) -> Path:
    text = (
        f'site = "test"\n[broker]\nkind = "mosquitto"\n[display]\nport = {display}\n'
        f'[metrics]\nenabled = true\nport = {metrics}\n[recording]\nfolder = "{folder}/recordings"\n'
    )
    for each in served:
        text += f'[[station]]\nid = "{each.name}"\n'
        for name, url in zip(("left", "right"), urls[each.name], strict=False):
            text += f'[[station.board]]\nid = "{name}"\nurl = "{url}"\nrate_hz = {each.rate_hz}\nbatch = {BATCH}\n'
    path = folder / "gym.toml"
    path.write_text(text, encoding="utf-8")
    return path


async def _up(run: Run) -> None:
    """Wait until the gateway has its broker, and every station was up in the meantime."""
    missing: set[tuple[str, ...]] | None = None

    def are_up() -> bool:
        nonlocal missing
        with suppress(OSError):
            numbers = run.gateway.numbers()
            up = numbers["cable_station_up"]
            missing = {name for name in (up if missing is None else missing) if not up[name]}
            return not missing and sum(numbers["cable_station_broker_connected"].values()) == 1
        return False

    await asyncio.to_thread(lambda: run.gateway.until(are_up, about="all stations up", within=UP_WITHIN))


async def _look(run: Run) -> None:
    """Look at the gateway now and then."""
    while True:
        run.looks.append(await asyncio.to_thread(run.gateway.taken))
        await asyncio.sleep(max(run.seconds / 180.0, 0.5))


async def _act(run: Run, act: programme.Act, first: float, last: float) -> None:
    await run.at(first)
    number = 0
    if act == "slow subscriber":
        account = run.gateway.broker.dashboard
        assert account is not None
        while time.monotonic() < run.began + last * run.seconds:  # again after the broker was away
            try:
                with deaf.subscriber(run.gateway.broker.port, user=account.user, password=account.password):
                    number += 1
                    await asyncio.sleep(min(SUBSCRIBES_S, run.seconds / 10.0))
            except OSError:
                await asyncio.sleep(AGAIN_AFTER)
        run.done[act] = number
    elif act == "stalled browsers":
        while time.monotonic() < run.began + last * run.seconds:
            number += 1
            with deaf.browser(run.gateway.display, station="station-01"):
                await asyncio.sleep(min(STALLS_S, run.seconds / 20.0))
        run.done[act] = number
    else:
        run.done[act] = run.done.get(act, 0) + 1
        begins = time.time()
        if act == "hold up the gateway":
            await asyncio.to_thread(run.gateway.hold_up, programme.HELD_UP_S)
        else:
            run.gateway.send_to_broker(signal.SIGKILL if act == "kill the broker" else signal.SIGTERM)
        await asyncio.sleep(1.0)
        await _up(run)
        await asyncio.wait_for(run.dashboard.listening.wait(), UP_WITHIN)
        run.away.append((begins, time.time() + 1.0))


async def _all_heard(run: Run) -> None:
    """Give the dashboard time for what is still on its way."""
    deadline = time.monotonic() + HEARD_WITHIN
    while time.monotonic() < deadline:
        made = await asyncio.to_thread(lambda: {event["id"] for event in run.gateway.events})
        if made <= run.dashboard.ids:
            return
        await asyncio.sleep(1.0)
