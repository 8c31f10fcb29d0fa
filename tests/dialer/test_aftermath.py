"""Outcomes that no live call makes are told like all others: on the stream, and in the outbox of the same commit."""

from __future__ import annotations

import json
from functools import partial

from dialer import aftermath
from dispositions import NewAttempt, Outcome


def sent(floor):
    return [json.loads(row[0])["event"] for row in floor.rows("SELECT payload FROM outbox ORDER BY id")]


async def talked(floor, code=None, **more):
    """An attempt that has reached agent0, and ended if no `code` was given during it."""
    at = floor.clock.at()

    def operation(tx):
        (claim,) = tx.claim("promo", 1, at, at + 60)
        tx.start_attempts([NewAttempt("a1", claim.contact_id, claim.number, "sip-1", "main")], at)
        tx.update_attempt("a1", agent="agent0", answered_at=at + 3, connected_at=at + 4)
        if code is not None:
            tx.dispose("a1", code, "agent0", at + 5, **more)

    await floor.ledger.write(operation)
    return at


def test_calls_that_a_crash_cut_off(stage, party):
    async def play(floor):
        floor.engine.services.outbox = True
        await talked(floor, "sold", fields={"package": "gold"})
        await floor.engine.recover()
        (ended,) = floor.named("call_ended")
        assert (ended.call, ended.outcome, ended.agent) == ("a1", "answered", "agent0")
        assert (ended.number, ended.trunk, ended.next_state) == (party.number(0), "main", "sold")
        assert ended.ring_seconds == 3
        (sale,) = floor.named("sale")
        assert (sale.agent, sale.fields) == ("agent0", {"package": "gold"})
        assert sent(floor) == ["call_ended", "sale"]
        assert floor.unit.campaign.totals["outcome/answered"] == 1

    stage(play, dial=False, log_in=False)


def test_a_code_that_nobody_gave(stage):
    async def play(floor):
        floor.engine.services.outbox = True
        at = await talked(floor)
        await floor.ledger.write(lambda tx: tx.finish_attempt("a1", Outcome.ANSWERED, at + 60))
        floor.engine.outcomes.post(partial(aftermath.tend, at=at + 100_000))
        await floor.ledger.flush()
        (code,) = floor.named("disposition")
        assert (code.call, code.code, code.agent) == ("a1", "undisposed", "agent0")
        assert (code.next_state, code.next_at) == (floor.contact().state, floor.contact().due_at)
        assert sent(floor) == ["disposition"]

    stage(play, dial=False, log_in=False)


def test_a_personal_callback_that_is_everybodys_now_and_one_that_expires(stage):
    async def play(floor):
        floor.engine.services.outbox = True
        at = await talked(floor, "mine", callback_at=floor.clock.at() + 100)
        await floor.ledger.write(lambda tx: tx.finish_attempt("a1", Outcome.ANSWERED, at + 60))
        floor.engine.outcomes.post(partial(aftermath.tend, at=at + 100))
        await floor.ledger.flush()
        assert not floor.named("callback")  # due, and not late yet
        floor.engine.outcomes.post(partial(aftermath.tend, at=at + 50_000))
        await floor.ledger.flush()
        (callback,) = floor.named("callback")
        assert (callback.agent, callback.call, callback.due_at) == (None, "a1", floor.contact().due_at)
        floor.engine.outcomes.post(partial(aftermath.tend, at=at + 5_000_000))
        await floor.ledger.flush()
        (code,) = floor.named("disposition")
        assert (code.code, code.call, code.next_state) == ("callback_expired", "a1", floor.contact().state)
        assert sent(floor) == ["callback", "disposition"]

    stage(play, dial=False, log_in=False)


def test_a_number_that_no_trunk_may_dial(stage, party):
    async def play(floor):
        floor.engine.services.outbox = True
        (ended,) = await floor.ended()
        assert (ended.outcome, ended.number, ended.trunk) == ("rejected", party.number(0), "")
        assert ended.next_state == floor.contact().state
        assert sent(floor) == ["call_ended"]
        assert floor.unit.campaign.totals["outcome/rejected"] == 1

    stage(play, trunks={"main": 'prefixes = ["+1"]'}, quiet=("no_route",))
