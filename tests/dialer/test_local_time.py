"""Times without an offset: where the contact is, or a question."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dialer.commands import CommandError
from dialer.local_time import at_contact
from dispositions import CampaignPolicy, NewContact, Store

SPANISH, LONDON, BOTH = "+34600000001", "+442079460001", "+34600000002"


@pytest.fixture
def when(tmp_path: Path) -> Callable[[str, str], datetime]:
    """What a time is at a number."""
    store = Store(f"sqlite:///{tmp_path / 'store.db'}")
    store.migrate()
    store.register(CampaignPolicy("spring"))
    people = [NewContact([SPANISH]), NewContact([LONDON]), NewContact([BOTH], zone="Atlantic/Canary")]
    with store.write() as tx:
        added = tx.add_contacts("spring", "l", people, 1.75e9, validity="possible")
    ids = dict(zip((SPANISH, LONDON, BOTH), (one.contact_id for one in added), strict=True))

    def find(number: str, text: str) -> datetime:
        with store.read() as view:
            contact: Any = ids[number]
            return at_contact(datetime.fromisoformat(text), contact, number, view)

    return find


def test_one_certain_zone_is_taken(when: Callable[[str, str], datetime]) -> None:
    assert when(BOTH, "2026-07-01T17:30") == datetime(2026, 7, 1, 16, 30, tzinfo=UTC)
    assert when(BOTH, "2026-12-01T17:30") == datetime(2026, 12, 1, 17, 30, tzinfo=UTC)
    assert when(LONDON, "2026-07-01T17:30") == datetime(2026, 7, 1, 16, 30, tzinfo=UTC)


def test_an_offset_is_what_it_is(when: Callable[[str, str], datetime]) -> None:
    assert when(SPANISH, "2026-07-01T17:30+05:00") == datetime(2026, 7, 1, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("number", "text", "says"),
    [
        (
            SPANISH,
            "2026-07-01T17:30",
            r"\+34600000001 may be in .*Europe/Madrid.*; say the offset, as in 2026-07-01T17",
        ),
        (BOTH, "2026-03-29T01:30", "there is no 01:30 on 2026-03-29 in Atlantic/Canary"),
        (BOTH, "0001-01-01T00:00", "no year 1"),
        (BOTH, "9999-12-31T23:59", "no year 9999"),
    ],
)
def test_what_is_not_certain_is_asked(when: Callable[[str, str], datetime], number: str, text: str, says: str) -> None:
    with pytest.raises(CommandError, match=says) as refused:
        when(number, text)
    assert refused.value.code == "invalid"


def test_a_time_that_comes_twice_is_the_first(when: Callable[[str, str], datetime]) -> None:
    assert when(BOTH, "2026-10-25T01:30") == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
