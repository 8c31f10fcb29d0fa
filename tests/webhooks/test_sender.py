"""One request: signed, bounded, to permitted addresses only, no redirects."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialer.config.door_tables import WebhookTable
from dialer.webhooks import SignatureError, sign, verify
from dialer.webhooks.sender import HttpSender, Refusal, body_of, event_id
from dispositions.journal import Entry

ENTRY = Entry(7, "c", 3, "order/7", 1_750_694_400.25, "outcome", {"outcome": "busy", "number": "+12125550100"})
#: Pieces of the three forms of an HTTP-date, in any order.
DATES = st.lists(
    st.sampled_from(
        [
            b"Sun,", b"Sunday,", b"06", b"Nov", b"1994", b"06-Nov-94", b"08:49:37", b"24:60:61", b"GMT", b"+9999",
            b"-0000", b"0", b"9" * 20, b"\xe9",
        ]
    ),
    max_size=7,
).map(b" ".join)  # fmt: skip
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def sent(answer: bytes | None, *, host: str = "127.0.0.1", **settings: Any) -> tuple[str | None, bytes]:
    """What the sender says of a server that answers with these bytes (None: never), and what the server was sent."""
    refusal, heard = refused(answer, host=host, **settings)
    return None if refusal is None else refusal.reason, heard


def refused(answer: bytes | None, *, host: str = "127.0.0.1", **settings: Any) -> tuple[Refusal | None, bytes]:
    """The same, with all that the sender says."""
    heard = bytearray()

    async def scene() -> Refusal | None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(int(x.split(b":")[1]) for x in head.split(b"\r\n") if x.lower().startswith(b"content-length"))
            heard.extend(head + await reader.readexactly(length))
            if answer is None:
                await asyncio.sleep(30)
            else:
                writer.write(answer)
                await writer.drain()
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        waits = {"timeout": 0.5 if answer is None else 10.0}
        values = {"url": f"http://{host}:{port}/hook?x=1", "allow_private": True, **waits, **settings}
        sender = HttpSender(WebhookTable.model_validate(values), "secret-of-the-hook")
        try:
            return await sender.send(ENTRY, 1_750_694_500.9)
        finally:
            await sender.close()
            server.close()

    return asyncio.run(scene()), bytes(heard)


def test_a_request_is_signed_and_names_its_event() -> None:
    why, heard = sent(b"HTTP/1.1 204 No Content\r\n\r\n")
    assert why is None
    head, _, body = heard.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    lowered = {name.lower(): value for name, value in headers.items()}
    assert body == body_of(ENTRY)
    assert lowered["dialer-event-id"] == event_id(ENTRY) == "7-1750694400250"
    verify("secret-of-the-hook", lowered["dialer-signature"], body, 1_750_694_500)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", "status 500"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", "status 302"),
        (b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", "status 404"),
        (b"SSH-2.0-hello\r\n", "no answer: RemoteProtocolError"),
        (None, "no answer within 0.5 s"),
    ],
)
def test_what_is_not_taken(answer: bytes | None, why: str) -> None:
    assert sent(answer)[0] == why


@pytest.mark.parametrize(
    ("answer", "refusal"),
    [
        (b"503 Away\r\nRetry-After: 120\r\n", Refusal("status 503", 120.0, all_wait=True)),
        (b"429 Slowly\r\nRetry-After: Mon, 23 Jun 2025 16:02:00 GMT\r\n", Refusal("status 429", 19.1, all_wait=True)),
        (b"500 Oh\r\nRetry-After: 7\r\n", Refusal("status 500", 7.0)),
        (b"503 Away\r\nRetry-After: later\r\n", Refusal("status 503", None, all_wait=True)),
    ],
)
def test_when_it_wants_to_be_asked_again(answer: bytes, refusal: Refusal) -> None:
    found, _ = refused(b"HTTP/1.1 " + answer + b"Content-Length: 0\r\n\r\n")
    assert found is not None
    assert (found.reason, found.all_wait) == (refusal.reason, refusal.all_wait)
    assert found.wait == (None if refusal.wait is None else pytest.approx(refusal.wait))


@settings(max_examples=40, deadline=None)
@given(
    status=st.sampled_from([b"200", b"404", b"429", b"500", b"503", b"999"]),
    values=st.lists(st.binary(max_size=40) | DATES | st.just(b"9" * 60_000), max_size=3),
)
def test_whatever_it_says_of_when_is_a_time_to_wait_or_nothing(status: bytes, values: list[bytes]) -> None:
    head = b"".join(b"Retry-After: " + value.replace(b"\r", b"").replace(b"\n", b"") + b"\r\n" for value in values)
    found, _ = refused(b"HTTP/1.1 " + status + b" Oh\r\n" + head + b"Content-Length: 0\r\n\r\n", timeout=5.0)
    if found is None:
        assert status == b"200"
        return
    assert found.reason == f"status {status.decode()}" or found.reason.startswith("no answer: ")
    assert found.reason.isprintable()
    assert found.wait is None or 0.0 <= found.wait < float("inf")


def test_an_endless_answer_costs_nothing() -> None:
    began = time.monotonic()
    assert sent(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 5_000_000)[0] is None
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_private_address_is_refused_and_nothing_leaves(host: str) -> None:
    why, heard = sent(b"HTTP/1.1 200 OK\r\n\r\n", host=host, allow_private=False)
    assert why == "a private address: set allow_private if it is meant"
    assert heard == b""


def test_the_signature_holds_what_it_promises() -> None:
    header = sign("s3cret", 1000, b"{}")
    verify("s3cret", header, b"{}", 1299)
    for secret, text, body, now in (
        ("other", header, b"{}", 1000),
        ("s3cret", header, b"{ }", 1000),
        ("s3cret", header.replace("t=1000", "t=1001"), b"{}", 1000),
        ("s3cret", header, b"{}", 1301),
        ("s3cret", header, b"{}", 699),
        ("s3cret", "", b"{}", 1000),
        ("s3cret", "t=,v1=", b"{}", 1000),
        ("s3cret", "t=9" * 200, b"{}", 1000),
        ("s3cret", "v1=\ud800,t=1000", b"{}", 1000),
    ):
        with pytest.raises(SignatureError):
            verify(secret, text, body, now)
