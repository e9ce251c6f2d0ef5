"""Every driver with what its device is known to say and to be told. A new driver is one more entry here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from struct import pack
from typing import Any

from firmware_bridge.drivers import BoardConfig, LineConfig
from protocols.sample_lines import LineFormat
from simulators.gym import session_board, twin
from simulators.scenarios import SCENARIOS, Session
from simulators.virtual_board import Device, VirtualBoard

ZERO_N = 30.0  # what the untared cells say with no load on them
SESSION = Session(SCENARIOS["iso_lateral_row"].but(reps=4, lead_s=6.0, force_zero_n=ZERO_N))


@dataclass(frozen=True, kw_only=True)
class Case:
    """One driver, as it is configured, and the twin of its device.

    said, rows: bytes from the maker's description and the counts that they are; told: each command and its bytes, None
    where the device cannot. whole: its link carries whole messages, which are never cut.
    """

    name: str
    device: Callable[..., Device]  # (now, seed)
    said: bytes
    rows: tuple[tuple[int, ...], ...]
    told: dict[str, bytes | None]
    options: dict[str, Any] = field(default_factory=dict)
    driver: str = ""
    url: str = "tcp://127.0.0.1:1"
    whole: bool = False
    real_link: str = "pty, pyserial"
    every_byte_is_a_sample: bool = False

    def config(self, name: str = "board", url: str | None = None) -> BoardConfig:
        return BoardConfig(id=name, url=url or self.url, driver=self.driver or self.name, **self.options)

    def is_told(self, data: bytes, command: str) -> bool:
        """Whether these bytes are a command; in a frame of ours the sequence is another each time."""
        told = self.told[command]
        if told is None or self.name != "cablelink":
            return data == told
        return data[:2] == told[:2]

    def __str__(self) -> str:
        return self.name


def _virtual_board(*, now: float, seed: int = 1, world: Any = None) -> VirtualBoard:
    return session_board(SESSION, side="left", now=now, ppm=40.0, world=world)


def _twin(driver: str, *, now: float, seed: int = 1, **options: Any) -> Device:
    return twin(driver, SESSION, side="left", now=now, ppm=40.0, **options)


CASES = (
    Case(
        name="cablelink",
        device=_virtual_board,
        # INFO: one force at the left, 0.5 N a count; SAMPLES: two rows, 10 ms apart
        said=bytes.fromhex(
            "0201010101010101020103f801010101010101010101010101010101020101010264060201010101010101023f010101026d054a5d"
            "fbf700020202010388130103102701010104020103010107fcffffff580a028f00"
        ),
        rows=((3,), (-4,)),
        told={
            "who": bytes.fromhex("000281020101010101058889ef3100"),
            "stop": bytes.fromhex("0283020201010101055bfc5ef500"),
            "tare": bytes.fromhex("028402030101010102ff023205737b56c000"),
            "identify": bytes.fromhex("028802040101010106056566a1bf00"),
        },
    ),
    Case(
        name="tindeq",
        device=partial(_twin, "tindeq"),
        url="ble://AA:BB:CC:DD:EE:FF",
        # tag 1, 16 bytes: 1.5 kg at 1000 us, -0.25 kg at 13 500 us
        said=bytes.fromhex("01100000c03fe8030000000080bebc340000"),
        rows=((150_000,), (-25_000,)),
        told={"who": b"\x6b", "start": b"\x65", "stop": b"\x66", "tare": b"\x64", "identify": None},
        whole=True,
        real_link="notifications in memory",
    ),
    Case(
        name="chronojump-force",
        device=partial(_twin, "chronojump-force"),
        said=b"\r\nForce_Sensor-0.7\r\nStarting capture...\r\n12345;-18.70\r\n24845;0.05\r\n",
        rows=((-18_700_000,), (50_000,)),
        told={
            "who": b"get_version:",
            "start": b"start_capture:",
            "stop": b"end_capture:",
            "tare": b"tare:",
            "identify": None,
        },
    ),
    Case(
        name="chronojump-four",
        device=partial(_twin, "chronojump-four"),
        said=b"".join(b"\xff\xff\xff\xff" + pack("<I4h", 1000 + 6250 * k, 10, -20, 300 + k, -1) for k in range(6)),
        rows=tuple((10, -20, 300 + k, -1) for k in range(6)),
        told={"who": b"start_capture:", "start": None, "stop": b"end_capture:", "tare": None, "identify": None},
    ),
    Case(
        name="chronojump-encoder",
        device=partial(_twin, "chronojump-encoder"),
        said=bytes(range(100, 120)) + b"\x02\x00\xff\x7f\x80",
        rows=((2,), (2,), (1,), (128,), (0,)),
        every_byte_is_a_sample=True,
        told={"who": None, "start": None, "stop": None, "tare": None, "identify": None},
    ),
    Case(
        name="ascii-line",
        device=partial(_twin, "ascii-line", line=LineFormat(("time_us", "left_force_n"))),
        options={"line": LineConfig(columns=["time_us", "left_force_n"])},
        said=b"tch v1\r\nHX711 ready\r\n1000;12.5\r\n13500; -0.25\n",
        rows=((12_500_000,), (-250_000,)),
        told={"who": None, "start": None, "stop": None, "tare": None, "identify": None},
    ),
    Case(
        name="ascii-line, no time",
        driver="ascii-line",
        device=partial(
            _twin, "ascii-line", line=LineFormat(("left_force_kg", "left_position_mm"), "blank"), rate_hz=81.3
        ),
        options={"line": LineConfig(columns=["left_force_kg", "left_position_mm"], separator="blank"), "rate_hz": 80},
        said=b"ready\n1.25\t310\n1e1 -2\n",
        rows=((1_250_000, 310_000_000), (10_000_000, -2_000_000)),
        told={"who": None, "start": None, "stop": None, "tare": None, "identify": None},
    ),
)
