"""Reliable provisional responses (RFC 3262), and requests of every kind in every state of a leg."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from benchmarks.rig.by_hand import ByHand, headers, response
from dialer.sip import Answered, Credentials, Ended, Endpoint, EndpointConfig, Failed, Provisional, WrongState, sdp

A, B = ("192.0.2.1", 5060), ("192.0.2.2", 5060)
OFFER, ANSWER = sdp.audio("192.0.2.1", 4000), sdp.audio("192.0.2.2", 5000)
SDP = "Content-Type: application/sdp\r\n"
EMPTY = {"legs": 0, "clients": 0, "servers": 0, "accepted": 0, "asked": 0, "timers": 0}


def reply(request: bytes, status: str, tag: str = "t", lines: str = "", body: bytes = b"") -> bytes:
    return response(request, status, tag, f"Contact: <sip:{tag}@192.0.2.2:5070>\r\n{lines}", body)


class Caller(ByHand):
    def __init__(self, **options: Any) -> None:
        self.endpoint = Endpoint(EndpointConfig(*A), seed=b"x")
        plan = self.endpoint.plan_invite(
            "sip:1@192.0.2.2", from_uri="sip:d@192.0.2.1", destination=B, sdp=OFFER, **options
        )
        self.leg = self.endpoint.invite(plan, 0.0)
        [self.invite] = self.sent()

    def get(self, data: bytes) -> list[bytes]:
        self.endpoint.receive(data, B, 0.1)
        return self.sent()

    def ringing(self, rseq: int, tag: str = "t", body: bytes = b"") -> list[bytes]:
        lines = f"Require: 100rel\r\nRSeq: {rseq}\r\n" + (SDP if body else "")
        return self.get(reply(self.invite, "183 Session Progress", tag, lines, body))


def test_rfc3262_4_prack_names_what_it_acknowledges() -> None:
    caller = Caller()
    assert headers(caller.invite)["Supported"] == "timer, 100rel"
    [prack] = caller.ringing(988, body=ANSWER)
    assert prack.startswith(b"PRACK sip:t@192.0.2.2:5070 SIP/2.0\r\n")
    assert headers(prack)["RAck"] == "988 1 INVITE"
    assert headers(prack)["CSeq"] == "2 PRACK"
    assert headers(prack)["To"].endswith(";tag=t")
    assert caller.events() == [Provisional(caller.leg, 183, "Session Progress", ANSWER)]
    assert caller.get(reply(prack, "200 OK")) == []
    assert caller.ringing(988) == []  # repeated
    assert caller.ringing(990) == []  # out of order
    assert caller.events() == []
    [second] = caller.ringing(989)
    assert headers(second)["RAck"] == "989 1 INVITE"
    [fork] = caller.ringing(5, tag="fork")
    assert fork.startswith(b"PRACK sip:fork@")
    assert headers(fork)["CSeq"] == "2 PRACK"
    assert [event.status for event in caller.events()] == [183, 183]
    # RFC 3262 5: the answer came in the provisional, so the 2xx needs none; and CSeq goes on from the PRACKs.
    [ack] = caller.get(reply(caller.invite, "200 OK"))
    assert headers(ack)["CSeq"] == "1 ACK"
    [event] = caller.events()
    assert isinstance(event, Answered)
    assert event.sdp == ANSWER
    caller.endpoint.bye(caller.leg, 0.2)
    assert headers(caller.sent()[0])["CSeq"] == "4 BYE"


def test_rfc3262_4_a_repetition_is_discarded_silently_and_a_gap_is_counted(make_link: Any) -> None:
    link = make_link(delay=0.4)  # longer there and back than T1: the 180 is repeated while its PRACK is under way
    leg = required(link, 1.0)
    link.b.ring(leg, link.now)
    link.run(5.0)
    assert [line for line in link.lines(B) if " 180 " in line] == ["SIP/2.0 180 Ringing"] * 2
    assert [type(event) for event in link.events[A]] == [Provisional]
    assert not link.a.drops
    assert not link.b.drops
    caller = Caller()
    assert [len(caller.ringing(number)) for number in (7, 8, 8, 7, 10)] == [1, 1, 0, 0, 0]
    assert caller.endpoint.drops == {"provisional_out_of_order": 1}


def test_rfc3262_4_a_challenged_prack_is_sent_again() -> None:
    caller = Caller(credentials=Credentials("u", "p"))
    [prack] = caller.ringing(1)
    lines = 'Proxy-Authenticate: Digest realm="r", nonce="n"\r\n'
    [again] = caller.get(reply(prack, "407 Proxy Authentication Required", lines=lines))
    assert headers(again)["CSeq"] == "3 PRACK"
    assert headers(again)["RAck"] == "1 1 INVITE"
    assert "Proxy-Authorization" in headers(again)


def test_rfc3261_12_2_1_1_a_prack_challenged_across_the_2xx_shares_no_number_with_the_call() -> None:
    caller = Caller(credentials=Credentials("u", "p"))
    [prack] = caller.ringing(1, body=ANSWER)
    caller.get(reply(caller.invite, "200 OK"))
    caller.endpoint.reinvite(caller.leg, OFFER, 0.2)
    [offer] = caller.sent()
    assert headers(offer)["CSeq"] == "3 INVITE"
    lines = 'Proxy-Authenticate: Digest realm="r", nonce="n"\r\n'
    [again] = caller.get(reply(prack, "407 Proxy Authentication Required", lines=lines))
    assert headers(again)["CSeq"] == "4 PRACK"
    assert headers(again)["RAck"] == "1 1 INVITE"
    caller.endpoint.bye(caller.leg, 0.3)
    assert headers(caller.sent()[0])["CSeq"] == "5 BYE"


def test_rfc3262_4_without_an_offer_of_ours_100rel_is_not_offered() -> None:
    endpoint = Endpoint(EndpointConfig(*A), seed=b"x")
    plan = endpoint.plan_invite("sip:1@192.0.2.2", from_uri="sip:d@192.0.2.1", destination=B)
    endpoint.invite(plan, 0.0)
    [(invite, _)] = endpoint.datagrams_to_send()
    assert headers(invite)["Supported"] == "timer"


def required(link: Any, seconds: float = 0.1) -> str:
    """A call whose caller insists on reliable provisionals."""
    link.insist_on_reliable()
    leg = link.call()
    link.run(seconds)
    assert [type(event).__name__ for event in link.events[B]] == ["IncomingCall"]
    return str(leg)


def test_rfc3262_3_a_required_180_is_repeated_until_its_prack(link: Any) -> None:
    leg = required(link)
    link.eat = lambda source, data: source == A and data.startswith(b"PRACK")
    link.b.ring(leg, link.now)
    link.run(4.0)
    assert [line for line in link.lines(B) if " 180 " in line] == ["SIP/2.0 180 Ringing"] * 4
    link.eat = lambda source, data: False
    link.run(5.0)
    link.sent.clear()
    link.run(30.0)
    assert link.lines(B) == []
    link.b.answer(leg, ANSWER, link.now)
    link.run(0.1)
    link.a.bye(leg, link.now)
    link.run()
    assert [type(event).__name__ for event in link.events[A]] == ["Provisional", "Answered", "Ended"]
    assert link.a.pending == link.b.pending == EMPTY


def test_rfc3262_3_the_prack_of_a_180_that_the_2xx_followed_at_once_is_taken_once(link: Any) -> None:
    leg = required(link)
    link.b.ring(leg, link.now)
    link.b.answer(leg, ANSWER, link.now)
    link.run(5.0)
    assert [headers(data)["CSeq"] for source, data in link.sent if source == B and b" 200 OK" in data[:20]] == [
        "1 INVITE",
        "2 PRACK",
    ]
    assert [line for line in link.lines(B) if " 180 " in line] == ["SIP/2.0 180 Ringing"]
    [prack] = [data for source, data in link.sent if source == A and data.startswith(b"PRACK")]
    rack = f"RAck: {headers(prack)['RAck']}\r\n"
    dialog = link.b.dialog(leg)
    link.b.receive(in_dialog("PRACK", leg, 3, dialog.local_tag, dialog.remote_tag, rack), A, link.now)
    [(again, _)] = link.b.datagrams_to_send()
    assert again.startswith(b"SIP/2.0 481 ")


def test_rfc3262_3_a_180_that_is_never_acknowledged_fails_the_call(link: Any) -> None:
    leg = required(link)
    link.eat = lambda source, data: source == A and data.startswith(b"PRACK")
    link.b.ring(leg, link.now)
    link.run()
    assert link.events[B][-1] == Failed(leg, 504, "Server Time-out")
    assert link.events[A][-1].status == 504
    assert link.a.pending == link.b.pending == EMPTY


def test_rfc3262_3_a_prack_of_nothing_gets_481(link: Any) -> None:
    leg = link.confirmed()
    dialog = link.a.dialog(leg)
    for end, source, ours, theirs in (
        (link.b, A, dialog.remote_tag, dialog.local_tag),
        (link.a, B, dialog.local_tag, dialog.remote_tag),
    ):
        end.receive(in_dialog("PRACK", leg, 50, ours, theirs, "RAck: 1 1 INVITE\r\n"), source, link.now)
        [(answer, _)] = end.datagrams_to_send()
        assert answer.startswith(b"SIP/2.0 481 ")


# Every request in every state


def in_dialog(
    method: str, leg: str, cseq: int, to_tag: str, from_tag: str, lines: str = "", body: bytes = b""
) -> bytes:
    return (
        f"{method} sip:dialer@192.0.2.9 SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP 192.0.2.9:5060;rport;branch=z9hG4bK{method}{cseq}\r\n"
        f"From: <sip:x@192.0.2.9>;tag={from_tag}\r\nTo: <sip:y@192.0.2.9>;tag={to_tag}\r\nCall-ID: {leg}\r\n"
        f"CSeq: {cseq} {method}\r\nMax-Forwards: 70\r\nContact: <sip:x@192.0.2.9>\r\n{lines}{SDP if body else ''}"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def incoming(link: Any) -> str:
    leg = link.call()
    link.run(0.1)
    return str(leg)


def ringing(link: Any) -> str:
    leg = incoming(link)
    link.b.ring(leg, link.now)
    return leg


def answering(link: Any) -> str:
    leg = incoming(link)
    link.eat = lambda source, data: data.startswith(b"ACK")
    link.b.answer(leg, ANSWER, link.now)
    link.run(0.1)
    return leg


def closing(link: Any) -> str:
    leg = answering(link)
    link.b.bye(leg, link.now)
    return leg


def confirmed(link: Any) -> str:
    return str(link.confirmed())


def offering(link: Any) -> str:
    leg = confirmed(link)
    link.b.reinvite(leg, OFFER, link.now)
    return leg


def offered(link: Any) -> str:
    leg = confirmed(link)
    link.a.reinvite(leg, OFFER, link.now)
    link.run(0.1)
    return leg


def acknowledging(link: Any) -> str:
    leg = offered(link)
    link.eat = lambda source, data: data.startswith(b"ACK")
    link.b.answer(leg, ANSWER, link.now)
    link.run(0.1)
    return leg


def queued(link: Any) -> str:
    leg = acknowledging(link)
    link.b.reinvite(leg, OFFER, link.now)
    return leg


def ending(link: Any) -> str:
    leg = confirmed(link)
    link.b.bye(leg, link.now)
    return leg


STATES: list[Callable[[Any], str]] = [
    incoming,
    ringing,
    required,
    answering,
    closing,
    confirmed,
    offering,
    offered,
    acknowledging,
    queued,
    ending,
]


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
@pytest.mark.parametrize(
    "method", ["INVITE", "UPDATE", "ACK", "BYE", "CANCEL", "OPTIONS", "PRACK", "INFO", "REFER", "X"]
)
@pytest.mark.parametrize("body", [b"", OFFER], ids=["bare", "sdp"])
def test_every_request_in_every_state_of_a_leg(
    link: Any, state: Callable[[Any], str], method: str, body: bytes
) -> None:
    leg = state(link)
    dialog = link.b.dialog(leg)
    link.b.datagrams_to_send()
    before = sum(link.b.drops.values())
    for cseq in (1, 500, 501):  # the INVITE's own number, and two that are higher
        link.b.receive(in_dialog(method, leg, cseq, dialog.local_tag, dialog.remote_tag, body=body), A, link.now)
        answers = [data for data, _ in link.b.datagrams_to_send() if data.startswith(b"SIP/2.0")]
        if method == "ACK":
            assert answers == []
        else:
            assert len(answers) >= 1 or link.b.has(leg), "neither answered nor waiting for the layer above"
    assert sum(link.b.drops.values()) <= before + 3
    link.eat = lambda source, data: False
    for one in (link.a, link.b):  # and whatever came of it, it ends
        if one.has(leg):
            try_to_end(one, leg, link)
    link.run()
    assert link.b.pending["timers"] == link.b.pending["clients"] == link.b.pending["servers"] == 0
    ended = [event for event in link.events[B] if isinstance(event, Ended | Failed)]
    assert len(ended) == 1


def try_to_end(one: Any, leg: str, link: Any) -> None:
    for command in (one.cancel, one.bye, lambda leg, now: one.reject(leg, 480, now)):
        try:
            command(leg, link.now)
        except WrongState:
            continue
