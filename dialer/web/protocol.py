"""HTTP on the wire: llhttp through httptools, in uvicorn's protocol, with a bound on a request's head.

uvicorn bounds the head only where h11 parses it. Here a request line and headers of more than `HEAD` bytes are answered
with 400 and the connection is closed, whether they come at once or byte by byte.
"""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

#: Largest head of a request, bytes.
HEAD = 16_384


class HeadTooLarge(ValueError):
    """More head than `HEAD`; httptools turns it into an error of the parser, and uvicorn that into a 400."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    _whole = 0
    """bytes of the head that the parser has handed on"""
    _fed = 0
    """bytes that came since the head began: the parser keeps an unfinished header to itself"""
    _in_head = True

    def data_received(self, data: bytes) -> None:
        """Bytes of one or more requests."""
        if self._in_head and self._fed > HEAD:
            self._in_head = False
            self.send_400_response("Invalid HTTP request received.")
            return
        super().data_received(data)
        if self._in_head:
            self._fed += len(data)

    def on_message_begin(self) -> None:
        """A request line follows."""
        self._whole = self._fed = 0
        self._in_head = True
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """A part of the request's target."""
        self._take(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A whole header."""
        self._take(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The body follows, if there is one."""
        self._in_head = False
        super().on_headers_complete()

    def _take(self, count: int) -> None:
        self._whole += count
        if self._whole > HEAD:
            raise HeadTooLarge(f"a head of more than {HEAD} bytes")
