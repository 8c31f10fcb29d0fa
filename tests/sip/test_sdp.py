"""Session descriptions: what is built is read again, what peers write is read, the broken is refused (RFC 4566)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialer.sip import SdpError, sdp


def test_audio_is_read_as_it_was_meant() -> None:
    data = sdp.audio("192.0.2.1", 4000, ("PCMA", "telephone-event"), "sendonly", session_id=9, version=3, ptime=20)
    read = sdp.parse(data)
    assert (read.host, read.port, read.names, read.direction) == (
        "192.0.2.1",
        4000,
        ("PCMA", "telephone-event"),
        "sendonly",
    )
    assert (read.session_id, read.version, read.ptime, read.held) == (9, 3, 20, True)
    assert read.to_bytes() == data
    assert b"o=- 9 3 IN IP4 192.0.2.1\r\n" in data
    assert b"c=IN IP6 ::1\r\n" in sdp.audio("::1", 4000)


def test_rfc4566_media_level_wins_and_other_streams_are_refused() -> None:
    data = (
        b"v=0\no=alice 1 2 IN IP4 h\ns= \nc=IN IP4 192.0.2.9/127\nt=0 0\na=inactive\n"
        b"m=video 5 RTP/AVP 31\nc=IN IP4 192.0.2.8\n"
        b"m=audio 4000/2 RTP/AVP 8 0 18 96 97\nc=IN IP4 192.0.2.7\na=rtpmap:96 opus/48000/2\n"
        b"a=rtpmap:97 TELEPHONE-EVENT/8000\n"
        b"a=fmtp:97 0-16\na=ptime:30\na=recvonly\nm=audio 4002 RTP/AVP 0\na=sendonly\n"
    )
    read = sdp.parse(data)
    assert (read.host, read.port, read.direction, read.ptime, read.username) == (
        "192.0.2.7",
        4000,
        "recvonly",
        30,
        "alice",
    )
    assert read.names == ("PCMA", "PCMU", "G729", "OPUS", "telephone-event")
    assert read.payloads[-1] == sdp.Payload(97, "telephone-event", 8000, "0-16")
    written = read.to_bytes()
    assert [line for line in written.split(b"\r\n") if line.startswith(b"m=")] == [
        b"m=video 0 RTP/AVP 31",
        b"m=audio 4000 RTP/AVP 8 0 18 96 97",
        b"m=audio 0 RTP/AVP 0",
    ]


def test_rfc3264_8_an_offer_to_a_out_of_the_answer_of_b() -> None:
    theirs = sdp.audio("192.0.2.2", 5000, ("PCMU", "telephone-event"), session_id=77, version=5).replace(b"101", b"96")
    offer = sdp.parse(sdp.readdressed(theirs, session_id=8, version=2, origin_host="192.0.2.1"))
    assert (offer.host, offer.port) == ("192.0.2.2", 5000)
    assert [payload.number for payload in offer.payloads] == [0, 96]
    assert (offer.session_id, offer.version, offer.origin_host) == (8, 2, "192.0.2.1")
    assert sdp.parse(sdp.readdressed(theirs, session_id=8, version=3, direction="inactive")).direction == "inactive"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        b"v=1\r\n",
        b"v=0\r\ns=-\r\n",
        b"v=0\r\nm=audio 4000 RTP/AVP 0\r\n",
        b"v=0\r\nc=IN IP4 h\r\nm=audio\r\n",
        b"v=0\r\nc=IN IP4 h\r\nm=audio 70000 RTP/AVP 0\r\n",
        b"v=0\r\nc=IN IP4 h\r\nm=audio -1 RTP/AVP 0\r\n",
        b"v=0\r\nc=IN IP4 h\r\nm=audio 1 RTP/AVP 128\r\n",
        b"v=0\r\nc=IN IP4 h\r\nm=audio 1 RTP/AVP" + b" 0" * 65 + b"\r\n",
        b"v=0\r\nc=ATM NSAP h\r\nm=audio 1 RTP/AVP 0\r\n",
        b"v=0\r\nc=IN IP4 h\r\n" + b"m=video 1 RTP/AVP 0\r\n" * 17,
        b"v=0\r\n" + b"a=x\r\n" * 1100,
        b"v=0\r\n" + b"x" * 70_000,
    ],
)
def test_what_cannot_be_used_is_refused(data: bytes) -> None:
    with pytest.raises(SdpError):
        sdp.parse(data)


def test_nothing_unsafe_is_written() -> None:
    good = sdp.parse(sdp.audio("192.0.2.1", 4000))
    for bad in (
        replace(good, host="a\r\nm=video 1 RTP/AVP 0"),
        replace(good, username="a b"),
        replace(good, payloads=(sdp.Payload(96, "X\r\n"),)),
        replace(good, payloads=(sdp.Payload(96, "X", 8000, "a\nb"),)),
    ):
        with pytest.raises(SdpError):
            bad.to_bytes()
    for wrong in (lambda: sdp.audio("h", 1, ("MP3",)), lambda: sdp.audio("h", 1, ()), lambda: sdp.audio("h", 70_000)):
        with pytest.raises(SdpError):
            wrong()


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for body in (data, b"v=0\r\nc=IN IP4 h\r\nm=audio 1 RTP/AVP 0\r\n" + data):
        try:
            read = sdp.parse(body)
        except SdpError:
            continue
        try:
            again = read.to_bytes()
        except SdpError:
            continue
        assert sdp.parse(again).port == read.port
