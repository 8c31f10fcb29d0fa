"""RIFF/WAVE files as samples: the formats that a prompt may come in (the standard `wave` module refuses G.711)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

PCM, ALAW, ULAW = 1, 6, 7  # format tags, RFC 2361
_EXTENSIBLE = 0xFFFE
_UNKNOWN_SIZE = (0, 0xFFFFFFFF)  # written by programs that stream and cannot seek back


class WavError(Exception):
    """The bytes are not a WAV that we read; the text says what is wrong and what is allowed."""


@dataclass(frozen=True, slots=True)
class Wav:
    """`form` is PCM, ALAW or ULAW; `rate` in Hz; `bits` a sample and channel; `data` the interleaved samples."""

    form: int
    channels: int
    rate: int
    bits: int
    data: bytes


def parse_wav(content: bytes) -> Wav:
    """Read a whole WAV file. Raises WavError."""
    if len(content) < 12 or content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        raise WavError("not a WAV file (no RIFF/WAVE header)")
    form: tuple[int, int, int, int] | None = None
    at = 12
    while at + 8 <= len(content):
        name, size = content[at : at + 4], int.from_bytes(content[at + 4 : at + 8], "little")
        body = at + 8
        if name == b"fmt ":
            form = _format(content[body : body + size])
        elif name == b"data":
            if form is None:
                raise WavError("the data comes before the format: not a proper WAV file")
            if size in _UNKNOWN_SIZE:
                size = len(content) - body
            elif body + size > len(content):
                raise WavError(f"cut off: {size} bytes of audio announced, {len(content) - body} there")
            tag, channels, rate, bits = form
            frame = channels * bits // 8
            return Wav(tag, channels, rate, bits, content[body : body + size - size % frame])
        at = body + size + (size & 1)
    raise WavError("no audio in it (no data chunk)")


def _format(chunk: bytes) -> tuple[int, int, int, int]:
    if len(chunk) < 16:
        raise WavError("its format chunk is cut off")
    tag, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", chunk)
    if tag == _EXTENSIBLE and len(chunk) >= 26:
        tag = struct.unpack_from("<H", chunk, 24)[0]
    allowed = {(PCM, 8), (PCM, 16), (ALAW, 8), (ULAW, 8)}
    if (tag, bits) not in allowed:
        raise WavError(f"format {tag} with {bits} bits; allowed are PCM 8 or 16 bits, A-law and u-law")
    if channels not in (1, 2):
        raise WavError(f"{channels} channels; allowed are 1 and 2")
    if not 4000 <= rate <= 192000:
        raise WavError(f"{rate} samples a second; allowed are 4000 to 192000")
    return tag, channels, rate, bits
