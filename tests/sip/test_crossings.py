"""Messages that pass each other on the way, come twice or late: legal all of them, so that nothing may be lost by them
and nothing counted against anybody. Each test is named after its section.
"""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.rig.by_hand import response
from dialer.sip import Answered, Ended, Endpoint, EndpointConfig, Failed, Flow, IncomingCall, sdp

A, B = ("192.0.2.1", 5060), ("192.0.2.2", 5060)
OFFER = sdp.audio("192.0.2.1", 4000)
ANSWER = sdp.audio("192.0.2.2", 5000)
EMPTY = {"legs": 0, "clients": 0, "servers": 0, "accepted": 0, "asked": 0, "timers": 0}


def change(link: Any, start: bytes, was: bytes, becomes: bytes) -> None:
    """Whatever begins so is changed on the way from `a` to `b`."""

    def eat(source: tuple[str, int], data: bytes) -> bool:
        if source != A or not data.startswith(start):
            return False
        assert was in data
        link.put(data.replace(was, becomes, 1), A, B)
        return True

    link.eat = eat


@pytest.mark.parametrize(
    ("was", "becomes", "status"),
    [
        (b"Max-Forwards: 70", b"Max-Forwards: 700", 400),
        (b"Content-Type: application/sdp", b"Content-Type: text/plain", 415),
        (b"INVITE sip:100@192.0.2.2", b"INVITE urn:service:sos", 416),
        (b"\r\nContact:", b"\r\nRequire: foo\r\nContact:", 420),
        (b"\r\nContact:", b"\r\nSession-Expires: 30\r\nContact:", 422),
    ],
)
def test_rfc3261_8_2_7_the_ack_of_a_refusal_without_transaction_is_no_stray(
    link: Any, was: bytes, becomes: bytes, status: int
) -> None:
    change(link, b"INVITE", was, becomes)
    link.call()
    link.run(60)
    assert f"SIP/2.0 {status} " in link.lines(B)[0]
    assert "ACK" in link.lines(A)[1]
    assert link.b.drops == {f"refused_{status}": 1}


def test_rfc3261_8_2_7_nor_is_that_of_a_refused_reinvite(link: Any) -> None:
    leg = link.confirmed()
    change(link, b"INVITE", b"\r\nContact:", b"\r\nRequire: foo\r\nContact:")
    link.a.reinvite(leg, OFFER, link.now)
    link.run(60)
    assert link.lines(B)[0].startswith("SIP/2.0 420 ")
    assert link.b.drops == {"refused_420": 1}
    assert link.a.has(leg)
    assert link.b.has(leg)


@pytest.mark.parametrize("became", ["rejected", "cancelled", "hung up"])
def test_rfc3261_8_2_2_2_the_other_way_of_a_forked_invite_rings_nobody_again(link: Any, became: str) -> None:
    leg = link.call()
    link.run(0.05)
    [invite] = [data for _, data in link.sent if data.startswith(b"INVITE")]
    if became == "rejected":
        link.b.reject(leg, 486, link.now)
    elif became == "cancelled":
        link.a.cancel(leg, link.now)
    else:
        link.b.answer(leg, ANSWER, link.now)
        link.run(0.1)
        link.a.bye(leg, link.now)
    link.run(0.2)
    link.put(invite.replace(b"branch=z9hG4bK", b"branch=z9hG4bKother"), A, B)
    link.run(0.1)
    assert link.lines(B)[-1].startswith("SIP/2.0 482 ")
    assert sum(isinstance(event, IncomingCall) for event in link.events[B]) == 1
    link.run()
    assert link.a.pending == link.b.pending == EMPTY
    link.put(invite, A, B)
    link.run(0.1)
    assert isinstance(link.events[B][-1], IncomingCall), "64*T1 later it is a call like any other"


@pytest.mark.parametrize("held", [False, True])
def test_rfc3261_13_2_2_4_a_2xx_that_is_repeated_for_longer_than_64_t1_gets_its_ack_and_no_bye(
    link: Any, held: bool
) -> None:
    acks = link.hold(b"ACK")
    plan = link.a.plan_invite("sip:100@192.0.2.2", from_uri="sip:dialer@192.0.2.1", destination=B, sdp=OFFER)
    leg = link.a.invite(plan, link.now, hold_ack=held)
    link.on_event[A] = lambda event: (
        link.a.acknowledge(leg, None, link.now) if held and isinstance(event, Answered) else None
    )
    link.run(0.1)
    link.b.answer(leg, ANSWER, link.now)
    link.run(0.1)
    [answer] = {data for source, data in link.sent if source == B and data.startswith(b"SIP/2.0 200")}
    link.run(1.0)
    link.eat = lambda source, data: False
    link.put(acks[0], A, B)
    link.run(40)
    link.sent.clear()
    link.put(answer, B, A)
    link.run(1.0)
    assert [line.split()[0] for line in link.lines(A)] == ["ACK"]
    link.run(60)
    assert link.a.has(leg)
    assert link.b.has(leg)
    assert not link.a.drops


def test_rfc3261_12_2_2_a_refused_number_takes_no_ack_from_the_2xx_that_had_it(link: Any) -> None:
    acks = link.hold(b"ACK")
    leg = link.call()
    link.run(0.1)
    [invite] = {data for _, data in link.sent if data.startswith(b"INVITE")}
    link.b.answer(leg, ANSWER, link.now)
    link.run(0.1)
    again = invite.replace(b"branch=z9hG4bK", b"branch=z9hG4bKother").replace(
        b"To: <sip:100@192.0.2.2>", b"To: <sip:100@192.0.2.2>;tag=" + link.b.dialog(leg).local_tag.encode()
    )
    link.put(again, A, B)  # in the dialog, with the number of the INVITE that made it
    link.run(0.1)
    assert link.lines(B)[-1].startswith("SIP/2.0 500 ")
    link.put(again.replace(b"INVITE", b"ACK"), A, B)  # same branch: of the 500
    link.run(8.0)
    link.eat = lambda source, data: False
    link.put(acks[0], A, B)
    link.run(60)
    assert link.b.has(leg), "its ACK came"


@pytest.mark.parametrize("contact", ["*", "<sip:a@192.0.2.1>, <sip:b@192.0.2.1>", "<>", "<sip:>"])
def test_rfc3261_8_1_1_8_an_invite_whose_contact_nobody_could_follow_is_refused_and_nothing_is_kept(
    link: Any, contact: str
) -> None:
    change(link, b"INVITE", b"Contact: <sip:dialer@192.0.2.1:5060>", f"Contact: {contact}".encode())
    leg = link.call()
    link.run(0.1)
    assert link.lines(B)[0].startswith("SIP/2.0 400 ")
    assert not link.events[B]
    assert link.events[A][0].status == 400
    [cancel] = [data.replace(b"INVITE", b"CANCEL") for _, data in link.sent if data.startswith(b"INVITE")]
    link.put(cancel, A, B)
    link.run(0.1)
    assert link.lines(B)[-1].startswith("SIP/2.0 481 ")
    assert link.b.pending == EMPTY
    assert not link.b.has(leg)


@pytest.mark.parametrize("rings", [False, True])
@pytest.mark.parametrize("given_up", [False, True])
def test_rfc3261_12_1_2_a_2xx_that_nobody_can_follow_does_not_hold_its_line_for_ever(
    link: Any, rings: bool, given_up: bool
) -> None:
    def spoil(source: tuple[str, int], data: bytes) -> bool:
        if source != B or not data.startswith(b"SIP/2.0 200"):
            return not rings and data.startswith(b"SIP/2.0 1")
        link.put(data.replace(b"Contact: <", b"Contact: <>;was=<"), B, A)
        return True

    link.eat = spoil
    leg = link.call()
    link.run(0.1)
    link.b.answer(leg, ANSWER, link.now)
    link.run(1.0)
    assert link.a.has(leg)
    if given_up:
        link.a.cancel(leg, link.now)
    link.run(150)
    assert [event for event in link.events[A] if isinstance(event, Failed)]
    assert not link.a.has(leg)
    assert link.a.pending["legs"] == link.a.pending["clients"] == link.a.pending["timers"] == 0


def test_rfc5407_3_2_2_the_481_to_a_reinvite_is_faster_than_the_bye_that_it_met(link: Any) -> None:
    leg = link.confirmed()
    held = link.hold(b"BYE", 1)
    link.b.bye(leg, link.now)
    link.a.reinvite(leg, OFFER, link.now)
    link.run(0.1)
    link.put(held[0], B, A)
    link.run()
    assert link.events[A] == [Ended(leg, "remote")]
    assert link.events[B] == [Ended(leg, "local")]
    assert not link.a.drops
    assert not link.b.drops


@pytest.mark.parametrize("late", ["100 Trying", "180 Ringing"])
def test_rfc3261_17_1_1_2_over_a_connection_a_1xx_may_come_when_its_transaction_is_over(late: str) -> None:
    flow = Flow("192.0.2.2", 5060, "tcp")
    endpoint = Endpoint(EndpointConfig(*A, tcp_port=5060), seed=b"x")
    plan = endpoint.plan_invite("sip:1@192.0.2.2", from_uri="sip:d@192.0.2.1", destination=flow, sdp=OFFER)
    leg = endpoint.invite(plan, 0.0)
    [(invite, _)] = endpoint.datagrams_to_send()
    for now, status in ((0.1, "486 Busy Here"), (0.2, late)):
        endpoint.receive(response(invite, status), flow, now)
        endpoint.handle_timer(now)
    assert endpoint.next_event() == Failed(leg, 486, "Busy Here")
    assert endpoint.next_event() is None
    assert not endpoint.drops


@pytest.mark.parametrize(
    ("reliable", "method", "offer", "answer"),
    [
        (False, "OPTIONS", False, "200 OK"),
        (False, "UPDATE", False, "200 OK"),
        (False, "UPDATE", True, "491 Request Pending"),  # our own offer has no answer yet
        (True, "UPDATE", False, "200 OK"),
        (True, "UPDATE", True, "500 Server Internal Error"),  # to be asked again, when the call is up
        (True, "BYE", False, "481 Call/Transaction Does Not Exist"),  # RFC 3261 15: not the callee's to send
    ],
)
@pytest.mark.parametrize("far_tag", ["t", "another"])
def test_rfc3311_5_2_what_a_callee_asks_while_it_rings_does_not_end_its_call(
    reliable: bool, method: str, offer: bool, answer: str, far_tag: str
) -> None:
    endpoint = Endpoint(EndpointConfig(*A), seed=b"x")
    plan = endpoint.plan_invite("sip:1@192.0.2.2", from_uri="sip:d@192.0.2.1", destination=B, sdp=OFFER)
    leg = endpoint.invite(plan, 0.0)
    [(invite, _)] = endpoint.datagrams_to_send()
    own = "Contact: <sip:1@192.0.2.2>\r\nContent-Type: application/sdp\r\n"

    def respond(status: str, more: str = "") -> None:
        endpoint.receive(response(invite, status, lines=own + more, body=ANSWER), B, 0.1)
        endpoint.datagrams_to_send()

    respond("183 Session Progress", "Require: 100rel\r\nRSeq: 1\r\n" if reliable else "")
    lines = [
        f"{method} sip:dialer@192.0.2.1:5060 SIP/2.0",
        "Via: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bKearly",
        f"From: <sip:1@192.0.2.2>;tag={far_tag}\r\nTo: <sip:d@192.0.2.1>;tag={plan.from_tag}",
        f"Call-ID: {plan.call_id}\r\nCSeq: 1 {method}\r\nMax-Forwards: 70\r\nContact: <sip:2@192.0.2.2:5062>",
    ]
    body = OFFER if offer else b""
    lines += ["Content-Type: application/sdp"] if offer else []
    lines += [f"Content-Length: {len(body)}", "\r\n"]
    endpoint.receive("\r\n".join(lines).encode() + body, B, 0.2)
    [(said, _)] = endpoint.datagrams_to_send()
    wanted = answer if far_tag == "t" else "481 Call/Transaction Does Not Exist"
    assert said.decode().startswith(f"SIP/2.0 {wanted}\r\n")
    assert ("\r\nRetry-After: " in said.decode()) is wanted.startswith("500")
    respond("200 OK")
    assert endpoint.has(leg)
    assert endpoint.dialog(leg).remote_tag == "t"
