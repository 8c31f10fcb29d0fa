"""No dialing when it must not be: store locked, outside the schedule, paused, no agents, no media."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager


@contextmanager
def locked(floor):
    """Somebody else holds the database."""
    connection = sqlite3.connect(floor.folder / "dialer.db", isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
        connection.close()


def test_a_locked_store_stops_dialing_and_nothing_else(stage, party):
    async def play(floor):
        _, customer, phone = await floor.talking(0)
        dialed = len(floor.carrier.lines)
        with locked(floor):
            await floor.add_later(party.number(50))
            await floor.until(lambda: floor.named("alert", alert="store_locked"))
            await floor.do("hangup", 0)
            await floor.until(lambda: customer.over and floor.at_media(phone))
            assert floor.agent(0).state.value == "wrap_up"
            await floor.until(lambda: floor.unit.campaign.state.value == "stopped")
            assert not floor.named("call_ended")
            assert len(floor.carrier.lines) == dialed
        (ended,) = await floor.ended()
        assert ended.outcome == "answered"
        assert floor.named("alert", alert="store_ok")
        await floor.do("dispose", 0, code="no_interest")
        await floor.talking(0)
        await floor.do("hangup", 0)

    stage(play)


def test_while_the_store_is_locked_ringing_calls_are_given_up_and_answered(stage, party):
    async def play(floor):
        floor.carrier.default = party.rings
        await floor.until(lambda: [c.state.value for c in floor.calls] == ["ringing", "ringing"])
        with locked(floor):
            await floor.add_later(party.number(50))
            await floor.until(lambda: floor.ledger.locked)
            floor.carrier.answer(floor.carrier.lines[0])
            await floor.until(lambda: any(floor.agent(i).state.value == "talking" for i in (0, 1)))
            for index in (0, 1):
                if floor.agent(index).state.value == "available":
                    await floor.do("break", index)
            await floor.do("hangup", 0 if floor.agent(0).state.value == "talking" else 1)
            for index in (0, 1):
                if floor.agent(index).state.value == "wrap_up":
                    await floor.do("break", index)
            await floor.until(lambda: floor.carrier.lines[1].over == "failed 487")
        ended = await floor.ended(2)
        assert sorted(e.outcome for e in ended) == ["answered", "cancelled"]

    stage(play, agents=2, numbers=2, ring_floor=0.2)


def test_a_claim_that_the_lock_kept_waiting_is_decided_anew(stage, party, monkeypatch):
    from dialer import condition

    monkeypatch.setattr(condition, "STALE", 0.2)

    async def play(floor):
        await floor.do("pause", campaign="promo")
        await floor.add(*(party.number(i) for i in range(3)))
        with locked(floor):
            floor.unit.campaign.paused = False
            floor.unit.dialing.step(floor.clock.now())
            assert floor.unit.dialing._asked is not None
            asked = floor.unit.dialing._asked.since
            await floor.until(lambda: floor.ledger.locked and floor.clock.now() - asked > 0.3)
            await floor.do("break", 1)
            await floor.do("break", 2)
        await floor.talking(0)
        await floor.until(lambda: floor.unit.dialing._asked is None)
        assert len(floor.carrier.invites()) == 1, "three were asked for when three agents were there"
        await floor.do("hangup", 0)

    stage(play, agents=3, numbers=0)


def test_outside_the_schedule(stage):
    async def play(floor):
        await floor.until(lambda: floor.unit.campaign.state.value == "closed", 8)
        assert floor.unit.campaign.reason == "outside the calling hours of 1 contacts"
        assert not floor.carrier.requests

    stage(play, schedule='open_at = "2099-01-01"')


def test_paused_and_resumed(stage):
    async def play(floor):
        await floor.do("pause", campaign="promo")
        floor.dial()
        await floor.until(lambda: floor.unit.campaign.state.value == "paused")
        assert not floor.carrier.requests
        await floor.do("resume", campaign="promo")
        await floor.talking()
        await floor.do("hangup", 0)

    stage(play, dial=False)


def test_without_agents(stage):
    async def play(floor):
        await floor.until(lambda: floor.unit.campaign.state.value == "no_agents" and floor.unit.campaign.reason)
        await floor.until(lambda: floor.unit.campaign.contact_counts)
        assert not floor.carrier.requests

    stage(play, log_in=False)


def test_without_the_media_process(stage):
    async def play(floor):
        floor.media.gone = True
        floor.dial()
        await floor.until(lambda: floor.unit.campaign.state.value == "stopped")
        assert "media" in floor.unit.campaign.reason
        assert not floor.carrier.requests
        floor.media.gone = False
        await floor.talking()
        await floor.do("hangup", 0)

    stage(play, dial=False)


def test_without_a_free_port_the_contacts_go_back(stage):
    async def play(floor):
        floor.media.room = 1
        floor.dial()
        await floor.until(lambda: floor.unit.campaign.state.value == "no_trunk")
        await floor.ledger.flush()
        assert not floor.carrier.requests
        assert floor.contact().state == "ready"
        floor.media.room = 10
        await floor.talking()
        await floor.do("hangup", 0)

    stage(play, dial=False, quiet=("MediaExhausted",))
