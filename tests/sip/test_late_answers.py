"""2xx that nobody waits for any more, or that nobody wants: each gets ACK, and a BYE that the far end takes."""

from __future__ import annotations

import gc
from typing import Any

import pytest

from benchmarks.rig.by_hand import ByHand, headers, response
from dialer.sip import Answered, Credentials, Ended, Endpoint, EndpointConfig, Failed, Flow, Provisional, sdp
from dialer.sip.outgoing import OutgoingLeg

A, B = ("192.0.2.1", 5060), ("192.0.2.2", 5060)
OFFER, ANSWER = sdp.audio("192.0.2.1", 4000), sdp.audio("192.0.2.2", 5000)
SDP = "Content-Type: application/sdp\r\n"
EMPTY = {"legs": 0, "clients": 0, "servers": 0, "accepted": 0, "asked": 0, "timers": 0}
KEY: dict[str, Any] = {"branch_key": b"secret"}


class Peer(ByHand):
    """An endpoint that has sent an INVITE, and a far end written by hand."""

    def __init__(self, there: Any = B, **options: Any) -> None:
        self.there = there
        self.endpoint = Endpoint(EndpointConfig(*A, tcp_port=5060, **KEY), seed=b"x")
        self.plan = self.endpoint.plan_invite(
            "sip:1@192.0.2.2", from_uri="sip:d@192.0.2.1", destination=there, sdp=OFFER, **options
        )
        self.leg = self.endpoint.invite(self.plan, 0.0)
        self.now = 0.0
        self.ends: list[bool] = []
        [self.invite] = self.sent()

    def restart(self) -> None:
        self.endpoint = Endpoint(EndpointConfig(*A, **KEY), seed=b"after")

    def end(self, saved: dict[str, Any]) -> list[bytes]:
        self.endpoint.end_orphan(saved, self.now, on_end=self.ends.append)
        return self.sent()

    def cancel(self) -> bytes:
        self.endpoint.cancel(self.leg, self.now)
        [cancel] = self.sent()
        return cancel

    def reply(self, request: bytes, status: str, tag: str = "t", lines: str = "", body: bytes = b"") -> list[bytes]:
        """The far end answers; what is sent upon that."""
        own = f"Contact: <sip:{tag}@192.0.2.9>\r\n{lines}"
        self.endpoint.receive(response(request, status, tag, own, body), self.there, self.now)
        return self.sent()

    def ok(self, tag: str = "t") -> list[bytes]:
        return self.reply(self.invite, "200 OK", tag, SDP, ANSWER)

    def reliable(self, rseq: int, tag: str = "t") -> bytes:
        """A reliable 183; its PRACK, which gets its 200."""
        lines = f"Require: 100rel\r\nRSeq: {rseq}\r\n"
        [prack] = self.reply(self.invite, "183 Session Progress", tag, lines)
        assert self.reply(prack, "200 OK") == []
        return prack


def number(request: bytes) -> int:
    return int(headers(request)["CSeq"].split()[0])


def methods(sent: list[bytes]) -> list[str]:
    return [data.split(b" ", 1)[0].decode() for data in sent]


# RFC 3261 12.2.1.1: numbers rise in a dialog, also in one of which only the 2xx is known


@pytest.mark.parametrize("why", ["a fork that lost", "gave up", "restarted", "restarted, nobody asks"])
def test_rfc3261_12_2_1_1_the_bye_of_an_unwanted_2xx_is_numbered_above_the_pracks(why: str) -> None:
    peer = Peer()
    pracks = [peer.reliable(1), peer.reliable(2)]
    assert [number(prack) for prack in pracks] == [2, 3]
    if why == "a fork that lost":
        assert methods(peer.ok("winner")) == ["ACK"]
    elif why == "gave up":
        peer.reply(peer.cancel(), "200 OK")
        peer.wait(33)
    else:
        peer.restart()
        if why == "restarted":
            [cancel] = peer.end(peer.plan.to_dict())
            peer.reply(cancel, "200 OK")
    ack, bye = peer.ok()
    assert headers(ack)["CSeq"] == "1 ACK"
    assert methods([bye]) == ["BYE"]
    assert headers(bye)["To"] == headers(pracks[0])["To"]
    assert number(bye) > 3


def test_rfc3261_12_2_2_after_a_restart_the_far_end_takes_the_bye_and_its_call_is_over(make_link: Any) -> None:
    link = make_link(**KEY)
    leg = reliable_call(link)
    plan = link.a._legs[leg].plan
    link.a = link.ends[A] = Endpoint(EndpointConfig(*A, **KEY), seed=b"after")
    link.b.answer(leg, ANSWER, link.now)
    ends: list[bool] = []
    link.a.end_orphan(plan.to_dict(), link.now, on_end=ends.append)
    link.run()
    assert "SIP/2.0 500 Server Internal Error" not in link.lines(B)
    assert link.events[B][-1] == Ended(leg, "remote")
    assert ends == [True]
    assert link.a.pending == link.b.pending == EMPTY


def test_after_a_crash_before_the_ack_the_two_byes_of_one_dialog_do_not_share_a_number() -> None:
    peer = Peer()
    peer.reliable(1)
    peer.ok()
    saved = peer.events()[-1].dialog.to_dict()
    peer.restart()
    [bye] = peer.end(saved)
    _, second = peer.ok()  # its ACK was lost with the process
    assert number(second) > number(bye) > 2
    assert headers(second)["Via"] != headers(bye)["Via"]
    peer.reply(bye, "200 OK")
    peer.reply(second, "481 Call/Transaction Does Not Exist")
    peer.wait(100)
    assert peer.ends == [True]
    assert peer.endpoint.pending == EMPTY
    assert not peer.endpoint.drops


# RFC 3261 16.7: a proxy passes on a 2xx though it has sent a refusal


@pytest.mark.parametrize("why", ["refused", "cancelled"])
def test_rfc3261_13_2_2_4_a_2xx_after_a_refusal_gets_ack_and_bye_at_once(why: str) -> None:
    peer = Peer()
    peer.reply(peer.invite, "180 Ringing")
    if why == "cancelled":
        peer.reply(peer.cancel(), "200 OK")
    peer.reply(peer.invite, "487 Request Terminated" if why == "cancelled" else "408 Request Timeout", "refuser")
    assert [type(event) for event in peer.events()] == [Provisional, Failed]
    peer.wait(0.4)
    ack, bye = peer.ok()
    assert methods([ack, bye]) == ["ACK", "BYE"]
    assert headers(ack)["To"] == headers(bye)["To"] == "<sip:1@192.0.2.2>;tag=t"
    assert peer.ok() == [ack]
    assert peer.reply(bye, "200 OK") == []
    assert methods(peer.ok("another")) == ["ACK", "BYE"]
    assert methods(peer.reply(peer.invite, "408 Request Timeout", "refuser")) == ["ACK"]  # of the transaction, as ever
    peer.wait(100)
    assert peer.events() == []
    assert peer.endpoint.pending == EMPTY


def test_rfc3261_13_2_2_4_over_a_connection_too_where_both_may_come_in_one_read() -> None:
    peer = Peer(Flow(*B, "tcp"))
    peer.reply(peer.invite, "408 Request Timeout", "refuser")
    assert methods(peer.ok()) == ["ACK", "BYE"]
    peer.wait(0.4)  # timer D is over at once: what comes now is a stray
    ack, bye = peer.ok("another")
    assert methods([ack, bye]) == ["ACK", "BYE"]
    peer.reply(bye, "200 OK")
    peer.wait(100)
    assert peer.endpoint.pending == EMPTY


def test_2xx_after_a_refusal_are_bounded() -> None:
    peer = Peer()
    peer.reply(peer.invite, "486 Busy Here", "refuser")
    assert [len(peer.ok(f"t{n}")) for n in range(20)] == [2] * 16 + [0] * 4
    assert peer.endpoint.drops["too_many_forks"] == 4


def test_rfc3261_16_7_a_fork_that_answers_what_another_has_challenged_is_hung_up_and_the_call_goes_on() -> None:
    peer = Peer(credentials=Credentials("u", "p"))
    lines = 'Proxy-Authenticate: Digest realm="r", nonce="n"\r\n'
    _, again = peer.reply(peer.invite, "407 Proxy Authentication Required", "proxy", lines)
    assert headers(again)["CSeq"] == "2 INVITE"
    ack, bye = peer.ok("other")
    assert headers(ack)["CSeq"] == "1 ACK"
    assert headers(bye)["To"].endswith(";tag=other")
    peer.reply(bye, "200 OK")
    assert peer.events() == []
    peer.invite = again
    assert methods(peer.ok()) == ["ACK"]
    [answered] = peer.events()
    assert (type(answered), answered.dialog.remote_tag) == (Answered, "t")
    peer.endpoint.bye(peer.leg, peer.now)
    peer.reply(peer.sent()[0], "200 OK")
    gc.collect()
    assert not [one for one in gc.get_objects() if isinstance(one, OutgoingLeg) and one.id == peer.leg]
    peer.wait(100)
    assert peer.endpoint.pending == EMPTY


def test_rfc3261_13_2_2_4_after_a_restart_too() -> None:
    peer = Peer()
    peer.restart()
    [cancel] = peer.end(peer.plan.to_dict())
    peer.reply(cancel, "200 OK")
    peer.reply(peer.invite, "487 Request Terminated", "refuser")
    assert peer.ends == [True]
    ack, bye = peer.ok()
    assert methods([ack, bye]) == ["ACK", "BYE"]
    assert peer.ok() == [ack]
    peer.reply(bye, "200 OK")
    peer.wait(100)
    assert peer.ends == [True]
    assert peer.endpoint.pending == EMPTY
    assert not peer.endpoint.drops


def reliable_call(link: Any) -> str:
    """A call that rings with a 180 which has had its PRACK."""
    link.insist_on_reliable()
    leg = str(link.call())
    link.run(0.1)
    link.b.ring(leg, link.now)
    link.run(0.5)
    assert [type(event) for event in link.events[A]] == [Provisional]
    return leg
