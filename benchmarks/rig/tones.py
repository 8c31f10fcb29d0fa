"""Tones: made as WAV files, and found again in what a phone heard (Goertzel's filter, one DFT bin)."""

from __future__ import annotations

import math
import wave
from array import array
from pathlib import Path

SAMPLE_RATE = 8000


def write_tone(path: Path, hertz: float, seconds: float, level: float = 0.4) -> None:
    """Write a mono 16-bit WAV at 8 kHz with a sine of `hertz`; `level` is its peak, 1 = full scale."""
    peak = level * 32767
    samples = array(
        "h",
        (
            int(peak * math.sin(2 * math.pi * hertz * index / SAMPLE_RATE))
            for index in range(round(seconds * SAMPLE_RATE))
        ),
    )
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(samples.tobytes())


def read_wav(path: Path) -> tuple[list[int], int]:
    """The first channel's samples and the sample rate of a 16-bit WAV, also when its writer was cut off mid-file."""
    data = path.read_bytes()
    if data[:4] != b"RIFF" or b"fmt " not in data[:64]:
        raise ValueError(f"{path} is not a WAV file")
    start = data.index(b"fmt ")
    channels = int.from_bytes(data[start + 10 : start + 12], "little")
    rate = int.from_bytes(data[start + 12 : start + 16], "little")
    body = data[data.index(b"data") + 8 :]
    samples = array("h", body[: len(body) // 2 * 2])
    return list(samples[::channels]), rate


def tone_share(samples: list[int], rate: int, hertz: float) -> float:
    """The share of the samples' power that lies at `hertz`: about 1 for a pure tone, about 0 for noise (Goertzel)."""
    count = len(samples)
    power = sum(sample * sample for sample in samples) / count if count else 0.0
    if power < 1.0:
        return 0.0
    coefficient = 2 * math.cos(2 * math.pi * hertz / rate)
    before = last = 0.0
    for sample in samples:
        before, last = last, sample + coefficient * last - before
    magnitude = last * last + before * before - coefficient * last * before
    return float(2 * magnitude / (count * count) / power)


def seconds_of_tone(path: Path, hertz: float, window: float = 0.1, share: float = 0.6) -> float:
    """Seconds of the recording in which a tone of `hertz` carries at least `share` of the power, in whole windows."""
    samples, rate = read_wav(path)
    step = int(window * rate)
    heard = sum(
        tone_share(samples[start : start + step], rate, hertz) >= share
        for start in range(0, len(samples) - step + 1, step)
    )
    return heard * window
