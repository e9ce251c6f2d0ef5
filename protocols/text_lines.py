"""Lines of text on a byte stream, however the bytes are cut; bounded, and wary of half a line."""

from __future__ import annotations

from typing import Final

LONGEST: Final = 200  # bytes; a longer line is no line of ours


class LineDecoder:
    """Bytes in, lines out. What comes before the first line end is half a line, or may be, and is not taken."""

    def __init__(self) -> None:
        self.junk = 0  # bytes that are in no line
        self._buffer = bytearray()
        self._is_whole = False  # the line that is coming has been heard from its beginning
        self._overlong = False

    def reset(self) -> None:
        """The link opened, and may have opened in mid-line."""
        self.junk += len(self._buffer)
        self._buffer.clear()
        self._is_whole = self._overlong = False

    @property
    def buffered(self) -> int:
        """Bytes held of a line that is not whole yet."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes, return the lines that they completed, without their ends, and no empty ones."""
        lines = []
        *ends, rest = data.split(b"\n")
        for part in ends:
            self._hold(part)
            line, is_whole = bytes(self._buffer).strip(b"\r"), self._is_whole and not self._overlong
            if not is_whole:
                self.junk += len(line) + 1
            elif line:
                lines.append(line)
            self._buffer.clear()
            self._is_whole, self._overlong = True, False
        self._hold(rest)
        return lines

    def _hold(self, part: bytes) -> None:
        if self._overlong or len(self._buffer) + len(part) > LONGEST:
            self.junk += len(part) + len(self._buffer)
            self._buffer.clear()
            self._overlong = True
        else:
            self._buffer += part
