"""The programs of these tests, each built once; where there is no compiler, the tests say so and are skipped."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.firmware import cc
from tests.firmware.codec import Codec

BUILDS = {"optimised": cc.FAST, "sanitised": cc.SANITISED}


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the programs lie."""
    try:
        cc.compiler()
    except cc.NoCompilerError as missing:
        pytest.skip(str(missing))
    return tmp_path_factory.mktemp("built")


def flags_of(build: str, built: Path) -> tuple[str, ...]:
    if build == "sanitised" and not cc.sanitisers_work(built):
        pytest.skip("no address sanitiser; on Debian it comes with gcc (libasan, libubsan)")
    return BUILDS[build]


@pytest.fixture(scope="session", params=BUILDS)
def codec(request: pytest.FixtureRequest, built: Path) -> Iterator[Codec]:
    """The C codec as a filter process."""
    program = cc.compile_c(cc.CODEC, flags=flags_of(request.param, built), out=built / f"codec-{request.param}")
    with Codec(program) as running:
        yield running


def program_of(build: str, built: Path) -> Path:
    """The reference firmware with the host's board layer."""
    out = built / f"board-{build}"
    if out.exists():
        return out
    return cc.compile_c(cc.PORTABLE, cc.HOST, flags=(*flags_of(build, built), *cc.ON_A_PC), out=out)


@pytest.fixture(scope="session")
def firmware(built: Path) -> Path:
    """The firmware as a program that stops at the first undefined behaviour or wrong access."""
    return program_of("sanitised", built)


@pytest.fixture(scope="session", params=BUILDS)
def either_firmware(request: pytest.FixtureRequest, built: Path) -> Path:
    """The same, and without the sanitisers' help."""
    return program_of(request.param, built)
