"""RTP packets: what is read, what is dropped and why, what is sent."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialer.media.rtp import Forwarder, Packet, Sender, event_digit, parse


def packet(first: int = 0x80, second: int = 0, body: bytes = b"x" * 160) -> bytes:
    return struct.pack("!BBHII", first, second, 5, 800, 9) + body


def test_a_plain_packet() -> None:
    data = packet(second=0x88)
    assert parse(data, len(data)) == Packet(8, True, 5, 800, 9, 12, 172)


def test_csrc_extension_and_padding_are_left_out() -> None:
    body = b"C" * 8 + b"\xbe\xde\x00\x01" + b"EEEE" + b"audio" + b"\0\0\x03"
    data = packet(first=0x80 | 0x20 | 0x10 | 2, body=body)
    found = parse(data, len(data))
    assert isinstance(found, Packet)
    assert data[found.start : found.end] == b"audio"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "short"),
        (packet(body=b"")[:11], "short"),
        (packet(body=b"x" * 1489), "too_long"),
        (packet(first=0x40), "version"),
        (packet(first=0x00), "version"),
        (packet(first=0x8F, body=b"x" * 10), "truncated"),
        (packet(first=0x90, body=b"\0\0"), "truncated"),
        (packet(first=0x90, body=b"\0\0\xff\xff"), "truncated"),
        (packet(first=0xA0, body=b"ab\x00"), "padding"),
        (packet(first=0xA0, body=b"ab\x04"), "padding"),
        (packet(first=0xA0, body=b""), "padding"),
        (packet(second=200), "rtcp"),
    ],
)
def test_each_reason_to_drop(data: bytes, reason: str) -> None:
    assert parse(data, len(data)) == reason


@given(st.binary(max_size=1600))
def test_nothing_received_can_do_harm(data: bytes) -> None:
    found = parse(data, len(data))
    if isinstance(found, Packet):
        assert 12 <= found.start <= found.end <= len(data)
        event_digit(data[found.start : found.end])
    else:
        assert found in {"short", "too_long", "version", "truncated", "padding", "rtcp"}


def test_keys() -> None:
    assert [event_digit(bytes([n, 10, 0, 160])) for n in (0, 9, 10, 11, 12, 15, 16)] == [
        "0",
        "9",
        "*",
        "#",
        "A",
        "D",
        None,
    ]
    assert event_digit(b"\x01\x0a\x00") is None


def test_a_sender_counts_on_across_pauses_and_never_back() -> None:
    sender = Sender(now=100.0)
    first = parse(sent := sender.packet(0, b"a" * 160, marker=True), len(sent))
    sender.resume(100.0 + 3.0)
    second = parse(sent := sender.packet(8, b"b" * 160, marker=False), len(sent))
    sender.resume(50.0)
    third = parse(sent := sender.packet(8, b"b" * 160, marker=False), len(sent))
    assert isinstance(first, Packet)
    assert isinstance(second, Packet)
    assert isinstance(third, Packet)
    assert first.marker
    assert not second.marker
    assert first.ssrc == second.ssrc
    assert (second.sequence - first.sequence) & 0xFFFF == 1
    assert (second.timestamp - first.timestamp) & 0xFFFFFFFF == 24000
    assert (third.timestamp - second.timestamp) & 0xFFFFFFFF == 160


def test_forwarding_keeps_gaps_and_order_under_the_legs_own_ssrc() -> None:
    sender = Sender(now=0.0)
    begin = sender.sequence
    forwarder = Forwarder(sender)
    sent = []
    for sequence, timestamp in ((65534, 4294967200), (65535, 64), (1, 384), (0, 224), (2, 544)):  # wraps, a late one
        raw = forwarder.packet(Packet(0, False, sequence, timestamp & 0xFFFFFFFF, 77, 0, 0), 8, b"x")
        found = parse(raw, len(raw))
        assert isinstance(found, Packet)
        sent.append(found)
    assert [(one.sequence - begin) & 0xFFFF for one in sent] == [0, 1, 3, 2, 4]
    assert {one.ssrc for one in sent} == {sender.ssrc}
    assert [one.marker for one in sent] == [True, False, False, False, False]
    assert (sent[1].timestamp - sent[0].timestamp) & 0xFFFFFFFF == 160
    assert sender.sequence == (begin + 5) & 0xFFFF
    raw = forwarder.packet(Packet(0, False, 9000, 5, 78, 0, 0), 8, b"x")  # another source: no jump
    found = parse(raw, len(raw))
    assert isinstance(found, Packet)
    assert found.marker
    assert found.sequence == (begin + 5) & 0xFFFF
