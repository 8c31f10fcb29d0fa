"""G.711 against the values printed in the recommendation, and against itself."""

from __future__ import annotations

import pytest

from dialer.media.g711 import (
    ALAW_TO_ULAW,
    PCMA,
    PCMU,
    SILENCE,
    ULAW_TO_ALAW,
    alaw_decode,
    alaw_encode,
    transcode,
    ulaw_decode,
    ulaw_encode,
)

# ITU-T G.711 table 2a: character signal of a u-law segment's last interval -> quantized value y (14-bit scale)
ULAW_VALUES = {
    0x80: 8031,
    0x8F: 4191,
    0x9F: 2079,
    0xAF: 1023,
    0xBF: 495,
    0xCF: 231,
    0xDF: 99,
    0xEF: 33,
    0xFE: 2,
    0xFF: 0,
}
# ITU-T G.711 table 1a: PCM word before inversion of the even bits -> quantized value y (13-bit scale, in half steps)
ALAW_VALUES = {0xFF: 4032, 0xF0: 2112, 0xE0: 1056, 0xD0: 528, 0xC0: 264, 0xB0: 132, 0xA0: 66, 0x80: 1}


@pytest.mark.parametrize(("code", "value"), ULAW_VALUES.items())
def test_ulaw_decodes_as_printed(code: int, value: int) -> None:
    assert ulaw_decode(code) == value * 4
    assert ulaw_decode(code & 0x7F) == -value * 4


@pytest.mark.parametrize(("word", "value"), ALAW_VALUES.items())
def test_alaw_decodes_as_printed(word: int, value: int) -> None:
    assert alaw_decode(word ^ 0x55) == value * 8
    assert alaw_decode((word & 0x7F) ^ 0x55) == -value * 8


def test_silence_is_the_quietest_code() -> None:
    assert ulaw_encode(0) == SILENCE[PCMU]
    assert alaw_encode(0) == SILENCE[PCMA]


def test_encoding_a_decoded_code_gives_it_back() -> None:
    assert [ulaw_encode(ulaw_decode(code)) for code in range(256) if code != 0x7F] == [
        code for code in range(256) if code != 0x7F
    ]
    assert ulaw_encode(ulaw_decode(0x7F)) == 0xFF  # minus zero
    assert [alaw_encode(alaw_decode(code)) for code in range(256)] == list(range(256))


def test_encoding_is_monotone_and_near() -> None:
    for encode, decode, finest in ((ulaw_encode, ulaw_decode, 8), (alaw_encode, alaw_decode, 16)):
        values = [decode(encode(sample)) for sample in range(-32768, 32768)]
        assert values == sorted(values)
        for sample, value in zip(range(-32124, 32125), values[644:], strict=False):
            assert abs(sample - value) <= max(finest, abs(sample) / 16)  # half a step of 1/16 segment, at most


def test_agrees_with_the_standard_library_where_it_has_it() -> None:
    audioop = pytest.importorskip("audioop")
    linear = b"".join(sample.to_bytes(2, "little", signed=True) for sample in range(-32768, 32768))
    codes = bytes(range(256))
    assert audioop.ulaw2lin(codes, 2) == b"".join(ulaw_decode(c).to_bytes(2, "little", signed=True) for c in codes)
    assert audioop.alaw2lin(codes, 2) == b"".join(alaw_decode(c).to_bytes(2, "little", signed=True) for c in codes)
    theirs = audioop.lin2alaw(linear, 2)
    assert theirs == bytes(alaw_encode(sample) for sample in range(-32768, 32768))


def test_transcoding_keeps_levels() -> None:
    for code in range(256):
        value = ulaw_decode(code)
        assert abs(alaw_decode(ULAW_TO_ALAW[code]) - value) <= max(16, abs(value) / 16)
        assert abs(ulaw_decode(ALAW_TO_ULAW[code]) - alaw_decode(code)) <= max(16, abs(alaw_decode(code)) / 16)
    assert transcode(b"\x00\xff", PCMU, PCMU) == b"\x00\xff"
    assert transcode(b"\xff", PCMU, PCMA) == b"\xd5"
    with pytest.raises(KeyError):
        transcode(b"", PCMU, 9)
