"""An agent's leg is lost, in every state: the agent is logged out, the operator sees it, the customer is not left."""

from __future__ import annotations

import pytest

from dialer import bridging


def line_of(floor, call):
    return next(line for line in floor.carrier.lines if line.leg == call.leg.id)


def lost(floor, index=0):
    return floor.named("agent_alert", agent=floor.names[index], alert="leg_lost")


def test_while_available(stage):
    async def play(floor):
        floor.phones.hang_up(floor.phone())
        await floor.state(0, "logged_out")
        assert lost(floor)
        await floor.until(lambda: floor.unit.campaign.state.value == "no_agents")

    stage(play, numbers=0)


def test_while_on_a_break(stage):
    async def play(floor):
        await floor.do("break", 0)
        floor.phones.hang_up(floor.phone())
        await floor.state(0, "logged_out")

    stage(play, numbers=0)


def test_while_in_wrap_up_the_code_may_still_be_given(stage):
    async def play(floor):
        call, _, _ = await floor.talking()
        await floor.do("hangup", 0)
        floor.phones.hang_up(floor.phone())
        await floor.state(0, "logged_out")
        await floor.do("dispose", 0, code="no_interest", call=call.id)
        assert floor.contact().state == "done"

    stage(play)


def test_while_talking_and_nobody_else_the_message_plays(stage):
    async def play(floor):
        floor.media.at_once = False
        call, customer, phone = await floor.talking()
        floor.phones.hang_up(phone)
        await floor.until(lambda: floor.at_media(customer))
        assert call.state.value == "stranded"
        await floor.until(lambda: call.state.value == "message")
        (ended,) = await floor.ended()
        assert ended.outcome == "answered"
        floor.media.finish(call.leg.media_key)
        await floor.until(lambda: customer.over)
        assert lost(floor)

    stage(play)


def test_while_talking_a_free_colleague_takes_over(stage):
    async def play(floor):
        await floor.until(lambda: any(floor.agent(i).state.value == "talking" for i in (0, 1)))
        one = 0 if floor.agent(0).state.value == "talking" else 1
        call, _customer, phone = await floor.talking(one)
        floor.phones.hang_up(phone)
        other = 1 - one
        again, _, _ = await floor.talking(other)
        assert again is call
        await floor.do("hangup", other)
        await floor.do("dispose", other, code="no_interest")
        await floor.ended()
        assert floor.outcomes() == ["answered"]
        assert floor.contact().state == "done"

    stage(play, agents=2)


def test_while_talking_a_colleague_becomes_free_within_patience(stage):
    async def play(floor):
        await floor.do("break", 1)
        call, customer, phone = await floor.talking(0)
        floor.phones.hang_up(phone)
        await floor.until(lambda: call.state.value == "stranded" and floor.at_media(customer))
        await floor.do("ready", 1)
        await floor.talking(1)
        floor.carrier.hang_up(customer)
        await floor.state(1, "wrap_up")

    stage(play, agents=2, patience=5.0)


def test_the_stranded_customer_hangs_up(stage):
    async def play(floor):
        call, customer, phone = await floor.talking()
        floor.phones.hang_up(phone)
        await floor.until(lambda: call.state.value == "stranded")
        floor.carrier.hang_up(customer)
        (ended,) = await floor.ended()
        assert ended.outcome == "answered"

    stage(play, patience=5.0)


@pytest.mark.parametrize("customer_leaves", [False, True])
def test_the_colleague_of_a_stranded_customer_is_being_connected(stage, party, customer_leaves):
    async def play(floor):
        await floor.do("break", 1)
        floor.phones.of("agent1")[-1].party = party.of(answer=0.0, mute_after=0)
        call, customer, phone = await floor.talking(0)
        floor.phones.hang_up(phone)
        await floor.until(lambda: call.state.value == "stranded")
        await floor.do("ready", 1)
        await floor.state(1, "reserved")
        if customer_leaves:
            floor.carrier.hang_up(customer)
            await floor.until(lambda: call.state.value == "over")
            assert floor.agent(1).state.value == "available"
        floor.phones.of("agent1")[-1].party = party.answers
        if not customer_leaves:
            await floor.talking(1)
            await floor.do("hangup", 1)
            await floor.state(1, "wrap_up")

    stage(play, agents=2, patience=5.0)


def test_a_phone_that_refuses_the_re_invite_is_logged_out_and_a_colleague_gets_the_call(stage, party):
    async def play(floor):
        floor.phones.of("agent0")[-1].party = party.of(answer=0.0, refuse_after=0)
        await floor.talking(1)
        assert floor.agent(0).state.value == "logged_out"
        assert lost(floor)
        await floor.do("hangup", 1)
        await floor.state(1, "wrap_up")
        await floor.ended()
        assert floor.outcomes() == ["answered"]

    stage(play, agents=2, quiet=("reinvite_refused_agent",))


def test_a_phone_that_refuses_and_nobody_else(stage, party):
    async def play(floor):
        floor.phones.of("agent0")[-1].party = party.of(answer=0.0, refuse_after=0)
        (ended,) = await floor.ended()
        assert ended.outcome == "abandoned"
        await floor.until(lambda: floor.media.plays)

    stage(play, quiet=("reinvite_refused_agent",))


def test_a_phone_that_vanishes_is_found_by_its_silence(stage, monkeypatch):
    monkeypatch.setattr(bridging, "BRIDGE_TIMEOUT", 0.3)

    async def play(floor):
        floor.phones.vanish(floor.phone(0))
        await floor.talking(1)
        assert floor.agent(0).state.value == "logged_out"
        assert "did not answer a re-INVITE" in lost(floor)[0].detail
        await floor.do("hangup", 1)
        await floor.state(1, "wrap_up")

    stage(play, agents=2, quiet=("agent_phone_mute",))


def test_a_customer_whose_side_vanishes_while_connecting(stage, party, monkeypatch):
    monkeypatch.setattr(bridging, "BRIDGE_TIMEOUT", 0.3)

    async def play(floor):
        floor.carrier.default = party.of(answer=0.0, mute_after=0)
        (ended,) = await floor.ended()
        assert ended.outcome == "abandoned"
        await floor.state(0, "available")
        floor.carrier.lines[0].party = party.answers

    stage(play, quiet=("reinvite_unanswered_customer",))


def test_the_phone_hangs_up_while_connecting(stage, party):
    async def play(floor):
        phone = floor.phone(0)
        phone.party = party.of(answer=0.0, mute_after=0)
        call = await floor.call_state("connecting")
        phone.party = party.answers
        floor.phones.hang_up(phone)
        await floor.until(lambda: floor.media.plays)
        (ended,) = await floor.ended()
        assert ended.outcome == "abandoned"
        assert call.answered is not None

    stage(play)
