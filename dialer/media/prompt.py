"""Prompts: WAV files made into G.711 once, before any call needs them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dialer.media.backend import MediaError
from dialer.media.g711 import PCMA as PCMA
from dialer.media.g711 import PCMU as PCMU
from dialer.media.g711 import SILENCE, alaw_decode, transcode, ulaw_decode, ulaw_encode
from dialer.media.wav import ALAW, PCM, Wav, WavError, parse_wav

RATE = 8000  # samples a second
FRAME = 160  # samples in a packet of 20 ms
MAX_SECONDS = 300.0
_MAX_BYTES = 128 * 1024 * 1024  # five minutes of 16-bit stereo at 96 kHz fit

DEFAULT_PROMPT = str(Path(__file__).parent / "prompts" / "no-agent-free.wav")


class PromptError(MediaError):
    """A prompt cannot be used; one line: `file: what is wrong`."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A message ready to be sent: u-law at 8 kHz, a whole number of 20 ms frames."""

    path: str
    ulaw: bytes

    @property
    def seconds(self) -> float:
        """How long it plays."""
        return len(self.ulaw) / RATE

    def frames(self, payload: int) -> list[bytes]:
        """Its 20 ms frames in the codec of that payload type (0 or 8); raises KeyError for others."""
        audio = transcode(self.ulaw, PCMU, payload)
        return [audio[at : at + FRAME] for at in range(0, len(audio), FRAME)]


def load_prompt(path: str) -> Prompt:
    """Read a WAV file (PCM 8 or 16 bits, A-law or u-law, mono or stereo, any usual rate, up to 5 minutes). Raises
    PromptError."""
    try:
        if Path(path).stat().st_size > _MAX_BYTES:
            raise PromptError(f"{path}: larger than {_MAX_BYTES // 2**20} MiB")
        wav = parse_wav(Path(path).read_bytes())
    except OSError as error:
        raise PromptError(f"{path}: {error.strerror or error}") from error
    except WavError as error:
        raise PromptError(f"{path}: {error}") from error
    samples = len(wav.data) // (wav.channels * wav.bits // 8)
    if not samples:
        raise PromptError(f"{path}: no audio in it")
    if samples > MAX_SECONDS * wav.rate:
        raise PromptError(f"{path}: {samples / wav.rate:.0f} s long; at most {MAX_SECONDS:.0f} s are allowed")
    if wav.rate == RATE and wav.channels == 1 and wav.form != PCM:
        audio = wav.data if wav.form != ALAW else transcode(wav.data, PCMA, PCMU)  # no needless loss
    else:
        audio = encode_ulaw(resample(linear(wav), wav.rate))
    return Prompt(path, audio + bytes([SILENCE[PCMU]]) * (-len(audio) % FRAME))


def linear(wav: Wav) -> NDArray[np.float64]:
    """The samples as one channel (the mean of two), shape (n,), on the 16-bit scale."""
    if wav.form == PCM:
        raw = np.frombuffer(wav.data, dtype="<i2" if wav.bits == 16 else np.uint8).astype(np.float64)
        samples = raw if wav.bits == 16 else (raw - 128.0) * 256.0  # 8-bit WAV is unsigned
    else:
        decode = alaw_decode if wav.form == ALAW else ulaw_decode
        table = np.array([decode(code) for code in range(256)], dtype=np.float64)
        samples = table[np.frombuffer(wav.data, dtype=np.uint8)]
    mixed: NDArray[np.float64] = samples.reshape(-1, wav.channels).mean(axis=1)
    return mixed


def resample(samples: NDArray[np.float64], rate: int) -> NDArray[np.float64]:
    """The same sound at 8000 samples a second, band-limited (polyphase FIR); shape (n,) to (about n * 8000 /
    rate,)."""
    if rate == RATE:
        return samples
    from scipy.signal import resample_poly  # costs 0.3 s to import: only those who need it pay

    divisor = int(np.gcd(RATE, rate))
    resampled: NDArray[np.float64] = np.asarray(
        resample_poly(samples, RATE // divisor, rate // divisor), dtype=np.float64
    )
    return resampled


def encode_ulaw(samples: NDArray[np.float64]) -> bytes:
    """Linear samples on the 16-bit scale as u-law octets; louder ones are clipped."""
    table = np.array([ulaw_encode(sample) for sample in range(-32768, 32768)], dtype=np.uint8)
    whole = np.clip(np.rint(samples), -32768, 32767).astype(np.int64)
    return table[whole + 32768].tobytes()
