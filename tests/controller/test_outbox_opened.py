"""An outbox with its file in an event loop, on disks that hang, are locked, or belong to somebody else."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from controller import outbox as outbox_module
from controller import outbox_store
from controller.config import OutboxConfig
from controller.outbox import Outbox, OutboxError, opened
from tests.controller.test_outbox import Told, event, number
from tests.delivery.disturbances import locking

WITHIN = 20.0  # s
AT_ONCE = 0.1  # s; the loop's longest pause on a busy machine, and far less than any wait here


async def until(what: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN):
        while not what():  # noqa: ASYNC110 - a thread tells nobody
            await asyncio.sleep(0.01)


@contextmanager
def hanging(monkeypatch: pytest.MonkeyPatch, function: str) -> Iterator[Callable[[], None]]:
    """A disk that does not answer in one of the store's functions until the given function is called."""
    answers, real = threading.Event(), getattr(outbox_store, function)

    def hang(*arguments: object, **options: object) -> object:
        answers.wait(WITHIN)
        return real(*arguments, **options)

    monkeypatch.setattr(outbox_store, function, hang)
    try:
        yield answers.set
    finally:
        answers.set()


def put(outbox: Outbox, *numbers: int) -> None:
    for each in numbers:
        now = time.monotonic()
        outbox.put(event(each, made_at=now), now=now)


async def test_what_waits_in_the_file_is_sent_before_what_comes(tmp_path: Path) -> None:
    for numbers in ((1, 2), (3,)):
        async with opened(OutboxConfig(), tmp_path / "o.db", fault=Told(), say=print) as outbox:
            put(outbox, *numbers)
            now = time.monotonic()
            found = [number(outbox.next(now=now)) for _ in range(4)]
    assert found == [1, 2, 3, None]


async def test_a_disk_that_hangs_at_the_start_delays_nothing_for_long_and_its_events_come_when_it_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, said = tmp_path / "o.db", list[str]()
    async with opened(OutboxConfig(), path, fault=Told(), say=said.append) as outbox:
        put(outbox, 1)
    monkeypatch.setattr(outbox_module, "OPEN_WITHIN", 0.2)
    with hanging(monkeypatch, "opened") as answer:
        begun = time.monotonic()
        async with opened(OutboxConfig(), path, fault=Told(), say=said.append) as outbox:
            assert time.monotonic() - begun < 0.2 + AT_ONCE
            put(outbox, 2)
            assert number(outbox.next(now=time.monotonic())) == 2
            answer()
            await until(lambda: outbox.depth == 2)
            assert number(outbox.next(now=time.monotonic())) == 1
    (line,) = said
    assert "does not open within" in line


async def test_a_disk_that_hangs_while_it_is_written_is_a_fault_and_holds_up_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Told()
    monkeypatch.setattr(outbox_module, "STALLED_AFTER", 0.2)
    async with opened(OutboxConfig(), tmp_path / "o.db", fault=told, say=print) as outbox:
        with hanging(monkeypatch, "_insert") as answer:
            put(outbox, 1)
            await asyncio.sleep(0.5)
            begun = time.monotonic()
            put(outbox, 2)
            assert time.monotonic() - begun < AT_ONCE
            assert told.faults == [(None, "outbox_disk", True)]
            assert number(outbox.next(now=time.monotonic())) == 1
            answer()
        assert outbox.store is not None
        store = outbox.store
        await until(lambda: store.unsaved == 0)
        put(outbox, 3)
        await until(lambda: store.unsaved == 0)
        put(outbox, 4)
    assert told.faults[1:] == [(None, "outbox_disk", False)]


async def test_what_cannot_be_written_at_the_end_is_counted_in_one_line(tmp_path: Path) -> None:
    said: list[str] = []
    with locking_later(tmp_path / "o.db") as lock:
        async with opened(OutboxConfig(), tmp_path / "o.db", fault=Told(), say=said.append) as outbox:
            lock()
            put(outbox, 1, 2, 3)
    assert said[-1].endswith("o.db: 3 events could not be written and are lost, unless the recording has them still")


@contextmanager
def locking_later(path: Path) -> Iterator[Callable[[], None]]:
    """Another process that takes a database for itself when the given function is called."""
    held = locking(path)
    taken = False

    def lock() -> None:
        nonlocal taken
        held.__enter__()
        taken = True

    try:
        yield lock
    finally:
        if taken:
            held.__exit__(None, None, None)


async def test_the_second_outbox_on_one_file_does_not_open(tmp_path: Path) -> None:
    async with opened(OutboxConfig(), tmp_path / "o.db", fault=Told(), say=print):
        with pytest.raises(OutboxError, match="another controller"):
            async with opened(OutboxConfig(), tmp_path / "o.db", fault=Told(), say=print):
                pytest.fail("it opened")


async def test_without_a_file_events_wait_in_memory() -> None:
    async with opened(OutboxConfig(enabled=False), None, fault=Told(), say=print) as outbox:
        put(outbox, 1)
        assert number(outbox.next(now=time.monotonic())) == 1
        assert outbox.store is None
