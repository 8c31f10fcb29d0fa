"""A caller for the simulated phones: plain bytes on a socket, so that every message is seen as it is on the wire."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from benchmarks.callcentre import message
from benchmarks.callcentre.journal import Journal
from benchmarks.callcentre.message import Message
from benchmarks.callcentre.phone import Phone

OFFER = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio 40000 RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n"
)


class Caller(asyncio.DatagramProtocol):
    """Sends what it is told and keeps what comes."""

    def __init__(self) -> None:
        self.inbox: asyncio.Queue[Message] = asyncio.Queue()
        self.transport: Any = None
        self.peer = ("", 0)
        self.count = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.inbox.put_nowait(message.parse(data, addr))

    @property
    def port(self) -> int:
        return int(self.transport.get_extra_info("sockname")[1])

    def send(
        self, method: str, *, user: str = "+12015550100", call_id: str = "c1", cseq: int = 1, to_tag: str = "",
        branch: str | None = None, body: str = "", uri: str = "", from_tag: str = "f1",
    ) -> str:  # fmt: skip
        self.count += 1
        branch = branch or f"z9hG4bK{self.count}"
        uri = uri or f"sip:{user}@{self.peer[0]}:{self.peer[1]}"
        headers = [
            ("Via", f"SIP/2.0/UDP 127.0.0.1:{self.port};rport;branch={branch}"),
            ("Max-Forwards", "70"),
            ("From", f"<sip:me@127.0.0.1>;tag={from_tag}"),
            ("To", f"<sip:{user}@x>" + (f";tag={to_tag}" if to_tag else "")),
            ("Call-ID", call_id),
            ("CSeq", f"{cseq} {method}"),
            ("Contact", f"<sip:me@127.0.0.1:{self.port}>"),
        ]
        if body:
            headers.append(("Content-Type", "application/sdp"))
        self.transport.sendto(message.build(f"{method} {uri} SIP/2.0", headers, body.encode()), self.peer)
        return branch

    def reply(self, request: Message, status: int = 200) -> None:
        headers = [(name.title(), request.one(name)) for name in ("via", "from", "to", "call-id", "cseq")]
        self.transport.sendto(message.build(f"SIP/2.0 {status} OK", headers), self.peer)

    async def next(self, wanted: int | str) -> Message:
        """The next message that is not a 100, which must have this status or method."""
        while True:
            found = await asyncio.wait_for(self.inbox.get(), 5.0)
            if found.status != 100:
                break
        assert (found.status or found.method) == wanted
        return found


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log.jsonl"


async def open_phone(owner: Any, journal: Journal, **options: Any) -> tuple[Phone, Caller]:
    """A phone and a caller on loopback, talking to each other."""
    loop = asyncio.get_running_loop()
    phone = Phone(owner, journal, random.Random(1), **options)
    await loop.create_datagram_endpoint(lambda: phone, local_addr=("127.0.0.1", 0))
    caller = Caller()
    await loop.create_datagram_endpoint(lambda: caller, local_addr=("127.0.0.1", 0))
    caller.peer = phone.address
    return phone, caller


@pytest.fixture
def line() -> Any:
    return open_phone


@pytest.fixture
def offer() -> str:
    return OFFER
