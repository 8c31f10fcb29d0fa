"""Calls of an earlier process: whether their far ends answered, and what a forged 2xx can cost."""

from __future__ import annotations

import re
from typing import Any

import pytest

from benchmarks.rig.by_hand import ByHand, headers, response
from dialer.sip import Credentials, Endpoint, EndpointConfig, InvitePlan

A, B = ("192.0.2.1", 5060), ("192.0.2.2", 5060)
NOTHING = {"legs": 0, "clients": 0, "servers": 0, "accepted": 0, "asked": 0, "timers": 0}


class Restarted(ByHand):
    """A process that knows an INVITE only by what was saved, and a far end written by hand."""

    def __init__(self, **settings: Any) -> None:
        self.settings = settings
        before = self.made(b"before")
        self.plan = before.plan_invite("sip:1@192.0.2.2", from_uri="sip:d@192.0.2.1", destination=B)
        before.invite(self.plan, 0.0)
        self.invite = before.datagrams_to_send()[0][0]
        self.endpoint = self.made(b"after")
        self.ends: list[bool] = []
        self.now = 0.0

    def made(self, seed: bytes) -> Endpoint:
        return Endpoint(EndpointConfig(*A, **{"branch_key": b"secret", **self.settings}), seed=seed)

    def end(self, saved: dict[str, Any]) -> list[bytes]:
        self.endpoint.end_orphan(saved, self.now, on_end=self.ends.append)
        return self.sent()

    def reply(self, request: bytes, status: str, tag: str = "t", lines: str = "") -> list[bytes]:
        self.endpoint.receive(response(request, status, tag, lines), B, self.now)
        return self.sent()

    def ok(self, request: bytes, tag: str = "t") -> list[bytes]:
        return self.reply(request, "200 OK", tag, "Contact: <sip:p@192.0.2.9>\r\n")

    def dialog(self) -> dict[str, Any]:
        return {
            "kind": "dialog", "call_id": "c", "local_uri": "sip:d@192.0.2.1", "local_tag": "l",
            "remote_uri": "sip:1@192.0.2.2", "remote_tag": "r", "remote_target": "sip:p@192.0.2.2", "route_set": [],
            "local_cseq": 1, "destination": list(B),
        }  # fmt: skip


@pytest.mark.parametrize("status", ["200 OK", "481 Gone", "500 Oops"])
def test_a_dialog_is_over_when_its_bye_is_answered(status: str) -> None:
    it = Restarted()
    [bye] = it.end(it.dialog())
    assert it.ends == []
    it.reply(bye, status)
    assert it.ends == [True]
    it.wait(100)
    assert (it.ends, it.endpoint.pending) == ([True], NOTHING)


def test_a_dialog_is_not_over_when_nobody_answers_or_only_with_a_challenge() -> None:
    it = Restarted()
    it.end(it.dialog())
    it.wait(100)
    assert it.ends == [False]
    challenge = 'WWW-Authenticate: Digest realm="r", nonce="n", algorithm=MD5\r\n'
    [bye] = it.end(it.dialog())
    it.reply(bye, "401 Unauthorized", lines=challenge)
    assert it.ends == [False, False]
    it.endpoint.end_orphan(it.dialog(), it.now, credentials=Credentials("u", "p"), on_end=it.ends.append)
    [again] = it.reply(it.sent()[0], "401 Unauthorized", lines=challenge)
    assert it.ends == [False, False]
    it.reply(again, "200 OK")
    assert it.ends == [False, False, True]


def test_an_invite_is_over_with_its_final_response() -> None:
    it = Restarted()
    [cancel] = it.end(it.plan.to_dict())
    it.reply(cancel, "200 OK")
    assert it.ends == []
    it.reply(it.invite, "487 Request Terminated")
    assert it.ends == [True]
    it.wait(100)
    assert (it.ends, it.endpoint.pending) == ([True], NOTHING)


@pytest.mark.parametrize(("status", "over"), [("481 Unknown", True), (None, False)])
def test_an_invite_that_nobody_knows_is_over_and_one_that_nobody_hears_is_not(status: str | None, over: bool) -> None:
    it = Restarted()
    [cancel] = it.end(it.plan.to_dict())
    if status is not None:
        it.reply(cancel, status)
    it.wait(100)
    assert (it.ends, it.endpoint.pending) == ([over], NOTHING)


def test_an_invite_whose_cancel_was_heard_is_over_without_a_final_response_too() -> None:
    it = Restarted()
    [cancel] = it.end(it.plan.to_dict())
    it.reply(cancel, "200 OK")
    it.wait(100)
    assert (it.ends, it.endpoint.pending) == ([True], NOTHING)


@pytest.mark.parametrize("answered", [True, False])
def test_an_invite_that_is_answered_after_all_is_over_when_its_bye_is_answered(answered: bool) -> None:
    it = Restarted()
    it.end(it.plan.to_dict())
    _ack, bye = it.ok(it.invite)
    assert it.ends == []
    if answered:
        it.reply(bye, "200 OK")
    it.wait(100)
    assert (it.ends, it.endpoint.pending) == ([answered], NOTHING)


def test_both_invites_of_a_trunk_that_challenges_must_be_over() -> None:
    it = Restarted()
    saved = {**it.plan.to_dict(), "authenticates": True}
    first, second = it.end(saved)
    it.reply(first, "481 Gone")
    assert it.ends == []
    it.reply(second, "481 Gone")
    assert it.ends == [True]
    assert InvitePlan.from_dict(saved).authenticates


# Forged answers


def test_a_2xx_made_without_the_key_moves_nothing() -> None:
    it = Restarted()
    it.endpoint = Endpoint(EndpointConfig(*A, branch_key=b"another"), seed=b"after")
    assert it.ok(it.invite) == []
    assert it.endpoint.drops["stray_response"] == 1
    assert it.endpoint.pending == NOTHING


def test_the_tag_of_a_refusal_gives_no_branch_away() -> None:
    it = Restarted()
    request = (
        "INVITE sip:d@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKx\r\nFrom: tag\r\n"
        "To: <sip:d@192.0.2.1>\r\nCall-ID: c\r\nCSeq: 0 INVITE\r\nContent-Length: 0\r\n\r\n"
    )
    it.endpoint.receive(request.encode(), B, 0.0)
    [refusal] = it.sent()
    tag = re.search(r";tag=(\w+)", headers(refusal)["To"])
    assert tag is not None
    assert tag[1] not in it.endpoint._core.branch("c", "tag", 0, "INVITE")


def test_strays_at_once_are_bounded_and_make_room_again() -> None:
    it = Restarted(max_strays=2)
    plans = [it.made(bytes([n])) for n in range(3)]
    invites = []
    for before in plans:
        before.invite(before.plan_invite("sip:1@192.0.2.2", from_uri="sip:d@192.0.2.1", destination=B), 0.0)
        invites.append(before.datagrams_to_send()[0][0])
    assert [len(it.ok(invite)) for invite in invites] == [2, 2, 0]
    assert it.endpoint.drops["too_many_strays"] == 1
    it.wait(100)
    assert it.endpoint.pending == NOTHING
    assert len(it.ok(invites[2])) == 2


def test_forks_of_one_stray_are_bounded() -> None:
    it = Restarted()
    sent = [len(it.ok(it.invite, f"t{n}")) for n in range(40)]
    assert sent == [2] * 16 + [0] * 24
    assert it.endpoint.drops["too_many_forks"] == 24
    it.wait(100)
    assert it.endpoint.pending == NOTHING
