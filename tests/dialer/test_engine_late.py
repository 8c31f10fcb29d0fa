"""Between a claim and its INVITE lies a commit, and a locked store may keep it waiting: what changed then counts."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from dataclasses import replace

import pytest


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


def close_hours(floor):
    """From now on it is outside the calling hours of every number."""
    policy = floor.unit.campaign.policy
    floor.unit.campaign.policy = replace(policy, rules=Shut(policy.rules))


class Shut:
    """Calling rules that never allow a call."""

    def __init__(self, rules):
        self._rules = rules

    def __getattr__(self, name):
        return getattr(self._rules, name)

    def is_open(self, zones, at):
        return False


def meanwhile(floor, then):
    """`then()` happens once, when attempts are on their way to disk."""
    begin = floor.unit.dialing.placing._begin

    def began(planned):
        begin(planned)
        then()
        floor.unit.dialing.placing._begin = begin

    floor.unit.dialing.placing._begin = began


def pause(floor):
    floor.unit.campaign.paused = True


def media_gone(floor):
    floor.media.gone = True
    floor.unit.campaign.paused = True


@pytest.mark.parametrize(
    ("change", "counted"),
    [(pause, "stopped"), (media_gone, "stopped"), (close_hours, "closed")],
)
@pytest.mark.parametrize("mode", ["progressive", "preview"])
def test_an_invite_that_may_not_leave_any_more_does_not(stage, party, change, counted, mode):
    async def play(floor):
        meanwhile(floor, lambda: change(floor))
        if mode == "preview":
            await floor.do("preview", 0)
            await floor.do("dial", 0)
        await floor.until(lambda: "cancelled" in floor.outcomes())
        pause(floor)
        await floor.ledger.flush()
        assert not floor.carrier.requests
        assert floor.counters[f"{counted}_at_invite"] >= 1
        card = floor.contact()
        assert (card.state, card.attempts) == ("ready", 0)
        assert card.history[0].cause.startswith("not sent: ")
        assert not floor.named("call_ended")
        await floor.state(0, "available")
        floor.media.gone = False

    stage(play, mode=mode, quiet=(f"{counted}_at_invite", "stopped_at_invite"))


def test_the_last_agent_leaves_during_the_commit(stage, party):
    async def play(floor):
        meanwhile(floor, lambda: floor.unit.agents.take_break(floor.agent(), "lunch"))
        await floor.until(lambda: floor.outcomes() == ["cancelled"])
        await floor.ledger.flush()
        assert not floor.carrier.requests

    stage(play, quiet=("stopped_at_invite", "given_up_unsent"))


def test_attempts_that_the_lock_kept_waiting_are_decided_anew(stage, party, monkeypatch):
    from dialer import condition

    monkeypatch.setattr(condition, "STALE", 0.2)

    async def play(floor):
        begin, guard = floor.unit.dialing.placing._begin, locked(floor)

        def locked_meanwhile(planned):
            guard.__enter__()
            floor.unit.dialing.placing._begin = begin
            begin(planned)

        floor.unit.dialing.placing._begin = locked_meanwhile
        floor.dial()
        await floor.until(lambda: floor.ledger.locked)
        began = floor.clock.now()
        await floor.until(lambda: floor.clock.now() - began > 0.3)
        guard.__exit__(None, None, None)
        await floor.talking()
        assert floor.outcomes() == ["cancelled", None]
        assert len(floor.carrier.invites()) == 1
        assert floor.counters["stale_at_invite"] == 1
        await floor.do("hangup", 0)

    stage(play, numbers=2, dial=False, quiet=("stale_at_invite",))


def test_a_fail_over_that_may_not_leave_any_more_does_not(stage, party):
    async def play(floor):
        floor.carriers["main"].default = party.status(503)
        note = floor.engine.outcomes.note_retargeted

        def paused_meanwhile(call, then):
            note(call, then)
            pause(floor)

        floor.unit.dialing.placing.outcomes.note_retargeted = paused_meanwhile
        (ended,) = await floor.ended()
        assert ended.outcome == "cancelled"
        assert not floor.carriers["spare"].requests

    stage(play, trunks={"main": "", "spare": "reserve = true"}, quiet=("stopped_at_invite",))


@pytest.mark.parametrize(
    ("change", "reason"),
    [(pause, "paused"), (media_gone, "paused"), (close_hours, "outside the calling hours")],
)
def test_a_contact_on_the_screen_is_not_dialed_when_it_may_not_be(stage, change, reason):
    async def play(floor):
        await floor.do("preview", 0)
        change(floor)
        refusal = await floor.refused("dial", 0)
        assert refusal.code == "unavailable"
        assert reason in str(refusal)
        await floor.ledger.flush()
        assert floor.contact().state == "ready"
        assert floor.agent().state.value == "available"
        assert not floor.outcomes()
        floor.media.gone = False

    stage(play, mode="preview")


def test_a_locked_store_refuses_an_agents_own_call_at_once(stage, party):
    async def play(floor):
        with locked(floor):
            await floor.add_later(party.number(50))
            await floor.until(lambda: floor.ledger.locked)
            refusal = await floor.refused("dial", 0, number=party.number(0))
            assert "locked" in str(refusal)
            assert floor.agent().state.value == "available"
        await floor.ledger.flush()
        assert not floor.outcomes()

    stage(play, mode="manual")


def test_an_agents_own_call_keeps_to_max_lines(stage, party):
    async def play(floor):
        await floor.do("dial", 0, number=party.number(0))
        await floor.talking(0)
        refusal = await floor.refused("dial", 1, number=party.number(1))
        assert "max_lines" in str(refusal)
        assert floor.agent(1).state.value == "available"
        await floor.do("hangup", 0)
        await floor.until(lambda: not floor.calls)
        await floor.do("dial", 1, number=party.number(1))
        await floor.talking(1)
        await floor.do("hangup", 1)

    stage(play, mode="manual", agents=2, numbers=2, pacing="max_lines = 1")


def give_up(floor):
    pause(floor)
    for call in floor.calls:
        floor.unit.calls.give_up_when_allowed(call)


def test_what_is_given_up_before_it_left_counts_as_no_attempt(stage, party):
    async def play(floor):
        meanwhile(floor, lambda: give_up(floor))
        await floor.until(lambda: floor.counters["given_up_unsent"] >= 1)
        await floor.ledger.flush()
        assert not floor.carrier.requests
        assert (floor.contact().state, floor.contact().attempts) == ("ready", 0)

    stage(play, quiet=("given_up_unsent",))
