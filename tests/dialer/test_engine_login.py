"""Agents log in and out, take breaks, and wrap up."""

from __future__ import annotations

import asyncio

from dialer import agent_phone


def test_the_phone_refuses(stage, party):
    async def play(floor):
        floor.phones.parties["agent0"] = party.status(486)
        error = await floor.refused("login", 0)
        assert error.code == "unavailable"
        assert "486" in error.message
        assert floor.agent().state.value == "logged_out"
        floor.phones.parties["agent0"] = party.answers
        await floor.log_in(0)

    stage(play, log_in=False, numbers=0)


def test_the_phone_does_not_answer(stage, party, monkeypatch):
    monkeypatch.setattr(agent_phone, "PHONE_TIMEOUT", 0.3)

    async def play(floor):
        floor.phones.parties["agent0"] = party.rings
        error = await floor.refused("login", 0)
        assert "did not answer" in error.message
        await floor.until(lambda: floor.phones.lines[0].over == "failed 487")
        floor.phones.parties["agent0"] = party.answers
        await floor.log_in(0)

    stage(play, log_in=False, numbers=0)


def test_the_phone_is_not_there_at_all(stage, party):
    async def play(floor):
        floor.phones.parties["agent0"] = party.never
        error = await floor.refused("login", 0)
        assert "no answer from it" in error.message
        assert floor.agent().leg is None

    stage(play, log_in=False, numbers=0)


def test_the_phone_answers_without_audio(stage, party):
    async def play(floor):
        floor.phones.parties["agent0"] = party.of(answer=0.0, no_audio=True)
        error = await floor.refused("login", 0)
        assert "no usable audio" in error.message
        await floor.until(lambda: floor.phones.lines[0].over)

    stage(play, log_in=False, numbers=0)


def test_a_second_log_in_changes_nothing(stage):
    async def play(floor):
        await floor.log_in(0)
        assert len(floor.phones.lines) == 1

    stage(play, numbers=0)


def test_two_log_ins_at_once_call_the_phone_once(stage):
    async def play(floor):
        first = asyncio.create_task(floor.do("login", 0))
        await floor.until(lambda: floor.agent().state.value == "logging_in")
        assert (await floor.refused("login", 0)).code == "wrong_state"
        assert (await first)["state"] == "available"
        assert len(floor.phones.lines) == 1

    stage(play, log_in=False, numbers=0)


def test_log_out_while_the_phone_rings_and_log_in_again(stage, party):
    async def play(floor):
        floor.phones.parties["agent0"] = party.rings
        first = asyncio.create_task(floor.refused("login", 0))
        await floor.until(lambda: floor.phones.lines)
        await floor.do("logout", 0)
        assert "logged out meanwhile" in (await first).message
        floor.phones.parties["agent0"] = party.answers
        await floor.log_in(0)
        await floor.until(lambda: floor.phones.lines[0].over)
        assert floor.agent().state.value == "available"

    stage(play, log_in=False, numbers=0)


def test_a_client_that_hangs_up_during_its_log_in_leaves_no_half_agent(stage, party):
    async def play(floor):
        floor.phones.parties["agent0"] = party.of(answer=0.2)
        waiting = asyncio.create_task(floor.do("login", 0))
        await floor.until(lambda: floor.phones.lines)
        waiting.cancel()
        await floor.state(0, "available")

    stage(play, log_in=False, numbers=0)


def test_a_200_that_crosses_the_cancel_of_a_log_out_is_ended(stage, party):
    async def play(floor):
        floor.phones.parties["agent0"] = party.of(crosses=True)
        waiting = asyncio.create_task(floor.refused("login", 0))
        await floor.until(lambda: floor.phones.lines)
        await floor.do("logout", 0)
        await waiting
        await floor.until(lambda: floor.phones.lines[0].over in ("remote", "local"))

    stage(play, log_in=False, numbers=0)


def test_log_out_during_a_call_happens_after_its_wrap_up(stage):
    async def play(floor):
        _, customer, phone = await floor.talking()
        answer = await floor.do("logout", 0)
        assert answer["pending"]
        assert answer["state"] == "talking"
        floor.carrier.hang_up(customer)
        await floor.state(0, "wrap_up")
        answer = await floor.do("dispose", 0, code="no_interest")
        assert answer["state"] == "logged_out"
        await floor.until(lambda: phone.over)

    stage(play, numbers=2)


def test_a_break_during_a_call_begins_after_its_wrap_up(stage):
    async def play(floor):
        await floor.talking()
        assert (await floor.do("break", 0, reason="lunch"))["pending"]
        await floor.do("hangup", 0)
        assert (await floor.do("dispose", 0, code="no_interest"))["state"] == "break"
        assert floor.agent().reason == "lunch"
        assert (await floor.do("ready", 0))["state"] == "available"
        await floor.talking()
        await floor.do("hangup", 0)

    stage(play, numbers=2)


def test_a_break_asked_for_while_being_connected_begins_when_that_came_to_nothing(stage, party):
    async def play(floor):
        phone = floor.phone()
        phone.party = party.of(answer=0.0, mute_after=0)
        await floor.call_state("connecting")
        assert (await floor.do("break", 0))["pending"]
        floor.carrier.hang_up(floor.carrier.lines[0])
        await floor.state(0, "break")
        phone.party = party.answers

    stage(play)


def test_log_out_from_a_break(stage):
    async def play(floor):
        await floor.do("break", 0)
        assert (await floor.do("logout", 0))["state"] == "logged_out"
        await floor.until(lambda: floor.phones.lines[0].over)
        await floor.log_in(0)

    stage(play, numbers=0)


def test_the_longest_wrap_up_ends_by_itself_undisposed(stage):
    async def play(floor):
        call, _, _ = await floor.talking()
        await floor.do("hangup", 0)
        await floor.state(0, "available")
        assert floor.contact().state == "review"
        answer = await floor.do("dispose", 0, code="no_interest", call=call.id)
        assert answer["contact_state"] == "done"

    stage(play, wrap_up_max=0.15, quiet=("undisposed",))


def test_a_break_for_a_reason_that_the_campaign_does_not_know(stage):
    async def play(floor):
        assert (await floor.refused("break", 0, reason="golf")).code == "invalid"

    stage(play, numbers=0)
