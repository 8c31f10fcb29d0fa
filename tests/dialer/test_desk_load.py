"""Commands under load: much at once, or a store that is away."""

from __future__ import annotations

import threading

from dialer import desk


def test_numbers_are_read_before_the_transaction(stage, monkeypatch, party):
    from dispositions import adding

    async def play(floor):
        where, normalise = set(), adding.normalise

        def noted(*args, **more):
            where.add(threading.current_thread().name.partition("_")[0])
            return normalise(*args, **more)

        monkeypatch.setattr(adding, "normalise", noted)
        numbers = [party.number(n).removeprefix("+34") for n in range(5)]
        answer = await floor.do("add_contacts", campaign="promo", contacts=[{"number": n} for n in numbers])
        assert answer["added"] == 5
        assert where == {"asyncio"}
        mixed = [{"number": 7}, {"number": "12"}, {"number": numbers[0]}]
        answer = await floor.do("add_contacts", campaign="promo", contacts=mixed)
        assert [r["status"] for r in answer["results"]] == ["rejected", "rejected", "duplicate"]
        assert answer["results"][0]["reason"].startswith("contacts.0.number: must be a phone number")
        assert (answer["added"], answer["rejected"], answer["duplicate"]) == (0, 2, 1)

    stage(play, numbers=0, dial=False, log_in=False)


def test_a_locked_store_takes_no_more_commands_than_it_can_remember(stage, monkeypatch, party):
    import sqlite3

    async def play(floor):
        monkeypatch.setattr(desk, "MOST_WAITING", 3)
        connection = sqlite3.connect(floor.folder / "dialer.db", isolation_level=None)
        connection.execute("BEGIN EXCLUSIVE")
        floor.ledger.save("x", 1)
        await floor.until(lambda: floor.ledger.locked)
        for value in range(4):
            floor.ledger.save("x", value)
        assert (await floor.refused("do_not_call", numbers=[party.number(0)])).code == "unavailable"
        assert (await floor.refused("add_contacts", campaign="promo", contacts=[{"number": "1"}])).code == "unavailable"
        await floor.do("status")
        connection.execute("ROLLBACK")
        connection.close()
        await floor.ledger.flush()
        assert (await floor.do("do_not_call", numbers=[party.number(0)]))["added"] == 1

    stage(play, numbers=0, dial=False, log_in=False)
