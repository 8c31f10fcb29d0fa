"""A log line is one line, says which call it is about, and never holds a secret."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from dialer import events
from dialer.logs import EventLog, bound, configure, get_logger, neutral

Log = Callable[[], list[str]]


@pytest.fixture
def logged() -> Iterator[Callable[..., Log]]:
    before = logging.getLogger().handlers[:]

    def start(level: str = "info", format: str = "text") -> Log:  # noqa: A002
        stream = io.StringIO()
        configure(level, format, stream)
        return lambda: stream.getvalue().splitlines()

    yield start
    logging.getLogger().handlers[:] = before
    structlog.reset_defaults()


@pytest.mark.parametrize("format", ["text", "json"])
def test_what_comes_from_outside_stays_on_its_line(logged: Any, format: str) -> None:  # noqa: A002
    lines = logged(format=format)
    get_logger("sip").info("dropped", header="x\r\n2026-01-01T00:00:00Z info forged\x1b[2J\u2028\u202e", **{"k\ney": 1})
    (line,) = lines()
    assert "\x1b" not in line
    assert "\\x0d\\x0a2026" in line.replace("\\\\", "\\")


@given(st.text())
def test_neutral_text_has_no_controls_and_plain_text_is_itself(text: str) -> None:
    assert len(neutral(text).splitlines()) <= 1
    assert neutral(text).isprintable() or not any(ord(c) < 32 for c in neutral(text))
    if text.isascii() and text.isprintable():
        assert neutral(text) == text


@pytest.mark.parametrize("format", ["text", "json"])
def test_secrets_are_never_written(logged: Any, format: str) -> None:  # noqa: A002
    lines = logged(format=format)
    log = get_logger("x")
    log.info("a", token="hidden-1", password="hidden-2", api_key="hidden-3", nested={"command_token": "hidden-4"})
    log.info("b", header="Authorization: Bearer hidden-5", url="postgresql://user:hidden-6@db/x")
    log.info("Digest hidden-7, trailing")
    logging.getLogger("lib").warning("sent Bearer %s", "hidden-8")
    assert len(lines()) == 4
    assert "hidden" not in "\n".join(lines())


def test_a_traceback_cannot_forge_a_line(logged: Any) -> None:
    lines = logged()
    try:
        raise ValueError("bad\n2026-01-01T00:00:00Z info forged token=Bearer hidden-9")
    except ValueError:
        get_logger("x").exception("failed")
    shown = lines()
    assert "ValueError" in "\n".join(shown)
    assert all(line.startswith("    | ") for line in shown[1:])
    assert "hidden" not in "\n".join(shown)


def test_a_calls_lines_carry_its_id(logged: Any) -> None:
    lines = logged(format="json")
    with bound(call="a1"):
        get_logger("engine").info("inside")
        logging.getLogger("lib").warning("from a library")
    get_logger("engine").info("outside")
    assert [json.loads(line).get("call") for line in lines()] == ["a1", "a1", None]


def test_levels(logged: Any) -> None:
    lines = logged("warning")
    log = get_logger("x")
    log.info("quiet")
    log.warning("loud")
    logging.getLogger("uvicorn.error").info("quiet")
    assert len(lines()) == 1
    with pytest.raises(KeyError):
        configure("loud", "text")
    with pytest.raises(KeyError):
        configure("info", "xml")


def test_events_are_logged_at_their_level_with_the_call(logged: Any) -> None:
    call: dict[str, Any] = {
        "campaign": "sales", "call": "a1", "sip_call_id": "x@y", "contact": 7, "number": "+441632960961", "trunk": "m",
    }  # fmt: skip
    placed = events.CallPlaced(at=1, **call)
    abandoned = events.CallAbandoned(at=2, waited=2.0, message_played=True, **call)
    for level, expected in (("info", ["call_abandoned"]), ("debug", ["call_placed", "call_abandoned"])):
        lines = logged(level, "json")
        reader = EventLog()
        reader.on_event(placed)
        reader.on_event(abandoned)
        records = [json.loads(line) for line in lines()]
        assert [record["event"] for record in records] == expected
        assert {record["call"] for record in records} == {"a1"}


def test_a_part_that_is_well_again_is_no_warning(logged: Any) -> None:
    lines = logged("info", "json")
    for alert in ("store_locked", "store_ok", "media_lost", "media_restarted"):
        EventLog().on_event(events.ServiceAlert(at=1, campaign="", alert=alert, detail=""))
    assert [json.loads(line)["level"] for line in lines()] == ["warning", "info", "warning", "info"]


def test_a_sales_fields_are_not_logged(logged: Any) -> None:
    lines = logged("debug", "text")
    sale = events.SaleQueued(
        at=1, campaign="sales", call="a1", sip_call_id="x", contact=7, number="+44", trunk="m", sale=3, agent="ana",
        fields={"iban": "GB00TEST"},
    )  # fmt: skip
    EventLog().on_event(sale)
    (line,) = lines()
    assert "sale=3" in line
    assert "GB00TEST" not in line


def test_agents_coming_and_going_is_news_their_calls_are_not(logged: Any) -> None:
    lines = logged("info", "json")
    reader = EventLog()
    for previous, state in (("logged_out", "available"), ("available", "talking"), ("talking", "break")):
        reader.on_event(
            events.AgentChanged(
                at=1, campaign="sales", agent="ana", previous=previous, state=state, reason=None, call=None
            )
        )
    assert [json.loads(line)["state"] for line in lines()] == ["available", "break"]


def test_text_is_for_people(logged: Any) -> None:
    lines = logged()
    get_logger("trunk").warning("trunk_down", trunk="main", reason="no answer")
    (line,) = lines()
    assert line.endswith('warning trunk_down  room=trunk trunk=main reason="no answer"')
