"""The same with the real media process: what a customer hears when nobody is free."""

from __future__ import annotations

import math
import os
import signal
import socket
import struct
import wave


def write_message(path, seconds=0.4):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        tone = (int(12000 * math.sin(2 * math.pi * 440 * i / 8000)) for i in range(int(8000 * seconds)))
        file.writeframes(b"".join(struct.pack("<h", sample) for sample in tone))


def test_the_message_reaches_the_customer_and_then_the_call_ends(stage, tmp_path):
    write_message(tmp_path / "sorry.wav")
    ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    ear.setblocking(False)
    heard = []

    async def play(floor):
        _, customer, _ = await floor.talking()
        ear.bind(("127.0.0.1", customer.port))
        floor.phones.hang_up(floor.phone())
        await floor.until(lambda: customer.over == "remote")
        while True:
            try:
                heard.append(ear.recv(2000))
            except BlockingIOError:
                break
        voiced = [p for p in heard if len(p) == 172 and len(set(p[12:])) > 20]
        assert 15 <= len(voiced) <= 21, len(heard)
        (ended,) = await floor.ended()
        assert ended.outcome == "answered"

    try:
        stage(play, real_media=True, campaign=f'message = "{tmp_path}/sorry.wav"')
    finally:
        ear.close()


def test_the_media_process_dies_during_a_message(stage, party, tmp_path):
    write_message(tmp_path / "sorry.wav", seconds=5.0)

    async def play(floor):
        floor.carrier.default = party.rings
        await floor.call_state("ringing")
        await floor.do("break", 0)
        floor.carrier.default = party.answers
        floor.carrier.answer(floor.carrier.lines[0])
        await floor.call_state("message")
        os.kill(floor.media.pid, signal.SIGKILL)
        await floor.until(lambda: not floor.calls)
        (ended,) = await floor.ended()
        assert ended.outcome == "abandoned"
        await floor.until(lambda: floor.media.stats().alive)
        await floor.add("+34600000077")
        await floor.do("ready", 0)
        await floor.talking()
        await floor.do("hangup", 0)

    stage(play, real_media=True, ring_floor=3.0, campaign=f'message = "{tmp_path}/sorry.wav"', quiet=("message_cut",))
