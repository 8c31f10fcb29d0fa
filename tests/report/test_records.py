"""What is read from a real store is what was written to it."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import delete, insert

from dialer.report import ReportError, audit, figures, read_store, summary
from dialer.report.audit import CarrierCall, CarrierRecord
from dispositions import CampaignPolicy, NewAttempt, NewContact, Outcome, Store, schema

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
