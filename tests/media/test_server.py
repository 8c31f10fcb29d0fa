"""What the media process does with hostile packets and impossible messages: its server here, on real sockets."""

from __future__ import annotations

import asyncio
import base64
import struct
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from dialer.media.messages import (
    Bridge,
    Counters,
    Digit,
    Finished,
    Hold,
    Message,
    Note,
    Open,
    Play,
    PromptPart,
    Ready,
    Release,
    Remote,
    Stop,
    encode,
)
from dialer.media.server import MediaServer

Run = Callable[[Coroutine[Any, Any, None]], None]
Range = Callable[[int], tuple[int, int]]


class Parent:
    """The other end: a server whose channel ends in a queue."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.said: asyncio.Queue[Message] = asyncio.Queue()
        self.server = MediaServer(lambda: None)
        monkeypatch.setattr(self.server.channel, "send", self.said.put_nowait)

    def __enter__(self) -> Parent:
        return self

    def __exit__(self, *_: object) -> None:
        self.server.close()

    async def next(self, kind: type[Message]) -> Any:
        while True:
            message = await asyncio.wait_for(self.said.get(), 5)
            if isinstance(message, kind):
                return message

    def open(self, ports: tuple[int, int], latch: str = "off") -> None:
        self.server.handle(Open("127.0.0.1", list(range(ports[0], ports[1], 2)), 101, latch))

    def tell(self, message: Message) -> None:
        self.server.channel.data_received(encode(message))


HOSTILE: list[tuple[str, bytes]] = [
    ("short", b""),
    ("short", b"\x80\x00"),
    ("version", b"\x40" + b"\0" * 171),
    ("version", b"GET / HTTP/1.1\r\n\r\n"),
    ("too_long", b"\x80\x00" + b"\0" * 1499),
    ("too_long", b"\x80\x00" + b"\0" * 60000),
    ("truncated", b"\x8f\x00" + b"\0" * 20),
    ("padding", b"\xa0\x00" + b"\0" * 20),
    ("rtcp", b"\x80\xc8" + b"\0" * 30),
    ("unheard", b"\x80\x00" + b"\0" * 170),
    ("unheard", b"\x80\x7f" + b"\0" * 170),
]
KEY = struct.pack("!BBHII", 0x80, 101, 1, 1, 1) + b"\x01\x0a\x00\xa0"


def test_hostile_packets_are_counted_by_reason(
    run: Run, port_range: Range, phones: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        phone, stranger = phones(), phones("127.0.0.3")
        with Parent(monkeypatch) as parent:
            low, high = port_range(2)
            parent.open((low, high))
            assert (await parent.next(Ready)).bound == [low, low + 2]
            parent.tell(Remote(low, "127.0.0.1", phone.address[1], 0, 101))
            phone.send(b"early", low + 2)
            phone.send(b"rtcp", low + 1)
            stranger.send(KEY, low)
            for _, data in HOSTILE:
                phone.send(data, low)
            phone.send(KEY, low)
            assert await parent.next(Digit) == Digit(low, "1")
            counts = (await parent.next(Counters)).counts
            expected = Counter("drop_" + reason for reason, _ in HOSTILE)
            expected.update(["drop_wrong_source", "drop_idle_port", "drop_rtcp_port"])
            assert {key: n for key, n in counts.items() if key.startswith("drop_")} == expected
            assert counts["received"] == len(HOSTILE) + 3

    run(work())


def test_a_flood_of_keys_is_thinned(run: Run, port_range: Range, phones: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        phone = phones()
        with Parent(monkeypatch) as parent:
            low, high = port_range(1)
            parent.open((low, high))
            parent.tell(Remote(low, "127.0.0.1", phone.address[1], 0, None))
            for n in range(20):
                phone.talk(low, bytes([n % 10, 10, 0, 160]), 101, timestamp=n + 1)
            await parent.next(Digit)
            counts = (await parent.next(Counters)).counts
            assert counts["drop_digit_rate"] >= 15

    run(work())


@pytest.mark.parametrize(
    "message",
    [
        Play(1, "p", 1),
        Hold(1),
        Stop(1),
        Release(1),
        Bridge(1, 2),
        Remote(1, "127.0.0.1", 4000, 0, None),
        Remote(1, "localhost", 4000, 0, None),
        Remote(1, "127.0.0.1\0", 4000, 0, None),
        Remote(1, "127.0.0.1", 0, 0, None),
        Remote(1, "127.0.0.1", 4000, 0, 128),
        Ready([], {}),
        Open("127.0.0.1", [70000], 101, "off"),
        PromptPart("p", "AAAA", False, True),
        PromptPart("p", "not base64!", True, True),
    ],
    ids=lambda message: type(message).__name__,
)
def test_a_message_that_cannot_be_carried_out_is_one_note(
    run: Run, port_range: Range, monkeypatch: pytest.MonkeyPatch, message: Message
) -> None:
    async def work() -> None:
        with Parent(monkeypatch) as parent:
            parent.tell(message)
            note = await parent.next(Note)
            assert "\n" not in note.text
            assert not any(isinstance(parent.said.get_nowait(), Note) for _ in range(parent.said.qsize()))
            parent.open(port_range(1))  # and the process goes on
            assert len((await parent.next(Ready)).bound) == 1

    run(work())


def test_a_play_that_cannot_be_is_told_and_ends_what_was_sent(
    run: Run, port_range: Range, phones: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        phone = phones()
        with Parent(monkeypatch) as parent:
            low, high = port_range(1)
            parent.open((low, high))
            parent.tell(Play(low, "p", 6))
            assert await parent.next(Finished) == Finished(6, False)  # no party yet
            parent.tell(Remote(low, "127.0.0.1", phone.address[1], 0, None))
            parent.tell(Play(low, "p", 7))
            assert await parent.next(Finished) == Finished(7, False)  # no such prompt
            parent.tell(PromptPart("p", base64.b64encode(b"\x01" * 160).decode(), True, False))
            parent.tell(PromptPart("p", base64.b64encode(b"\x02" * 160).decode(), False, True))
            parent.tell(Play(low, "p", 8))
            assert [(await phone.receive())[12] for _ in range(2)] == [1, 2]
            assert await parent.next(Finished) == Finished(8, True)

    run(work())


def test_garbage_lines_are_one_note_each(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        with Parent(monkeypatch) as parent:
            parent.server.channel.data_received(b"\x00\xff\n{}\n" + encode(Stop(1)))
            texts = [(await parent.next(Note)).text for _ in range(3)]
            assert texts[0].startswith("not JSON")
            assert texts[1] == "unknown message None"
            assert texts[2] == "port 1 is not bound here"

    run(work())


def test_sending_nowhere_is_counted(run: Run, port_range: Range, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        with Parent(monkeypatch) as parent:
            low, high = port_range(1)
            parent.open((low, high))
            parent.tell(Remote(low, "203.0.113.9", 4000, 0, None))  # a socket bound to loopback cannot reach it
            parent.tell(Hold(low))
            assert (await parent.next(Counters)).counts["drop_send_einval"] == 1

    run(work())
