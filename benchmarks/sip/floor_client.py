"""The floor of `client.py`: its six datagrams from ready texts, on its loop and by its clock, and nothing else.

No parsing, no transactions, no dialogs, no timers: what a call costs before any SIP is done. Prints the same object as
JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections import deque
from typing import Any

from benchmarks.sip.client import HOLD, TICK, run_fast
from benchmarks.sip.timed import timed
from dialer.sip import sdp
from dialer.udp import bound_socket


def _text(method: str, cseq: int, far: tuple[str, int], near: tuple[str, int], to_tag: str, body: bytes) -> bytes:
    kind = "Content-Type: application/sdp\r\n" if body else ""
    head = (
        f"{method} sip:service@{far[0]}:{far[1]} SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP {near[0]}:{near[1]};rport;branch=z9hG4bK%s{method}\r\nMax-Forwards: 70\r\n"
        f"From: <sip:bench@127.0.0.1>;tag=%s\r\nTo: <sip:service@{far[0]}:{far[1]}>{to_tag}\r\nCall-ID: %s\r\n"
        f"CSeq: {cseq} {method}\r\nContact: <sip:dialer@{near[0]}:{near[1]}>\r\n"
        f"{kind}Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Caller:
    """Sends an INVITE, the ACK of its 200, and a BYE `HOLD` seconds later; SIPp's uas asks for no right To tag."""

    def __init__(self, port: int, rate: float, calls: int) -> None:
        self.sock = bound_socket("127.0.0.1")
        self.far = ("127.0.0.1", port)
        self.rate, self.calls, self.left, self.count = rate, calls, calls, 0
        near = self.sock.getsockname()
        self.invite = _text("INVITE", 1, self.far, near, "", sdp.audio("127.0.0.1", 40_000))
        self.ack, self.bye = (_text(*what, self.far, near, ";tag=x", b"") for what in (("ACK", 1), ("BYE", 2)))
        self.standing: deque[tuple[float, bytes]] = deque()
        self.placed: dict[bytes, float] = {}
        self.setup: list[float] = []
        self.began = 0.0
        self.done = asyncio.Event()
        self.loop = asyncio.get_running_loop()
        self.loop.add_reader(self.sock.fileno(), self._readable)

    async def run(self) -> None:
        """Until every call has ended."""
        self.began = time.monotonic()
        self._tick()
        await self.done.wait()

    def _send(self, text: bytes, call: bytes) -> None:
        self.sock.sendto(text % (call, call, call), self.far)

    def _readable(self) -> None:
        data, _ = self.sock.recvfrom(65_535)
        if data.startswith(b"SIP/2.0 200"):
            at = data.find(b"Call-ID: ") + 9
            call = data[at : data.find(b"\r\n", at)]
            if b" INVITE\r\n" in data:
                self._send(self.ack, call)
                now = time.monotonic()
                self.setup.append(now - self.placed.pop(call))
                self.standing.append((now + HOLD, call))
            else:
                self.left -= 1

    def _tick(self) -> None:
        now = time.monotonic()
        due = min(self.calls, int((now - self.began) * self.rate) + 1)
        while self.count < due:
            call = b"%016x%016x" % (int(self.began * 1e6), self.count)
            self.placed[call] = time.monotonic()
            self._send(self.invite, call)
            self.count += 1
        while self.standing and self.standing[0][0] <= now:
            self._send(self.bye, self.standing.popleft()[1])
        if self.left and now - self.began <= self.calls / self.rate + 60:
            self.loop.call_later(TICK, self._tick)
        else:
            self.done.set()


async def measure(port: int, rate: float, calls: int) -> dict[str, Any]:
    """One run; times in microseconds and milliseconds."""
    caller = Caller(port, rate, calls)
    result = await timed(caller)
    caller.loop.remove_reader(caller.sock.fileno())
    caller.sock.close()
    return {**result, "failures": {"unfinished": caller.left} if caller.left else {}}


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--rate", type=float, default=200.0, help="calls per second")
    parser.add_argument("--calls", type=int, default=2_000)
    options = parser.parse_args()
    json.dump(run_fast(measure(options.port, options.rate, options.calls), False), sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
