"""A live call goes to a colleague, or does not."""

from __future__ import annotations


async def handing_over(floor, party, *, colleague=None):
    """A call talked by agent0; agent1 is available, its phone behaves as `colleague`."""
    await floor.do("break", 1)
    call, customer, phone = await floor.talking(0)
    await floor.do("ready", 1)
    if colleague is not None:
        floor.phone(1).party = colleague
    return call, customer, phone


def test_success(stage, party):
    async def play(floor):
        call, _customer, phone = await handing_over(floor, party)
        await floor.do("hand_over", 0, to="agent1")
        again, _, _ = await floor.talking(1)
        assert again is call
        await floor.state(0, "wrap_up")
        await floor.until(lambda: floor.at_media(phone))
        (event,) = floor.named("call_handed_over")
        assert (event.agent, event.to_agent) == ("agent0", "agent1")
        assert (await floor.do("ready", 0))["state"] == "available"
        await floor.do("hangup", 1)
        await floor.do("dispose", 1, code="no_interest")
        (ended,) = await floor.ended()
        assert (ended.outcome, ended.agent) == ("answered", "agent1")
        assert floor.contact().state == "done"

    stage(play, agents=2)


def test_the_colleagues_phone_refuses_and_the_call_stays(stage, party):
    async def play(floor):
        _, customer, phone = await handing_over(floor, party, colleague=party.of(answer=0.0, refuse_after=0))
        await floor.do("hand_over", 0, to="agent1")
        await floor.state(1, "logged_out")
        await floor.until(lambda: floor.points(customer, phone))
        assert floor.agent(0).state.value == "talking"
        assert not floor.named("call_handed_over")
        await floor.do("hangup", 0)
        await floor.state(0, "wrap_up")

    stage(play, agents=2, quiet=("reinvite_refused_agent",))


def test_the_customer_hangs_up_in_between(stage, party):
    async def play(floor):
        _, customer, _ = await handing_over(floor, party, colleague=party.of(answer=0.0, mute_after=0))
        await floor.do("hand_over", 0, to="agent1")
        await floor.state(1, "reserved")
        floor.carrier.hang_up(customer)
        await floor.state(0, "wrap_up")
        await floor.state(1, "available")
        floor.phone(1).party = party.answers

    stage(play, agents=2)


def test_the_first_agents_leg_is_lost_in_between(stage, party):
    async def play(floor):
        _, customer, phone = await handing_over(floor, party, colleague=party.of(answer=0.0, mute_after=0))
        await floor.do("hand_over", 0, to="agent1")
        floor.phones.hang_up(phone)
        await floor.state(0, "logged_out")
        floor.phone(1).party = party.answers
        await floor.talking(1)
        floor.carrier.hang_up(customer)
        await floor.state(1, "wrap_up")

    stage(play, agents=2)


def test_both_agents_legs_are_lost_in_between(stage, party):
    async def play(floor):
        _, customer, phone = await handing_over(floor, party, colleague=party.of(answer=0.0, mute_after=0))
        await floor.do("hand_over", 0, to="agent1")
        floor.phones.hang_up(phone)
        await floor.state(0, "logged_out")
        floor.phones.hang_up(floor.phone(1))
        await floor.until(lambda: floor.media.plays)
        await floor.until(lambda: customer.over)
        (ended,) = await floor.ended()
        assert ended.outcome == "answered"

    stage(play, agents=2)


def test_the_agent_hangs_up_in_between(stage, party):
    async def play(floor):
        await handing_over(floor, party, colleague=party.of(answer=0.0, mute_after=0))
        await floor.do("hand_over", 0, to="agent1")
        assert (await floor.refused("hand_over", 0, to="agent1")).code == "busy"
        await floor.do("hangup", 0)
        await floor.state(0, "wrap_up")
        await floor.state(1, "available")
        floor.phone(1).party = party.answers

    stage(play, agents=2)


def test_to_nobody_to_oneself_or_to_somebody_busy(stage, party):
    async def play(floor):
        await floor.do("break", 1)
        await floor.talking(0)
        assert (await floor.refused("hand_over", 0, to="agent1")).code == "busy"
        assert (await floor.refused("hand_over", 0, to="agent0")).code == "busy"
        assert (await floor.refused("hand_over", 0, to="nobody")).code == "unknown_agent"
        assert (await floor.refused("hand_over", 1, to="agent0")).code == "wrong_state"
        await floor.do("hangup", 0)

    stage(play, agents=2)


def test_back_and_forth_ten_times(stage, party):
    async def play(floor):
        call, _, _ = await handing_over(floor, party)
        for turn in range(10):
            one, other = turn % 2, 1 - turn % 2
            await floor.do("hand_over", one, to=f"agent{other}")
            again, _, _ = await floor.talking(other)
            assert again is call
            await floor.state(one, "wrap_up")
            await floor.do("ready", one)
        await floor.do("hangup", 0)

    stage(play, agents=2)
