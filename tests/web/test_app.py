"""The HTTP door over a real socket: routes, who may, what is refused and how."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from dialer import events
from dialer.commands import COMMAND, ERROR_CODES, CommandError
from dialer.web.app import AGENT_COMMANDS
from dialer.web.guard import HEADERS

CALL: dict[str, Any] = {
    "campaign": "sales",
    "call": "a1",
    "sip_call_id": "x@y",
    "contact": 7,
    "number": "+441632960001",
    "trunk": "main",
}
ROUTES: list[tuple[str, str, Any, dict[str, Any]]] = [
    ("POST", "/api/v1/command", {"command": "status"}, {"command": "status"}),
    *[
        ("POST", f"/api/v1/agents/ana/{name}", None, {"command": name, "agent": "ana"})
        for name in AGENT_COMMANDS
        if name not in ("dispose", "hand_over")
    ],
    ("POST", "/api/v1/agents/ana/dispose", {"code": "sale"}, {"command": "dispose", "agent": "ana", "code": "sale"}),
    ("POST", "/api/v1/agents/ana/hand_over", {"to": "bo"}, {"command": "hand_over", "agent": "ana", "to": "bo"}),
    (
        "POST",
        "/api/v1/campaigns/sales/contacts",
        {"contacts": [{"number": "+441632960001"}]},
        {"command": "add_contacts", "campaign": "sales", "list_name": "api"},
    ),
    (
        "POST",
        "/api/v1/campaigns/sales/tasks",
        {"contacts": [{"number": "+441632960001", "id": "7"}]},
        {"command": "add_contacts", "campaign": "sales"},
    ),
    ("GET", "/api/v1/campaigns/sales/tasks/order%2F7%20x", None, {"command": "task", "id": "order/7 x"}),
    (
        "PATCH",
        "/api/v1/campaigns/sales/tasks/7",
        {"fields": {"name": None}, "numbers": ["+441632960002"]},
        {"command": "update_task", "campaign": "sales", "id": "7", "fields": {"name": None}},
    ),
    ("DELETE", "/api/v1/campaigns/sales/tasks/7", None, {"command": "withdraw_task", "campaign": "sales", "id": "7"}),
    (
        "GET",
        "/api/v1/campaigns/sales/changes?after=9&kind=outcome&kind=sale&limit=3",
        None,
        {"command": "changes", "campaign": "sales", "after": 9, "kinds": ["outcome", "sale"], "limit": 3},
    ),
    (
        "POST",
        "/api/v1/contacts/+441632960001/correct",
        {"fields": {"name": "x"}},
        {"command": "correct", "number": "+441632960001"},
    ),
    ("POST", "/api/v1/contacts/+441632960001/consent", None, {"command": "consent", "number": "+441632960001"}),
    ("POST", "/api/v1/contacts/+441632960001/erase", None, {"command": "erase", "number": "+441632960001"}),
    (
        "POST",
        "/api/v1/callbacks/17/reassign",
        {"agent_name": "ben"},
        {"command": "reassign_callback", "callback": 17, "agent_name": "ben"},
    ),
    ("POST", "/api/v1/campaigns/sales/pause", None, {"command": "pause", "campaign": "sales"}),
    ("POST", "/api/v1/campaigns/sales/resume", None, {"command": "resume", "campaign": "sales"}),
    (
        "POST",
        "/api/v1/do-not-call",
        {"numbers": ["+441632960001"]},
        {"command": "do_not_call", "numbers": ["+441632960001"]},
    ),
    ("POST", "/api/v1/reload", None, {"command": "reload"}),
    ("GET", "/api/v1/status", None, {"command": "status"}),
    ("GET", "/api/v1/contacts/+441632960001", None, {"command": "contact", "number": "+441632960001"}),
    (
        "GET",
        "/api/v1/sales?campaign=c&state=failed&state=done&limit=5&before=9",
        None,
        {"command": "sales", "campaign": "c", "states": ["failed", "done"], "limit": 5, "before": 9},
    ),
    ("GET", "/api/v1/sales/7", None, {"command": "sale", "sale": 7}),
    ("POST", "/api/v1/sales/7/retry", None, {"command": "retry_sale", "sale": 7}),
    ("POST", "/api/v1/sales/7/cancel", None, {"command": "cancel_sale", "sale": 7}),
    ("GET", "/api/v1/contacts/%2B441632960001", None, {"command": "contact", "number": "+441632960001"}),
]


def test_every_route_reaches_the_handler_as_its_command(serving: Any, run: Any) -> None:
    async def test() -> None:
        async with serving() as site, site.client() as client:
            for method, path, body, expected in ROUTES:
                response = await client.request(method, path, json=body)
                assert response.status_code == 200, (path, response.text)
                assert response.json() == {"done": expected["command"]}
                assert response.text.count("\n") == 1
                asked = site.desk.asked[-1].model_dump(exclude_unset=False)
                assert expected.items() <= asked.items()
                for name, value in HEADERS.items():
                    assert response.headers[name] == value

    run(test)


def test_the_routes_cover_every_command(serving: Any) -> None:
    named = {expected["command"] for _, _, _, expected in ROUTES}
    assert named == set(COMMAND.json_schema()["discriminator"]["mapping"])


def test_an_agents_token_opens_that_agents_commands_only(serving: Any, run: Any, ana: str) -> None:
    async def test() -> None:
        async with serving() as site, site.client(ana) as client:
            assert (await client.post("/api/v1/agents/ana/ready")).status_code == 200
            assert (await client.post("/api/v1/command", json={"command": "ready", "agent": "ana"})).status_code == 200
            before = len(site.desk.asked)
            for method, path, body, _ in ROUTES:
                if "/agents/ana/" in path:
                    continue
                response = await client.request(method, path, json=body)
                assert (response.status_code, response.json()["error"]["code"]) == (403, "forbidden"), path
            assert (await client.post("/api/v1/agents/bo/ready")).status_code == 403
            body = {"command": "ready", "agent": "bo"}
            assert (await client.post("/api/v1/command", json=body)).status_code == 403
            assert (await client.post("/api/v1/agents/ana/ready", json={"agent": "bo"})).status_code == 422
            assert len(site.desk.asked) == before

    run(test)


@pytest.mark.parametrize("code", sorted(ERROR_CODES))
def test_a_commands_error_has_its_status(code: str, serving: Any, run: Any) -> None:
    async def test() -> None:
        async with serving() as site, site.client() as client:
            site.desk.fail = CommandError(code, "one line\r\nthat says what to do")
            response = await client.post("/api/v1/reload")
            assert response.status_code == ERROR_CODES[code]
            assert response.json() == {"error": {"code": code, "message": "one line??that says what to do"}}

    run(test)


def test_a_fault_of_ours_is_500_and_not_hidden(serving: Any, run: Any, caplog: Any) -> None:
    async def test() -> None:
        async def broken(_command: Any) -> dict[str, Any]:
            raise ZeroDivisionError("a fault of ours")

        async with serving() as site, site.client() as client:
            site.desk.replies["reload"] = broken
            response = await client.post("/api/v1/reload")
            assert response.status_code == 500
            assert response.json()["error"]["code"] == "internal"
            assert "ZeroDivision" not in response.text
            assert response.headers["X-Content-Type-Options"] == "nosniff"

    run(test)
    assert "ZeroDivisionError" in caplog.text


def test_wrong_tokens_are_slowed_and_right_ones_never(serving: Any, run: Any, boss: str) -> None:
    async def test() -> None:
        now = [0.0]
        async with serving(clock=lambda: now[0]) as site, site.client(None) as client:
            codes = []
            for n in range(12):
                wrong = {"Authorization": f"Bearer wrong-{n}"}
                codes.append((await client.get("/api/v1/status", headers=wrong)).status_code)
            assert codes == [401] * 10 + [429] * 2
            right = {"Authorization": f"Bearer {boss}"}
            assert (await client.get("/api/v1/status", headers=right)).status_code == 200
            now[0] = 61.0
            response = await client.get("/api/v1/status")
            assert response.status_code == 401
            assert response.headers["WWW-Authenticate"] == "Bearer"
            assert response.json() == {"error": {"code": "unauthorized", "message": "a bearer token is needed"}}

    run(test)


def test_metrics_need_no_token_on_loopback_unless_told(serving: Any, run: Any, boss: str, ana: str) -> None:
    async def test() -> None:
        async with serving() as site, site.client(None) as client:
            site.stream.subscribe(site.metrics.on_event)
            site.stream.publish(events.CallPlaced(at=0, **CALL))
            page = await client.get("/metrics")
            assert page.status_code == 200
            samples = {s.name: s.value for f in text_string_to_metric_families(page.text) for s in f.samples}
            assert samples["dialer_calls_placed_total"] == 1
        async with serving(metrics_without_token=False) as site, site.client(None) as client:
            assert (await client.get("/metrics")).status_code == 401
            assert (await client.get("/metrics", headers={"Authorization": f"Bearer {ana}"})).status_code == 403
            assert (await client.get("/metrics", headers={"Authorization": f"Bearer {boss}"})).status_code == 200

    run(test)


def test_health_says_what_is_degraded(serving: Any, run: Any) -> None:
    async def test() -> None:
        trouble: dict[str, str] = {}
        async with serving(health=lambda: trouble) as site, site.client(None) as client:
            assert (await client.get("/healthz")).json() == {"status": "ok"}
            trouble["store"] = "locked"
            response = await client.get("/healthz")
            assert (response.status_code, response.json()) == (503, {"status": "degraded", "store": "locked"})

    run(test)


def test_openapi_describes_every_route_and_its_body(serving: Any, run: Any) -> None:
    async def test() -> None:
        async with serving() as site, site.client(None) as client:
            schema = (await client.get("/openapi.json")).json()
            dispose = schema["paths"]["/api/v1/agents/{agent}/dispose"]["post"]
            body = dispose["requestBody"]["content"]["application/json"]["schema"]
            assert body["required"] == ["code"]
            assert "agent" not in body["properties"]
            assert schema["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
            for path, operations in schema["paths"].items():
                assert path in ("/metrics", "/healthz") or path.startswith("/api/v1/"), path
                assert operations
            text = json.dumps(schema)
            for reference in {part.split('"')[0] for part in text.split('"#/components/schemas/')[1:]}:
                assert reference in schema["components"]["schemas"]

    run(test)


async def _events(response: Any, count: int) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    name = ""
    async for line in response.aiter_lines():
        if line.startswith("event: "):
            name = line[7:]
        elif line.startswith("data: "):
            found.append((name, json.loads(line[6:])))
            if len(found) == count:
                break
    return found


def agent_changed(agent: str) -> events.AgentChanged:
    return events.AgentChanged(
        at=1, campaign="sales", agent=agent, previous="", state="available", reason=None, call=None
    )


def test_events_are_streamed_and_agents_see_their_own(serving: Any, run: Any, ana: str) -> None:
    async def test() -> None:
        async with (
            serving() as site,
            site.client() as boss,
            site.client(ana) as agent,
            boss.stream("GET", "/api/v1/events") as all_of_them,
            agent.stream("GET", "/api/v1/events") as own,
        ):
            assert all_of_them.headers["content-type"].startswith("text/event-stream")
            while len(site.app.state.feed._clients) < 2:
                await asyncio.sleep(0)
            site.stream.publish(agent_changed("bo"))
            site.stream.publish(agent_changed("ana"))
            heard = await _events(all_of_them, 2)
            assert [payload["agent"] for _, payload in heard] == ["bo", "ana"]
            assert [payload["agent"] for _, payload in await _events(own, 1)] == ["ana"]

    run(test)


def test_stopping_ends_event_streams_and_waits_for_requests(serving: Any, run: Any) -> None:
    async def test() -> None:
        begun, release = asyncio.Event(), asyncio.Event()

        async def slow(_command: Any) -> dict[str, Any]:
            begun.set()
            await release.wait()
            return {"done": "slowly"}

        async with serving() as site, site.client() as client, site.client() as listener:
            site.desk.replies["reload"] = slow
            async with listener.stream("GET", "/api/v1/events") as stream:
                request = asyncio.create_task(client.post("/api/v1/reload"))
                await begun.wait()
                stopping = asyncio.create_task(site.server.stop())
                lines = [line async for line in stream.aiter_lines()]
                assert lines[0] == ": welcome"
                assert not stopping.done()
                release.set()
                assert (await request).json() == {"done": "slowly"}
                await stopping

    run(test)


def test_a_taken_port_is_one_error(serving: Any, run: Any) -> None:
    async def test() -> None:
        from dialer.web import WebServer

        async with serving() as site:
            other = WebServer(site.app, *site.server.address)
            with pytest.raises(OSError, match="in use"):
                await other.start()

    run(test)
