"""The lines between the dialer and its media process."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialer.media.channel import Channel
from dialer.media.messages import (
    MAX_LINE,
    Bridge,
    Counters,
    Digit,
    Finished,
    Hold,
    Message,
    MessageFault,
    Note,
    Open,
    Play,
    PromptPart,
    Ready,
    Release,
    Remote,
    Stop,
    decode,
    encode,
)

EVERY: list[Message] = [
    Open("127.0.0.1", [20000, 20002], 101, "off"),
    PromptPart("a\nb", "AAAA", True, False),
    Remote(20000, "192.0.2.1", 4000, 8, None),
    Remote(20000, "192.0.2.1", 4000, 8, 101),
    Play(20000, "/m.wav", 3),
    Hold(1),
    Stop(1),
    Bridge(1, 2),
    Release(1),
    Ready([20000], {"EADDRINUSE": 2}),
    Finished(3, True),
    Digit(20000, "#"),
    Counters({"sent": 3}),
    Note("no"),
]


@pytest.mark.parametrize("message", EVERY, ids=lambda message: type(message).__name__)
def test_every_message_is_one_line_and_comes_back(message: Message) -> None:
    line = encode(message)
    assert line.count(b"\n") == 1
    assert decode(line) == message


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"[]",
        b"[" * 100_000,
        b"\xff\xfe",
        b'{"do":"Nothing"}',
        b'{"do":7}',
        b'{"do":["Play"]}',
        b'{"do":"Hold"}',
        b'{"do":"Hold","leg":1,"more":2}',
        b'{"do":"Hold","leg":"1"}',
        b'{"do":"Hold","leg":true}',
        b'{"do":"Open","host":"h","ports":[1,"2"],"events":1,"latch":"off"}',
        b'{"do":"Counters","counts":{"a":"b"}}',
        b'{"do":"Remote","leg":1,"host":"h","port":1,"payload":0,"events":"x"}',
    ],
)
def test_what_is_no_message_is_a_fault_of_one_line(line: bytes) -> None:
    with pytest.raises(MessageFault) as fault:
        decode(line)
    assert "\n" not in str(fault.value)
    assert len(str(fault.value)) < 300


@given(st.lists(st.integers(1, 60), max_size=30))
def test_lines_are_found_however_the_stream_is_cut(cuts: list[int]) -> None:
    got: list[Message] = []
    channel = Channel(got.append, lambda text: pytest.fail(text), lambda: None)
    stream, at = b"".join(encode(message) for message in EVERY), 0
    for cut in cuts:
        channel.data_received(stream[at : at + cut])
        at += cut
    channel.data_received(stream[at:])
    assert got == EVERY


def test_a_line_without_end_is_one_fault_and_the_next_line_counts() -> None:
    got: list[Message] = []
    faults: list[str] = []
    channel = Channel(got.append, faults.append, lambda: None)
    for _ in range(3):
        channel.data_received(b"x" * (MAX_LINE + 1))
    channel.data_received(b"rest\n" + encode(Hold(4)))
    assert len(faults) == 1
    assert got == [Hold(4)]
