"""Messages out of a byte stream (RFC 3261 18.3, RFC 5626 4.4.1): any split of the stream gives the same messages.

A stream has no boundaries but Content-Length, so whatever makes that doubtful ends the stream: there is no way to find
the next message. The reason is in `fault`, fit to be counted; the messages before it are good.
"""

from __future__ import annotations

import re

__all__ = ["PONG", "Framer"]

PONG = b"\r\n"
"""The answer to a keep-alive of two CRLF (RFC 5626 3.5.1)."""

_LENGTH = re.compile(rb"\r\n(?:content-length|l)[ \t]*:((?:[ \t]|\r\n[ \t])*)([^\r\n]*)(?=\r\n)", re.IGNORECASE)
_NUMBER = re.compile(rb"[0-9]{1,10}")
_FIRST = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.!%*_+`'~")
_END = b"\r\n\r\n"


class Framer:
    """One direction of one connection. `pings` counts keep-alives (two CRLF between messages) that want a `PONG`;
    `fault` is None until the stream is beyond help: then nothing more is taken.
    """

    __slots__ = ("_buffer", "_crlf", "_need", "_searched", "fault", "max_message", "pings")

    def __init__(self, max_message: int = 65_535) -> None:
        self.max_message = max_message
        self.fault: str | None = None
        self.pings = 0
        self._buffer = bytearray()
        self._crlf = False  # one CRLF between messages was seen, a second one makes a ping
        self._searched = 0  # up to here there is no end of the header
        self._need = 0  # whole length of the message at the start of the buffer; 0: not known yet

    @property
    def waiting(self) -> int:
        """Bytes of an unfinished message."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that `data` completes, in order. Never raises."""
        messages: list[bytes] = []
        if self.fault is not None:
            return messages
        buffer = self._buffer
        buffer += data
        while buffer:
            if not self._need and not self._measure():
                break
            if len(buffer) < self._need:
                break
            messages.append(bytes(buffer[: self._need]))
            del buffer[: self._need]
            self._need = self._searched = 0
            self._crlf = False
        return messages

    def _measure(self) -> bool:
        """Find the length of the next message; false if more bytes are needed, or the stream is at its end."""
        buffer = self._buffer
        if not self._searched:
            while buffer[:2] == b"\r\n":
                del buffer[:2]
                if self._crlf:
                    self.pings += 1
                self._crlf = not self._crlf
            if not buffer or (len(buffer) == 1 and buffer[0] == 13):
                return False
            if buffer[0] not in _FIRST:
                return self._fail("garbage")
        end = buffer.find(_END, max(0, self._searched - 3))
        if end < 0:
            self._searched = len(buffer)
            if len(buffer) > self.max_message:
                self._fail("oversized")
            return False
        lengths = _LENGTH.findall(buffer, 0, end + 2)
        if not lengths:
            return self._fail("no_content_length")
        text = lengths[0][1].strip(b" \t")
        if len(lengths) > 1 or not _NUMBER.fullmatch(text):
            return self._fail("bad_content_length")
        self._need = end + 4 + int(text)
        if self._need > self.max_message:
            return self._fail("oversized")
        return True

    def _fail(self, fault: str) -> bool:
        self.fault = fault
        self._buffer.clear()
        return False
