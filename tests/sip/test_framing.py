"""Messages out of a byte stream (RFC 3261 18.3, RFC 5626 4.4.1), whatever its pieces."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialer.sip.framing import Framer


def message(name: str = "OPTIONS", body: bytes = b"", length: str = "Content-Length", lines: str = "") -> bytes:
    return f"{name} sip:a@b SIP/2.0\r\nVia: x\r\n{lines}{length}: {len(body)}\r\n\r\n".encode() + body


def fed(stream: bytes, cuts: list[int], limit: int = 2000) -> tuple[list[bytes], int, str | None]:
    framer = Framer(limit)
    at = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    found = [one for start, end in itertools.pairwise(at) for one in framer.feed(stream[start:end])]
    return found, framer.pings, framer.fault


def test_two_messages_in_one_piece_and_one_in_many() -> None:
    one, two = message(body=b"v=0\r\n\r\n\r\n"), message("BYE")
    assert Framer().feed(one + two) == [one, two]
    framer = Framer()
    assert [m for at in range(len(one)) for m in framer.feed(one[at : at + 1])] == [one]
    assert framer.waiting == 0


PIECES = st.sampled_from(
    [
        message(),
        message(body=b"\r\n\r\nINVITE sip:x SIP/2.0\r\n\r\n"),
        message(length="l", body=b"12"),
        message(length="CONTENT-LENGTH \t"),
        message(lines="Content-Type: a/b\r\n"),
        b"\r\n",
        b"\r\n\r\n",
        b"\r\n\r\n\r\n",
        message(body=b"x" * 1900),
        b"OPTIONS sip:a SIP/2.0\r\nVia: x\r\n\r\n",
        b"\x16\x03\x01\x02",
        b"\n",
    ]
)


@given(st.lists(PIECES, max_size=8), st.lists(st.integers(0, 5000), max_size=30))
def test_any_split_of_a_stream_gives_the_same_messages(pieces: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(pieces)
    assert fed(stream, cuts) == fed(stream, [])


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=20))
def test_noise_is_refused_alike_in_any_pieces(noise: bytes, cuts: list[int]) -> None:
    stream = message() + noise
    assert fed(stream, cuts, 250) == fed(stream, [], 250)


@pytest.mark.parametrize(
    ("stream", "fault"),
    [
        (b"OPTIONS sip:a SIP/2.0\r\nVia: x\r\n\r\n", "no_content_length"),
        (message(lines="Content-Length: 0\r\n"), "bad_content_length"),
        (b"OPTIONS sip:a SIP/2.0\r\nContent-Length: -1\r\n\r\n", "bad_content_length"),
        (b"OPTIONS sip:a SIP/2.0\r\nl: 1,2\r\n\r\n", "bad_content_length"),
        (b"OPTIONS sip:a SIP/2.0\r\nContent-Length: 99999\r\n\r\n", "oversized"),
        (b"A" * 2001, "oversized"),
        (b"\x16\x03\x01", "garbage"),
        (b"\x00\x00", "garbage"),
        (b"\rX", "garbage"),
    ],
)
def test_rfc3261_18_3_what_leaves_no_way_to_the_next_message_ends_the_stream(stream: bytes, fault: str) -> None:
    framer = Framer(2000)
    good = message("BYE")
    assert framer.feed(good + stream) == [good]
    assert framer.fault == fault
    assert framer.feed(good) == []
    assert framer.waiting == 0


def test_rfc5626_4_4_1_two_crlf_between_messages_are_a_ping_and_one_is_not() -> None:
    framer = Framer()
    assert framer.feed(b"\r\n" + message() + b"\r\n") == [message()]
    assert framer.pings == 0
    assert framer.feed(b"\r") == []
    assert framer.feed(b"\n" + message()) == [message()]
    assert framer.pings == 1


def test_a_folded_content_length_counts() -> None:
    whole = b"OPTIONS sip:a SIP/2.0\r\nContent-Length:\r\n  3\r\n\r\nabc"
    assert Framer().feed(whole + message()) == [whole, message()]
