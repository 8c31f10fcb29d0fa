"""What is read from a real store is what was written to it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from sqlalchemy import delete, insert

from dialer.report import Figures, ReportError, audit, figures, read_store, summary
from dialer.report.audit import CarrierCall, CarrierRecord
from dialer.report.page import render
from dialer.report.terminal import draw
from dispositions import CampaignPolicy, NewAttempt, NewContact, Outcome, Promises, Store, schema

NOON = 1_750_694_400.0
NUMBERS = [f"+1202555{last:04d}" for last in range(100, 106)]


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A store with six contacts: one sold, one busy, one promised, one abandoned, two never tried."""
    place = f"sqlite:///{tmp_path / 'store.db'}"
    store = Store(place)
    store.migrate()
    store.register(CampaignPolicy("spring"))
    with store.write() as tx:
        tx.add_contacts("spring", "list", [NewContact([number]) for number in NUMBERS], NOON, validity="possible")
        claims = tx.claim("spring", 4, NOON, NOON + 60)
        tx.start_attempts(
            [NewAttempt(f"a{i}", claim.contact_id, claim.number, f"id{i}@x", "main") for i, claim in enumerate(claims)],
            NOON,
        )
    with store.write() as tx:
        for name in ("a0", "a2"):
            tx.update_attempt(name, answered_at=NOON + 5, connected_at=NOON + 5.5, agent="ana")
            tx.finish_attempt(name, Outcome.ANSWERED, NOON + 65, talk_seconds=60.0)
        tx.finish_attempt("a1", Outcome.BUSY, NOON + 1)
        tx.update_attempt("a3", answered_at=NOON + 5)
        tx.finish_attempt("a3", Outcome.ABANDONED, NOON + 8)
        tx.dispose("a0", "sale", "ana", NOON + 80, fields={"product": "x"})
        tx.dispose("a2", "interested", "ana", NOON + 90, callback_at=NOON + 9000)
    store.close()
    return place


def test_everything_is_read(url: str) -> None:
    record = read_store(url)
    assert record.campaign == "spring"
    assert len(record.attempts) == 4
    assert set(record.states) == set(NUMBERS)
    assert record.contacts["sold"] == 1
    assert record.contacts["callback"] == 1
    assert record.contacts["ready"] == 2
    assert sum(record.contacts.values()) == 6
    assert record.torn == {}
    first = next(attempt for attempt in record.attempts if attempt.id == "a0")
    assert first.number in NUMBERS
    assert (first.call_id, first.trunk, first.agent, first.disposition) == ("id0@x", "main", "ana", "sale")
    result = summary(figures(record))
    assert (result["connected"], result["abandoned"], result["sales"], result["callbacks"]) == (2, 1, 1, 1)
    assert result["answer_to_agent_ms"]["p50"] == 500


def test_only_the_last_days(url: str) -> None:
    assert len(read_store(url, "spring", NOON + 1).attempts) == 0


def test_contacts_in_no_state_or_in_two_are_found(url: str) -> None:
    store = Store(url)
    with store.engine.begin() as connection:
        connection.execute(delete(schema.ready).where(schema.ready.c.contact_id == 5))
        connection.execute(insert(schema.settled).values(contact_id=6, campaign_id=1, state="done", at=NOON))
    store.close()
    record = read_store(url)
    assert record.torn == {NUMBERS[5]: "ready, done"}
    calls = tuple(CarrierCall(item.call_id, item.number, item.started_at) for item in record.attempts)
    verdict = audit(NUMBERS, [], CarrierRecord(calls), record, 0.0)
    assert set(verdict.lost) == {NUMBERS[4], NUMBERS[5]}


def test_what_cannot_be_read_is_one_line(tmp_path: Path, url: str) -> None:
    with pytest.raises(ReportError, match="there is no store"):
        read_store(f"sqlite:///{tmp_path / 'none.db'}")
    assert not (tmp_path / "none.db").exists()
    with pytest.raises(ReportError, match="no campaign 'autumn'; it has spring"):
        read_store(url, "autumn")
    other = tmp_path / "other.db"
    other.write_bytes(b"not a database" * 100)
    with pytest.raises(ReportError, match="cannot be read"):
        read_store(f"sqlite:///{other}")


def test_agents_times_make_occupancy_without_events(url: str) -> None:
    store = Store(url)
    hour = int(NOON // 3600)
    with store.write() as tx:
        tx.save_state(
            f"agent_time/spring/{hour:07d}/1", {"ana": {"talking": 120.0, "wrap_up": 30.0, "available": 50.0}}
        )
        tx.save_state(f"agent_time/spring/{hour:07d}/2", {"ana": {"break": 60.0}, "ben": {"available": 100.0}})
        tx.save_state(f"agent_time/spring/{hour - 5:07d}/1", {"ana": {"talking": 9000.0}})
        tx.save_state(f"agent_time/spring2/{hour:07d}/1", {"eve": {"talking": 9000.0}})
    store.close()
    result = figures(read_store(url, "spring", NOON - 60))
    assert result.occupancy == pytest.approx(150 / 300)
    one, ben = result.agents
    assert (one.name, one.calls, one.talk_seconds, one.wrap_up_seconds, one.idle_seconds, one.break_seconds) == (
        "ana", 2, 120.0, 30.0, 50.0, 60.0,
    )  # fmt: skip
    assert (one.occupancy, ben.occupancy) == (pytest.approx(0.75), 0.0)
    shown = summary(result)["by_agent"]["ana"]
    assert (shown["talk_seconds"], shown["dispositions"]) == (120.0, {"sale": 1, "interested": 1})


def test_the_legal_window_is_that_of_the_last_call(url: str) -> None:
    """The last call ends at NOON + 65; the busy one does not count, and what a window misses does not either."""
    asked: list[float] = []

    def whole(at: float) -> float:
        asked.append(at)
        return at - 3600

    window = figures(read_store(url, begins=whole)).window
    assert asked == [NOON + 65]
    assert window is not None
    assert (window.since, window.until, window.answered, window.abandoned) == (NOON - 3535, NOON + 65, 3, 1)
    late = figures(read_store(url, begins=lambda at: at - 10), settings={"window": "24h"})
    assert late.window is not None
    assert (late.window.answered, late.window.abandoned, late.window_rate) == (2, 0, 0.0)
    assert summary(late)["abandoned_in_window"]["window"] == "24h"
    assert summary(figures(read_store(url)))["abandoned_in_window"] is None


@pytest.mark.parametrize("content", [b"not a database at all, just text\n" * 50, b""], ids=["text", "empty"])
def test_what_is_no_store_is_told_in_one_plain_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.db").write_bytes(content)
    with pytest.raises(ReportError) as refused:
        read_store(f"sqlite:///{tmp_path / 'x.db'}")
    assert "\n" not in str(refused.value)
    assert "sqlite3." not in str(refused.value)


def test_a_server_that_is_away_is_told_in_one_plain_line() -> None:
    """Through the driver that the store itself uses."""
    pytest.importorskip("psycopg")
    with pytest.raises(ReportError, match=r"^the store cannot be read: connection failed") as refused:
        read_store("postgresql://nobody:secret@127.0.0.1:1/x")
    assert "\n" not in str(refused.value)
    assert "secret" not in str(refused.value)


def test_callbacks_are_judged_by_when_their_call_left(url: str) -> None:
    """The fixture's is due at NOON + 9000: not judged before it is late, not kept after, kept when its call left."""

    def found(at: float, within: float = 300.0) -> Any:
        result = figures(read_store(url, at=at, within=within))
        told, page, screen = summary(result)["callback_promises"], render(result), drawn(result)
        assert ("Callbacks in time" in page) is (told["due"] > 0)
        assert ("callbacks in time" in screen) is (told["due"] > 0)
        return told, page, screen

    assert found(NOON + 9299)[0] == {"due": 0, "in_time": 0, "reached": 0, "share": None, "within_seconds": 300.0}
    told, page, screen = found(NOON + 9301)
    assert told == {"due": 1, "in_time": 0, "reached": 0, "share": 0.0, "within_seconds": 300.0}
    assert "0 of 1 called within 5 min of being due" in page
    assert "0 of 1 called within 5 min of being due" in screen
    store = Store(url)
    store.register(CampaignPolicy("spring"))
    with store.write() as tx:
        claim = tx.claim_contact("spring", 3, NOON + 9200, NOON + 9260, reserved=True)
        tx.start_attempts([NewAttempt("late", claim.contact_id, claim.number, "z@x", "main")], NOON + 9200)
        tx.update_attempt("late", answered_at=NOON + 9205, connected_at=NOON + 9206, agent="ana")
        tx.finish_attempt("late", Outcome.ANSWERED, NOON + 9260, talk_seconds=54.0)
        tx.dispose("late", "sale", "ana", NOON + 9261)
    store.close()
    assert found(NOON + 9301)[0] == {"due": 1, "in_time": 1, "reached": 1, "share": 1.0, "within_seconds": 300.0}
    assert found(NOON + 9301, 199.0)[0]["in_time"] == 0  # it left 200 s after it was due
    assert summary(figures(read_store(url)))["callback_promises"] is None
    assert read_store(url, "spring", NOON + 9001, at=NOON + 10_000).promises == Promises(0, 0, 0)


def drawn(result: Figures) -> str:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(draw(result))
    return console.export_text()
