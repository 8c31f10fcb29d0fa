"""How it ends: drained and closed in order, or killed and started again."""

from __future__ import annotations

import asyncio
import sqlite3

import pytest

from dialer.ledger import LedgerStopped


async def mixed(floor, party):
    """Calls in many states: talking, ringing, waiting or message, being connected."""
    numbers = [party.number(i) for i in range(4)]
    floor.carrier.parties.update(
        {numbers[0]: party.answers, numbers[1]: party.rings, numbers[2]: party.rings, numbers[3]: party.answers}
    )
    await floor.until(lambda: len(floor.carrier.lines) == 4)
    await floor.until(lambda: {"talking", "ringing"} <= {c.state.value for c in floor.calls})


BUSY = {"agents": 1, "numbers": 4, "mode": "power", "pacing": "calls_per_agent = 4.0"}


def test_drain_lets_talks_end_and_gives_ringing_calls_up_at_their_floor(stage, party):
    async def play(floor):
        floor.media.at_once = True
        await mixed(floor, party)
        draining = asyncio.create_task(floor.engine.drain(5.0))
        await floor.until(lambda: [c.state.value for c in floor.calls] == ["talking"])
        assert not draining.done()
        await floor.do("hangup", 0)
        await draining
        ended = await floor.ended(4)
        assert sorted(e.outcome for e in ended) == ["abandoned", "answered", "cancelled", "cancelled"]

    stage(play, ring_floor=0.1, **BUSY)


def test_drain_ends_what_lasts_longer_than_its_grace(stage, party):
    async def play(floor):
        await mixed(floor, party)
        await floor.engine.drain(0.2)
        await floor.ended(4)
        assert floor.agent().state.value == "wrap_up"

    stage(play, **BUSY)


def test_nobody_logs_in_during_a_shutdown(stage):
    async def play(floor):
        await floor.do("logout", 0)
        await floor.engine.drain(0.1)
        assert (await floor.refused("login", 0)).code == "unavailable"

    stage(play, numbers=0)


def test_end_all_and_close_end_every_leg(stage, party):
    async def play(floor):
        await mixed(floor, party)
        floor.engine.end_all()
        await floor.engine.close(3.0)
        assert not floor.phones.up()
        assert floor.switch.legs == 0
        await floor.ended(4)
        assert floor.agent().state.value == "logged_out"

    stage(play, **BUSY)


def test_close_while_an_attempt_is_on_its_way_to_disk(stage):
    async def play(floor):
        await floor.until(lambda: floor.calls)
        assert floor.calls[0].state.value == "placed"
        floor.engine.end_all()
        await floor.engine.close(1.0)
        await floor.ledger.flush()
        assert not floor.carrier.requests
        assert (floor.contact().state, floor.contact().attempts) == ("ready", 0)

    stage(play, quiet=("given_up_unsent",))


async def again(floor):
    """A second engine on the same store and far ends."""
    await floor.crash()
    await floor.open(add=False)


@pytest.mark.parametrize("moment", ["placed", "ringing", "waiting", "message", "connecting", "talking", "ending"])
def test_killed_in_every_state_of_a_call(stage, party, moment):
    async def play(floor):
        floor.media.at_once = False
        floor.carrier.default = {
            "placed": party.of(ring=None), "ringing": party.rings, "waiting": party.answers, "message": party.answers,
            "connecting": party.answers, "talking": party.answers, "ending": party.answers,
        }[moment]  # fmt: skip
        if moment == "connecting":
            floor.phone().party = party.of(answer=0.0, mute_after=0)
        if moment in ("waiting", "message"):
            floor.carrier.default = party.rings
            await floor.call_state("ringing")
            await floor.do("break", 0)
            floor.carrier.answer(floor.carrier.lines[0])
        if moment == "ending":
            _call, customer, _ = await floor.talking()
            floor.carrier._deaf.add(customer.leg)
            await floor.do("hangup", 0)
        await floor.call_state(moment)
        await floor.until(lambda: floor.carrier.lines)
        await floor.ledger.flush()
        floor.carrier._deaf.clear()
        await again(floor)
        wanted = {"placed": "interrupted", "ringing": "interrupted", "waiting": "abandoned", "message": "abandoned",
                  "connecting": "abandoned", "talking": "answered", "ending": "answered"}  # fmt: skip
        assert floor.outcomes() == [wanted[moment]]
        line = floor.carrier.lines[0]
        await floor.until(lambda: line.over in ("remote", "failed 487"))
        await floor.until(lambda: not floor.phones.up())
        await floor.ledger.flush()
        expected = {"answered": "review", "abandoned": "waiting", "interrupted": "waiting"}
        assert floor.contact().state == expected[wanted[moment]]

        def left():
            with floor.store.read() as view:
                return view.load_states("agent_leg/") | view.load_states("standing_leg/")

        await floor.until(lambda: not left())

    stage(play, ring_floor=3.0, patience=0.05 if moment == "message" else 3.0, quiet=("agent_phone_mute",))


def test_killed_before_anything_was_sent_the_contact_goes_back(stage):
    async def play(floor):
        await floor.do("pause", campaign="promo")
        at = floor.clock.at()
        await floor.ledger.write(lambda tx: tx.claim("promo", 1, at, at + 60))
        await again(floor)
        assert floor.contact().state == "ready"
        assert not floor.carrier.requests

    stage(play, dial=False)


def test_after_a_crash_agents_log_in_and_the_campaign_goes_on(stage, party):
    async def play(floor):
        await floor.talking()
        await floor.ledger.flush()
        await again(floor)
        await floor.until(lambda: not floor.phones.up())
        await floor.log_in(0)
        await floor.add(party.number(9))
        floor.dial()
        call, _, _ = await floor.talking()
        assert call.number == party.number(9)
        await floor.do("hangup", 0)

    stage(play)


def test_a_200_to_an_invite_of_before_the_crash_is_ended(stage, party):
    async def play(floor):
        floor.carrier.default = party.of(ring=0.0, crosses=True)
        await floor.call_state("ringing")
        await again(floor)
        line = floor.carrier.lines[0]
        await floor.until(lambda: line.over == "remote")

    stage(play)


def test_killed_between_the_ack_and_its_commit(stage, party):
    """The answer never reached the disk, but the call had rung: its early dialog had."""

    async def play(floor):
        floor.carrier.default = party.rings
        await floor.call_state("ringing")
        await floor.ledger.flush()
        other = sqlite3.connect(floor.folder / "dialer.db", isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        floor.carrier.answer(floor.carrier.lines[0])
        await floor.talking()
        await floor.crash()
        other.execute("ROLLBACK")
        other.close()
        await floor.open(add=False)
        assert floor.outcomes() == ["interrupted"]
        await floor.until(lambda: floor.carrier.lines[0].over == "remote")
        await floor.until(lambda: not floor.phones.up())
        await floor.ledger.flush()

    stage(play)


def test_a_writer_that_fails_lets_nobody_wait_for_ever(stage):
    async def play(floor):
        writer = floor._running[0]

        def fault(tx):
            raise ZeroDivisionError("a fault of ours")

        floor.ledger.post(fault)
        with pytest.raises(LedgerStopped):
            await floor.ledger.write(lambda tx: None)
        with pytest.raises(ZeroDivisionError):
            await writer
        await floor.ledger.close()
        # a fresh one for the checks at the end
        await floor.crash()
        await floor.open(add=False)

    stage(play, numbers=0, log_in=False)
