"""Timers: order, cancellation, and the waits that need no moment of their own."""

from __future__ import annotations

from dialer.sip.timers import Timers


def test_they_fire_in_order_of_time_and_equal_ones_in_order_of_their_start() -> None:
    timers, fired = Timers(), []
    for when, name in ((3.0, "c"), (1.0, "a"), (3.0, "d"), (2.0, "b")):
        timers.start(when, lambda name, now: fired.append((name, now)), name)
    assert timers.next() == 1.0
    timers.run(2.5)
    assert fired == [("a", 2.5), ("b", 2.5)]
    timers.run(3.0)
    assert [name for name, _ in fired] == ["a", "b", "c", "d"]
    assert (timers.next(), len(timers)) == (None, 0)


def test_a_cancelled_one_is_neither_fired_nor_next_nor_counted() -> None:
    timers, fired = Timers(), []
    first = timers.start(1.0, lambda name, now: fired.append(name), "a")
    timers.start(2.0, lambda name, now: fired.append(name), "b")
    timers.cancel(first)
    timers.cancel(first)
    timers.cancel(None)
    assert (timers.next(), len(timers)) == (2.0, 1)
    timers.run(5.0)
    assert fired == ["b"]


def test_thousands_of_cancelled_ones_do_not_stay() -> None:
    timers = Timers()
    for at in range(5_000):
        timers.cancel(timers.start(1_000.0 + at, lambda name, now: None, "a"))
    assert len(timers) == 0
    assert len(timers._heap) < 1_100


def test_waits_of_one_length_need_one_moment_for_many() -> None:
    timers, fired = Timers(), []
    for call in range(200):  # one every 5 ms
        timers.linger(call * 0.005, 5.0, lambda name, now: fired.append(name), f"{call}")
    assert timers.next() == 5.5
    timers.run(5.5)
    assert fired == [f"{call}" for call in range(101)]  # nobody is early, nobody half a second late
    moments = 1
    while (at := timers.next()) is not None:
        timers.run(at)
        moments += 1
    assert len(fired) == 200
    assert moments == 2


def test_a_wait_fires_on_time_for_whoever_asks_on_time() -> None:
    timers, fired = Timers(), []
    timers.linger(0.0, 5.0, lambda name, now: fired.append(name), "K")
    timers.linger(0.0, 32.0, lambda name, now: fired.append(name), "M")
    timers.run(4.999)
    assert (fired, len(timers)) == ([], 2)
    timers.run(5.0)
    assert (fired, timers.next()) == (["K"], 32.5)


def test_a_wait_of_no_length_and_a_clock_that_goes_backwards_wait_in_the_heap() -> None:
    timers, fired = Timers(), []
    timers.linger(7.0, 0.0, lambda name, now: fired.append(name), "at once")
    assert timers.next() == 7.0
    timers.linger(9.0, 5.0, lambda name, now: fired.append(name), "later")
    timers.linger(8.0, 5.0, lambda name, now: fired.append(name), "earlier")
    timers.run(13.0)
    assert fired == ["at once", "earlier"]
    timers.run(14.0)
    assert (fired, len(timers)) == (["at once", "earlier", "later"], 0)


def test_what_fires_may_start_and_linger() -> None:
    timers, fired = Timers(), []

    def again(name: str, now: float) -> None:
        fired.append((name, now))
        if len(fired) < 4:
            timers.linger(now, 5.0, again, "again")
            timers.linger(now, 1.0, again, "new lane")
            timers.start(now + 2.0, again, "start")

    timers.linger(0.0, 5.0, again, "first")
    timers.run(5.0)
    assert timers.next() == 6.5
    timers.run(6.0)
    assert fired == [("first", 5.0), ("new lane", 6.0)]
    assert timers.next() == 7.0


class Question:
    """Waits for an answer until somebody sets `waiting` to false."""

    def __init__(self) -> None:
        self.waiting = True
        self.heard: list[float] = []

    def overdue(self, name: str, now: float) -> None:
        if self.waiting:
            self.heard.append(now)
            self.waiting = False


def test_what_is_answered_in_time_is_neither_called_nor_next_nor_counted() -> None:
    timers, questions = Timers(), [Question() for _ in range(3)]
    for at, question in enumerate(questions):
        timers.watch(0.5 + at, question)
    questions[0].waiting = False
    assert (len(timers), timers.next()) == (2, 1.5)
    timers.run(1.4)
    assert [question.heard for question in questions] == [[], [], []]
    timers.run(1.5)
    assert [question.heard for question in questions] == [[], [1.5], []]
    questions[2].waiting = False
    timers.run(9.0)
    assert (questions[2].heard, len(timers), timers.next()) == ([], 0, None)


def test_watched_and_started_ones_take_turns_by_time_also_when_the_clock_went_back() -> None:
    timers, order = Timers(), []
    watched = {name: Question() for name in "ace"}
    for name, question in watched.items():
        question.overdue = lambda _, now, name=name: order.append(name)  # type: ignore[method-assign]
    timers.watch(1.0, watched["a"])
    timers.start(2.0, lambda name, now: order.append(name), "b")
    timers.watch(5.0, watched["e"])
    timers.watch(3.0, watched["c"])  # earlier than the one before it
    timers.start(4.0, lambda name, now: order.append(name), "d")
    timers.run(6.0)
    assert "".join(order) == "abcde"


def test_soonest_says_whether_next_is_worth_asking() -> None:
    timers = Timers()
    timers.start(3.0, lambda name, now: None, "a")
    timers.watch(2.0, Question())
    assert (timers.soonest, timers.next()) == (2.0, 2.0)
    assert timers.soonest == float("inf")
    timers.linger(0.0, 0.25, lambda name, now: None, "K")
    assert timers.soonest == timers.next() == 0.75
