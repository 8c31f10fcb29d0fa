"""The message does not wait for a bridge that does not come about."""

from __future__ import annotations


async def patient_call(floor, party, **customer):
    floor.carrier.default = party.of(answer=0.0, **customer)
    await floor.add(party.number(0))


def heard_after(floor):
    """Seconds from the answer to the message."""
    (abandoned,) = floor.named("call_abandoned")
    assert abandoned.message_played
    assert len(floor.media.plays) == 1
    return abandoned.waited


def test_a_dead_phone_does_not_hold_up_the_message(stage, party, monkeypatch):
    from dialer import bridging

    monkeypatch.setattr(bridging, "BRIDGE_TIMEOUT", 2.0)

    async def play(floor):
        floor.phone().party = party.of(answer=0.0, mute_after=0)
        await patient_call(floor, party)
        (ended,) = await floor.ended()
        assert ended.outcome == "abandoned"
        assert 0.6 <= heard_after(floor) < 1.2
        # the agent is kept until it is known that the phone is lost
        assert floor.agent().state.value == "reserved"
        await floor.state(0, "logged_out")

    stage(play, numbers=0, patience=0.6, quiet=("agent_phone_mute",))


def test_a_colleague_takes_over_from_a_dead_phone_when_patience_ends(stage, party, monkeypatch):
    from dialer import bridging

    monkeypatch.setattr(bridging, "BRIDGE_TIMEOUT", 2.0)

    async def play(floor):
        floor.phone(0).party = party.of(answer=0.0, mute_after=0)
        await patient_call(floor, party)
        call = await floor.call_state("connecting")
        assert call.agent is floor.agent(0)
        await floor.talking(1)
        assert floor.named("call_connected")[0].answer_to_agent < 1.2
        await floor.do("hangup", 1)
        await floor.state(0, "logged_out")

    stage(play, agents=2, numbers=0, patience=0.6, quiet=("agent_phone_mute",))


def test_a_slow_phone_that_answers_after_all_is_available_again(stage, party, monkeypatch):
    from dialer import bridging

    monkeypatch.setattr(bridging, "BRIDGE_TIMEOUT", 1.5)

    async def play(floor):
        phone = floor.phone()
        phone.party = party.of(answer=0.0, mute_after=0)
        await patient_call(floor, party)
        await floor.ended()
        phone.party = party.answers
        await floor.state(0, "available")

    stage(play, numbers=0, patience=0.6)


def test_a_customers_side_that_refuses_the_way_to_the_agent_hears_the_message(stage, party):
    async def play(floor):
        await patient_call(floor, party, refuse_after=0)
        (ended,) = await floor.ended()
        assert ended.outcome == "abandoned"
        assert heard_after(floor) < 0.5
        await floor.state(0, "available")

    stage(play, numbers=0, patience=2.0, quiet=("reinvite_refused_customer",))


def test_an_answer_that_crosses_our_cancel_is_told_to_the_pacer(stage, party):
    async def play(floor):
        floor.carrier.default = party.of(ring=0.0, crosses=True)
        await floor.add(party.number(0))
        call = await floor.call_state("ringing")
        floor.unit.calls.give_up_when_allowed(call)
        await floor.talking()
        assert call.cancel_outcome == "cancelled"
        assert call.told_pacer
        await floor.until(lambda: not floor.unit.campaign.pacemaker.needs_resync)
        assert floor.unit.campaign.pacemaker.pacer._book.agents["agent0"].state == "talking"
        await floor.do("hangup", 0)

    stage(play, numbers=0)


def test_what_the_pacer_gives_up_rings_for_the_legal_floor_from_its_invite(stage, party):
    async def play(floor):
        floor.carrier.default = party.rings
        await floor.add(party.number(0))
        call = await floor.call_state("ringing")
        rings = call.ringing
        assert floor.unit.dialing._give_up([call.id]) == 1
        assert floor.unit.dialing._give_up([call.id]) == 0
        assert call.state.value == "ringing"
        (ended,) = await floor.ended()
        assert ended.outcome == "cancelled"
        assert floor.clock.now() - rings >= 0.5

    stage(play, numbers=0, ring_floor=0.5)
