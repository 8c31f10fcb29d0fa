"""Far ends that a test writes by hand, for an endpoint without sockets and with a clock of its own."""

from __future__ import annotations

from typing import Any

from dialer.sip import Endpoint


class ByHand:
    """Base of such a far end: `endpoint` is under test, `now` its clock, in seconds."""

    endpoint: Endpoint
    now: float

    def sent(self) -> list[bytes]:
        """What the endpoint has sent since it was asked last."""
        return [data for data, _ in self.endpoint.datagrams_to_send()]

    def events(self) -> list[Any]:
        """What it has told since it was asked last."""
        taken = []
        while (event := self.endpoint.next_event()) is not None:
            taken.append(event)
        return taken

    def wait(self, seconds: float) -> list[bytes]:
        """Let time pass; what is sent meanwhile."""
        end, sent = self.now + seconds, []
        while (at := self.endpoint.next_timer()) is not None and at <= end:
            self.now = max(self.now, at)
            self.endpoint.handle_timer(self.now)
            sent += self.sent()
        self.now = end
        return sent


def headers(data: bytes) -> dict[str, str]:
    """The header lines by name; of several with one name, the last."""
    lines = data.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    return {name: value for name, _, value in (line.partition(": ") for line in lines)}


def response(request: bytes, status: str, tag: str = "t", lines: str = "", body: bytes = b"") -> bytes:
    """An answer to a request: its own lines, `tag` where its To has none, further header lines, each with its CRLF."""
    got = headers(request)
    to = got["To"] if "tag=" in got["To"] or not tag else f"{got['To']};tag={tag}"
    head = (
        f"SIP/2.0 {status}\r\nVia: {got['Via']}\r\nFrom: {got['From']}\r\nTo: {to}\r\nCall-ID: {got['Call-ID']}\r\n"
        f"CSeq: {got['CSeq']}\r\n{lines}Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
