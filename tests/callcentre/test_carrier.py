"""The simulated carrier against a scripted caller: what is on the wire, and what its log says of it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.callcentre import message
from benchmarks.callcentre.audio import Studio
from benchmarks.callcentre.behaviour import Population, Shares
from benchmarks.callcentre.carrier import Carrier
from benchmarks.callcentre.journal import Journal, read

NOBODY = {"answer": 0.0, "machine": 0.0, "busy": 0.0, "invalid": 0.0, "unreachable": 0.0, "congestion": 0.0}
Script = Callable[[Carrier, Any], Awaitable[None]]


@pytest.fixture
def play(log: Path, line: Any) -> Callable[..., list[dict[str, Any]]]:
    """Run a script against a carrier; returns the carrier's log."""

    def run(
        script: Script, *, rtp: str = "none", talk: tuple[float, float] | None = None, **shares: float
    ) -> list[dict[str, Any]]:
        async def scene() -> None:
            with Journal(log) as journal:
                studio = Studio("127.0.0.1", rtp, random.Random(1))
                population = Population(1, Shares(**(NOBODY | shares)), ring=(1.0, 1.0), talk=talk)
                carrier = Carrier(population, journal, studio, speed=100.0, retry_after=3, lines=10)
                phone, caller = await line(carrier, journal, name="trunk1")
                carrier.phones["trunk1"] = phone
                studio.start()
                try:
                    await script(carrier, caller)
                finally:
                    phone.close()
                    caller.transport.close()
                    await studio.close()

        asyncio.run(scene())
        return list(read(log))

    return run


def names(log: list[dict[str, Any]]) -> list[str]:
    return [event["event"] for event in log]


def test_an_answered_call_until_the_customer_hangs_up(play: Any, offer: str) -> None:
    async def script(_: Carrier, caller: Any) -> None:
        caller.send("INVITE", body=offer)
        await caller.next(180)
        answer = await caller.next(200)
        assert b"m=audio" in answer.body
        tag = message.tag_of(answer.one("to"))
        caller.send("ACK", to_tag=tag)
        bye = await caller.next("BYE")
        assert bye.uri == f"sip:me@127.0.0.1:{caller.port}", "BYE goes to our Contact"
        caller.reply(bye)
        await asyncio.sleep(0)

    log = play(script, answer=1.0, talk=(1.0, 1.0))
    assert names(log) == ["invite", "ringing", "answered", "ack", "bye"]
    assert log[0]["attempt"] == 1
    assert log[0]["number"] == "+12015550100"
    assert log[-1]["by"] == "customer"


def test_a_call_given_up_while_ringing(play: Any, offer: str) -> None:
    async def script(carrier: Carrier, caller: Any) -> None:
        branch = caller.send("INVITE", body=offer)
        ringing = await caller.next(180)
        caller.send("CANCEL", branch=branch)
        assert (await caller.next(200)).cseq == (1, "CANCEL")
        refused = await caller.next(487)
        assert message.tag_of(refused.one("to")) == message.tag_of(ringing.one("to"))
        caller.send("ACK", branch=branch, to_tag=message.tag_of(refused.one("to")))
        while not any(call.state == "ended" for call in carrier.phones["trunk1"].calls.values()):
            await asyncio.sleep(0.001)

    assert names(play(script)) == ["invite", "ringing", "cancel", "ack"]


@pytest.mark.parametrize(
    ("shares", "status"), [({"busy": 1.0}, 486), ({"invalid": 1.0}, 404), ({"unreachable": 1.0}, 480)]
)
def test_refusals(play: Any, offer: str, shares: dict[str, float], status: int) -> None:
    async def script(_: Carrier, caller: Any) -> None:
        branch = caller.send("INVITE", body=offer)
        refused = await caller.next(status)
        caller.send("ACK", branch=branch, to_tag=message.tag_of(refused.one("to")))

    log = play(script, **shares)
    assert log[1]["event"] == "rejected"
    assert log[1]["status"] == status


def test_a_congested_trunk_says_when_to_come_back(play: Any, offer: str) -> None:
    async def script(_: Carrier, caller: Any) -> None:
        caller.send("INVITE", body=offer)
        assert (await caller.next(503)).one("retry-after") == "3"

    play(script, congestion=1.0)


def test_a_repeated_invite_is_one_call_and_a_second_call_id_is_a_second_attempt(play: Any, offer: str) -> None:
    async def script(_: Carrier, caller: Any) -> None:
        for _again in range(3):
            caller.send("INVITE", body=offer, branch="z9hG4bKsame")
        caller.send("INVITE", body=offer, call_id="c2", branch="z9hG4bKother")
        caller.send("INVITE", body=offer, call_id="c1", branch="z9hG4bKfailover", from_tag="f2")
        for _ringing in range(3):
            await caller.next(180)

    invites = [event for event in play(script) if event["event"] == "invite"]
    assert [(event["call_id"], event["attempt"]) for event in invites] == [("c1", 1), ("c2", 2), ("c1", 1)]


def test_a_customer_who_hears_nothing_hangs_up(play: Any, offer: str) -> None:
    async def script(_: Carrier, caller: Any) -> None:
        caller.send("INVITE", body=offer)
        await caller.next(180)
        caller.send("ACK", to_tag=message.tag_of((await caller.next(200)).one("to")))
        caller.reply(await caller.next("BYE"))

    log = play(script, rtp="sparse", answer=1.0, talk=(100.0, 100.0))
    assert names(log)[-2:] == ["impatient", "bye"]


def test_a_reinvite_moves_the_audio_and_keeps_the_call(play: Any, offer: str) -> None:
    async def script(carrier: Carrier, caller: Any) -> None:
        caller.send("INVITE", body=offer)
        await caller.next(180)
        answer = await caller.next(200)
        tag, target = message.tag_of(answer.one("to")), message.uri_of(answer.one("contact"))
        caller.send("ACK", to_tag=tag)
        caller.send("INVITE", to_tag=tag, cseq=2, uri=target)  # no offer: it comes in the 200
        second = await caller.next(200)
        assert b"m=audio" in second.body
        early = caller.send("INVITE", to_tag=tag, cseq=3, uri=target, body=offer)  # before its ACK: not now
        await caller.next(491)
        caller.send("ACK", to_tag=tag, cseq=3, uri=target, branch=early)
        caller.send("ACK", to_tag=tag, cseq=2, uri=target, body=offer.replace("40000", "40002"))
        caller.send("BYE", to_tag=tag, cseq=4, uri=target)
        await caller.next(200)

    log = play(script, rtp="sparse", answer=1.0, talk=(100.0, 100.0))
    assert log[-1]["by"] == "dialer"
    assert log[-1]["reinvites"] == 1
    assert "fault" not in names(log)


def test_breaches_of_the_rules_are_noted(play: Any, offer: str) -> None:
    async def script(_: Carrier, caller: Any) -> None:
        caller.send("CANCEL", call_id="nobody")
        await caller.next(481)
        caller.send("INVITE", body=offer)
        await caller.next(180)
        answer = await caller.next(200)
        tag, target = message.tag_of(answer.one("to")), message.uri_of(answer.one("contact"))
        caller.send("ACK", to_tag=tag)
        branch = caller.send("INVITE", to_tag=tag, cseq=1, uri=target, body=offer)  # CSeq does not grow
        await caller.next(500)
        caller.send("ACK", to_tag=tag, cseq=1, uri=target, branch=branch)
        caller.send("ACK", to_tag=tag, cseq=9, uri=target)  # of no INVITE at all
        caller.send("BYE", to_tag=tag, cseq=5, uri="sip:else@127.0.0.1:9")
        await caller.next(200)

    kinds = [event["kind"] for event in play(script, answer=1.0) if event["event"] == "fault"]
    assert kinds == ["cancel", "cseq", "ack_cseq", "target"]
