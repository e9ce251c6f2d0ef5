"""What each decoder is to do with any bytes: take them or raise its own error, in any pieces alike, and hold little."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from struct import pack
from typing import Final, Protocol
from zlib import crc32

from firmware_bridge.cablelink_reader import CablelinkReader
from firmware_bridge.link import Chunk
from protocols import cablelink, framing, tindeq
from protocols.ascii_line import AsciiLine
from protocols.chronojump import ENCODER_DROPPED, ChronojumpEncoder, ChronojumpForce, ChronojumpFour, four_cells
from protocols.device import Dialect
from protocols.neutral_csv import CsvError, parse_csv
from protocols.recording import MAGIC, ChunkIn, Header, LinkUp, RecordDecoder, RecordingError, Tick, encode
from protocols.sample_lines import BLANK, LineFormat
from protocols.text_lines import LONGEST

CSV_HEAD: Final = b"time_s,left_position_m,left_force_n,right_position_m,right_force_n\n"
FORMATS: Final = (
    LineFormat(("time_us", "left_force_n")),
    LineFormat(("time_s", "force_kg", "skip", "position_mm"), ","),
    LineFormat(("left_force_counts", "right_force_counts"), BLANK),
)


@dataclass(frozen=True, slots=True)
class Target:
    """A decoder under test: `take` raises where it does anything else than it should; `seeds` are good inputs."""

    take: Callable[[bytes], None]
    seeds: tuple[bytes, ...]


class _Fed(Protocol):
    @property
    def buffered(self) -> int: ...

    def feed(self, data: bytes) -> list[object]: ...


def pieces(data: bytes) -> list[bytes]:
    """The bytes, cut at places that the first of them says."""
    size = 1 + (data[0] if data else 0) % 40
    return [data[at : at + size] for at in range(0, len(data), size)]


def _cut_alike(make: Callable[[], _Fed], data: bytes, *, held: int) -> None:
    whole, cut = make(), make()
    found: list[object] = []
    for piece in pieces(data):
        found += cut.feed(piece)
        assert cut.buffered <= held
    assert found == whole.feed(data)
    assert whole.buffered <= held


def framed(data: bytes) -> None:
    """Bytes on a wire."""
    _cut_alike(framing.FrameDecoder, data, held=framing.MAX_FRAME)  # type: ignore[arg-type]  # a list of bytes


def bodies(data: bytes) -> None:
    """A body whose check was right: a message that says the same again, or MessageError."""
    try:
        said = cablelink.decode(data)
    except cablelink.MessageError:
        return
    try:
        again = said.to_body()
    except cablelink.MessageError:  # text that was no UTF-8 has grown beyond the largest body
        assert isinstance(said, cablelink.Log) or len(data) > framing.MAX_BODY
        return
    assert cablelink.decode(again).to_body() == again


def reader(data: bytes) -> None:
    """Bodies, each after its length, on a wire and in the air: never an error."""
    wired, aired = CablelinkReader("stream"), CablelinkReader("messages")
    wired.link_up()
    aired.link_up()
    at, now = 0, 0.0
    while at < len(data):
        body = data[at + 1 : at + 1 + data[at]]
        at, now = at + 1 + data[at], now + 0.01
        aired.feed(Chunk(now, body))
        if body:
            wired.feed(Chunk(now, framing.encode(body)))


def _dialect(make: Callable[[], Dialect]) -> Callable[[bytes], None]:
    return lambda data: _cut_alike(make, data, held=LONGEST)  # type: ignore[arg-type]  # a list of what is said


def notification(data: bytes) -> None:
    """A notification is whole, or it is none."""
    dialect = tindeq.Tindeq()
    dialect.feed(data)
    assert dialect.buffered == 0


def line(data: bytes) -> None:
    """A format by the first byte, the lines after it."""
    chosen = FORMATS[data[0] % len(FORMATS)] if data else FORMATS[0]
    _dialect(lambda: AsciiLine(chosen, rate_hz=80.0))(data[1:])


def recording(data: bytes) -> None:
    """A file as it is, and the same bytes as a record whose check is right."""
    decoder = RecordDecoder()
    try:
        found = [record for piece in pieces(data) for record in decoder.feed(piece)]
    except RecordingError:
        found = []
    else:
        assert decoder.left_over <= len(data)
    whole = RecordDecoder()
    try:
        assert whole.feed(data) == found
    except RecordingError:
        assert found == []
    checked = RecordDecoder()
    head = len(data).to_bytes(4, "little") + crc32(data).to_bytes(4, "little")
    assert len(checked.feed(MAGIC + head + data)) + (checked.damage is not None) == 1


def csv(data: bytes) -> None:
    """A log as text, and the same text as rows below a good header."""
    for text in (data, CSV_HEAD + data):
        try:
            log = parse_csv(text.decode("utf-8-sig", errors="replace"), name="fuzz")
        except CsvError:
            continue
        assert all(a.t < b.t for a, b in pairwise(log.rows))
        values = (v for r in log.rows for v in (r.left_position, r.left_force, r.right_position, r.right_force))
        assert all(isfinite(value) for value in values if value is not None)


_CHANNELS = tuple(cablelink.Channel(kind=kind, side=side, unit=kind) for kind in (1, 2) for side in (1, 2))
_INFO = cablelink.Info(rate_hz=100, batch=2, channels=_CHANNELS, model="board", sequence=1).to_body()
_SAMPLES = cablelink.Samples(sequence=2, dt_us=10_000, rows=((1, -2, 3, -4), (5, 6, 7, 8))).to_body()
_SAID = (
    _INFO,
    _SAMPLES,
    *(kind().to_body() for kind in (cablelink.Event, cablelink.Ack, cablelink.Pong, cablelink.Status)),
    cablelink.Log(text="a line").to_body(),
    *(kind().to_body() for kind in cablelink.TO_BOARD),
)
_FOUR = b"".join(four_cells(k * 6250, (k, -k, 0, -1)) for k in range(8))
_WEIGHTS = bytes((tindeq.Tag.WEIGHTS, 16)) + pack("<fIfI", 1.5, 1000, -2.0, 13_500)
_HEADER = Header(
    recording="r", station="s", session="t", first_seq=1, first_set=1, monotonic_anchor=0.0, unix_anchor=0.0,
    settings=b"{}", software="0",
)  # fmt: skip
_RECORDS = [
    encode(record)
    for record in (_HEADER, LinkUp(board="b", received_at=0.0), ChunkIn(board="b", received_at=0.1, data=b"\1\2"),
                   Tick(received_at=1.0))
]  # fmt: skip

TARGETS: Final[dict[str, Target]] = {
    "framing": Target(framed, (b"".join(framing.encode(body) for body in _SAID), b"\0\0" + b"\x07" * 520)),
    "cablelink": Target(bodies, _SAID),
    "cablelink-reader": Target(
        reader, (b"".join(bytes((len(each),)) + each for each in (_INFO, _SAMPLES, *_SAID[2:7])),)
    ),
    "tindeq": Target(notification, (_WEIGHTS, b"\0\x071.2.3.4", b"\0\4\x10\x0e\0\0", b"\4\0")),
    "chronojump-force": Target(
        _dialect(ChronojumpForce), (b"\nForce_Sensor-0.7\r\nStarting capture...\r\n123;45.6\r\n200;-1.5e2\r\n",)
    ),
    "chronojump-four": Target(_dialect(ChronojumpFour), (_FOUR, b"\1" + _FOUR + b"\xff" * 60 + _FOUR)),
    "chronojump-encoder": Target(_dialect(ChronojumpEncoder), (bytes(ENCODER_DROPPED) + b"\1\2\xff\x80",)),
    "ascii-line": Target(line, (b"\0\n100;1.5\n200;-2e3\n", b"\1\n0.1,2.5,x,30\n0.2,1,2,3\n", b"\2\n 12 -9\t\n1 2\n")),
    "recording": Target(recording, (MAGIC + b"".join(_RECORDS), *(record[8:] for record in _RECORDS))),
    "neutral-csv": Target(
        csv, (b"# exercise: row\n" + CSV_HEAD + b"0,0.1,5,,\n0.01,,,0.2,7\n0.01,1,2,3,4\n", b"1e9,1\n0,,2\n0,,3\n")
    ),
}
