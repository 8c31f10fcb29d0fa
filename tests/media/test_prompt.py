"""WAV files into G.711: every format that is taken, every one that is refused."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from dialer.media.g711 import PCMA, PCMU, ULAW_TO_ALAW, alaw_encode, ulaw_decode
from dialer.media.prompt import DEFAULT_PROMPT, PromptError, load_prompt

Write = Callable[..., str]


def tone(hertz: float, rate: int, seconds: float = 0.5, level: float = 8000.0) -> NDArray[np.float64]:
    return level * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)


def heard(path: str) -> NDArray[np.float64]:
    return np.array([ulaw_decode(code) for code in load_prompt(path).ulaw], dtype=np.float64)


def strongest(samples: NDArray[np.float64]) -> float:
    """The frequency of the loudest component, Hz."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum)) * 8000 / len(samples)


def pcm16(samples: NDArray[np.float64]) -> bytes:
    return np.rint(samples).astype("<i2").tobytes()


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000])
def test_a_tone_of_any_rate_stays_the_same_tone(wav: Write, rate: int) -> None:
    samples = heard(wav(pcm16(tone(1000, rate)), rate=rate))
    assert len(samples) == 4000
    assert strongest(samples) == pytest.approx(1000, abs=4)
    assert np.sqrt(np.mean(samples[400:3600] ** 2)) == pytest.approx(8000 / np.sqrt(2), rel=0.02)


def test_what_8_khz_cannot_carry_is_filtered_and_not_folded(wav: Write) -> None:
    samples = heard(wav(pcm16(tone(7000, 48000)), rate=48000))  # would fold to 1000 Hz
    assert np.sqrt(np.mean(samples**2)) < 8000 / 30


def test_stereo_is_mixed(wav: Write) -> None:
    left = tone(500, 8000)
    both = np.column_stack([left, -left]).ravel()
    assert np.max(np.abs(heard(wav(pcm16(both), channels=2)))) == 0


def test_eight_bits_are_unsigned(wav: Write) -> None:
    data = np.rint(tone(400, 8000) / 256 + 128).astype(np.uint8).tobytes()
    samples = heard(wav(data, bits=8))
    assert strongest(samples) == pytest.approx(400, abs=4)
    assert abs(np.mean(samples)) < 100


def test_g711_files_pass_untouched(wav: Write) -> None:
    codes = bytes(range(160))
    assert load_prompt(wav(codes, form=7, bits=8)).ulaw == codes
    alaw = bytes(alaw_encode(value) for value in range(-32000, 32000, 400))
    assert load_prompt(wav(alaw, form=6, bits=8)).frames(PCMA)[0] == bytes(
        ULAW_TO_ALAW[code] for code in load_prompt(wav(alaw, form=6, bits=8)).ulaw
    )


def test_extensible_and_streamed_headers_are_read(tmp_path: Path) -> None:
    guid = struct.pack("<H", 1) + b"\x00" * 14
    fmt = struct.pack("<HHIIHH", 0xFFFE, 1, 8000, 16000, 2, 16) + struct.pack("<HHI", 22, 16, 4) + guid
    body = b"WAVELIST" + struct.pack("<I", 3) + b"abc\0" + b"fmt " + struct.pack("<I", len(fmt)) + fmt
    body += b"data" + struct.pack("<I", 0xFFFFFFFF) + b"\x00" * 640
    path = tmp_path / "e.wav"
    path.write_bytes(b"RIFF\xff\xff\xff\xff" + body)
    assert load_prompt(str(path)).seconds == pytest.approx(0.04)


def test_it_ends_with_a_whole_frame(wav: Write) -> None:
    prompt = load_prompt(wav(b"\x11" * 170, form=7, bits=8))
    frames = prompt.frames(PCMU)
    assert [len(frame) for frame in frames] == [160, 160]
    assert frames[1] == b"\x11" * 10 + b"\xff" * 150


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"data": b""}, "no audio"),
        ({"data": b"\0" * 12, "bits": 24}, "format 1 with 24 bits"),
        ({"data": b"\0" * 12, "form": 3, "bits": 32}, "format 3"),
        ({"data": b"\0" * 12, "channels": 3}, "3 channels"),
        ({"data": b"\0" * 12, "channels": 0}, "0 channels"),
        ({"data": b"\0" * 12, "rate": 0}, "0 samples a second"),
        ({"data": b"\0" * 12, "rate": 400000}, "400000 samples a second"),
        ({"data": b"\0" * (8000 * 301), "form": 7, "bits": 8}, "301 s long"),
    ],
)
def test_refused_formats_say_what_is_wrong(wav: Write, options: dict[str, object], says: str) -> None:
    path = wav(**options)
    with pytest.raises(PromptError) as error:
        load_prompt(path)
    assert str(error.value).startswith(f"{path}: ")
    assert says in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "content", [b"", b"RIFF", b"ID3\x03" + b"\0" * 99, b"RIFF\0\0\0\0WAVE", b"RIFF\0\0\0\0WAVEfmt \x04\0\0\0abcd"]
)
def test_what_is_no_wav_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.wav"
    path.write_bytes(content)
    with pytest.raises(PromptError, match=r"^[^\n]*x\.wav: [^\n]+$"):
        load_prompt(str(path))


def test_a_cut_off_file_is_refused(wav: Write) -> None:
    path = Path(wav(pcm16(tone(440, 8000))))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(PromptError, match="cut off"):
        load_prompt(str(path))


def test_missing_files_and_directories_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PromptError, match="No such file"):
        load_prompt(str(tmp_path / "none.wav"))
    with pytest.raises(PromptError, match="directory"):
        load_prompt(str(tmp_path))


def test_the_built_in_message_is_heard() -> None:
    prompt = load_prompt(DEFAULT_PROMPT)
    assert 5 < prompt.seconds < 15
    assert Path(DEFAULT_PROMPT).stat().st_size < 100_000
    assert np.sqrt(np.mean(heard(DEFAULT_PROMPT) ** 2)) > 1000
