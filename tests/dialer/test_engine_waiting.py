"""Answered, and no agent is free: patience, the message, hang-ups in between, calls that are given up."""

from __future__ import annotations

#: More calls than agents, so that somebody must wait.
POWER = {"mode": "power", "pacing": "calls_per_agent = 2.0", "numbers": 2}


async def one_waits(floor):
    """(the call that has an agent, the one that waits)."""
    await floor.until(lambda: {c.state.value for c in floor.calls} == {"talking", "waiting"})
    return sorted(floor.calls, key=lambda c: c.state.value)


def line_of(floor, call):
    return next(line for line in floor.carrier.lines if line.leg == call.leg.id)


def test_nobody_within_patience_hears_the_message_and_is_abandoned_at_once(stage):
    async def play(floor):
        floor.media.at_once = False
        _, waiting = await one_waits(floor)
        began = floor.clock.now()
        line = line_of(floor, waiting)
        await floor.until(lambda: waiting.state.value == "message")
        assert floor.clock.now() - began >= 0.1
        assert floor.media.plays[0][1] == ("127.0.0.1", line.port)
        assert floor.at_media(line)
        (ended,) = await floor.ended()
        assert ended.outcome == "abandoned"
        assert floor.rows("SELECT outcome FROM attempt WHERE id = ?", waiting.id) == [("abandoned",)]
        assert floor.named("call_abandoned")[0].message_played
        assert floor.trunks["main"].lines_in_use == 2, "the line is in use until the message ends"
        with floor.store.read() as view:
            verdict = view.why(ended.contact, floor.clock.at())
        assert not verdict.dialable
        assert verdict.next_at - ended.at > 0.99 * 3 * 86400 / 10
        floor.media.finish(waiting.leg.media_key)
        await floor.until(lambda: line.over)
        await floor.until(lambda: floor.trunks["main"].lines_in_use == 1)
        await floor.do("hangup", 0)

    stage(play, **POWER)


def test_the_customer_hangs_up_during_the_message(stage):
    async def play(floor):
        floor.media.at_once = False
        _, waiting = await one_waits(floor)
        await floor.until(lambda: waiting.state.value == "message")
        floor.carrier.hang_up(line_of(floor, waiting))
        await floor.until(lambda: waiting.state.value == "over")
        await floor.do("hangup", 0)

    stage(play, **POWER)


def test_a_message_that_is_cut_ends_the_call(stage):
    async def play(floor):
        floor.media.at_once = False
        _, waiting = await one_waits(floor)
        await floor.until(lambda: waiting.state.value == "message")
        floor.media.finish(waiting.leg.media_key, good=False)
        await floor.until(lambda: waiting.state.value == "over")
        await floor.do("hangup", 0)

    stage(play, quiet=("message_cut",), **POWER)


def test_the_customer_hangs_up_while_waiting(stage):
    async def play(floor):
        _, waiting = await one_waits(floor)
        floor.carrier.hang_up(line_of(floor, waiting))
        (ended,) = await floor.ended()
        assert ended.outcome == "abandoned"
        assert not floor.named("call_abandoned")[0].message_played
        await floor.do("hangup", 0)

    stage(play, patience=5.0, **POWER)


def test_an_agent_who_becomes_free_takes_the_waiting_customer(stage):
    async def play(floor):
        _talking, waiting = await one_waits(floor)
        await floor.do("hangup", 0)
        await floor.do("dispose", 0, code="no_interest")
        call, _, _ = await floor.talking()
        assert call is waiting
        await floor.ended()
        assert floor.outcomes().count("answered") == 1
        await floor.do("hangup", 0)

    stage(play, patience=5.0, **POWER)


def test_the_customer_hangs_up_while_connecting(stage, party):
    async def play(floor):
        floor.phone().party = party.of(answer=0.0, mute_after=0)
        call = await floor.call_state("connecting")
        floor.carrier.hang_up(line_of(floor, call))
        (ended,) = await floor.ended()
        assert ended.outcome == "abandoned"
        # the phone still owes an answer to its re-INVITE: it is heard again
        floor.phones.lines[0].party = party.answers
        await floor.state(0, "available")

    stage(play)


def test_ring_time_out(stage, party):
    async def play(floor):
        floor.carrier.default = party.rings
        (ended,) = await floor.ended()
        assert (ended.outcome, ended.status) == ("no_answer", 487)
        assert floor.carrier.lines[0].over == "failed 487"

    stage(play, ring_timeout=1.0, ring_floor=0.1)


def test_busy_invalid_rejected(stage, party):
    async def play(floor):
        wanted = {486: "busy", 404: "invalid", 603: "rejected", 480: "no_answer"}
        for index, code in enumerate(wanted):
            floor.carrier.parties[party.number(index)] = party.status(code)
        ended = await floor.ended(4)
        assert {e.status: e.outcome for e in ended} == wanted

    stage(play, numbers=4)


def test_a_200_that_crosses_our_cancel_gets_a_free_agent(stage, party):
    async def play(floor):
        floor.carrier.default = party.of(crosses=True)
        call, _, _ = await floor.talking()
        assert call.cancel_outcome == "no_answer"
        await floor.do("hangup", 0)
        (ended,) = await floor.ended()
        assert ended.outcome == "answered"

    stage(play, ring_timeout=1.0, ring_floor=0.1)


def test_a_200_that_crosses_our_cancel_hears_the_message_when_nobody_is_free(stage, party):
    async def play(floor):
        floor.carrier.default = party.of(crosses=True)
        await floor.until(lambda: floor.calls and floor.calls[0].state.value == "ringing")
        await floor.do("break", 0)
        (ended,) = await floor.ended()
        assert ended.outcome == "abandoned"
        await floor.until(lambda: floor.media.plays)

    stage(play, ring_timeout=2.0, ring_floor=0.2)


def test_the_last_agent_leaves_the_floor_wins_then_the_call_is_given_up(stage, party):
    async def play(floor):
        floor.carrier.default = party.rings
        call = await floor.call_state("ringing")
        await floor.do("logout", 0)
        (ended,) = await floor.ended()
        assert ended.outcome == "cancelled"
        rang = next(at for at, method, *_ in floor.carrier.requests if method == "CANCEL") - call.ringing
        assert 0.3 <= rang < 1.0

    stage(play, ring_floor=0.3)


def test_answered_below_the_floor_after_the_last_agent_left(stage, party):
    async def play(floor):
        floor.carrier.default = party.rings
        await floor.call_state("ringing")
        await floor.do("logout", 0)
        floor.carrier.answer(floor.carrier.lines[0])
        (ended,) = await floor.ended()
        assert ended.outcome == "abandoned"
        await floor.until(lambda: floor.media.plays)

    stage(play, ring_floor=3.0)


def test_an_agent_who_comes_back_saves_the_ringing_call(stage, party):
    async def play(floor):
        floor.carrier.default = party.rings
        call = await floor.call_state("ringing")
        await floor.do("break", 0)
        await floor.do("ready", 0)
        await floor.until(lambda: floor.clock.now() - call.ringing > 0.5)
        assert call.state.value == "ringing"
        floor.carrier.answer(floor.carrier.lines[0])
        await floor.talking()
        await floor.do("hangup", 0)

    stage(play, ring_floor=0.3)
