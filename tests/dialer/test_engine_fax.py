"""A far end that turns out to be a fax machine: its gateway offers T.38, on real SIP, in every state of a call."""

from __future__ import annotations

import pytest

from dialer.fax import offers_fax
from dialer.sip import ReinviteFailed

T38 = (
    b"v=0\r\no=gw 1 2 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    b"m=audio 0 RTP/AVP 0\r\nm=image 49170 udptl t38\r\na=T38FaxVersion:0\r\na=T38FaxRateManagement:transferredTCF\r\n"
)
AUDIO = T38.replace(b"m=audio 0", b"m=audio 4000").replace(b"m=image 49170", b"m=image 0")


@pytest.mark.parametrize(
    ("offer", "fax"),
    [
        (T38, True),
        (T38.replace(b"m=audio 0 RTP/AVP 0\r\n", b""), True),
        (T38.replace(b"udptl t38", b"UDPTL T38"), True),
        (T38.replace(b"\r\n", b"\n"), True),
        (T38.replace(b"m=audio 0", b"m=audio 4000"), False),  # audio goes on: a gateway that only shows what it could
        (AUDIO, False),
        (T38.replace(b"m=image 49170", b"m=image 0"), False),
        (T38.replace(b"udptl t38", b"RTP/AVP 98"), False),
        (b"", False),
        (None, False),
    ],
)
def test_what_is_a_fax_s_offer(offer, fax):
    assert offers_fax(offer) is fax


def offer_fax(floor, line) -> list[ReinviteFailed]:
    """The far end's gateway has heard the tones; what became of its offer comes into the list."""
    seen: list[ReinviteFailed] = []
    told = floor.carrier._on_event

    def on_event(event):
        seen.append(event) if isinstance(event, ReinviteFailed) else told(event)

    floor.carrier.udp._on_event = on_event
    floor.carrier.udp.reinvite(line.leg, T38)
    return seen


async def over(floor, refused) -> object:
    (ended,) = await floor.ended()
    await floor.until(lambda: not floor.calls)
    assert [event.status for event in refused] == [488]
    return ended


def test_in_a_talk_the_agent_is_freed_and_owes_no_code(stage, party):
    async def play(floor):
        call, line, _ = await floor.talking()
        ended = await over(floor, offer_fax(floor, line))
        assert (ended.outcome, ended.next_state) == ("fax", "bad_number")
        assert floor.agent().undisposed is None
        assert (await floor.do("ready", 0))["state"] == "available"
        assert floor.contact().state == "bad_number"
        assert floor.rows("SELECT outcome, disposition FROM attempt") == [("fax", None)]
        assert floor.carrier.lines[0].over == "remote", "the far end got a BYE"
        assert call.outcome == "fax"

    stage(play)


def test_while_it_waits_for_an_agent_nobody_is_abandoned(stage):
    async def play(floor):
        await floor.until(lambda: {c.state.value for c in floor.calls} == {"talking", "waiting"})
        waiting = next(c for c in floor.calls if c.state.value == "waiting")
        line = next(line for line in floor.carrier.lines if line.leg == waiting.leg.id)
        await floor.until(lambda: waiting.leg.up)
        refused = offer_fax(floor, line)
        (ended,) = await floor.ended()
        assert (ended.outcome, ended.number, ended.talk_seconds) == ("fax", waiting.number, None)
        await floor.until(lambda: waiting.state.value == "over")
        assert [event.status for event in refused] == [488]
        assert not floor.named("call_abandoned")
        assert not floor.media.plays
        with floor.store.read() as view:
            counts = view.outcome_counts("promo", 0.0)
        assert counts.get("abandoned", 0) == 0
        await floor.do("hangup", 0)

    stage(play, patience=5.0, mode="power", pacing="calls_per_agent = 2.0", numbers=2)


def test_while_an_agent_is_being_connected(stage, party):
    async def play(floor):
        floor.phone().party = party.of(answer=0.0, mute_after=0)
        call = await floor.call_state("connecting")
        line = next(line for line in floor.carrier.lines if line.leg == call.leg.id)
        await floor.until(lambda: line.reinvites and not call.leg.in_flight)
        ended = await over(floor, offer_fax(floor, line))
        assert (ended.outcome, ended.next_state) == ("fax", "bad_number")
        # the phone still owes an answer to its re-INVITE: it is heard again
        floor.phones.lines[0].party = party.answers
        await floor.state(0, "available")

    stage(play, patience=5.0)


def test_during_the_message_it_ends_and_the_count_stands(stage):
    """Whoever has been counted as abandoned stays counted: the message had begun."""

    async def play(floor):
        floor.media.at_once = False
        await floor.until(lambda: any(c.state.value == "message" for c in floor.calls))
        call = next(c for c in floor.calls if c.state.value == "message")
        line = next(line for line in floor.carrier.lines if line.leg == call.leg.id)
        await floor.until(lambda: floor.points(line, line) or floor.at_media(line))
        refused = offer_fax(floor, line)
        await floor.until(lambda: call.state.value == "over")
        assert [event.status for event in refused] == [488]
        await floor.ledger.flush()
        assert floor.rows("SELECT outcome FROM attempt WHERE id = ?", call.id) == [("abandoned",)]
        await floor.do("hangup", 0)

    stage(play, mode="power", pacing="calls_per_agent = 2.0", numbers=2)


def test_a_code_that_was_given_during_the_call_stands(stage, party):
    async def play(floor):
        call, line, _ = await floor.talking()
        await floor.do("dispose", 0, code="stop", call=call.id)
        assert call.coded_by == floor.names[0]
        ended = await over(floor, offer_fax(floor, line))
        assert (ended.outcome, ended.next_state) == ("answered", "do_not_call")
        assert floor.contact().state == "do_not_call"

    stage(play)


def test_the_campaign_says_what_follows(stage, party):
    codes = """
    no_interest = { next = "done" }
    [campaigns.promo.outcomes]
    fax = { next = "done" }
    """

    async def play(floor):
        _, line, _ = await floor.talking()
        ended = await over(floor, offer_fax(floor, line))
        assert (ended.outcome, ended.next_state) == ("fax", "done")

    stage(play, codes=codes)
