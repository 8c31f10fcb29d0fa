"""The agents' commands: the door in front of the application answers as the application's own routes do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from dialer.commands import CommandError
from dialer.web.agent_door import AgentDoor

CASES: dict[str, tuple[str, bytes, str | None]] = {
    "a command": ("/api/v1/agents/ana/dispose", b'{"code": "sale", "call": "c1", "note": "as agreed"}', "boss"),
    "without a body": ("/api/v1/agents/ana/ready", b"", "boss"),
    "her own token": ("/api/v1/agents/ana/ready", b"{}", "ana"),
    "somebody else's agent": ("/api/v1/agents/ben/ready", b"{}", "ana"),
    "no token": ("/api/v1/agents/ana/ready", b"{", None),
    "another agent in the body": ("/api/v1/agents/ana/ready", b'{"agent": "ben"}', "boss"),
    "not JSON": ("/api/v1/agents/ana/dispose", b'{"code": ', "boss"),
    "a wrong field": ("/api/v1/agents/ana/dispose", b'{"code": 5, "cod": "x"}', "boss"),
    "no name": ("/api/v1/agents/%23/ready", b"", "boss"),
    "an encoded name": ("/api/v1/agents/an%61/ready", b"", "boss"),
    "the handler says no": ("/api/v1/agents/ana/skip", b"", "boss"),
    "the handler fails": ("/api/v1/agents/ana/dial", b"", "boss"),
    "unknown command": ("/api/v1/agents/ana/fly", b"", "boss"),
    "a longer path": ("/api/v1/agents/ana/ready/now", b"", "boss"),
}


@pytest.mark.parametrize("name", CASES)
def test_the_door_and_the_route_behind_it_agree(name: str, serving: Any, run: Any, boss: str, ana: str) -> None:
    path, body, whose = CASES[name]
    token = {"boss": boss, "ana": ana, None: None}[whose]

    async def chunked() -> AsyncIterator[bytes]:  # without a declared length a request goes on to the application
        yield body

    async def refuse(_command: Any) -> dict[str, Any]:
        raise CommandError("wrong_state", "no contact is shown")

    async def broken(_command: Any) -> dict[str, Any]:
        raise ZeroDivisionError("a fault of ours")

    async def test() -> None:
        async with serving() as site, site.client(token) as client:
            site.desk.replies.update(skip=refuse, dial=broken)
            answers = [await client.post(path, content=content) for content in (body, chunked())]
            asked = site.desk.asked
            assert len(asked) in (0, 2)
            assert asked[:1] == asked[1:]
        first, second = answers
        assert (first.status_code, first.content) == (second.status_code, second.content)
        assert {k: v for k, v in first.headers.items() if k != "date"} == {
            k: v for k, v in second.headers.items() if k != "date"
        }

    run(test)


def test_the_door_itself_answers_and_the_rest_goes_on(run: Any) -> None:
    """What the application behind the door gets to see."""
    passed: list[str] = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        passed.append(f"{scope['method']} {scope['path']}")

    async def ask(method: str, path: str, headers: dict[bytes, bytes]) -> list[Any]:
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"{}", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        async def carry_out(_who: Any, name: str, fields: Any) -> dict[str, Any]:
            return {"name": name, **fields}

        def nobody(*_: Any) -> Any:
            raise AssertionError("nothing is refused here")

        door = AgentDoor(app, lambda *_: None, carry_out, nobody)  # type: ignore[arg-type, return-value]
        scope = {"type": "http", "method": method, "path": path, "headers": list(headers.items()), "client": None}
        await door(scope, receive, send)
        return sent

    async def test() -> None:
        start, end = await ask("POST", "/api/v1/agents/ana/ready", {b"content-length": b"2"})
        assert (start["status"], end["body"]) == (200, b'{"name":"ready","agent":"ana"}\n')
        assert passed == []
        await ask("GET", "/api/v1/agents/ana/ready", {})
        await ask("POST", "/api/v1/agents/ana/fly", {})
        await ask("POST", "/api/v1/agents//ready", {})
        for headers in ({b"content-length": b"9" * 9}, {b"content-length": b"-1"}, {b"transfer-encoding": b"chunked"}):
            await ask("POST", "/api/v1/agents/ana/ready", headers)
        assert len(passed) == 6

    run(test)


def test_a_client_that_leaves_in_mid_body_is_not_answered(run: Any) -> None:
    async def test() -> None:
        sent: list[Any] = []
        messages = iter([{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}])

        async def receive() -> dict[str, Any]:
            return next(messages)

        async def send(message: Any) -> None:
            sent.append(message)

        async def carry_out(*_: Any) -> dict[str, Any]:
            raise AssertionError("the command was not whole")

        door = AgentDoor(None, lambda *_: None, carry_out, None)  # type: ignore[arg-type, return-value]
        path = "/api/v1/agents/ana/ready"
        scope = {"type": "http", "method": "POST", "path": path, "headers": [(b"content-length", b"20")]}
        await door(scope, receive, send)
        assert sent == []

    run(test)
