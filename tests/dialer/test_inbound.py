"""Calls that come in: whose number, from which trunk, and who is a stranger."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from dialer.inbound import campaign_of, user_of
from dialer.sip import Failed, sdp
from dialer.udp import UdpEndpoint

OFFER = sdp.audio("127.0.0.1", 40000)
CAMPAIGNS = {
    "promo": SimpleNamespace(
        caller_id="+34910000000", caller_ids=[SimpleNamespace(number="+34931111111")], numbers=["+34952222222"]
    ),
    "other": SimpleNamespace(caller_id="+441632960000", caller_ids=[], numbers=[]),
}


@pytest.mark.parametrize(
    ("number", "campaign"),
    [
        ("+34910000000", "promo"),
        ("0034910000000", "promo"),
        ("34931111111", "promo"),
        ("+34952222222", "promo"),
        ("+441632960000", "other"),
        ("+34999999999", None),
        ("", None),
        ("dialer", None),
        ("+", None),
        ("²", None),
    ],
)
def test_the_campaign_is_that_of_the_number_called(number, campaign):
    assert campaign_of(number, CAMPAIGNS) == campaign


@pytest.mark.parametrize(
    ("uri", "user"),
    [
        ("sip:+34910000000@192.0.2.1:5060;user=phone", "+34910000000"),
        ("tel:+34910000000;phone-context=x", "+34910000000"),
        ("sip:a:secret@192.0.2.1", "a"),
        ("sip:192.0.2.1", ""),
        ("sip:" + "9" * 500 + "@x", "9" * 64),
    ],
)
def test_the_user_of_a_uri(uri, user):
    assert user_of(uri) == user


def ring_in(floor, udp, number):
    port = floor.udp.address[1]
    plan = udp.plan_invite(
        f"sip:dialer@127.0.0.1:{port}",
        from_uri="sip:+34600000009@127.0.0.1",
        destination=("127.0.0.1", port),
        sdp=OFFER,
    )
    return udp.invite(plan._replace(to_uri=f"sip:{number}@127.0.0.1"))


def test_a_call_back_is_told_with_its_campaign_and_refused_politely(stage):
    async def play(floor):
        ring_in(floor, floor.carrier.udp, "+34910000000")
        (event,) = await floor.until(lambda: floor.named("incoming_call"))
        assert (event.campaign, event.trunk, event.number) == ("promo", "main", "+34910000000")
        assert (event.caller, event.taken) == ("+34600000009", False)
        await floor.until(lambda: [e for e in floor.carrier.registrations if isinstance(e, Failed) and e.status == 480])

    stage(play, numbers=0, quiet=("sip_incoming_refused",))


def test_somebody_may_take_it(stage):
    async def play(floor):
        taken = []
        floor.engine.inbound.take = lambda call, trunk, campaign: not taken.append((call.leg, trunk.name, campaign))
        leg = ring_in(floor, floor.carrier.udp, "+34999999999")
        (event,) = await floor.until(lambda: floor.named("incoming_call"))
        assert (event.campaign, event.taken) == ("", True)
        assert taken == [(leg, "main", None)]
        assert floor.udp.has(leg)
        floor.udp.reject(leg, 486)
        await floor.until(lambda: not floor.udp.has(leg))

    stage(play, numbers=0, quiet=("sip_event_without_owner",))


def test_who_is_no_trunk_hears_403_and_nobody_is_told(stage):
    async def play(floor):
        heard = []
        stranger = UdpEndpoint.open("127.0.0.2", 0, heard.append)
        ring_in(floor, stranger, "+34910000000")
        await floor.until(lambda: heard)
        assert [e.status for e in heard] == [403]
        assert not floor.named("incoming_call")
        stranger.close()

    stage(play, numbers=0, quiet=("sip_incoming_stranger",))
