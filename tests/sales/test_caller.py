"""Patience with a third party: every kind of answer, in every order, on a clock that is moved by hand."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
import structlog

from dialer.config.sales_tables import ActionTable, ConnectorTable
from dialer.sales.answer import Answer, Verdict
from dialer.sales.caller import Caller, Job, Outcome
from dialer.sales.connector import Impossible, NoAnswer, NotSent, Request

DO, STATUS = ActionTable(path="/do"), ActionTable(path="/status", unknown=["none"], verdict="$.v", accepted=["yes"])
YES, NO = Answer({"json": {"v": "yes"}}), Answer({"json": {}}, Verdict.REJECTED, "too poor")
DOWN = Answer({"json": None}, Verdict.UNCLEAR, "status 503")
NEVER = Answer({"json": {"v": "none"}})


class Scripted:
    """Answers from a list; notes who was asked what, by path and key."""

    def __init__(self, *script: Answer | Exception) -> None:
        self.script, self.asked = list(script), []  # type: ignore[var-annotated]

    async def ask(self, request: Request) -> Answer:
        self.asked.append((request.action.path, request.key))
        said = self.script.pop(0)
        if isinstance(said, Exception):
            raise said
        return said

    async def close(self) -> None:
        pass


def play(
    *script: Answer | Exception, job: dict[str, Any] | None = None, **table: Any
) -> tuple[Outcome, Scripted, float]:
    """Carry one job out; what came of it, who was asked, and how many seconds it took."""
    now = [0.0]
    party = Scripted(*script)

    async def sleep(seconds: float) -> None:
        now[0] += seconds

    settings: dict[str, Any] = {"kind": "http", "url": "https://x.example", "breaker_failures": 100, **table}
    caller = Caller(
        "x", ConnectorTable(**settings), party, secret="hunter2secret", clock=lambda: now[0], sleep=sleep,
        rng=random.Random(1),
    )  # fmt: skip
    given: dict[str, Any] = {"do": DO, "key": "k", "values": {}, "patience": 100.0, "tries": 5, **(job or {})}
    return asyncio.run(caller.carry_out(Job(**given))), party, now[0]


def test_a_pause_is_as_long_as_the_third_party_asks_within_bounds() -> None:
    outcome, _, took = play(Answer({}, Verdict.UNCLEAR, "status 503", 20.0), YES, pause=0.1, pause_most=30.0)
    assert outcome.result == "done"
    assert 20.0 <= took <= 22.0
    assert 5.0 <= play(Answer({}, Verdict.UNCLEAR, "status 503", 900.0), YES, pause=0.1, pause_most=5.0)[2] <= 5.5


def test_yes_and_no_are_final() -> None:
    assert play(YES)[0].result == "done"
    outcome, party, _ = play(NO)
    assert (outcome.result, outcome.reason, outcome.tries) == ("rejected", "too poor", 1)
    assert len(party.asked) == 1


@pytest.mark.parametrize("trouble", [DOWN, NotSent("refused"), NoAnswer("silence"), TimeoutError()])
def test_trouble_is_tried_again_with_the_same_key(trouble: Answer | Exception) -> None:
    outcome, party, took = play(trouble, trouble, YES)
    assert (outcome.result, outcome.tries) == ("done", 3)
    assert party.asked == [("/do", "k")] * 3
    assert took > 0


def test_after_an_answer_that_never_came_the_status_is_asked_first() -> None:
    outcome, party, _ = play(NoAnswer("silence"), YES, job={"status": STATUS})
    assert outcome.result == "done"
    assert [path for path, _ in party.asked] == ["/do", "/status"], "it was done: not asked for again"
    outcome, party, _ = play(NoAnswer("silence"), NEVER, YES, job={"status": STATUS})
    assert [path for path, _ in party.asked] == ["/do", "/status", "/do"], "it was never heard of"


def test_a_5xx_may_have_been_done_too() -> None:
    _, party, _ = play(DOWN, YES, job={"status": STATUS})
    assert [path for path, _ in party.asked] == ["/do", "/status"]


def test_what_was_not_sent_needs_no_question() -> None:
    _, party, _ = play(NotSent("refused"), YES, job={"status": STATUS})
    assert [path for path, _ in party.asked] == ["/do", "/do"]


def test_a_question_that_gets_no_answer_is_asked_again_and_nothing_else() -> None:
    _, party, _ = play(NoAnswer("a"), DOWN, NoAnswer("b"), YES, job={"status": STATUS})
    assert [path for path, _ in party.asked] == ["/do", "/status", "/status", "/status"]


def test_tries_and_patience_end_it() -> None:
    outcome, party, _ = play(*[DOWN] * 9)
    assert (outcome.result, len(party.asked)) == ("failed", 5)
    assert "503" in (outcome.reason or "")
    outcome, _, took = play(*[DOWN] * 99, job={"tries": None, "patience": 30.0})
    assert outcome.result == "failed"
    assert took <= 30.0


def test_pauses_double_up_to_the_longest() -> None:
    _, _, took = play(*[DOWN] * 6, YES, job={"tries": None}, pause=1.0, pause_most=4.0)
    assert 0.5 * (1 + 2 + 4 * 4) <= took <= 1 + 2 + 4 * 4


def test_an_impossible_request_is_not_repeated() -> None:
    outcome, party, _ = play(Impossible("a template cannot be filled"), YES)
    assert (outcome.result, len(party.asked)) == ("failed", 1)


def test_undoing_what_nobody_has_heard_of_is_done() -> None:
    gone = Answer({"json": None}, Verdict.UNKNOWN, "status 404")
    assert play(gone, job={"unknown_is_done": True})[0].result == "done"
    assert play(gone)[0].result == "rejected"


def test_an_open_breaker_is_waited_for_within_patience() -> None:
    outcome, party, took = play(DOWN, DOWN, YES, breaker_failures=2, breaker_rest=20.0)
    assert (outcome.result, len(party.asked)) == ("done", 3)
    assert took >= 20.0
    outcome, party, took = play(DOWN, DOWN, YES, breaker_failures=2, breaker_rest=20.0, job={"patience": 10.0})
    assert (outcome.result, len(party.asked)) == ("failed", 2)
    assert took < 10.0


def test_a_secret_that_a_third_party_echoes_reaches_neither_reason_nor_log() -> None:
    with structlog.testing.capture_logs() as lines:
        told = Answer({"json": {}}, Verdict.REJECTED, "bad token hunter2secret")
        outcome, _, _ = play(Answer({}, Verdict.UNCLEAR, "odd hunter2secret"), told)
    assert outcome.reason == "bad token ***"
    assert lines
    assert "hunter2" not in repr(lines)


def test_a_card_number_that_a_third_party_echoes_reaches_neither_reason_nor_log() -> None:
    with structlog.testing.capture_logs() as lines:
        told = Answer({"json": {}}, Verdict.REJECTED, "card 4111 1111 1111 1111 refused")
        outcome, _, _ = play(Answer({}, Verdict.UNCLEAR, "odd 4111111111111111"), told)
    assert outcome.reason == "card **** **** **** 1111 refused"
    assert lines
    assert "41111" not in repr(lines)
