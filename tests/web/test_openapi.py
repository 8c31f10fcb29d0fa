"""/openapi.json: valid, complete, with every answer, error and token; and query parameters that are refused alike."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openapi_spec_validator import validate

from dialer.commands import COMMAND
from dialer.web.answers import ANSWERS, COMMAND_OF


def document(serving: Any, run: Any) -> dict[str, Any]:
    found: list[dict[str, Any]] = []

    async def test() -> None:
        async with serving() as site, site.client(None) as client:
            found.append((await client.get("/openapi.json")).json())
            assert {route.path for route in site.app.routes} >= {"/healthz", "/metrics"}

    run(test)
    return found[0]


def test_it_is_valid(serving: Any, run: Any) -> None:
    validate(document(serving, run))


def test_every_route_has_answers_errors_and_a_token(serving: Any, run: Any) -> None:
    schema = document(serving, run)
    assert schema["security"] == [{"token": []}]
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            good = operation["responses"]["200"]["content"]
            assert good, (method, path)
            if path == "/healthz":
                assert operation["security"] == []
                continue
            assert "401" in operation["responses"], path
            if path.startswith("/api/v1/") and path not in ("/api/v1/events", "/api/v1/command"):
                assert good["application/json"]["schema"]["$ref"].startswith("#/components/schemas/answer_"), path
    assert {(method, path) for method, path in COMMAND_OF} <= {
        (method, path) for path, operations in schema["paths"].items() for method in operations
    }
    assert "HTTPValidationError" not in json.dumps(schema)


def test_every_command_has_an_answer() -> None:
    assert set(ANSWERS) == set(COMMAND.json_schema()["discriminator"]["mapping"])


T = "/api/v1/campaigns/sales/tasks"
#: method, path, body, status, code, field
BAD: list[tuple[str, str, Any, int, str, str | None]] = [
    ("GET", "/api/v1/sales?limit=many", None, 422, "invalid", "limit"),
    ("GET", "/api/v1/sales?limit=1001", None, 422, "invalid", "limit"),
    ("GET", "/api/v1/sales/x", None, 422, "invalid", "sale"),
    ("GET", "/api/v1/sales/99999999999999999999", None, 422, "invalid", "sale"),
    ("GET", "/api/v1/campaigns/sales/changes?after=-1", None, 422, "invalid", "after"),
    ("GET", "/api/v1/campaigns/sales/changes?after=x", None, 422, "invalid", "after"),
    ("GET", "/api/v1/campaigns/sales/changes?after=99999999999999999999", None, 422, "invalid", "after"),
    ("GET", "/api/v1/campaigns/sales/changes?limit=0", None, 422, "invalid", "limit"),
    ("GET", "/api/v1/campaigns/sales/changes?kind=a%20b", None, 422, "invalid", "kinds.0"),
    ("GET", "/api/v1/campaigns/a%0D%0Ab/changes", None, 422, "invalid", "campaign"),
    ("GET", f"{T}/{'x' * 201}", None, 422, "invalid", "id"),
    ("GET", f"{T}/a%0D%0ASet-Cookie:%20x", None, 404, "not_found", None),
    ("GET", f"{T}/a%00b", None, 422, "invalid", "id"),
    ("DELETE", f"{T}/a%0Ab", None, 404, "not_found", None),
    ("GET", f"{T}/", None, 422, "invalid", "id"),
    ("PATCH", f"{T}/7", {"fields": [1]}, 422, "invalid", "fields"),
    ("PATCH", f"{T}/7", {"numbers": ["1"] * 11}, 422, "invalid", "numbers"),
    ("PATCH", f"{T}/7", {"numbers": ["+1\r\nVia: x"]}, 422, "invalid", "numbers.0"),
    ("PATCH", f"{T}/7", {"state": "done"}, 422, "invalid", "state"),
    ("PATCH", f"{T}/7", [1], 400, "malformed", None),
    ("POST", T, {"contacts": [{}] * 1001}, 422, "invalid", "contacts"),
    ("POST", T, {"contacts": "all"}, 422, "invalid", "contacts"),
    ("PUT", f"{T}/7", {}, 405, "not_allowed", None),
]


@pytest.mark.parametrize("case", BAD, ids=lambda case: f"{case[0]} {case[1][:60]} {case[5]}")
def test_bad_input(case: Any, serving: Any, run: Any) -> None:
    method, path, body, status, code, field = case

    async def test() -> None:
        async with serving() as site, site.client() as client:
            response = await client.request(method, path, json=body)
            assert (response.status_code, response.json()["error"]["code"]) == (status, code), response.text
            assert response.json()["error"].get("field") == field
            assert response.text.count("\n") == 1
            assert "\r" not in response.text
            assert site.desk.asked == []

    run(test)
