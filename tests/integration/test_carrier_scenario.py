"""The rig's own carrier and phones take what RFC 3261 allows a caller to do: a call that they lose sight of would be
counted against the dialer.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.rig.scenario import CarrierSettings, agent, carrier
from benchmarks.rig.sipp import Sipp

pytestmark = [pytest.mark.peer, pytest.mark.parallel]
ALL_ANSWER = CarrierSettings(
    answer=100, busy=0, not_found=0, unavailable_503=0, temporarily_480=0, ring=(0.0, 0.01), hold=(0.5, 0.6)
)
HASTY = replace(ALL_ANSWER, hold=(0.05, 0.05))
ALL_REFUSED = replace(ALL_ANSWER, answer=0, temporarily_480=100, ring=(0.05, 0.05))


class Caller:
    """Calls by hand, message by message, one after the other."""

    def __init__(self, sipp: Sipp) -> None:
        self.sipp = sipp
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.settimeout(20.0)
        self.sock.bind(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self.sock.getsockname()[1]}"
        self.begin("late")

    def begin(self, call_id: str) -> None:
        """Another call."""
        self.call_id = call_id
        self.to = "<sip:1@127.0.0.1>"

    def send(self, method: str, number: int, branch: str) -> None:
        text = (
            f"{method} sip:1@{self.sipp.address} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {self.host};branch=z9hG4bK{branch}-{self.call_id}\r\n"
            f"From: <sip:me@127.0.0.1>;tag=1\r\nTo: {self.to}\r\nCall-ID: {self.call_id}\r\n"
            f"CSeq: {number} {method}\r\n"
            f"Contact: <sip:me@{self.host}>\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        )
        self.sock.sendto(text.encode(), ("127.0.0.1", self.sipp.port))

    def hears(self, start: str, cseq: str) -> str:
        """The next message of the call that begins with `start` and has that CSeq; others are overlooked."""
        while True:
            text = self.hears_any()
            if text.startswith(start) and f"CSeq: {cseq}" in text.split("\r\n"):
                return text

    def hears_any(self) -> str:
        """The next message of the call."""
        while True:
            text = self.sock.recv(65535).decode()
            if f"Call-ID: {self.call_id}" in text.split("\r\n"):
                return text

    def hears_soon(self, start: str, cseq: str, seconds: float) -> str | None:
        """As `hears`, or None when nothing of the kind came by then."""
        self.sock.settimeout(seconds)
        try:
            return self.hears(start, cseq)
        except TimeoutError:
            return None
        finally:
            self.sock.settimeout(20.0)

    def answers(self, bye: str) -> None:
        """200 to the peer's BYE."""
        kept = "".join(line + "\r\n" for line in bye.split("\r\n") if re.match("(Via|From|To|Call-ID):", line))
        answer = f"SIP/2.0 200 OK\r\n{kept}CSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n"
        self.sock.sendto(answer.encode(), ("127.0.0.1", self.sipp.port))

    def wait_ended(self) -> None:
        """Until the peer's log has the end of the call."""
        self.sipp.process.wait_ready(lambda: self.logged("END"), 10.0, f"{self.call_id} ended")

    def logged(self, event: str) -> bool:
        """Whether the peer has noted this of the call."""
        return any(line.event == event and line.call_id == self.call_id for line in self.sipp.calls())

    def answered(self, number: int) -> None:
        self.to = re.search(r"^To: (.*)\r$", self.hears("SIP/2.0 200", f"{number} INVITE"), re.MULTILINE)[1]  # type: ignore[index]


@pytest.fixture
def call(request: pytest.FixtureRequest, need, tmp_path: Path) -> Iterator[Caller]:
    need("sipp")
    sipp = Sipp("peer", request.param, tmp_path)
    caller = Caller(sipp)
    yield caller
    caller.sock.close()
    sipp.stop()
    assert sipp.errors() == []


@pytest.mark.parametrize("call", [carrier(ALL_ANSWER)], indirect=True)
def test_an_ack_of_a_repeated_answer_behind_a_reinvite_does_not_lose_the_carrier_its_call(call):
    call.send("INVITE", 1, "a")
    call.answered(1)
    call.send("CANCEL", 1, "a")  # crosses the answer, which is said again
    call.hears("SIP/2.0 200", "1 CANCEL")
    call.answered(1)
    call.send("ACK", 1, "b")
    call.send("INVITE", 2, "c")
    call.answered(2)
    call.send("ACK", 1, "b")
    call.send("ACK", 2, "d")
    call.answers(call.hears("BYE", "1 BYE"))
    call.wait_ended()
    call.send("ACK", 2, "d")  # and one more, when all is over


@pytest.mark.parametrize("method", ["INVITE", "BYE"])
@pytest.mark.parametrize("call", [carrier(ALL_ANSWER)], indirect=True)
def test_what_crosses_the_carriers_bye_does_not_lose_it_the_answer(call, method):
    call.send("INVITE", 1, "a")
    call.answered(1)
    call.send("ACK", 1, "b")
    bye = call.hears("BYE", "1 BYE")
    call.send(method, 2, "c")
    call.answers(bye)
    call.wait_ended()


@pytest.mark.parametrize("call", [agent()], indirect=True)
def test_an_ack_of_a_repeated_answer_behind_a_reinvite_does_not_lose_the_agents_phone(call):
    call.send("INVITE", 1, "a")
    call.answered(1)
    call.send("ACK", 1, "b")
    call.send("INVITE", 2, "c")
    call.answered(2)
    call.send("ACK", 1, "b")
    call.send("ACK", 2, "d")
    call.send("INVITE", 3, "e")
    call.answered(3)
    call.send("ACK", 3, "f")
    call.send("BYE", 4, "g")
    call.hears("SIP/2.0 200", "4 BYE")


@pytest.mark.parametrize("call", [carrier(HASTY)], indirect=True)
def test_a_reinvite_at_the_instant_of_the_carriers_bye_does_not_make_it_forget_to_say_it(call):
    for number in range(40):
        call.begin(f"at-once-{number}")
        call.send("INVITE", 1, "a")
        call.answered(1)
        call.send("ACK", 1, "b")
        early = call.hears_soon("BYE", "1 BYE", 0.046 + 0.0002 * number)
        call.send("INVITE", 2, "c")
        if early:
            call.answers(early)
            continue
        while not (said := call.hears_any()).startswith("BYE "):
            if "CSeq: 2 INVITE" in said and not said.startswith("SIP/2.0 1"):
                call.send("ACK", 2, "c")
        call.answers(said)
        call.wait_ended()


@pytest.mark.parametrize("call", [carrier(ALL_REFUSED)], indirect=True)
def test_a_cancel_at_the_instant_of_a_refusal_gets_its_answer_and_does_not_swallow_the_refusal(call):
    for number in range(40):
        call.begin(f"at-once-{number}")
        call.send("INVITE", 1, "a")
        call.hears("SIP/2.0 180", "1 INVITE")
        early = call.hears_soon("SIP/2.0 480", "1 INVITE", 0.046 + 0.0002 * number)
        call.send("CANCEL", 1, "a")
        final = early or call.hears("SIP/2.0 4", "1 INVITE")
        call.send("ACK", 1, "a")
        call.wait_ended()
        assert call.logged("TEMPORARILY") == final.startswith("SIP/2.0 480"), "what is noted is what was said"
