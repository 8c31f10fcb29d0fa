"""G.711 companding, made from its definition (ITU-T G.711 (1988) tables 1a-2b; arithmetic as in G.191).

Samples are 16-bit linear: u-law's 14 bits and A-law's 13 bits are left-aligned. Standard library only: the media
process uses it.
"""

from __future__ import annotations

PCMU = 0  # RFC 3551 table 4
PCMA = 8
SILENCE = {PCMU: 0xFF, PCMA: 0xD5}
_BIAS = 33  # u-law: added so that every segment starts at a power of two
_CLIP = 0x1FFF


def ulaw_decode(code: int) -> int:
    """The linear sample of a u-law octet."""
    inverted = ~code & 0xFF
    exponent, mantissa = (inverted >> 4) & 7, inverted & 0x0F
    magnitude = (((mantissa << 1) + _BIAS) << exponent) - _BIAS
    return -(magnitude << 2) if inverted & 0x80 else magnitude << 2


def ulaw_encode(sample: int) -> int:
    """The u-law octet of a linear sample in -32768..32767."""
    negative = sample < 0
    magnitude = min(((~sample if negative else sample) >> 2) + _BIAS, _CLIP)
    exponent = magnitude.bit_length() - 6
    mantissa = (magnitude >> (exponent + 1)) & 0x0F
    return ~((0x80 if negative else 0) | exponent << 4 | mantissa) & 0xFF


def alaw_decode(code: int) -> int:
    """The linear sample of an A-law octet."""
    plain = code ^ 0x55
    exponent, mantissa = (plain >> 4) & 7, plain & 0x0F
    magnitude = (mantissa << 4) + 8
    if exponent:
        magnitude = (magnitude + 0x100) << (exponent - 1)
    return magnitude if plain & 0x80 else -magnitude


def alaw_encode(sample: int) -> int:
    """The A-law octet of a linear sample in -32768..32767."""
    negative = sample < 0
    magnitude = (~sample if negative else sample) >> 4
    exponent = max(magnitude.bit_length() - 4, 0)
    mantissa = (magnitude >> max(exponent - 1, 0)) & 0x0F
    return (exponent << 4 | mantissa | (0 if negative else 0x80)) ^ 0x55


ULAW_TO_ALAW = bytes(alaw_encode(ulaw_decode(code)) for code in range(256))
ALAW_TO_ULAW = bytes(ulaw_encode(alaw_decode(code)) for code in range(256))


def transcode(audio: bytes, source: int, target: int) -> bytes:
    """G.711 audio of payload type `source` as payload type `target` (0 or 8); raises KeyError for others."""
    if source == target:
        return audio
    return audio.translate({(PCMU, PCMA): ULAW_TO_ALAW, (PCMA, PCMU): ALAW_TO_ULAW}[source, target])
