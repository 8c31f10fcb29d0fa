"""The HTTP door against every class of bad input: one line back, one line in the log, nothing done, and it goes on."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import structlog

from dialer.doors import MAX_BODY
from dialer.logs import configure

C = "/api/v1/command"
CONTACTS = "/api/v1/campaigns/sales/contacts"
DISPOSE = "/api/v1/agents/ana/dispose"
DNC = "/api/v1/do-not-call"


def js(value: Any) -> bytes:
    return json.dumps(value).encode()


def deep(levels: int) -> bytes:
    return b'{"command": "status", "x": ' + b"[" * levels + b"]" * levels + b"}"


#: class, path, body, status, code, field
TABLE: list[tuple[str, str, bytes, int, str, str | None]] = [
    ("missing: no body", C, b"", 400, "malformed", None),
    ("missing: no command", C, b"{}", 422, "invalid", "command"),
    ("missing: a field", DISPOSE, b"{}", 422, "invalid", "code"),
    ("missing: body of a route that needs one", CONTACTS, b"", 400, "malformed", None),
    ("malformed: not JSON", C, b"{command: status}", 400, "malformed", None),
    ("malformed: cut off", C, b'{"command": "sta', 400, "malformed", None),
    ("malformed: not UTF-8", C, b'{"command": "\xff\xfe"}', 400, "malformed", None),
    ("malformed: a list", C, b"[1]", 400, "malformed", None),
    ("malformed: NaN", DISPOSE, b'{"code": "sale", "fields": {"price": NaN}}', 400, "malformed", None),
    ("malformed: an integer of 5000 digits", C, b'{"x": ' + b"9" * 5000 + b"}", 400, "malformed", None),
    ("malformed: unknown command", C, b'{"command": "dance"}', 422, "invalid", "command"),
    ("malformed: unknown field", DISPOSE, js({"code": "sale", "colour": 1}), 422, "invalid", "colour"),
    ("malformed: two commands", DISPOSE, js({"command": "ready", "code": "sale"}), 422, "invalid", "command"),
    ("malformed: agent in path and body differ", DISPOSE, js({"agent": "bo", "code": "x"}), 422, "invalid", "agent"),
    ("malformed: a time that is none", DISPOSE, js({"code": "cb", "callback_at": "2026-03-02T25:00:00"}), 422,
     "invalid", "callback_at"),
    ("wrong type: a number for a name", DISPOSE, js({"code": 5}), 422, "invalid", "code"),
    ("wrong type: the command", C, js({"command": ["status"]}), 422, "invalid", "command"),
    ("wrong type: a word for a list", CONTACTS, js({"contacts": "all"}), 422, "invalid", "contacts"),
    ("wrong type: inside a list", CONTACTS, js({"contacts": [{}, 7]}), 422, "invalid", "contacts.1"),
    ("wrong type: numbers as numbers", DNC, js({"numbers": [441632960961]}), 422, "invalid", "numbers.0"),
    ("out of range: nothing in a list", CONTACTS, js({"contacts": []}), 422, "invalid", "contacts"),
    ("out of range: 1001 contacts", CONTACTS, js({"contacts": [{}] * 1001}), 422, "invalid", "contacts"),
    ("out of range: a long name", "/api/v1/agents/" + "a" * 65 + "/ready", b"", 422, "invalid", "agent"),
    ("out of range: an integer beyond 64 bits", CONTACTS, js({"contacts": [{"number": 2**63}]}), 422, "invalid",
     "contacts.0.number"),
    ("out of range: a time in year 0", DISPOSE, js({"code": "cb", "callback_at": "0000-01-01T00:00:00Z"}), 422,
     "invalid", "callback_at"),
    ("too large: the body", C, b'{"command": "' + b"x" * MAX_BODY + b'"}', 413, "too_large", None),
    ("too large: a note", DISPOSE, js({"code": "sale", "note": "x" * 501}), 422, "invalid", "note"),
    ("hostile: nested a thousand levels", C, deep(1000), 400, "malformed", None),
    ("hostile: nested a hundred thousand levels", C, deep(100_000), 400, "malformed", None),
    ("hostile: nested 40 levels", C, deep(40), 400, "malformed", None),
    ("hostile: CR LF in a line", DNC, js({"numbers": ["+44"], "source": "a\r\nVia: x"}), 422, "invalid", "source"),
    ("hostile: NUL", CONTACTS, js({"contacts": [{"name": "a\0b"}]}), 422, "invalid", "contacts.0.name"),
    ("hostile: half a surrogate pair", CONTACTS, b'{"contacts": [{"name": "\\ud800"}]}', 422, "invalid",
     "contacts.0.name"),
    ("hostile: a key that forges a log line", DISPOSE, js({"code": "a", "x\r\n2026 error": 1}), 422, "invalid",
     "x??2026 error"),
    ("hostile: a path in a name", "/api/v1/agents/..%2F..%2Fetc/ready", b"", 404, "not_found", None),
    ("hostile: a query in a name", "/api/v1/agents/a'%20or%201=1--/ready", b"", 422, "invalid", "agent"),
    ("hostile: a wildcard in a name", "/api/v1/agents/%23/ready", b"", 422, "invalid", "agent"),
    ("unknown: route", "/api/v1/nothing", b"", 404, "not_found", None),
    ("unknown: method", "/api/v1/status", b"", 405, "not_allowed", None),
]  # fmt: skip


@pytest.fixture
def log() -> Any:
    stream = io.StringIO()
    configure("info", "json", stream)
    yield stream
    structlog.reset_defaults()


@pytest.mark.parametrize("case", TABLE, ids=[row[0] for row in TABLE])
def test_bad_input(case: tuple[str, str, bytes, int, str, str | None], serving: Any, run: Any, log: Any) -> None:
    _, path, body, status, code, field = case

    async def test() -> None:
        async with serving() as site, site.client() as client:
            response = await client.post(path, content=body)
            assert (response.status_code, response.json()["error"]["code"]) == (status, code), response.text
            assert response.json()["error"].get("field") == field
            assert response.text.count("\n") == 1 or status == 413
            assert "\r" not in response.text
            assert "Traceback" not in response.text
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert site.desk.asked == []
            assert (await client.get("/api/v1/status")).status_code == 200
        lines = [json.loads(line) for line in log.getvalue().splitlines()]
        assert [line["event"] for line in lines] == ([] if status == 413 else ["request_refused"])

    run(test)


UNAUTHENTICATED = {
    "no token": {},
    "a wrong token": {"Authorization": "Bearer wrong-token-000000"},
    "another scheme": {"Authorization": "Basic c3VwZXJ2aXNvcjp4"},
    "no scheme": {"Authorization": "supervisor-token-0001"},
    "an empty token": {"Authorization": "Bearer"},
    "bytes": {"Authorization": b"Bearer \xff\xfe"},
    "a long token": {"Authorization": "Bearer " + "x" * 8000},
}


@pytest.mark.parametrize("name", sorted(UNAUTHENTICATED))
def test_unauthenticated(name: str, serving: Any, run: Any, log: Any) -> None:
    async def test() -> None:
        async with serving() as site, site.client(None) as client:
            for method, path in (("POST", C), ("POST", CONTACTS), ("GET", "/api/v1/status"), ("GET", "/api/v1/events")):
                # The body is bad too: who has no token learns nothing about it.
                response = await client.request(method, path, headers=UNAUTHENTICATED[name], content=b"{")
                assert (response.status_code, response.json()["error"]["code"]) == (401, "unauthorized")
                assert response.headers["WWW-Authenticate"] == "Bearer"
            assert site.desk.asked == []
        assert "wrong-token" not in log.getvalue()
        assert "c3VwZX" not in log.getvalue()

    run(test)


def test_a_body_that_grows_over_the_limit_is_cut_off(serving: Any, run: Any, boss: str) -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield b'{"command": "'
        for _ in range(40):
            yield b"x" * 50_000

    async def test() -> None:
        async with serving() as site, site.client() as client:
            response = await client.post(C, content=endless())
            assert (response.status_code, response.json()["error"]["code"]) == (413, "too_large")
            assert site.desk.asked == []

    run(test)


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"GET /metrics\r\n\r\n",
        b"POST /api/v1/command HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /api/v1/command HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 1_000_000 + b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
    ids=["bytes", "HTTP 0.9", "negative length", "two lengths", "a huge head", "TLS"],
)
def test_what_is_not_http_is_answered_with_400_or_closed(request_bytes: bytes, serving: Any, run: Any) -> None:
    async def test() -> None:
        async with serving() as site, site.client() as client:
            reader, writer = await asyncio.open_connection(*site.server.address)
            writer.write(request_bytes)
            writer.write_eof()
            try:
                answer = await reader.read()
            except ConnectionError:
                answer = b""
            assert answer == b"" or answer.startswith(b"HTTP/1.1 400")
            writer.close()
            assert (await client.get("/healthz")).status_code == 200
            assert site.desk.asked == []

    run(test)
