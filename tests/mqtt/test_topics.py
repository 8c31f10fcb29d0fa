"""docs/topics.md says what is on the wire: each example there has exactly the fields that the code sends."""

from __future__ import annotations

import json
import re
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from dialer import events
from dialer.commands import COMMAND
from dialer.doors import DoorError, encode, parse_command
from dialer.mqtt.commands import ENVELOPE
from dialer.mqtt.outbox import OUTCOMES, outcome_message
from dialer.mqtt.topics import event_topic, safe_topic, segment, state_of

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "topics.md").read_text()
EXAMPLES: dict[str, list[dict[str, Any]]] = {}
for topic, block in re.findall(r"^`(dialer/[^`]+)`[^\n]*\n+```json\n(.*?)\n```", PAGE, re.M | re.S):
    EXAMPLES.setdefault(topic, []).append(json.loads(block))
KINDS: dict[str, type[events.Event]] = {
    kind.name: kind
    for kind in vars(events).values()
    if isinstance(kind, type) and issubclass(kind, events.Event) and hasattr(kind, "name")
}


def rebuilt(payload: dict[str, Any]) -> events.Event:
    kind = KINDS[payload["event"]]
    return kind(**{field.name: payload[field.name] for field in fields(kind)})


@pytest.mark.parametrize("name", sorted(KINDS))
def test_every_event_has_an_example_with_its_very_fields(name: str) -> None:
    found = [p for topic, payloads in EXAMPLES.items() if topic.startswith("dialer/event/") for p in payloads]
    payload = next(p for p in found if p["event"] == name)
    event = rebuilt(payload)
    assert json.loads(encode(event.to_dict())) == payload
    assert f"dialer/{event_topic(event)}" in EXAMPLES


@pytest.mark.parametrize("kind", OUTCOMES, ids=lambda kind: kind.name)
def test_every_outcome_has_an_example(kind: type[events.Event]) -> None:
    topic = next(t for t in EXAMPLES if t.startswith("dialer/outcome/") and t.endswith(f"/{kind.name}"))
    payload = EXAMPLES[topic][0]
    event = rebuilt({key: value for key, value in payload.items() if key != "id"})
    message = outcome_message(event)
    assert message is not None
    assert f"dialer/{message[0]}" == topic
    assert json.loads(message[1]).keys() == payload.keys()
    assert re.fullmatch("[0-9a-f]{32}", payload["id"])


def test_every_state_has_an_example() -> None:
    shown = {topic: payload[0] for topic, payload in EXAMPLES.items() if topic.startswith("dialer/state/")}
    for payloads in [p for t, p in EXAMPLES.items() if t.startswith("dialer/event/")]:
        for payload in payloads:
            state = state_of(rebuilt(payload))
            if state is not None:
                assert json.loads(encode(state[1])) == shown.pop(f"dialer/{state[0]}")
    assert set(shown) == {"dialer/state/dialer"}


@pytest.mark.parametrize("name", sorted(COMMAND.json_schema()["discriminator"]["mapping"]))
def test_every_command_has_an_example_that_is_accepted(name: str) -> None:
    (payload,) = EXAMPLES[f"dialer/command/{name}"]
    command = parse_command(name, {key: value for key, value in payload.items() if key not in ENVELOPE})
    assert command.command == name


def test_outcomes_have_ids_of_their_own_and_other_events_are_none() -> None:
    event = rebuilt(EXAMPLES["dialer/event/sales/sale"][0])
    again, later = rebuilt(EXAMPLES["dialer/event/sales/sale"][0]), replace(event, at=event.at + 0.001)
    ids = [json.loads(m[1])["id"] for m in map(outcome_message, (event, again, later)) if m is not None]
    assert ids[0] == ids[1], "a transaction that is run again must not make a second message of it"
    assert len(set(ids)) == 2
    assert outcome_message(rebuilt(EXAMPLES["dialer/event/sales/call_placed"][0])) is None


@pytest.mark.parametrize(
    ("name", "level"),
    [("sales", "sales"), ("", "-"), ("a+b/c#", "a%2Bb%2Fc%23"), ("é x\n", "%C3%A9%20x%0A"), ("ana@x.org", "ana@x.org")],
)
def test_names_cannot_leave_their_level(name: str, level: str) -> None:
    assert segment(name) == level


def test_a_stored_topic_cannot_hold_wildcards() -> None:
    assert safe_topic("outcome/a+b/#\n") == "outcome/a_b/__"


def test_a_command_that_says_another_name_is_refused() -> None:
    with pytest.raises(DoorError, match="by its address"):
        parse_command("pause", {"command": "resume", "campaign": "sales"})
