"""What the network says about a number reaches the list: from the wire through the engine into the store.

The carrier here speaks real SIP over UDP; its refusals carry what a test wants them to say.
"""

from __future__ import annotations

import sqlite3

import pytest

NEW = "+34711000001"
#: The network's `invalid` at the second time, and no other outcome's rule, ends the contact.
CODES = """
    sold = { next = "sale" }
    no_interest = { next = "done" }
    [campaigns.promo.outcomes]
    invalid = { next = "retry", after = "1h", attempts = 2, exhausted = "bad_number" }
"""


def says(carrier, status: int, header: str) -> None:
    """From now on this carrier's refusals with `status` carry `header`."""

    def dressed(data: bytes) -> bytes:
        if not data.startswith(b"SIP/2.0 %d" % status):
            return data
        return data.replace(b"\r\nContent-Length", b"\r\n" + header.encode() + b"\r\nContent-Length", 1)

    carrier.dressed = dressed


def make_due(floor) -> None:
    """The delays of the table are hours; they are over now."""
    with sqlite3.connect(floor.folder / "dialer.db") as connection:
        connection.execute("UPDATE waiting SET due_at = 0")
    connection.close()
    floor.unit.dialing.contacts_arrived()


def numbers(floor) -> dict[str, str]:
    return {
        f"+{digits}": status for digits, status in floor.rows("SELECT digits, status FROM number ORDER BY position")
    }


@pytest.mark.parametrize(
    ("status", "header", "outcome"),
    [
        (301, f"Contact: <sip:{NEW}@carrier.test>", "unknown"),
        (410, f"Contact: Ada <sip:{NEW}@carrier.test;user=phone>;q=0.9", "invalid"),
        (404, f'Reason: Q.850;cause=22;text="number changed"\r\nContact: <tel:{NEW}>', "invalid"),
    ],
)
def test_a_number_that_has_changed_is_replaced_and_the_new_one_is_dialed(stage, party, status, header, outcome):
    async def play(floor):
        floor.carrier.parties[party.number(0)] = party.status(status)
        says(floor.carrier, status, header)
        (ended,) = await floor.ended()
        assert (ended.outcome, ended.status) == (outcome, status)
        await floor.ledger.flush()
        assert numbers(floor) == {NEW: "ok", party.number(0): "bad"}
        assert [(change.kind, change.old, change.new) for change in floor.contact().changes] == [
            ("number_added", None, "fixed" if NEW.startswith("+349") else "mobile"),
            ("number_moved", party.number(0), NEW),
        ]
        make_due(floor)
        call, line, _ = await floor.talking()
        assert (call.number, line.number) == (NEW, NEW)
        assert len(floor.carrier.invites(party.number(0))) == 1
        await floor.do("hangup", 0)
        await floor.do("dispose", 0, code="sold")
        assert floor.contact().state == "sold"

    stage(play, codes=CODES)


def test_a_302_changes_nothing_in_the_list(stage, party):
    """Moved for the moment only (RFC 3261 21.3.3)."""

    async def play(floor):
        floor.carrier.parties[party.number(0)] = party.status(302)
        says(floor.carrier, 302, f"Contact: <sip:{NEW}@carrier.test>")
        await floor.ended()
        await floor.ledger.flush()
        assert numbers(floor) == {party.number(0): "ok"}

    stage(play)


@pytest.mark.parametrize("announced", ["sip:voicemail@carrier.test", "sip:+34806000000@carrier.test", "sip:112@x"])
def test_what_is_announced_may_be_nothing_to_dial(stage, party, announced):
    """No number, a premium one, an emergency: the old one keeps its place, and the table decides."""

    async def play(floor):
        floor.carrier.parties[party.number(0)] = party.status(410)
        says(floor.carrier, 410, f"Contact: <{announced}>")
        await floor.ended()
        await floor.ledger.flush()
        assert numbers(floor) == {party.number(0): "ok"}
        assert floor.contact().state == "waiting"

    stage(play)


def test_a_number_that_is_invalid_twice_is_retired_and_the_contact_with_its_last(stage, party):
    async def play(floor):
        at = floor.clock.at()
        with floor.store.write() as tx:
            tx.correct(floor.contact().contact_id, {}, [NEW], "test", at)  # dialed first from now on
        for old in (NEW, party.number(0)):
            floor.carrier.parties[old] = party.status(404)
        floor.dial()
        await floor.log_in()
        for nth, (dialed, left) in enumerate(
            [
                (NEW, {NEW: "ok", party.number(0): "ok"}),
                (party.number(0), {NEW: "ok", party.number(0): "ok"}),  # they take turns
                (NEW, {NEW: "bad", party.number(0): "ok"}),
                (party.number(0), {NEW: "bad", party.number(0): "bad"}),
            ],
            1,
        ):
            assert (await floor.ended(nth))[-1].number == dialed
            await floor.ledger.flush()
            assert numbers(floor) == left, nth
            if nth < 4:
                make_due(floor)
        assert floor.contact().state == "bad_number"
        assert len(floor.carrier.lines) == 4

    stage(play, codes=CODES, dial=False, log_in=False)
