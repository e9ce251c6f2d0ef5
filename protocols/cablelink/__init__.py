"""cablelink: the messages between a station's board and its host.

Little-endian throughout. Every body starts with the header: u8 type, u8 source (the board's number behind a hub), u16
sequence (separate in each direction, wraps), u32 t_us (the board's clock, wraps after 71.6 minutes). Bytes beyond the
known end of a message belong to a later minor version and are ignored.
"""

from __future__ import annotations

from typing import Final

from protocols.cablelink.from_board import (
    Ack,
    AckResult,
    Channel,
    ChannelSide,
    Event,
    EventCode,
    Info,
    Kind,
    Log,
    Pong,
    Samples,
    SampleStatus,
    Status,
    Unit,
)
from protocols.cablelink.header import HEADER, MAJOR, MINOR, Message, MessageError, Unknown
from protocols.cablelink.to_board import GetInfo, GetParam, Identify, Ping, Reboot, SetParam, Start, Stop, Tare

__all__ = [
    "FROM_BOARD",
    "MAJOR",
    "MINOR",
    "TO_BOARD",
    "Ack",
    "AckResult",
    "Channel",
    "ChannelSide",
    "Event",
    "EventCode",
    "GetInfo",
    "GetParam",
    "Identify",
    "Info",
    "Kind",
    "Log",
    "Message",
    "MessageError",
    "Ping",
    "Pong",
    "Reboot",
    "SampleStatus",
    "Samples",
    "SetParam",
    "Start",
    "Status",
    "Stop",
    "Tare",
    "Unit",
    "Unknown",
    "decode",
]

FROM_BOARD: Final = (Info, Samples, Event, Ack, Pong, Status, Log)
TO_BOARD: Final = (GetInfo, Start, Stop, Tare, Ping, SetParam, GetParam, Identify, Reboot)
_BY_TYPE: Final[dict[int, type[Message]]] = {kind.TYPE: kind for kind in (*FROM_BOARD, *TO_BOARD)}


def decode(body: bytes) -> Message:
    """The message in a body; Unknown for a type of a later version. Raises MessageError."""
    if len(body) < HEADER.size:
        raise MessageError(f"a body of {len(body)} bytes has no header")
    kind, source, sequence, t_us = HEADER.unpack_from(body)
    payload = body[HEADER.size :]
    known = _BY_TYPE.get(kind)
    if known is None:
        return Unknown(type=kind, payload=payload, source=source, sequence=sequence, t_us=t_us)
    return known.from_payload(payload, source=source, sequence=sequence, t_us=t_us)
