"""Dialogs, CANCEL, forks, glare, digest and orphans, each named after its section."""

from __future__ import annotations

import copy
import hashlib
import pickle
import re
from collections.abc import Callable
from typing import Any

import pytest

from benchmarks.rig.by_hand import ByHand, headers, response
from dialer.sip import (
    Answered,
    BadDestination,
    Credentials,
    DialogState,
    Ended,
    Endpoint,
    EndpointConfig,
    Failed,
    InvitePlan,
    Offered,
    Provisional,
    Reinvited,
    ReinviteFailed,
    SipError,
    TooManyLegs,
    UnknownLeg,
    UnsafeHeader,
    WrongState,
    sdp,
)  # fmt: skip

A, B = ("192.0.2.1", 5060), ("192.0.2.2", 5060)
OFFER = sdp.audio("192.0.2.1", 4000)
ANSWER = sdp.audio("192.0.2.2", 5000)
EMPTY = {"legs": 0, "clients": 0, "servers": 0, "accepted": 0, "asked": 0, "timers": 0}
SDP = "Content-Type: application/sdp\r\n"


class Peer(ByHand):
    """An endpoint under test, and a peer whose messages are written by hand."""

    def __init__(self, **options: Any) -> None:
        self.endpoint = Endpoint(EndpointConfig(*A, **options.pop("settings", {})), seed=b"x")
        self.plan = self.endpoint.plan_invite(
            "sip:1@192.0.2.2", from_uri="sip:d@192.0.2.1", destination=B, sdp=OFFER, **options
        )
        self.leg = self.endpoint.invite(self.plan, 0.0)
        self.now = 0.0
        self.invite = self.sent()[0]

    def sent(self) -> list[bytes]:
        self.last = self.endpoint.datagrams_to_send()
        return [data for data, _ in self.last]

    def reply(self, request: bytes, status: str, tag: str = "t", lines: str = "", body: bytes = b"") -> list[bytes]:
        """The peer answers; what we send upon that."""
        self.endpoint.receive(response(request, status, tag, lines, body), B, self.now)
        return self.sent()

    def ok(
        self,
        request: bytes,
        tag: str = "t",
        lines: str = "Contact: <sip:p@192.0.2.2:5070;transport=UDP>\r\n",
        body: bytes = ANSWER,
    ) -> list[bytes]:
        return self.reply(request, "200 OK", tag, lines + (SDP if body else ""), body)

    def request(
        self,
        method: str,
        cseq: int,
        lines: str = "",
        body: bytes = b"",
        tags: tuple[str, str] | None = None,
        branch: str = "",
    ) -> list[bytes]:
        """The peer sends a request in the dialog; what we send upon that."""
        theirs, ours = tags or ("t", self.plan.from_tag)
        branch = branch or f"{method}{cseq}"
        head = (
            f"{method} sip:dialer@192.0.2.1:5060 SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP 192.0.2.2:5060;rport;branch=z9hG4bK{branch}\r\n"
            f"From: <sip:1@192.0.2.2>;tag={theirs}\r\nTo: <sip:d@192.0.2.1>;tag={ours}\r\nCall-ID: {self.leg}\r\n"
            f"CSeq: {cseq} {method}\r\n"
            f"Max-Forwards: 70\r\n{lines}{SDP if body else ''}Content-Length: {len(body)}\r\n\r\n"
        )
        self.endpoint.receive(head.encode() + body, B, self.now)
        return self.sent()

    def up(self, **options: Any) -> None:
        """Answered and acknowledged; nothing pending."""
        self.ok(self.invite, **options)
        self.events()


def start(data: bytes) -> str:
    return data.split(b"\r\n", 1)[0].decode()


def test_rfc3261_12_1_2_ack_and_bye_follow_contact_and_record_route() -> None:
    peer = Peer()
    lines = "Record-Route: <sip:192.0.2.21:5061;lr>, <sip:192.0.2.22;lr>\r\nRecord-Route: <sip:192.0.2.23;lr>\r\n"
    lines += "Contact: <sip:p@192.0.2.99>\r\n"
    [ack] = peer.ok(peer.invite, lines=lines)
    assert start(ack) == "ACK sip:p@192.0.2.99 SIP/2.0"
    assert peer.last[0][1] == ("192.0.2.23", 5060)
    routes = [line for line in ack.decode().split("\r\n") if line.startswith("Route")]
    assert routes == ["Route: <sip:192.0.2.23;lr>", "Route: <sip:192.0.2.22;lr>", "Route: <sip:192.0.2.21:5061;lr>"]
    [event] = peer.events()
    assert event.dialog.route_set == ("<sip:192.0.2.23;lr>", "<sip:192.0.2.22;lr>", "<sip:192.0.2.21:5061;lr>")
    peer.endpoint.bye(peer.leg, 1.0)
    [bye] = peer.sent()
    assert start(bye) == "BYE sip:p@192.0.2.99 SIP/2.0"
    assert bye.count(b"\r\nRoute: ") == 3
    assert headers(bye)["CSeq"] == "2 BYE"


def test_rfc3261_12_2_1_1_a_strict_router_takes_the_request_uri() -> None:
    peer = Peer()
    [ack] = peer.ok(
        peer.invite, lines="Record-Route: <sip:192.0.2.22;lr>, <sip:192.0.2.23>\r\nContact: <sip:p@192.0.2.99>\r\n"
    )
    assert start(ack) == "ACK sip:192.0.2.23 SIP/2.0"
    assert [line for line in ack.decode().split("\r\n") if line.startswith("Route")] == [
        "Route: <sip:192.0.2.22;lr>",
        "Route: <sip:p@192.0.2.99>",
    ]


@pytest.mark.parametrize(
    ("contact", "where"),
    [
        ("sip:p@192.0.2.2:5060", ("192.0.2.2", 5060)),
        ("sip:192.0.2.2:5060", ("192.0.2.2", 5060)),
        ("sip:p@192.0.2.9:5070", ("192.0.2.9", 5070)),
        ("sip:p@192.0.2.9:5070?X=@192.0.2.2:5060", ("192.0.2.9", 5070)),
        ("sip:p@192.0.2.2:5060;maddr=192.0.2.9", ("192.0.2.9", 5060)),
        ("SIP:p@192.0.2.9", ("192.0.2.9", 5060)),
    ],
)
def test_rfc3261_12_2_1_1_ack_goes_where_contact_leads(contact: str, where: tuple[str, int]) -> None:
    peer = Peer()
    assert peer.ok(peer.invite, lines=f"Contact: <{contact}>\r\n")[0].startswith(f"ACK {contact} SIP".encode())
    assert [there for _, there in peer.last] == [where]


def test_rfc3263_a_contact_by_name_is_reached_where_the_invite_went() -> None:
    peer = Peer()
    peer.ok(peer.invite, lines="Contact: <sip:p@carrier.example>\r\n")
    assert peer.last[0][1] == B


def test_rfc3261_13_2_2_4_a_repeated_2xx_is_acknowledged_again() -> None:
    peer = Peer()
    [ack] = peer.ok(peer.invite)
    assert peer.ok(peer.invite) == [ack]
    assert len(peer.events()) == 1
    peer.wait(31.9)
    assert peer.ok(peer.invite) == [ack]


def test_rfc3261_13_2_2_4_a_second_2xx_from_a_fork_gets_ack_and_bye() -> None:
    peer = Peer()
    peer.ok(peer.invite)
    peer.events()
    ack, bye = peer.ok(peer.invite, tag="fork", lines="Contact: <sip:q@192.0.2.77>\r\n")
    assert (start(ack), start(bye)) == ("ACK sip:q@192.0.2.77 SIP/2.0", "BYE sip:q@192.0.2.77 SIP/2.0")
    assert headers(bye)["To"].endswith(";tag=fork")
    assert peer.ok(peer.invite, tag="fork", lines="Contact: <sip:q@192.0.2.77>\r\n") == [ack]
    assert peer.reply(bye, "200 OK") == []
    assert peer.events() == []
    assert peer.endpoint.has(peer.leg)


def test_rfc3261_13_2_2_4_a_2xx_spoiled_on_the_way_is_taken_when_it_comes_again() -> None:
    peer = Peer()
    peer.reply(peer.invite, "180 Ringing")
    assert peer.ok(peer.invite, lines="Contact: nobody\r\n") == []
    assert not [event for event in peer.events() if isinstance(event, Answered)]
    (ack,) = peer.ok(peer.invite)
    assert ack.startswith(b"ACK ")
    assert [event for event in peer.events() if isinstance(event, Answered)]


def test_rfc3261_9_1_a_call_given_up_after_a_2xx_that_nobody_could_follow_ends() -> None:
    peer = Peer()
    peer.reply(peer.invite, "180 Ringing")
    peer.ok(peer.invite, lines="Contact: nobody\r\n")
    peer.wait(31.0)
    peer.endpoint.cancel(peer.leg, peer.now)
    peer.wait(70.0)
    assert [event for event in peer.events() if isinstance(event, Failed)]
    assert peer.endpoint.pending == EMPTY


def test_rfc3261_12_1_early_dialogs_of_forks_and_the_one_that_answers() -> None:
    peer = Peer()
    peer.reply(peer.invite, "180 Ringing", tag="one", lines="Contact: <sip:one@192.0.2.31>\r\n")
    assert peer.endpoint.dialog(peer.leg).remote_tag == "one"
    peer.reply(
        peer.invite, "183 Session Progress", tag="two", lines=f"Contact: <sip:two@192.0.2.32>\r\n{SDP}", body=ANSWER
    )
    assert peer.endpoint.dialog(peer.leg).remote_target == "sip:two@192.0.2.32"
    assert peer.events() == [
        Provisional(peer.leg, 180, "Ringing", None),
        Provisional(peer.leg, 183, "Session Progress", ANSWER),
    ]
    peer.ok(peer.invite, tag="one")
    [event] = peer.events()
    assert event.dialog.remote_tag == "one"


def test_rfc3261_8_1_3_4_100_trying_is_not_reported_but_counts_as_provisional() -> None:
    peer = Peer()
    peer.endpoint.cancel(peer.leg, 0.0)
    [cancel] = peer.reply(peer.invite, "100 Trying", tag="")
    assert start(cancel) == "CANCEL sip:1@192.0.2.2 SIP/2.0"
    assert peer.events() == []


def test_rfc3261_9_1_cancel_waits_for_a_provisional_and_repeats_the_invites_identity() -> None:
    peer = Peer()
    peer.endpoint.cancel(peer.leg, 0.0, 'SIP;cause=200;text="Call completed elsewhere"')
    assert peer.sent() == []
    with pytest.raises(WrongState):
        peer.endpoint.cancel(peer.leg, 0.0)
    [cancel] = peer.reply(peer.invite, "180 Ringing")
    want, got = headers(peer.invite), headers(cancel)
    for name in ("Via", "From", "To", "Call-ID"):
        assert got[name] == want[name]
    assert got["CSeq"] == "1 CANCEL"
    assert got["Reason"] == 'SIP;cause=200;text="Call completed elsewhere"'
    assert peer.reply(cancel, "200 OK") == []
    [ack] = peer.reply(peer.invite, "487 Request Terminated")
    assert start(ack).startswith("ACK ")
    assert peer.events()[-1] == Failed(peer.leg, 487, "Request Terminated", kind="cancelled")


def test_rfc3261_9_1_a_2xx_that_crosses_the_cancel_is_reported_and_stands() -> None:
    peer = Peer()
    peer.reply(peer.invite, "180 Ringing")
    peer.endpoint.cancel(peer.leg, 0.0)
    [cancel] = peer.sent()
    [ack] = peer.ok(peer.invite)
    assert start(ack).startswith("ACK ")
    event = peer.events()[-1]
    assert isinstance(event, Answered)
    assert event.crossed_cancel
    peer.reply(cancel, "481 Call/Transaction Does Not Exist")
    assert peer.wait(40) == []
    assert peer.endpoint.has(peer.leg)
    peer.endpoint.bye(peer.leg, peer.now)
    [bye] = peer.sent()
    peer.reply(bye, "200 OK")
    assert peer.events() == [Ended(peer.leg, "local")]


def test_rfc3261_9_1_no_final_response_64_t1_after_cancel() -> None:
    peer = Peer()
    peer.reply(peer.invite, "180 Ringing")
    peer.endpoint.cancel(peer.leg, 0.0)
    [cancel] = peer.sent()
    peer.reply(cancel, "200 OK")
    peer.wait(31.9)
    assert peer.endpoint.has(peer.leg)
    peer.wait(0.2)
    assert peer.events()[-1] == Failed(peer.leg, 487, "Request Terminated", kind="cancelled")
    # A 2xx that comes even later is ours by its branch: ACK and BYE.
    ack, bye = peer.ok(peer.invite)
    assert (start(ack)[:3], start(bye)[:3]) == ("ACK", "BYE")


def test_rfc3261_9_1_another_final_than_487_after_cancel_is_what_it_is() -> None:
    peer = Peer()
    peer.reply(peer.invite, "180 Ringing")
    peer.endpoint.cancel(peer.leg, 0.0)
    peer.reply(peer.invite, "486 Busy Here")
    assert peer.events()[-1] == Failed(peer.leg, 486, "Busy Here")


def test_rfc3261_9_2_a_remote_cancel_of_an_incoming_call(link: Any) -> None:
    leg = link.call()
    link.run(0.1)
    link.a.cancel(leg, link.now)
    link.run()
    assert link.events[B][-1] == Failed(leg, 487, "Request Terminated", kind="cancelled")
    assert link.events[A][-1].kind == "cancelled"
    assert link.a.pending == link.b.pending == EMPTY


def test_rfc3261_9_2_a_cancel_that_matches_nothing_gets_481() -> None:
    peer = Peer()
    [answer] = peer.request("CANCEL", 1)
    assert start(answer).startswith("SIP/2.0 481 ")


def test_rfc3261_12_2_1_2_and_12_2_2_target_refresh_both_ways() -> None:
    peer = Peer()
    peer.up()
    peer.endpoint.reinvite(peer.leg, OFFER, 0.0)
    [invite] = peer.sent()
    assert start(invite) == "INVITE sip:p@192.0.2.2:5070;transport=UDP SIP/2.0"
    [ack] = peer.ok(invite, lines="Contact: <sip:p@192.0.2.88>\r\n")
    assert start(ack) == "ACK sip:p@192.0.2.88 SIP/2.0"
    peer.request("INVITE", 1, "Contact: <sip:p@192.0.2.89>\r\n", OFFER)
    peer.endpoint.answer(peer.leg, ANSWER, 0.0)
    peer.sent()
    peer.request("ACK", 1)
    peer.endpoint.bye(peer.leg, 0.0)
    assert start(peer.sent()[0]) == "BYE sip:p@192.0.2.89 SIP/2.0"


def test_rfc3261_12_2_2_cseq_order_and_481_for_wrong_tags() -> None:
    peer = Peer()
    peer.up()
    assert start(peer.request("OPTIONS", 10)[0]) == "SIP/2.0 200 OK"
    assert start(peer.request("OPTIONS", 9)[0]).startswith("SIP/2.0 500 ")
    assert start(peer.request("OPTIONS", 10, branch="other")[0]).startswith("SIP/2.0 500 ")
    assert start(peer.request("BYE", 11, tags=("stranger", peer.plan.from_tag))[0]).startswith("SIP/2.0 481 ")
    assert start(peer.request("BYE", 11, tags=("t", "stranger"), branch="b2")[0]).startswith("SIP/2.0 481 ")
    assert peer.endpoint.has(peer.leg)
    assert start(peer.request("BYE", 12)[0]) == "SIP/2.0 200 OK"
    assert peer.events() == [Ended(peer.leg, "remote")]
    assert start(peer.request("BYE", 13)[0]).startswith("SIP/2.0 481 ")


def test_rfc3261_8_2_1_405_and_501_name_what_is_allowed() -> None:
    peer = Peer()
    peer.up()
    for method, status in (("REFER", "405"), ("INFO", "405"), ("DANCE", "501")):
        [answer] = peer.request(method, 5)
        assert start(answer).startswith(f"SIP/2.0 {status} ")
        assert headers(answer)["Allow"] == "INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE"


def test_rfc3261_8_2_2_2_the_same_call_on_a_second_way_gets_482(link: Any) -> None:
    link.call()
    link.run(0.1)
    invite = next(data for _, data in link.sent if data.startswith(b"INVITE"))
    link.b.receive(invite.replace(b"branch=z9hG4bK", b"branch=z9hG4bKtwin"), A, link.now)
    [(answer, _)] = link.b.datagrams_to_send()
    assert start(answer).startswith("SIP/2.0 482 ")


def test_rfc3261_14_1_glare_backs_off_by_who_owns_the_call_id(link: Any) -> None:
    leg = link.confirmed()
    link.a.reinvite(leg, OFFER, link.now)
    link.b.reinvite(leg, ANSWER, link.now)
    link.on_event[A] = lambda event: link.a.answer(leg, OFFER, link.now) if isinstance(event, Offered) else None
    link.on_event[B] = lambda event: link.b.answer(leg, ANSWER, link.now) if isinstance(event, Offered) else None
    began = link.now
    times: list[tuple[float, tuple[str, int]]] = []
    link.eat = lambda source, data: times.append((link.now - began, source)) if data.startswith(b"INVITE") else None
    link.run(10)
    assert [source for _, source in times] == [A, B, B, A]
    assert 0.0 <= times[2][0] <= 2.1
    assert 2.1 <= times[3][0] <= 4.1
    assert [type(event) for event in link.events[A] if not isinstance(event, Offered)] == [Reinvited]
    assert [type(event) for event in link.events[B] if not isinstance(event, Offered)] == [Reinvited]


def test_rfc3261_14_1_a_peer_that_always_says_491_is_given_up() -> None:
    peer = Peer()
    peer.up()
    peer.endpoint.reinvite(peer.leg, OFFER, 0.0)
    invites = peer.sent()
    for _ in range(50):
        for invite in invites:
            peer.reply(invite, "491 Request Pending")
        invites = [data for data in peer.wait(5) if data.startswith(b"INVITE")]
    assert peer.events() == [ReinviteFailed(peer.leg, 491)]


def test_rfc3261_14_1_a_refused_offer_leaves_the_call_as_it_was() -> None:
    peer = Peer()
    peer.up()
    peer.endpoint.reinvite(peer.leg, OFFER, 0.0)
    with pytest.raises(WrongState):
        peer.endpoint.reinvite(peer.leg, OFFER, 0.0)
    [invite] = peer.sent()
    assert headers(invite)["CSeq"] == "2 INVITE"
    assert start(peer.reply(invite, "488 Not Acceptable Here")[0]).startswith("ACK ")
    assert peer.events() == [ReinviteFailed(peer.leg, 488)]
    peer.endpoint.reinvite(peer.leg, OFFER, 0.0)
    assert headers(peer.sent()[0])["CSeq"] == "3 INVITE"


def test_rfc3261_12_2_1_2_481_and_408_end_the_dialog() -> None:
    # 481 is the peer's word that it has ended the call; its BYE may come later (RFC 5407 3.2.2)
    for status, farewell, by in (("481 Gone", [], "remote"), ("408 Request Timeout", ["BYE"], "timeout")):
        peer = Peer()
        peer.up()
        peer.endpoint.reinvite(peer.leg, OFFER, 0.0)
        [invite] = peer.sent()
        ack, *rest = peer.reply(invite, status)
        assert ack.startswith(b"ACK")
        assert [start(data)[:3] for data in rest] == farewell
        assert peer.events() == [Ended(peer.leg, by)]


def test_rfc3261_14_1_a_reinvite_without_any_response_ends_the_call() -> None:
    peer = Peer()
    peer.up()
    peer.endpoint.reinvite(peer.leg, OFFER, 0.0)
    peer.sent()
    sent = peer.wait(32.5)
    assert start(sent[-1]).startswith("BYE ")
    assert peer.events() == [Ended(peer.leg, "timeout")]


def test_rfc3261_14_2_an_invite_without_offer_gets_ours_and_its_ack_the_answer() -> None:
    peer = Peer()
    peer.up()
    peer.request("INVITE", 5, "Contact: <sip:p@192.0.2.2>\r\n")
    assert peer.events() == [Offered(peer.leg, None)]
    peer.endpoint.answer(peer.leg, OFFER, 0.0)
    [ok] = peer.sent()
    assert ok.endswith(OFFER)
    peer.endpoint.reinvite(peer.leg, OFFER, 0.0)  # waits for the ACK (RFC 3261 14.1)
    assert peer.sent() == []
    peer.now = 0.25
    [invite] = peer.request("ACK", 5, body=ANSWER)
    assert invite.startswith(b"INVITE")
    assert peer.events() == [Reinvited(peer.leg, ANSWER, 0.25)]


def test_rfc3261_13_2_1_an_incoming_invite_without_offer(link: Any) -> None:
    plan = link.a.plan_invite("sip:1@192.0.2.2", from_uri="sip:d@192.0.2.1", destination=B)
    leg = link.a.invite(plan, link.now)
    link.run(0.1)
    assert link.events[B][0].sdp is None
    link.b.answer(leg, OFFER, link.now)
    link.on_event[A] = lambda event: link.a.acknowledge(leg, ANSWER, link.now) if isinstance(event, Answered) else None
    link.run(0.1)
    assert [type(event) for event in link.events[A]] == [Answered]
    event = link.events[B][1]
    assert isinstance(event, Reinvited)
    assert event.sdp == ANSWER


def test_rfc5407_3_1_4_a_reinvite_that_overtakes_the_ack(link: Any) -> None:
    leg = link.call()
    link.run(0.1)
    late = link.hold(b"ACK")
    link.b.answer(leg, ANSWER, link.now)
    link.run(0.1)
    for number in (1, 2):  # before the ACK of the first INVITE, and before that of the re-INVITE
        link.a.reinvite(leg, OFFER, link.now)
        link.run(0.1)
        assert isinstance(link.events[B][-1], Offered)
        link.b.answer(leg, ANSWER, link.now)
        link.run(0.1)
        assert len([event for event in link.events[A] if isinstance(event, Reinvited)]) == number
    link.eat = lambda source, data: False
    for data in late:
        link.put(data, A, B)
    link.run(20)
    assert not link.b.drops, "an ACK that comes late is no stray"
    link.run(40)
    assert link.b.has(leg)
    link.b.bye(leg, link.now)
    link.run()
    assert link.events[A][-1] == Ended(leg, "remote")


@pytest.mark.parametrize("copies", [1, 2])
def test_rfc3261_13_3_1_4_the_ack_that_bye_overtakes_is_no_stray(link: Any, copies: int) -> None:
    """The 2xx went twice, so two ACKs come: one in time, one after BYE; or the only one comes after it."""
    leg = link.call()
    link.run(0.1)
    late = link.hold(b"ACK", 1)
    link.b.answer(leg, ANSWER, link.now)
    link.run(0.1 if copies == 1 else 1.0)
    link.a.bye(leg, link.now)
    link.run(1.0)
    assert link.b.legs == 0
    [ack] = late
    link.put(ack, A, B)
    link.run(1.0)
    assert not link.b.drops
    link.run(40)
    assert link.a.pending == link.b.pending == EMPTY
    link.put(ack, A, B)
    link.run(1.0)
    assert link.b.drops == {"stray_ack": 1}, "64*T1 later nobody knows that call"


@pytest.mark.parametrize(
    ("mine", "other", "strays"),
    [
        (r"(?m)^(Call-ID: ).*$", r"\1another", 1),
        (r"(?m)^(To: .*;tag=)\w+", r"\1another", 1),
        (r"(?m)^(From: .*;tag=)\w+", r"\1another", 1),
        (r"(?m)^(CSeq: )\d+", r"\g<1>77", 0),  # of an INVITE that was refused, for all we know
    ],
)
def test_rfc3261_13_2_2_4_an_ack_of_another_invite_acknowledges_nothing(
    link: Any, mine: str, other: str, strays: int
) -> None:
    leg = link.call()
    link.run(0.1)
    acks = link.hold(b"ACK")
    link.b.answer(leg, ANSWER, link.now)
    link.run(0.1)
    text = acks[0].decode()
    changed, count = re.subn(mine, other, text.replace("\r\n", "\n"))
    assert count == 1
    repeats = sum(b" 200 OK" in data for _, data in link.sent)
    link.put(changed.replace("\n", "\r\n").encode(), A, B)
    link.run(3.0)
    assert link.b.drops["stray_ack"] == strays
    assert sum(b" 200 OK" in data for _, data in link.sent) > repeats, "the 2xx is still repeated"


def test_rfc3261_14_2_a_500_with_retry_after_is_tried_again() -> None:
    peer = Peer()
    peer.up()
    peer.endpoint.reinvite(peer.leg, OFFER, 0.0)
    [invite] = peer.sent()
    peer.reply(invite, "500 Server Internal Error", lines="Retry-After: 3\r\n")
    assert peer.wait(2.9) == []
    [again] = peer.wait(0.2)
    assert headers(again)["CSeq"] == "3 INVITE"
    peer.reply(again, "500 Server Internal Error")
    assert peer.events() == [ReinviteFailed(peer.leg, 500)]


def test_rfc3261_13_2_1_our_invite_without_offer_acknowledges_with_the_answer() -> None:
    endpoint = Endpoint(EndpointConfig(*A), seed=b"x")
    plan = endpoint.plan_invite("sip:1@192.0.2.2", from_uri="sip:d@192.0.2.1", destination=B)
    peer = Peer()
    peer.endpoint, peer.plan, peer.leg = endpoint, plan, endpoint.invite(plan, 0.0)
    [invite] = peer.sent()
    assert b"Content-Type" not in invite
    assert peer.ok(invite) == []
    assert peer.events()[0].sdp == ANSWER
    assert peer.ok(invite) == []  # repeated: still no ACK, and no fork
    endpoint.acknowledge(peer.leg, OFFER, 0.1)
    [ack] = peer.sent()
    assert ack.endswith(OFFER)
    assert peer.ok(invite) == [ack]
    with pytest.raises(WrongState):
        endpoint.acknowledge(peer.leg, OFFER, 0.2)


def test_rfc3261_13_2_2_4_an_ack_that_is_held_leaves_before_anything_else_in_the_dialog() -> None:
    for then in ("acknowledge", "bye", "reinvite"):
        endpoint = Endpoint(EndpointConfig(*A), seed=b"x")
        plan = endpoint.plan_invite("sip:1@192.0.2.2", from_uri="sip:d@192.0.2.1", destination=B, sdp=OFFER)
        peer = Peer()
        peer.endpoint, peer.plan, peer.leg = endpoint, plan, endpoint.invite(plan, 0.0, hold_ack=True)
        [invite] = peer.sent()
        assert peer.ok(invite) == []
        assert peer.events()[0].sdp == ANSWER
        assert peer.ok(invite) == []  # repeated: still no ACK, and no fork
        if then == "acknowledge":
            endpoint.acknowledge(peer.leg, None, 0.1)
        elif then == "bye":
            endpoint.bye(peer.leg, 0.1)
        else:
            endpoint.reinvite(peer.leg, OFFER, 0.1)
        ack, *rest = peer.sent()
        assert start(ack).startswith("ACK ")
        assert [start(one).split()[0] for one in rest] == {"acknowledge": [], "bye": ["BYE"]}.get(then, ["INVITE"])
        assert ack in peer.ok(invite)  # and once more for each repetition
        with pytest.raises(WrongState):
            endpoint.acknowledge(peer.leg, None, 0.2)
        with pytest.raises(WrongState):
            endpoint.acknowledge(peer.leg, OFFER, 0.2)


def test_rfc3311_update_with_and_without_offer() -> None:
    peer = Peer()
    peer.up()
    [ok] = peer.request("UPDATE", 5, "Contact: <sip:p@192.0.2.90>\r\n")
    assert start(ok) == "SIP/2.0 200 OK"
    assert peer.endpoint.dialog(peer.leg).remote_target == "sip:p@192.0.2.90"
    assert peer.events() == []
    assert peer.request("UPDATE", 6, body=OFFER) == []
    assert peer.events() == [Offered(peer.leg, OFFER)]
    assert start(peer.request("UPDATE", 7, body=OFFER)[0]).startswith("SIP/2.0 500 ")
    peer.endpoint.answer(peer.leg, ANSWER, 0.0)
    assert peer.sent()[0].endswith(ANSWER)
    peer.endpoint.reinvite(peer.leg, OFFER, 0.0)
    peer.sent()
    assert start(peer.request("UPDATE", 8, body=OFFER)[0]).startswith("SIP/2.0 491 ")


def test_rfc3261_15_1_1_bye_is_challenged_and_sent_again() -> None:
    peer = Peer(credentials=Credentials("u", "p"))
    peer.up()
    peer.endpoint.bye(peer.leg, 0.0)
    [bye] = peer.sent()
    [again] = peer.reply(
        bye, "407 Proxy Authentication Required", lines='Proxy-Authenticate: Digest realm="r", nonce="n"\r\n'
    )
    assert headers(again)["CSeq"] == "3 BYE"
    assert "Proxy-Authorization" in headers(again)
    peer.reply(again, "200 OK")
    assert peer.events() == [Ended(peer.leg, "local")]


def test_rfc3261_15_1_1_a_bye_that_nobody_answers_still_ends_the_leg() -> None:
    peer = Peer()
    peer.up()
    peer.endpoint.bye(peer.leg, 0.0)
    peer.wait(40)
    assert peer.events() == [Ended(peer.leg, "local")]
    assert peer.endpoint.drops["bye_unanswered"] == 1


def test_rfc3261_15_both_hang_up_at_once(link: Any) -> None:
    leg = link.confirmed()
    link.a.bye(leg, link.now)
    link.b.bye(leg, link.now)
    link.run()
    assert link.events == {A: [Ended(leg, "local")], B: [Ended(leg, "local")]}


@pytest.mark.parametrize(
    "status", ["200 OK", "481 Call/Transaction Does Not Exist", "407 Proxy Authentication Required", ""]
)
def test_rfc3261_15_1_1_once_both_have_hung_up_nobody_waits_for_the_answer_to_our_bye(status: str) -> None:
    peer = Peer(credentials=Credentials("u", "p"))
    peer.up()
    peer.endpoint.bye(peer.leg, 0.0)
    [bye] = peer.sent()
    [answer] = peer.request("BYE", 1)
    assert start(answer) == "SIP/2.0 200 OK"
    assert peer.events() == [Ended(peer.leg, "local")]
    if status:
        assert peer.reply(bye, status, lines='Proxy-Authenticate: Digest realm="r", nonce="n"\r\n') == []
    peer.wait(64.0)
    assert peer.events() == []
    assert peer.endpoint.pending == EMPTY


def test_rfc3261_15_the_callee_waits_with_bye_for_the_ack(link: Any) -> None:
    leg = link.call()
    link.run(0.1)
    link.b.answer(leg, ANSWER, link.now)
    link.b.bye(leg, link.now)
    link.run()
    order = [
        line.split()[0]
        for source, data in link.sent
        for line in [data.decode().split("\r\n")[0]]
        if not line.startswith("SIP")
    ]
    assert order == ["INVITE", "ACK", "BYE"]
    assert link.events[B][-1] == Ended(leg, "local")


# Digest


def field(value: str, name: str) -> str:
    match = re.search(rf'\b{name}="?([^",]+)', value)
    assert match, (name, value)
    return match[1]


def test_rfc3261_22_2_a_401_is_acknowledged_and_answered_with_the_next_cseq() -> None:
    peer = Peer(credentials=Credentials("user", "pass"))
    lines = 'WWW-Authenticate: Digest realm="carrier", nonce="abc", qop="auth,auth-int", opaque="op", algorithm=MD5\r\n'
    ack, again = peer.reply(peer.invite, "401 Unauthorized", lines=lines)
    assert start(ack).startswith("ACK ")
    assert headers(again)["CSeq"] == "2 INVITE"
    assert headers(again)["From"] == headers(peer.invite)["From"]
    assert headers(again)["Via"] != headers(peer.invite)["Via"]
    value = headers(again)["Authorization"]
    ha1 = hashlib.md5(b"user:carrier:pass").hexdigest()
    ha2 = hashlib.md5(b"INVITE:sip:1@192.0.2.2").hexdigest()
    nc, cnonce = field(value, "nc"), field(value, "cnonce")
    assert nc == "00000001"
    assert field(value, "response") == hashlib.md5(f"{ha1}:abc:{nc}:{cnonce}:auth:{ha2}".encode()).hexdigest()
    assert field(value, "opaque") == "op"
    assert peer.events() == []
    # Known from then on, with a rising nc (RFC 7616 3.4).
    peer.ok(again)
    peer.endpoint.bye(peer.leg, 0.0)
    bye = peer.sent()[-1]
    assert int(field(headers(bye)["Authorization"], "nc"), 16) > 1


def test_rfc3261_22_3_wrong_credentials_do_not_loop_and_stale_gets_one_more_try() -> None:
    peer = Peer(credentials=Credentials("user", "pass"))
    challenge = 'Proxy-Authenticate: Digest realm="r", nonce="{}"{}\r\n'
    _, second = peer.reply(peer.invite, "407 x", lines=challenge.format("one", ""))
    _, third = peer.reply(second, "407 x", lines=challenge.format("two", ", stale=TRUE"))
    assert field(headers(third)["Proxy-Authorization"], "nonce") == "two"
    [ack] = peer.reply(third, "407 Proxy Authentication Required", lines=challenge.format("three", ", stale=true"))
    assert ack.startswith(b"ACK")
    assert peer.events() == [Failed(peer.leg, 407, "Proxy Authentication Required")]


def test_rfc3261_22_3_a_proxy_and_a_server_both_challenge() -> None:
    peer = Peer(credentials=Credentials("user", "pass"))
    _, second = peer.reply(peer.invite, "407 x", lines='Proxy-Authenticate: Digest realm="p", nonce="1"\r\n')
    _, third = peer.reply(second, "401 x", lines='WWW-Authenticate: Digest realm="s", nonce="2"\r\n')
    assert {"Authorization", "Proxy-Authorization"} <= set(headers(third))


def test_rfc3261_22_without_credentials_a_challenge_is_a_failure() -> None:
    peer = Peer()
    peer.reply(peer.invite, "401 Unauthorized", lines='WWW-Authenticate: Digest realm="s", nonce="2"\r\n')
    assert peer.events() == [Failed(peer.leg, 401, "Unauthorized")]


def test_rfc3261_22_a_challenge_after_cancel_is_not_answered() -> None:
    peer = Peer(credentials=Credentials("user", "pass"))
    peer.endpoint.cancel(peer.leg, 0.0)
    [ack] = peer.reply(peer.invite, "401 Unauthorized", lines='WWW-Authenticate: Digest realm="s", nonce="2"\r\n')
    assert ack.startswith(b"ACK")
    assert [(event.status, event.kind) for event in peer.events()] == [(401, "cancelled")]
    assert not peer.endpoint.has(peer.leg)


# Plans, fail-over, orphans


def test_rfc3263_4_3_fail_over_keeps_the_call_id_and_takes_a_new_branch() -> None:
    peer = Peer(headers=[("X-Campaign", "spring")])
    peer.reply(peer.invite, "503 Service Unavailable", lines="Retry-After: 10\r\n")
    [failed] = peer.events()
    assert failed.retry_after == 10.0
    plan = peer.endpoint.retarget(peer.plan, ("192.0.2.3", 5080), "sip:1@192.0.2.3:5080")
    assert not plan.authenticates
    keyed = peer.endpoint.retarget(peer.plan, ("192.0.2.3", 5080), "sip:1@x", credentials=Credentials("u", "p"))
    assert keyed.authenticates
    assert peer.endpoint.retarget(keyed, ("192.0.2.4", 5080), "sip:1@x").cseq > keyed.cseq + 4
    assert peer.endpoint.invite(plan, 1.0) == peer.leg
    [invite] = peer.sent()
    assert peer.last[0][1] == ("192.0.2.3", 5080)
    assert headers(invite)["CSeq"] == "2 INVITE"
    assert headers(invite)["From"] == headers(peer.invite)["From"]
    assert headers(invite)["Via"] != headers(peer.invite)["Via"]
    assert headers(invite)["X-Campaign"] == "spring"
    assert invite.endswith(OFFER)
    # The first trunk repeats its 503: acknowledged by the old transaction, the new call does not notice.
    [ack] = peer.reply(peer.invite, "503 Service Unavailable")
    assert headers(ack)["CSeq"] == "1 ACK"
    assert peer.events() == []


def test_a_plan_survives_json_without_secrets() -> None:
    import json

    endpoint = Endpoint(EndpointConfig(*A), seed=b"x")
    plan = endpoint.plan_invite(
        "sip:1@192.0.2.2", from_uri="sip:d@192.0.2.1", destination=B, sdp=OFFER,
        from_display='Bö "x"', headers=[("X-A", "b")], credentials=Credentials("user", "geheim"),
    )  # fmt: skip
    text = json.dumps(plan.to_dict())
    assert "geheim" not in text + repr(plan)
    back = InvitePlan.from_dict(json.loads(text))
    assert back.authenticates
    assert plan.branch
    assert not back.branch
    assert not plan._replace(to_uri="sip:1@192.0.2.2>").branch  # looked at before it is sent
    assert (back.call_id, back.from_tag, back.destination, back.headers) == (
        plan.call_id,
        plan.from_tag,
        B,
        (("X-A", "b"),),
    )
    assert endpoint.pending == EMPTY


EVIL = "sip:1@192.0.2.2\r\nX-Evil: 1"


@pytest.mark.parametrize(
    "forge",
    [
        lambda plan: InvitePlan(*plan[:6], EVIL, *plan[7:]),
        lambda plan: InvitePlan(**{**plan._asdict(), "to_uri": EVIL}),
        lambda plan: InvitePlan._make((*plan[:6], EVIL, *plan[7:])),
        lambda plan: plan._replace(to_uri=EVIL),
        lambda plan: plan._replace(to_uri=EVIL, branch=plan.branch),
        lambda plan: super(InvitePlan, plan)._replace(to_uri=EVIL),  # what `copy.replace` does since Python 3.13
        lambda plan: pickle.loads(pickle.dumps(plan._replace(to_uri=EVIL))),
    ],
)
def test_no_plan_made_elsewhere_is_sent_unseen(forge: Callable[[InvitePlan], InvitePlan]) -> None:
    endpoint = Endpoint(EndpointConfig(*A), seed=b"x")
    plan = endpoint.plan_invite("sip:1@192.0.2.2", from_uri="sip:d@192.0.2.1", destination=B)
    with pytest.raises((UnsafeHeader, TypeError)):
        endpoint.invite(forge(plan), 0.0)
    assert endpoint.datagrams_to_send() == []


def test_plans_are_compared_and_shown_without_what_is_only_for_sending() -> None:
    endpoint = Endpoint(EndpointConfig(*A), seed=b"x")
    plan = endpoint.plan_invite("sip:1@192.0.2.2", from_uri="sip:d@192.0.2.1", destination=B)
    again = InvitePlan.from_dict(plan.to_dict())
    assert again == plan
    assert not again != plan  # noqa: SIM202
    assert {again: 1}[plan] == 1
    assert plan._replace(cseq=2) != plan
    assert plan != tuple(plan)
    assert pickle.loads(pickle.dumps(plan)) == copy.deepcopy(plan) == plan
    shown = repr(plan._replace(sdp=OFFER, credentials=Credentials("user", "geheim")))
    assert shown.startswith("InvitePlan(call_id=")
    for hidden in ("v=0", "user", "geheim", "branch", plan.branch):
        assert hidden not in shown


def test_rfc3261_9_1_an_orphaned_invite_is_cancelled_from_its_plan_alone() -> None:
    peer = Peer(credentials=Credentials("u", "p"))
    after = Endpoint(EndpointConfig(*A), seed=b"another process")
    after.end_orphan(peer.plan.to_dict(), 100.0)
    first, second = (data for data, _ in after.datagrams_to_send())
    assert headers(first)["Via"] == headers(peer.invite)["Via"]
    assert (headers(first)["CSeq"], headers(second)["CSeq"]) == ("1 CANCEL", "2 CANCEL")
    peer.endpoint = after
    [ack] = peer.reply(peer.invite, "487 Request Terminated")
    assert ack.startswith(b"ACK sip:1@192.0.2.2 SIP/2.0")
    peer.now = 100.0
    peer.wait(100)
    assert after.pending == EMPTY
    assert peer.events() == []


def test_an_orphaned_invite_that_is_answered_gets_ack_and_bye() -> None:
    peer = Peer()
    for saved in (True, False):  # with its plan, or only by its branch: a 200 for an INVITE that nobody remembers
        peer.endpoint = Endpoint(EndpointConfig(*A), seed=b"another process")
        if saved:
            peer.endpoint.end_orphan(peer.plan.to_dict(), 0.0)
            peer.sent()
        ack, bye = peer.ok(peer.invite)
        assert start(ack) == "ACK sip:p@192.0.2.2:5070;transport=UDP SIP/2.0"
        assert headers(bye)["To"] == headers(ack)["To"]
        assert headers(bye)["CSeq"] == "2002 BYE"
        assert peer.ok(peer.invite) == [ack]
        peer.reply(bye, "200 OK")
        peer.wait(100)
        assert peer.endpoint.pending == EMPTY


def test_a_2xx_whose_branch_is_not_ours_is_dropped() -> None:
    peer = Peer()
    peer.endpoint = Endpoint(EndpointConfig(*A, branch_key=b"other"), seed=b"another process")
    assert peer.ok(peer.invite) == []
    assert peer.endpoint.drops["stray_response"] == 1


def test_an_orphaned_dialog_gets_bye_with_a_number_that_was_not_used() -> None:
    peer = Peer()
    peer.ok(peer.invite)
    [event] = peer.events()
    saved = event.dialog.to_dict()
    assert DialogState.from_dict(saved) == event.dialog
    peer.endpoint = Endpoint(EndpointConfig(*A), seed=b"another process")
    peer.endpoint.end_orphan(saved, 0.0)
    [bye] = peer.sent()
    assert start(bye) == "BYE sip:p@192.0.2.2:5070;transport=UDP SIP/2.0"
    assert int(headers(bye)["CSeq"].split()[0]) > 100
    peer.reply(bye, "481 Gone")
    peer.wait(100)
    assert peer.endpoint.pending == EMPTY


@pytest.mark.parametrize(
    "change",
    [
        {"call_id": None, "remote_tag": None},
        {"destination": 5},
        {"destination": ["192.0.2.2", "x"]},
        {"cseq": "x"},
        {"headers": [["X-A", "b\r\nc"]]},
        {"destination": ["nowhere", 5060]},
        {"from_uri": "sip:a\r\nb"},
        {"remote_tag": "t"},
    ],
)
def test_what_was_not_saved_by_us_is_refused(change: dict[str, Any]) -> None:
    peer = Peer()
    before = peer.endpoint.pending
    saved = {**peer.plan.to_dict(), **change}
    if change.get("call_id", "") is None:
        saved = {"remote_tag": "t"}
    with pytest.raises(SipError):
        peer.endpoint.end_orphan(saved, 0.0)
    assert peer.endpoint.pending == before
    assert peer.sent() == []


# Wrong commands


@pytest.mark.parametrize(
    "options",
    [
        {"headers": [("X-A", "b\r\nInjected: 1")]},
        {"headers": [("X-A\r\nInjected", "1")]},
        {"headers": [("Via", "SIP/2.0/UDP elsewhere")]},
        {"headers": [("", "1")]},
        {"headers": [("X-A", "\x00")]},
        {"headers": [("X-A", "\ud800")]},
        {"from_display": "a\nb"},
        {"to_uri": "sip:1@192.0.2.2\r\nX: 1"},
        {"to_uri": "sip:1@192.0.2.2>;tag=1"},
        {"to_uri": "nothing"},
        {"from_uri": "sip:a b@c"},
        {"credentials": Credentials("a\r\nb", "p")},
    ],
)
def test_rfc3261_25_1_nothing_unsafe_leaves(options: dict[str, Any]) -> None:
    endpoint = Endpoint(EndpointConfig(*A), seed=b"x")
    options = {"to_uri": "sip:1@192.0.2.2", "from_uri": "sip:d@192.0.2.1", **options}
    with pytest.raises(UnsafeHeader):
        endpoint.plan_invite(options.pop("to_uri"), destination=B, **options)


@pytest.mark.parametrize(
    "destination", [("carrier.example", 5060), ("192.0.2.2", 0), ("192.0.2.2", 65536), ("", 5060), ("300.1.1.1", 1)]
)
def test_destinations_are_addresses(destination: tuple[str, int]) -> None:
    endpoint = Endpoint(EndpointConfig(*A), seed=b"x")
    with pytest.raises(BadDestination):
        endpoint.plan_invite("sip:1@192.0.2.2", from_uri="sip:d@192.0.2.1", destination=destination)
    with pytest.raises(BadDestination):
        endpoint.options("sip:1@192.0.2.2", destination, 0.0)


def test_wrong_commands_raise_and_change_nothing() -> None:
    peer = Peer(settings={"max_legs": 1})
    endpoint, leg = peer.endpoint, peer.leg
    before = endpoint.pending
    for command in (
        lambda: endpoint.bye(leg, 0.0),
        lambda: endpoint.answer(leg, ANSWER, 0.0),
        lambda: endpoint.ring(leg, 0.0),
        lambda: endpoint.reject(leg, 486, 0.0),
        lambda: endpoint.reject(leg, 200, 0.0),
        lambda: endpoint.reinvite(leg, OFFER, 0.0),
        lambda: endpoint.dialog(leg),
        lambda: endpoint.invite(peer.plan, 0.0),
    ):
        with pytest.raises(WrongState):
            command()
    with pytest.raises(UnknownLeg):
        endpoint.cancel("nobody", 0.0)
    other = endpoint.plan_invite("sip:2@192.0.2.2", from_uri="sip:d@192.0.2.1", destination=B)
    with pytest.raises(TooManyLegs):
        endpoint.invite(other, 0.0)
    with pytest.raises(UnsafeHeader):
        endpoint.cancel(leg, 0.0, "a\r\nb")
    assert endpoint.pending == before
    assert peer.sent() == []
    endpoint.cancel(leg, 0.0)  # the unsafe reason left the leg as it was


@pytest.mark.parametrize("lines", ["Contact: <nothing\r\n", "Record-Route: <sip:a>,,<sip:b>\r\n"])
def test_12_1_2_a_provisional_that_nobody_can_follow_makes_no_dialog(lines: str) -> None:
    peer = Peer()
    peer.reply(peer.invite, "180 Ringing", lines=lines)
    assert [type(event) for event in peer.events()] == [Provisional]
    with pytest.raises(WrongState):
        peer.endpoint.dialog(peer.leg)
    assert peer.endpoint.drops["bad_early_dialog"] == 1
    peer.reply(peer.invite, "183 Session Progress", lines="Contact: <sip:p@192.0.2.2:5070>\r\n")
    assert peer.endpoint.dialog(peer.leg).remote_target == "sip:p@192.0.2.2:5070"
