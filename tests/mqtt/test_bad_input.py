"""The MQTT door against every class of bad input: an error answer, one line in the log, nothing done, and
it goes on."""

from __future__ import annotations

import asyncio
import io
import json
from typing import Any

import aiomqtt
import pytest
import structlog

from dialer import events
from dialer.doors import MAX_BODY
from dialer.logs import configure
from dialer.metrics import Metrics
from dialer.mqtt import BridgeConfig, MqttBridge
from dialer.mqtt.commands import CommandDoor

TOKEN = "command-token-01"


def js(**fields: Any) -> bytes:
    return json.dumps({"correlation": "c", "token": TOKEN, **fields}).encode()


#: class, command, payload, code, answered at
TABLE: list[tuple[str, str, bytes, str, str]] = [
    ("missing: no payload", "status", b"", "malformed", "-"),
    ("missing: a field", "dispose", js(agent="ana"), "invalid", "c"),
    ("malformed: not JSON", "status", b"status", "malformed", "-"),
    ("malformed: cut off", "status", b'{"correlation": "c"', "malformed", "-"),
    ("malformed: not UTF-8", "status", b'{"correlation": "\xff"}', "malformed", "-"),
    ("malformed: a list", "status", b"[]", "malformed", "-"),
    ("malformed: infinity", "status", b'{"x": Infinity}', "malformed", "-"),
    ("malformed: unknown command", "dance", js(), "invalid", "c"),
    ("malformed: unknown field", "status", js(colour=1), "invalid", "c"),
    ("malformed: another command inside", "pause", js(command="resume", campaign="sales"), "invalid", "c"),
    ("malformed: correlation with a wildcard", "status", js(correlation="a/#"), "invalid", "-"),
    ("wrong type: correlation", "status", js(correlation=5), "invalid", "-"),
    ("wrong type: agent", "ready", js(agent=["ana"]), "invalid", "c"),
    ("wrong type: expires_at", "status", js(expires_at="soon"), "invalid", "c"),
    ("wrong type: token", "status", js(token=1), "unauthorized", "c"),
    ("out of range: 1001 contacts", "add_contacts", js(campaign="sales", contacts=[{}] * 1001), "invalid", "c"),
    ("out of range: an integer beyond 64 bits", "status", js(expires_at=2**64), "invalid", "-"),
    ("out of range: too late", "login", js(agent="ana", expires_at=1.0), "expired", "c"),
    ("too large", "status", b'{"x": "' + b"x" * MAX_BODY + b'"}', "too_large", "-"),
    ("hostile: nested", "status", b'{"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "malformed", "-"),
    ("hostile: CR LF", "break", js(agent="ana", reason="a\r\nb"), "invalid", "c"),
    ("hostile: NUL", "break", js(agent="ana", reason="a\0b"), "invalid", "-"),
    ("hostile: half a surrogate pair", "status", b'{"x": "\\udc00"}', "invalid", "-"),
    ("hostile: a name that forges a log line", "st\x7fatus", js(), "invalid", "c"),
    ("unauthenticated: no token", "status", b'{"correlation": "c"}', "unauthorized", "c"),
    ("unauthenticated: a wrong token", "status", js(token="guessed-token-01"), "unauthorized", "c"),
]
IDS = [row[0] for row in TABLE]


@pytest.fixture
def log() -> Any:
    stream = io.StringIO()
    configure("info", "json", stream)
    yield stream
    structlog.reset_defaults()


@pytest.mark.parametrize("case", TABLE, ids=IDS)
def test_bad_input(case: tuple[str, str, bytes, str, str], desk: Any, log: Any) -> None:
    _, name, payload, code, correlation = case
    metrics = Metrics()
    door = CommandDoor(desk, TOKEN, metrics, lambda: 1000.0)
    answer = asyncio.run(door.answer(name, payload))
    record = json.loads(answer.payload)
    assert (record["error"]["code"], answer.correlation, answer.accepted) == (code, correlation, False)
    assert b"\n" not in answer.payload
    assert desk.asked == []
    (line,) = log.getvalue().splitlines()
    assert json.loads(line)["event"] == "command_refused"
    assert TOKEN not in line
    assert "guessed" not in line
    assert metrics.registry.get_sample_value("dialer_requests_refused_total", {"door": "mqtt", "code": code}) == 1


def test_a_retained_command_is_refused(desk: Any, log: Any) -> None:
    door = CommandDoor(desk, None, Metrics(), lambda: 1000.0)
    answer = asyncio.run(door.answer("pause", b'{"campaign": "sales", "correlation": "c"}', retained=True))
    assert json.loads(answer.payload)["error"]["code"] == "invalid"
    assert desk.asked == []


def test_a_flood_of_refusals_does_not_flood_the_log(desk: Any, log: Any) -> None:
    async def test() -> None:
        door = CommandDoor(desk, None, Metrics(), lambda: 1000.0)
        for _ in range(500):
            await door.answer("dance", b"{}")
        await door.answer("status", b"{}")
        await door.answer("dance", b"{}")

    asyncio.run(test())
    assert len(log.getvalue().splitlines()) == 101


def test_a_refused_command_may_be_tried_again_with_the_same_correlation(desk: Any, log: Any) -> None:
    async def test() -> None:
        now = [1000.0]
        door = CommandDoor(desk, None, Metrics(), lambda: now[0])
        payload = b'{"campaign": "sales", "correlation": "c", "expires_at": 1001}'
        now[0] = 1002.0
        assert not (await door.answer("pause", payload)).accepted
        now[0] = 1000.0
        assert (await door.answer("pause", payload)).accepted

    asyncio.run(test())


def test_looking_again_looks_again(desk: Any) -> None:
    async def test() -> None:
        door = CommandDoor(desk, None, Metrics(), lambda: 1000.0)
        for name in ("status", "status", "pause", "pause"):
            body = {"correlation": "c"} | ({"campaign": "sales"} if name == "pause" else {})
            assert (await door.answer(name, json.dumps(body).encode())).accepted

    asyncio.run(test())
    assert [command.command for command in desk.asked] == ["status", "status", "pause"]


@pytest.mark.peer
def test_the_whole_table_through_a_broker(broker: Any, desk: Any, make_outbox: Any, log: Any) -> None:
    async def test() -> None:
        stream = events.EventStream()
        config = BridgeConfig(port=broker.port, command_token=TOKEN)
        ready = asyncio.Event()
        stream.subscribe(lambda event: ready.set() if isinstance(event, events.ServiceAlert) else None)
        bridge = MqttBridge(config, stream, make_outbox(), desk, Metrics())
        await bridge.start()
        await ready.wait()
        async with asyncio.timeout(30), aiomqtt.Client("127.0.0.1", broker.port) as client:
            await client.subscribe("dialer/answer/#", qos=1)
            answers = aiter(client.messages)
            for title, name, payload, code, correlation in TABLE:
                if "\x7f" in name:
                    continue  # no broker passes such a topic
                await client.publish(f"dialer/command/{name}", payload, qos=1)
                answer = await anext(answers)
                assert str(answer.topic) == f"dialer/answer/{correlation}", title
                assert json.loads(answer.payload)["error"]["code"] == code, title
            await client.publish("dialer/command/status", js(), qos=1)
            assert json.loads((await anext(answers)).payload)["answer"] == {"done": "status"}
        await bridge.stop()
        assert len(desk.asked) == 1

    asyncio.run(test())


def test_commands_beyond_loopback_need_a_token() -> None:
    with pytest.raises(ValueError, match="command_token_env"):
        BridgeConfig(host="broker.example.org")
    BridgeConfig(host="broker.example.org", commands=False)
    config = BridgeConfig(host="broker.example.org", command_token=TOKEN, password="hidden-password")
    assert TOKEN not in repr(config)
    assert "hidden" not in repr(config)
