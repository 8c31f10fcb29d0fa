"""Every route with every token: no project learns of another one's campaigns, contacts, sales or agents."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import httpx2
import pytest

from dialer import events
from dialer.commands import COMMAND, Command, CommandError
from dialer.events import EventStream
from dialer.metrics import Metrics
from dialer.web import Tokens, WebServer, create_app
from dialer.web.access import RIGHTS
from dialer.web.tokens import Project

BOSS, ANA = "supervisor-token-0001", "agent-token-of-ana-01"
MINE, READER, OTHER = "project-token-mine-01", "project-token-reader-1", "project-token-other-1"
EVERYTHING = frozenset({"read", "tasks", "agents", "control"})
PROJECTS = {
    "mine": (MINE, Project("mine", frozenset({"mine"}), EVERYTHING, frozenset({"ana"}), frozenset({"insurance"}))),
    "reader": (READER, Project("reader", frozenset({"mine"}), frozenset({"read"}), frozenset({"ana"}))),
    "other": (OTHER, Project("other", frozenset({"theirs", "third"}), EVERYTHING, frozenset({"bo"}))),
}
SECRET = "theirs"
"""what must never reach `mine`: it is in everything that belongs to the other project"""

STATUS = {
    "at": 1.0,
    "campaigns": {"mine": {"placed": 1}, "theirs": {"placed": 2, "note": SECRET}},
    "agents": [
        {"agent": "ana", "campaign": "mine"},
        {"agent": "bo", "campaign": SECRET},
        {"agent": "cy", "campaign": None, "reason": SECRET},
    ],
    "trunks": {"main": {"lines_in_use": 7, "reason": SECRET}},
    "counters": {SECRET: 1},
    "sip": {"drops": {SECRET: 1}},
    "store": {"waiting": 1},
}
CARDS = {"contacts": [{"campaign": "mine", "contact": 1}, {"campaign": SECRET, "contact": 2}]}


class House:
    """Two projects' data behind one handler."""

    def __init__(self) -> None:
        self.asked: list[Command] = []

    async def handle(self, command: Command) -> dict[str, Any]:
        self.asked.append(command)
        match command.command:
            case "status":
                return STATUS
            case "contact":
                return CARDS
            case "sale" | "retry_sale" | "cancel_sale":
                if command.sale > 2:
                    raise CommandError("unknown_sale", f"there is no sale {command.sale}")
                return {"sale": command.sale, "campaign": "mine" if command.sale == 1 else SECRET}
            case "do_not_call":
                return {"added": 0, "marked": 1, "refused": []}
        return {"done": command.command, "campaign": getattr(command, "campaign", None)}


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[House, EventStream, Any]]:
    house, stream = House(), EventStream()
    app = create_app(house, Metrics(), Tokens(BOSS, {"ana": ANA}, PROJECTS), stream)
    server = WebServer(app, "127.0.0.1", 0)
    await server.start()

    def client(token: str) -> httpx2.AsyncClient:
        host, port = server.address
        headers = {"Authorization": f"Bearer {token}"}
        return httpx2.AsyncClient(base_url=f"http://{host}:{port}", headers=headers, timeout=10, trust_env=False)

    try:
        yield house, stream, client
    finally:
        await server.stop()


N = "/api/v1/contacts/+441632960001"
#: method, path, body, right, status for a project with the right
OWN: list[tuple[str, str, Any, str, int]] = [
    ("GET", "/api/v1/status", None, "read", 200),
    ("GET", N, None, "read", 200),
    ("GET", "/api/v1/campaigns/mine/tasks/7", None, "read", 200),
    ("GET", "/api/v1/campaigns/mine/changes", None, "read", 200),
    ("GET", "/api/v1/sales", None, "read", 200),
    ("GET", "/api/v1/sales?campaign=mine", None, "read", 200),
    ("GET", "/api/v1/sales/1", None, "read", 200),
    ("POST", "/api/v1/campaigns/mine/tasks", {"contacts": [{}]}, "tasks", 200),
    ("POST", "/api/v1/campaigns/mine/contacts", {"contacts": [{}]}, "tasks", 200),
    ("PATCH", "/api/v1/campaigns/mine/tasks/7", {"fields": {"a": 1}}, "tasks", 200),
    ("DELETE", "/api/v1/campaigns/mine/tasks/7", None, "tasks", 200),
    ("POST", f"{N}/correct", {"fields": {"a": 1}}, "tasks", 200),
    ("POST", "/api/v1/do-not-call", {"numbers": ["+441632960001"]}, "tasks", 200),
    ("POST", "/api/v1/do-not-call", {"numbers": ["+441632960001"], "project": "insurance"}, "tasks", 200),
    ("POST", "/api/v1/campaigns/mine/pause", None, "control", 200),
    ("POST", "/api/v1/campaigns/mine/resume", None, "control", 200),
    ("POST", "/api/v1/sales/1/retry", None, "control", 200),
    ("POST", "/api/v1/sales/1/cancel", None, "control", 200),
    ("POST", "/api/v1/agents/ana/login", {"campaign": "mine"}, "agents", 200),
    ("POST", "/api/v1/agents/ana/login", None, "agents", 200),
    ("POST", "/api/v1/agents/ana/dispose", {"code": "x"}, "agents", 200),
    ("POST", "/api/v1/command", {"command": "ready", "agent": "ana"}, "agents", 200),
]
THEIRS: list[tuple[str, str, Any, int]] = [
    ("GET", "/api/v1/campaigns/theirs/tasks/7", None, 404),
    ("GET", "/api/v1/campaigns/theirs/changes", None, 404),
    ("GET", "/api/v1/sales?campaign=theirs", None, 404),
    ("GET", "/api/v1/sales/2", None, 404),
    ("POST", "/api/v1/sales/2/retry", None, 404),
    ("POST", "/api/v1/sales/2/cancel", None, 404),
    ("POST", "/api/v1/campaigns/theirs/tasks", {"contacts": [{}]}, 404),
    ("POST", "/api/v1/campaigns/theirs/contacts", {"contacts": [{}]}, 404),
    ("PATCH", "/api/v1/campaigns/theirs/tasks/7", {"fields": {"a": 1}}, 404),
    ("DELETE", "/api/v1/campaigns/theirs/tasks/7", None, 404),
    ("POST", f"{N}/correct", {"fields": {"a": 1}, "campaign": "theirs"}, 404),
    ("POST", "/api/v1/do-not-call", {"numbers": ["+441632960001"], "project": "secret"}, 404),
    ("POST", "/api/v1/command", {"command": "do_not_call", "numbers": ["+441632960001"], "project": "x"}, 404),
    ("POST", "/api/v1/campaigns/theirs/pause", None, 404),
    ("POST", "/api/v1/campaigns/theirs/resume", None, 404),
    ("POST", "/api/v1/agents/bo/ready", None, 404),
    ("POST", "/api/v1/agents/nobody/ready", None, 404),
    ("POST", "/api/v1/agents/ana/login", {"campaign": "theirs"}, 404),
    ("POST", "/api/v1/command", {"command": "ready", "agent": "bo"}, 404),
    ("POST", "/api/v1/command", {"command": "pause", "campaign": "theirs"}, 404),
    ("POST", "/api/v1/command", {"command": "reload"}, 403),
    ("POST", "/api/v1/command", {"command": "erase", "number": "+441632960001"}, 403),
    ("POST", "/api/v1/reload", None, 403),
    ("POST", f"{N}/erase", None, 403),
    ("POST", f"{N}/consent", None, 403),
]
CHANGING = {"POST", "PATCH", "DELETE"}


def run(test: Any) -> None:
    async def limited() -> None:
        async with asyncio.timeout(30):
            await test()

    asyncio.run(limited())


def test_a_project_does_what_its_rights_say_and_no_more() -> None:
    async def test() -> None:
        async with serving() as (house, _, client), client(MINE) as mine, client(READER) as reader:
            for method, path, body, right, status in OWN:
                answer = await mine.request(method, path, json=body)
                assert answer.status_code == status, (path, answer.text)
                assert SECRET not in answer.text, path
                before = len(house.asked)
                answer = await reader.request(method, path, json=body)
                assert answer.status_code == (200 if right == "read" else 403), (path, answer.text)
                assert (len(house.asked) > before) == (right == "read"), path

    run(test)


def test_what_is_another_projects_is_answered_as_what_does_not_exist() -> None:
    async def test() -> None:
        async with serving() as (house, _, client), client(MINE) as mine:
            for method, path, body, status in THEIRS:
                before = len(house.asked)
                answer = await mine.request(method, path, json=body)
                assert answer.status_code == status, (path, answer.text)
                made_up = json.loads(json.dumps(body).replace("theirs", "madeup")) if body else body
                same = await mine.request(method, path.replace("theirs", "madeup").replace("s/2", "s/3"), json=made_up)
                shown = answer.text.replace("theirs", "madeup").replace("sale 2", "sale 3")
                assert (same.status_code, same.text) == (status, shown), path
                assert {command.command for command in house.asked[before:]} <= {"sale"}, path

    run(test)


def test_status_and_contacts_are_cut_to_the_projects_own() -> None:
    async def test() -> None:
        async with serving() as (_, _, client), client(MINE) as mine, client(OTHER) as other:
            assert (await mine.get("/api/v1/status")).json() == {
                "at": 1.0, "campaigns": {"mine": {"placed": 1}}, "agents": [{"agent": "ana", "campaign": "mine"}],
            }  # fmt: skip
            assert (await mine.get(N)).json() == {"contacts": [{"campaign": "mine", "contact": 1}]}
            assert "mine" not in (await other.get("/api/v1/status")).text
            answer = await other.get("/api/v1/sales")
            assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid")
            marked = await mine.post("/api/v1/do-not-call", json={"numbers": ["+441632960001"]})
            assert marked.json() == {"marked": 1, "refused": []}

    run(test)


@pytest.mark.parametrize("token", [MINE, OTHER])
def test_metrics_and_openapi_tell_no_project_of_another(token: str) -> None:
    async def test() -> None:
        house, stream = House(), EventStream()
        app = create_app(house, Metrics(), Tokens(BOSS, {}, PROJECTS), stream, metrics_without_token=False)
        server = WebServer(app, "127.0.0.1", 0)
        await server.start()
        try:
            base = "http://{}:{}".format(*server.address)
            headers = {"Authorization": f"Bearer {token}"}
            async with httpx2.AsyncClient(base_url=base, headers=headers, trust_env=False) as client:
                assert (await client.get("/metrics")).status_code == 403
                assert SECRET not in (await client.get("/openapi.json")).text
        finally:
            await server.stop()

    run(test)


def test_the_stream_of_events_is_the_projects_own() -> None:
    def changed(campaign: str, state: str = "running") -> events.CampaignChanged:
        return events.CampaignChanged(at=1, campaign=campaign, state=state, reason="")

    async def test() -> None:
        async with serving() as (_, stream, client), client(MINE) as mine, mine.stream("GET", "/api/v1/events") as sent:
            lines = sent.aiter_lines()
            assert await anext(lines) == ": welcome"
            stream.publish(changed(SECRET))
            stream.publish(events.ServiceAlert(at=1, campaign="", alert="x", detail=SECRET))
            stream.publish(changed("mine", "paused"))
            data = [line async for line in _until(lines, "data: ")]
            assert SECRET not in "".join(data)
            assert json.loads(data[-1][6:])["campaign"] == "mine"

    run(test)


async def _until(lines: AsyncIterator[str], start: str) -> AsyncIterator[str]:
    async for line in lines:
        yield line
        if line.startswith(start):
            return


def test_every_command_has_a_rule_or_is_the_supervisors() -> None:
    """A new command that nobody thought about is closed to projects; this list says which are meant to be."""
    named = set(COMMAND.json_schema()["discriminator"]["mapping"])
    opened = {cast("Any", kind).model_fields["command"].default for kind in RIGHTS}
    assert named - opened == {"reload", "erase", "consent", "reassign_callback"}


def test_changing_routes_need_more_than_reading() -> None:
    for method, path, _, right, _ in OWN:
        assert (method in CHANGING) == (right != "read"), path
