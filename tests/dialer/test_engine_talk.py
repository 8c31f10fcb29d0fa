"""A customer answers and an agent is free: connected, talked, coded, un-connected."""

from __future__ import annotations

import asyncio

import pytest


def test_answered_connected_coded_and_available_again(stage):
    async def play(floor):
        call, customer, phone = await floor.talking()
        assert floor.named("call_connected")[0].agent == "agent0"
        assert call.outcome is None
        answer = await floor.do("hangup", 0)
        assert answer["state"] == "wrap_up"
        await floor.ended()
        await floor.until(lambda: customer.over and floor.at_media(phone))
        assert floor.outcomes() == ["answered"]
        assert floor.contact().state == "review"
        assert (await floor.refused("ready", 0)).code == "wrong_state"
        answer = await floor.do("dispose", 0, code="no_interest")
        assert (answer["state"], answer["contact_state"]) == ("available", "done")
        assert floor.contact().state == "done"

    stage(play)


def test_an_agent_who_is_free_was_not_waited_for(stage):
    async def play(floor):
        call, customer, _ = await floor.talking()
        (connected,) = floor.named("call_connected")
        assert connected.wait == 0.0  # whatever the engine itself took
        assert connected.answer_to_agent > 0.0
        assert not call.untold
        assert call.pacer_agent == "agent0"
        floor.carrier.hang_up(customer)
        await floor.ended()

    stage(play)


def test_the_customer_hangs_up(stage):
    async def play(floor):
        _, customer, phone = await floor.talking()
        floor.carrier.hang_up(customer)
        await floor.state(0, "wrap_up")
        await floor.until(lambda: floor.at_media(phone))
        (ended,) = await floor.ended()
        assert (ended.outcome, ended.agent) == ("answered", "agent0")
        assert ended.talk_seconds >= 0

    stage(play)


def test_a_code_given_while_the_call_stands_takes_effect_at_its_end(stage):
    async def play(floor):
        call, customer, _ = await floor.talking()
        await floor.do("dispose", 0, code="sold", call=call.id, fields={"package": "gold"})
        assert floor.agent().state.value == "talking"
        floor.carrier.hang_up(customer)
        await floor.ended()
        await floor.ledger.flush()
        assert floor.contact().state == "sold"
        await floor.until(lambda: floor.agent().undisposed is None or floor.agent().state.value == "wrap_up")

    stage(play)


def test_the_customer_puts_us_on_hold_and_comes_back(stage):
    async def play(floor):
        _, customer, phone = await floor.talking()
        floor.carrier.reoffer(customer, "sendonly")
        await floor.until(lambda: phone.offers[-1].direction == "sendonly")
        await floor.until(lambda: customer.answered_us)
        assert customer.answered_us[0].direction == "recvonly"
        assert (customer.answered_us[0].host, customer.answered_us[0].port) == ("127.0.0.1", phone.port)
        floor.carrier.reoffer(customer, "sendrecv")
        await floor.until(lambda: phone.offers[-1].direction == "sendrecv")
        await floor.until(lambda: floor.points(customer, phone))
        floor.carrier.hang_up(customer)

    stage(play)


def test_a_customer_who_cannot_be_pointed_at_the_agent_counts_as_abandoned(stage, party):
    async def play(floor):
        floor.carrier.parties[party.number(0)] = party.of(answer=0.0, refuse_after=0)
        (ended,) = await floor.ended()
        assert ended.outcome == "abandoned"
        await floor.state(0, "available")

    stage(play, quiet=("reinvite_refused_customer",))


def test_a_customer_without_audio_is_hung_up_on(stage, party):
    async def play(floor):
        floor.carrier.parties[party.number(0)] = party.of(answer=0.0, no_audio=True)
        (ended,) = await floor.ended()
        assert ended.outcome == "abandoned"
        assert [e.message_played for e in floor.named("call_abandoned")] == [False]
        await floor.ledger.flush()
        with floor.store.read() as view:
            assert view.abandonment("promo", 0.0) == (1, 1)
        await floor.state(0, "available")

    stage(play, quiet=("answer_without_audio",))


@pytest.mark.parametrize("choice", ["longest_idle", "fewest_calls"])
def test_who_takes_the_next_call(stage, choice):
    async def play(floor):
        for _ in range(6):
            await floor.until(lambda: any(a.state.value == "talking" for a in floor.engine.agents.values()))
            one = next(i for i in range(3) if floor.agent(i).state.value == "talking")
            await floor.do("hangup", one)
            await floor.do("dispose", one, code="no_interest")
        taken = [e.agent for e in floor.named("call_connected")[:6]]
        if choice == "longest_idle":
            assert taken[:3] == sorted(taken[:3])
        assert sorted(taken) == ["agent0", "agent0", "agent1", "agent1", "agent2", "agent2"]

    stage(play, agents=3, numbers=6, agent_choice=choice, pacing="max_lines = 1")


def test_the_agent_puts_the_customer_on_hold_and_comes_back(stage):
    async def play(floor):
        _, customer, phone = await floor.talking()
        floor.phones.reoffer(phone, "sendonly")
        await floor.until(lambda: customer.offers[-1].direction == "sendonly")
        floor.phones.reoffer(phone, "sendrecv")
        await floor.until(lambda: customer.offers[-1].direction == "sendrecv")
        await floor.until(lambda: floor.points(customer, phone))
        await floor.do("hangup", 0)

    stage(play)


def test_a_phone_that_offers_anew_while_nobody_talks_is_answered_with_our_port(stage):
    async def play(floor):
        phone = floor.phone()
        floor.phones.reoffer(phone, "sendonly")
        await floor.until(lambda: phone.answered_us)
        assert phone.answered_us[0].direction == "recvonly"
        assert phone.answered_us[0].port in floor.media.ports.values()
        await floor.add("+34600000001")
        await floor.talking()
        await floor.do("hangup", 0)

    stage(play, numbers=0)


def test_an_offer_that_is_read_along_with_an_answer_is_not_crossed(stage):
    """The customer's answer makes the agent's leg follow; the agent's phone has just made an offer of its own."""

    async def play(floor):
        _, customer, phone = await floor.talking()
        loop, socket = asyncio.get_running_loop(), floor.udp._sock.fileno()
        hears = floor.carrier._offered

        def hears_and_holds_up(line, body):
            hears(line, body)
            loop.remove_reader(socket)

        floor.carrier._offered = hears_and_holds_up
        floor.phones.reoffer(phone, "sendonly")
        await floor.until(lambda: customer.offers[-1].direction == "sendonly" and phone.answered_us)
        floor.carrier._offered = hears
        floor.phones.reoffer(phone, "sendrecv")
        floor.udp._most = 256  # as on a busy machine
        loop.add_reader(socket, floor.udp._readable)  # both at one look
        await floor.until(lambda: customer.offers[-1].direction == "sendrecv")
        await floor.until(lambda: floor.points(customer, phone))
        await floor.do("hangup", 0)

    stage(play)
