"""The ids of events, which follow from a recording: who plays it again names its events alike."""

from __future__ import annotations

import hashlib


def event_id(*, recording: str, seq: int, ts: int) -> str:
    """A UUID in version 7 layout (RFC 9562, 5.7) that follows from the recording and the event's number.

    48 bits of max(0, ts) in milliseconds, then 74 bits of SHA-256 over "recording:seq"; hence a replay gives
    every event the id that it had live.
    """
    digest = int.from_bytes(hashlib.sha256(f"{recording}:{seq}".encode()).digest()[:10], "big")
    value = (max(0, ts) & 0xFFFF_FFFF_FFFF) << 80 | digest
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
