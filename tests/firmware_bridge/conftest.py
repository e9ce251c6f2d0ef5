"""A test of this room leaves no task and no open file behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio


def _open_files() -> set[tuple[str, str]]:
    found = set()
    for number in Path("/proc/self/fd").iterdir():
        try:
            found.add((number.name, str(number.readlink())))
        except FileNotFoundError:
            continue  # the one with which the folder was read
    return found


@pytest_asyncio.fixture(autouse=True)
async def _nothing_is_left_behind() -> AsyncIterator[None]:
    tasks, files = asyncio.all_tasks(), _open_files()
    yield
    left = {
        task.get_name()
        for task in asyncio.all_tasks() - tasks
        if not task.done() and task is not asyncio.current_task()
    }
    assert not left
    assert not _open_files() - files
