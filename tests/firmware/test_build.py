"""The C code builds where it has to: strictly as C99, without a library, and with as little memory as it says."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from firmware_bridge.board_session import Timing
from tests.firmware import cc
from tests.firmware.conftest import BUILDS, flags_of
from tests.firmware.wire import running
from tests.firmware_bridge.test_board import Station, alive

SMALL = ("-DCABLE_BOARD_BODY=196", "-DCABLE_BOARD_BLOCKS=2", "-DCABLE_BOARD_HEARD=32")
BLOCK = re.compile(r"^```c\n(.*?)^```", re.MULTILINE | re.DOTALL)
FOR_A_COMPILER = {"memcpy", "memmove", "memset", "memcmp"}  # what GCC may call of its own, freestanding too


@pytest.mark.parametrize("flags", [("-O2",), ("-Os", "-ffreestanding"), ("-O2", *SMALL)])
def test_the_portable_part_builds_without_a_warning(built: Path, flags: tuple[str, ...]) -> None:
    cc.compile_c(cc.PORTABLE, flags=(*flags, "-c"), out=built / "portable.o")


@pytest.mark.parametrize("flags", [("-O2",), ("-Os", "-ffreestanding")])
def test_the_header_builds_alone_and_included_twice(built: Path, flags: tuple[str, ...]) -> None:
    source = built / "alone.c"
    source.write_text('#include "cablelink.h"\n#include "cablelink.h"\n\nint nothing;\n', encoding="utf-8")
    cc.compile_c(source, flags=(*flags, "-c"), out=built / "alone.o")


def test_the_portable_part_calls_nothing_but_its_board(built: Path) -> None:
    nm = shutil.which("nm")
    if nm is None:
        pytest.skip("no nm; on Debian: apt-get install binutils")
    cc.compile_c(cc.PORTABLE, flags=("-Os", "-ffreestanding", "-c"), out=built / "free.o")
    said = subprocess.run([nm, "-u", built / "free.o"], capture_output=True, text=True, check=True).stdout
    called = {line.split()[-1] for line in said.splitlines()}
    assert {name for name in called - FOR_A_COMPILER if not name.startswith("board_")} == set()
    declared = set(re.findall(r"\b(board_\w+)\(", (cc.FIRMWARE / "board.h").read_text(encoding="utf-8")))
    assert called - FOR_A_COMPILER == declared


@pytest.mark.parametrize("what", ["-DCABLE_BOARD_BODY=195", "-DCABLE_BOARD_BODY=505", "-DCABLE_BOARD_BLOCKS=1"])
def test_sizes_that_cannot_work_do_not_build(built: Path, what: str) -> None:
    with pytest.raises(AssertionError, match="CABLE_BOARD_"):
        cc.compile_c(cc.PORTABLE, flags=(what, "-c"), out=built / "wrong.o")


async def test_a_board_with_little_memory_sends_shorter_messages_and_loses_nothing(built: Path, tmp_path: Path) -> None:
    program = cc.compile_c(cc.PORTABLE, cc.HOST, flags=("-O2", *SMALL), out=built / "small")
    station = Station()
    with running(program, tmp_path / "board", "--rate", "1000", "--signal", "ramp"):
        async with alive(f"serial://{tmp_path / 'board'}", station, timing=Timing()):
            await station.until(lambda: sum(len(block.rows) for block in station.blocks) >= 300)
    rows = [row for block in station.blocks for row in block.rows]
    assert rows == [(k, 2 * k, 3 * k, 4 * k) for k in range(len(rows))]
    assert {len(block.rows) for block in station.blocks} == {10}


@pytest.mark.parametrize("build", BUILDS)
def test_samples_from_an_interrupt_come_once_and_whole_or_are_counted_as_lost(build: str, built: Path) -> None:
    program = cc.compile_c(cc.INTERRUPTS, cc.PORTABLE, flags=flags_of(build, built), out=built / f"interrupts-{build}")
    done = subprocess.run([program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout


def test_the_c_of_the_page_on_firmware_builds(built: Path) -> None:
    page = (cc.ROOT / "docs" / "firmware.md").read_text(encoding="utf-8")
    blocks = BLOCK.findall(page)
    assert blocks
    source = built / "page.c"
    source.write_text("\n".join(blocks), encoding="utf-8")
    cc.compile_c(source, flags=("-Os", "-ffreestanding", "-c"), out=built / "page.o")
