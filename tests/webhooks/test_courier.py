"""A webhook's courier: at least once, in order for each contact, patient, and never stuck behind one."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dialer.webhooks import courier as courier_module
from dialer.webhooks.courier import IDLE, IN_A_ROW
from dialer.webhooks.sender import Refusal
from dispositions import delivery


def test_a_new_webhook_is_told_of_what_happens_from_now_on(office: Any) -> None:
    office.happens(0, "before")
    office.round()
    office.happens(0, "after")
    assert office.round().delivered == 1
    assert office.words() == ["after"]
    assert office.round().next_in == IDLE


def test_what_is_refused_is_tried_again_later_and_others_go_on(office: Any) -> None:
    office.round()
    office.happens(0, "a1")
    office.happens(1, "b1")
    office.happens(0, "a2")
    office.receiver.refuses = lambda entry: "status 500" if entry.contact_id == office.ids[0] else None
    result = office.round()
    assert (result.delivered, result.failed, office.words()) == (1, 1, ["b1"])
    assert office.words(office.receiver.asked).count("a2") == 0  # behind a1
    assert result.next_in == pytest.approx(1.0)  # the rest of the contact waits behind its first
    office.receiver.refuses = lambda entry: None
    assert office.round(0.5).delivered == 0
    assert office.round(0.6).delivered == 2
    assert office.words() == ["b1", "a1", "a2"]
    assert office.courier.waiting == 0


def test_pauses_double_up_to_the_longest(office: Any) -> None:
    courier = office.hired(pause="1s", pause_most="5s")
    assert [courier.pause(n) for n in (1, 2, 3, 4, 50)] == pytest.approx([1, 2, 4, 5, 5])


def test_a_pause_is_as_long_as_the_receiver_asks_within_bounds(office: Any) -> None:
    courier = office.hired(pause="1s", pause_most="60s")
    assert courier.pause(1, 20.0) == 20.0
    assert courier.pause(1, 7200.0) == 60.0
    assert courier.pause(5, 3.0) == pytest.approx(16.0)  # our own is longer


def test_one_event_that_is_to_wait_holds_up_nobody_else(office: Any) -> None:
    office.round()
    office.happens(0, "a")
    office.happens(1, "b")
    office.receiver.refuses = lambda entry: Refusal("status 409", 30.0) if entry.contact_id == office.ids[0] else None
    assert office.round().next_in == pytest.approx(30.0)
    assert office.words() == ["b"]
    office.receiver.refuses = lambda entry: None
    assert office.round(29.0).delivered == 0
    assert office.round(2.0).delivered == 1


def test_a_receiver_that_asks_for_quiet_gets_it_and_is_not_called_down(office: Any) -> None:
    office.hired(at_once=1)
    office.round()
    for n in range(10):
        office.happens(n, f"w{n}")
    office.receiver.refuses = lambda entry: Refusal("status 503", 30.0, all_wait=True)
    assert office.round().next_in == pytest.approx(30.0)
    assert len(office.receiver.asked) == 1  # the others were not sent either
    assert not office.courier.down
    assert office.round(29.0).next_in == pytest.approx(1.0)
    assert len(office.receiver.asked) == 1
    office.receiver.refuses = lambda entry: None
    while office.courier.waiting:
        office.round(1.1)
    assert sorted(office.words()) == sorted(f"w{n}" for n in range(10))


def test_a_receiver_that_asks_for_quiet_for_ever_counts_as_down(office: Any) -> None:
    office.hired(at_once=1)
    office.round()
    for n in range(10):
        office.happens(n, f"w{n}")
    office.receiver.refuses = lambda entry: Refusal("status 429", 2.0, all_wait=True)
    for _ in range(IN_A_ROW):
        assert not office.courier.down
        office.round(2.1)
    assert office.courier.down
    assert len(office.receiver.asked) == IN_A_ROW


def test_after_a_crash_nothing_is_lost_and_ids_are_the_same(office: Any) -> None:
    office.round()
    for n in range(5):
        office.happens(n, f"w{n}")
    asked = []

    async def crash(operation: Any) -> None:
        raise SystemExit  # killed before the round's write

    write, office.books.write = office.books.write, crash
    with pytest.raises(SystemExit):
        office.round()
    asked = [entry.serial for entry in office.receiver.asked]
    office.books.write = write
    office.hired()
    assert office.round().delivered == 5
    assert sorted({entry.serial for entry in office.receiver.taken}) == sorted(asked)
    assert office.round().delivered == 0


def test_a_receiver_that_takes_nothing_is_left_alone_and_gets_everything_later(office: Any) -> None:
    office.hired(at_once=1)
    office.round()
    for n in range(20):
        office.happens(n, f"w{n}")
    office.receiver.refuses = lambda entry: "no answer: ConnectError"
    office.round()
    assert office.courier.down
    assert len(office.receiver.asked) == IN_A_ROW
    assert office.round(0.1).next_in > 0.5
    assert len(office.receiver.asked) == IN_A_ROW  # it rests
    office.happens(0, "later")
    office.round(1.1)
    assert len(office.receiver.asked) == IN_A_ROW + 1  # one probe
    office.receiver.refuses = lambda entry: None
    for _ in range(6):
        office.round(100.0)
    assert not office.courier.down
    assert sorted(office.words()) == sorted([*(f"w{n}" for n in range(20)), "later"])
    assert office.words().index("w0") < office.words().index("later")
    assert office.courier.waiting == 0


def test_one_that_is_never_taken_holds_up_its_own_contact_only(office: Any) -> None:
    office.round()
    office.happens(0, "poison")
    office.receiver.refuses = lambda entry: "status 400" if "poison" in str(entry.body) else None
    for n in range(1, 15):
        office.happens(n, f"w{n}")
        office.round(30.0)
    for _ in range(20):
        office.round(700.0)
    assert sorted(office.words()) == sorted(f"w{n}" for n in range(1, 15))
    assert office.courier.waiting == 1


def test_what_is_too_old_is_given_up_and_counted(office: Any) -> None:
    office.hired(give_up_after="1h")
    office.round()
    office.happens(0, "lost")
    office.happens(0, "kept")
    office.receiver.refuses = lambda entry: "status 500" if office.words([entry]) == ["lost"] else None
    assert office.round().given_up == 0
    given_up = sum(office.round(900.0).given_up for _ in range(8))
    assert given_up == 1
    assert office.words() == ["kept"]
    with office.store.read() as view:
        due = delivery.due(view, "crm", 10, None, ["contact_changed"])
    assert due is not None
    assert due.waiting == ()


def test_an_erased_persons_event_is_not_sent_any_more(office: Any) -> None:
    office.round()
    office.happens(0, "private")
    office.receiver.refuses = lambda entry: "status 500"
    office.round()
    with office.store.write() as tx:
        tx.erase("+12125550100", "api", office.now)
    office.receiver.refuses = lambda entry: None
    office.round(10.0)
    office.round(10.0)
    assert "private" not in str([entry.body for entry in office.receiver.taken])
    assert office.courier.waiting == 0


def test_only_its_campaigns_and_kinds(office: Any) -> None:
    office.hired(events=["settled"], campaigns=["c"])
    office.round()
    office.happens(0, "x")
    with office.store.write() as tx:
        tx.withdraw(office.ids[1], "api", office.now)
    assert office.round().delivered == 1
    assert office.receiver.taken[0].body == {"state": "withdrawn"}


def test_requests_at_once_are_bounded(office: Any) -> None:
    office.hired(at_once=3)
    office.round()
    for n in range(20):
        office.happens(n, "x")
    assert office.round().delivered == 20
    assert office.receiver.most == 3


def test_a_request_that_hangs_holds_up_its_own_contact_only(office: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over several rounds, with room for two at once; what hangs is on record as waiting, and lands in a later one."""
    monkeypatch.setattr(courier_module, "PATIENCE", 0.01)
    office.hired(at_once=2)
    office.round()

    async def play() -> None:
        answer = asyncio.Event()
        plain = office.receiver.send

        async def send(entry: Any, at: float) -> Any:
            if office.words([entry]) == ["hangs"]:
                await answer.wait()
            return await plain(entry, at)

        office.receiver.send = send
        office.happens(0, "hangs")
        office.happens(0, "behind it")
        for n in range(1, 9):
            office.happens(n, f"w{n}")
        first = await office.courier.round()
        assert first.delivered == 8
        assert sorted(office.words()) == [f"w{n}" for n in range(1, 9)]
        with office.store.read() as view:
            due = delivery.due(view, "crm", 10, None, ["contact_changed"])
        assert [one.contact_id for one in due.waiting] == [office.ids[0]] * 2, "on record: a crash loses nothing"
        assert due.fresh.entries == ()
        office.happens(0, "later")
        office.happens(5, "w55")
        second = await office.courier.round()
        assert (second.delivered, office.words()[-1]) == (1, "w55")
        assert second.next_in == courier_module.PATIENCE
        assert sum(entry.contact_id == office.ids[0] for entry in office.receiver.asked) == 0
        answer.set()
        third = await office.courier.round()
        assert third.delivered == 2
        fourth = await office.courier.round()
        assert fourth.delivered == 1
        assert office.words()[-3:] == ["hangs", "behind it", "later"]
        assert office.courier.waiting == 0
        assert (await office.courier.round()).next_in == IDLE
        await office.courier.close()

    asyncio.run(play())


def test_when_everything_hangs_no_more_is_asked_than_may_be_at_once(
    office: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(courier_module, "PATIENCE", 0.01)
    office.hired(at_once=3)
    office.round()

    async def play() -> None:
        answer = asyncio.Event()
        begun: list[int] = []
        plain = office.receiver.send

        async def send(entry: Any, at: float) -> Any:
            begun.append(entry.serial)
            await answer.wait()
            return await plain(entry, at)

        office.receiver.send = send
        for n in range(10):
            office.happens(n, f"w{n}")
        for _ in range(4):
            assert (await office.courier.round()).delivered == 0
        assert len(begun) == 3
        answer.set()
        while len(office.words()) < 10:
            await office.courier.round()
        assert len(begun) == 10, "each once"
        assert office.receiver.most <= 3

    asyncio.run(play())


def test_closed_in_mid_flight_it_is_sent_again_by_the_next(office: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier_module, "PATIENCE", 0.01)
    office.round()
    plain = office.receiver.send

    async def play() -> None:
        async def send(entry: Any, at: float) -> Any:
            await asyncio.Event().wait()

        office.receiver.send = send
        office.happens(0, "w")
        await office.courier.round()
        await office.courier.close()

    asyncio.run(play())
    office.receiver.send = plain
    office.hired()
    assert office.round().delivered == 1
    assert office.words() == ["w"]
