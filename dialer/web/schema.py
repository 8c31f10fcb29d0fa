"""The commands' schemas in /openapi.json: bodies are parsed by our own door, so FastAPI must be told of them."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import cache
from typing import Any

from fastapi import FastAPI
from pydantic import TypeAdapter

from dialer.commands import COMMAND
from dialer.web.answers import OPEN, responses, schemas

_REF = "#/components/schemas/{model}"


@cache
def _schemas() -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    whole = COMMAND.json_schema(ref_template=_REF)
    return whole, whole.pop("$defs")


def body_of(name: str | None, without: Sequence[str] = ()) -> dict[str, Any]:
    """`openapi_extra` for a route whose body is the command `name` without some fields; None: any command."""
    whole, models = _schemas()
    if name is None:
        schema = whole
    else:
        reference = whole["discriminator"]["mapping"][name]
        schema = copy.deepcopy(models[reference.rsplit("/", 1)[1]])
        for field in (*without, "command"):
            schema["properties"].pop(field, None)
        schema["required"] = [field for field in schema.get("required", []) if field not in without]
    needed = name is None or bool(schema["required"])
    return {"requestBody": {"required": needed, "content": {"application/json": {"schema": schema}}}}


def add_schemas(app: FastAPI, commands: TypeAdapter[Any]) -> None:
    """Make `app.openapi()` hold the commands' models and the bearer token."""
    made = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = made()
            parts = schema.setdefault("components", {})
            parts.setdefault("schemas", {}).update(commands.json_schema(ref_template=_REF)["$defs"])
            parts["schemas"].update(schemas())
            for unused in ("HTTPValidationError", "ValidationError"):
                parts["schemas"].pop(unused, None)
            for path, operations in schema["paths"].items():
                for method, operation in operations.items():
                    operation["responses"] = responses(method, path)
                    if path in OPEN:
                        operation["security"] = []
            parts["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
            schema["security"] = [{"token": []}]
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
