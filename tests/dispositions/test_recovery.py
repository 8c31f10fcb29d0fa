"""After a crash: nothing lost, nothing doubled, nothing acknowledged forgotten."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from dispositions import CampaignPolicy, ContactState, NewAttempt, NewContact, Outcome, Store, schema
from dispositions.statement import Statement

Fill = Callable[..., list[int]]


def test_every_kind_of_lease_is_brought_to_an_end(store: Store, fill: Fill, noon: float) -> None:
    claimed, ringing, waiting, talking, disposed, over = fill(6)
    with store.write() as tx:
        claims = {c.contact_id: c for c in tx.claim("c", 6, noon, noon + 60)}
        del claims[claimed]
        tx.start_attempts([NewAttempt(f"a{k}", k, c.number, f"{k}@h", "t1", sip="{}") for k, c in claims.items()], noon)
    with store.write() as tx:
        tx.update_attempt(f"a{ringing}", ringing_at=noon + 2, sip='{"early": true}')
        tx.update_attempt(f"a{waiting}", answered_at=noon + 5)
        for contact in (talking, disposed, over):
            tx.update_attempt(f"a{contact}", answered_at=noon + 5, connected_at=noon + 6, agent="ann")
        tx.dispose(f"a{disposed}", "sale", "ann", noon + 20, fields={"n": 1})
        tx.finish_attempt(f"a{over}", Outcome.ANSWERED, noon + 30)
    store.close()

    with store.write() as tx:
        recovery = tx.recover(noon + 100)
    assert recovery.released == 1
    calls = {call.contact_id: call for call in recovery.interrupted}
    assert set(calls) == {ringing, waiting, talking, disposed}
    assert calls[ringing].sip == '{"early": true}'
    assert (calls[ringing].call_id, calls[ringing].trunk) == (f"{ringing}@h", "t1")
    assert [(calls[c].answered, calls[c].connected) for c in (ringing, waiting, talking)] == [
        (False, False), (True, False), (True, True),
    ]  # fmt: skip
    with store.read() as view:
        cards = {c: view.contact(c) for c in (claimed, ringing, waiting, talking, disposed, over)}
        assert view.accounted("c") == []
        assert len(view.sales("c", "queued")) == 1
        assert view.abandonment("c", noon) == (4, 1)
    assert {c: card.state for c, card in cards.items()} == {
        claimed: ContactState.READY,
        ringing: ContactState.WAITING,
        waiting: ContactState.WAITING,
        talking: ContactState.REVIEW,
        disposed: ContactState.SOLD,
        over: ContactState.REVIEW,
    }
    assert cards[ringing].attempts == 1
    assert cards[ringing].history[0].outcome is Outcome.INTERRUPTED
    assert cards[ringing].due_at == noon + 100 + 3600
    assert cards[waiting].history[0].outcome is Outcome.ABANDONED
    assert cards[waiting].due_at == noon + 100 + 72 * 3600
    assert cards[talking].history[0].outcome is Outcome.ANSWERED
    with store.write() as tx:
        assert tx.recover(noon + 101).interrupted == ()  # twice is once
        assert tx.dispose(f"a{talking}", "interested", "ann", noon + 200).state is ContactState.CALLBACK
        assert [c.contact_id for c in tx.claim("c", 9, noon + 201, noon + 300)] == [claimed]


def _rows(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    with store.engine.connect() as connection:
        tables = schema.metadata.sorted_tables
        return {t.name: sorted(map(tuple, connection.execute(t.select())), key=repr) for t in tables}


class _Crash(BaseException):
    """Not an Exception: what a kill is to the code, as far as one process can show it."""


@pytest.mark.parametrize("kind", ["call", "correct", "recover", "import", "mark"])
def test_an_end_at_any_statement_leaves_the_state_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, noon: float, kind: str
) -> None:
    """Kill point k = before the k-th statement of the transaction, for every k; then the same again succeeds."""

    def prepared(path: Path) -> Store:
        store = Store(path)
        store.migrate()
        store.register(CampaignPolicy("c", region="US"))
        with store.write() as tx:
            people = [NewContact([f"+1212555010{n}", f"+1312555010{n}"], f"x{n}") for n in range(6)]
            tx.add_contacts("c", "l", people, noon)
            claims = tx.claim("c", 4, noon, noon + 60)
            tx.start_attempts([NewAttempt(f"a{c.contact_id}", c.contact_id, c.number, "i") for c in claims[:3]], noon)
            tx.update_attempt("a1", answered_at=noon, connected_at=noon + 1, agent="ann")
            tx.finish_attempt("a1", Outcome.ANSWERED, noon + 9)
            tx.dispose("a1", "do_not_call", "ann", noon + 10)
        return store

    def call(store: Store) -> None:
        with store.write() as tx:
            tx.finish_attempt("a2", Outcome.BUSY, noon + 10)
            claims = tx.claim("c", 5, noon + 11, noon + 60)
            tx.start_attempts([NewAttempt(f"b{c.contact_id}", c.contact_id, c.number, "i") for c in claims], noon + 11)
            tx.outbox_add("t", "p", noon)

    def correct(store: Store) -> None:
        with store.write() as tx:
            tx.dispose("a1", "sale", "ann", noon + 20, fields={"a": 1})
            tx.dispose("a1", "interested", "ann", noon + 21)

    def recover(store: Store) -> None:
        with store.write() as tx:
            tx.recover(noon + 99)

    def add(store: Store) -> None:
        with store.write() as tx:
            tx.add_contacts("c", "m", [NewContact(["+18085550101"], "y")], noon)

    def mark(store: Store) -> None:
        with store.write() as tx:
            tx.add_do_not_call(["+12125550104", "+13125550104", "+12125550105"], "own", noon)

    run = {"call": call, "correct": correct, "recover": recover, "import": add, "mark": mark}[kind]
    countdown = [10_000]

    def counted(name: str) -> None:
        real = getattr(Statement, name)

        def wrapper(self: Statement, *args: Any) -> Any:
            countdown[0] -= 1
            if countdown[0] < 0:
                raise _Crash
            return real(self, *args)

        monkeypatch.setattr(Statement, name, wrapper)

    reference = prepared(tmp_path / "reference.db")
    run(reference)
    wanted = _rows(reference)
    reference.close()
    store = prepared(tmp_path / "store.db")
    before = _rows(store)
    assert before != wanted
    for name in ("one", "rows", "many"):
        counted(name)
    for point in range(200):
        countdown[0] = point
        try:
            run(store)
        except _Crash:
            countdown[0] = 10_000
            assert _rows(store) == before, f"kill point {point} left something"
            assert store.is_do_not_call("+12125550104") is False
            continue
        countdown[0] = 10_000
        assert point > 3
        break
    else:
        pytest.fail("the transaction never ended")
    assert _rows(store) == wanted
    with store.read() as view:
        assert view.accounted("c") == []
    store.close()


CHILD = """
import itertools, json, random, sys
from dispositions import *
path, seed = sys.argv[1], int(sys.argv[2])
rng = random.Random(seed)
store = Store(path)
store.register(CampaignPolicy("c", region="US"))
say = lambda **what: print(json.dumps(what), flush=True)
at = 1_750_694_400.0 + seed * 86400.0
with store.write() as tx:
    recovered = tx.recover(at)
say(recovered=[c.attempt_id for c in recovered.interrupted])
for turn in itertools.count():
    at += 1.0
    with store.write() as tx:
        claims = tx.claim("c", 5, at, at + 60)
        new = [NewAttempt(f"{seed}-{turn}-{c.contact_id}", c.contact_id, c.number, "i") for c in claims]
        tx.start_attempts(new, at)
    say(started=[(n.attempt_id, n.contact_id, at) for n in new])
    with store.write() as tx:
        for n in new:
            if rng.random() < 0.5:
                tx.update_attempt(n.attempt_id, answered_at=at, connected_at=at, agent="ann")
                tx.finish_attempt(n.attempt_id, Outcome.ANSWERED, at)
            elif rng.random() < 0.9:
                tx.finish_attempt(n.attempt_id, Outcome.NO_ANSWER, at)
    talked = []
    with store.read() as view:
        for n in new:
            if view.contact(n.contact_id).state == "review":
                talked.append(n.attempt_id)
    with store.write() as tx:
        given = [(a, rng.choice(["sale", "interested", "not_interested"])) for a in talked]
        for a, code in given:
            tx.dispose(a, code, "ann", at, fields={"attempt": a})
    say(disposed=given)
"""


def test_kill_9_at_random_instants(tmp_path: Path) -> None:
    """A child works and says what was acknowledged to it; it is killed; the next one recovers and goes on, a day later,
    so that retries come due. Nothing that was said may be missing."""
    path = tmp_path / "store.db"
    script = tmp_path / "child.py"
    script.write_text(textwrap.dedent(CHILD))
    store = Store(path)
    store.migrate()
    store.register(CampaignPolicy("c", region="US"))
    with store.write() as tx:
        numbers = [f"+1{area}555{n:04d}" for area in (212, 312, 213, 303, 617) for n in range(100, 200)]
        tx.add_contacts("c", "l", [NewContact([number]) for number in numbers], 0.0)
    started: dict[str, tuple[int, float]] = {}
    disposed: dict[str, str] = {}
    rng = random.Random(7)
    for seed in range(5):
        child = subprocess.Popen(
            [sys.executable, str(script), str(path), str(seed)], stdout=subprocess.PIPE, text=True, cwd=tmp_path
        )
        assert child.stdout is not None
        # dies somewhere in the work that follows the last of these lines
        lines = [child.stdout.readline() for _ in range(rng.randrange(2, 30))]
        os.kill(child.pid, signal.SIGKILL)
        rest, _ = child.communicate()
        assert child.returncode == -signal.SIGKILL
        for line in [*lines, *rest.splitlines()]:
            try:
                said = json.loads(line)
            except json.JSONDecodeError:
                continue  # cut off by the kill
            started |= {attempt: (contact, at) for attempt, contact, at in said.get("started", ())}
            disposed |= dict(said.get("disposed", ()))
    assert len(started) > 20
    with store.write() as tx:
        tx.recover(1_750_694_400.0 + 6 * 86400.0)
    with store.read() as view:
        assert view.accounted("c") == []
        history = {a.attempt_id: a for n in numbers for a in view.contact(n).history}
        assert set(started) <= set(history)
        assert all(history[attempt].disposition == code for attempt, code in disposed.items())
        assert all(a.outcome is not None for a in history.values())
        sold = {sale.attempt_id for sale in view.sales("c", limit=10_000)}
        assert {a for a, code in disposed.items() if code == "sale"} <= sold
        promised = len(view.callbacks("c", None, limit=10_000))
        assert promised >= sum(code == "interested" for code in disposed.values())
        for number in numbers:
            starts = [a.started_at for a in view.contact(number).history]
            assert all(b - a >= 3600 for a, b in pairwise(starts))
    store.close()
