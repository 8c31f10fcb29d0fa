"""The JSON Schema (draft 2020-12) of the config file, for editors, and what a key allows in words.

Both come from the pydantic model, so that the schema, the error messages and docs/config.md cannot drift apart.
"""

from __future__ import annotations

from functools import cache
from typing import Any, cast

from dialer.config.kinds import LONGEST, PATH_LENGTH, PATTERN_WORDS
from dialer.config.model import ConfigFile

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_DURATION_PATTERN = next(iter(PATTERN_WORDS))
DURATION_WORDS = PATTERN_WORDS[_DURATION_PATTERN]

Schema = dict[str, Any]


def json_schema() -> Schema:
    """The schema of a whole config file. Only a file without `base` must have the required tables."""
    schema = cast(Schema, _tidy(ConfigFile.model_json_schema()))
    required = schema.pop("required", [])
    return {
        "$schema": DIALECT,
        "title": "predictive-dialer config",
        **{key: value for key, value in schema.items() if key != "title"},
        "if": {"not": {"required": ["base"]}},
        "then": {"required": required},
    }


def _tidy(node: Any) -> Any:
    """Durations as what a file may hold; no titles, no nulls (TOML has none)."""
    if isinstance(node, list):
        return [_tidy(item) for item in node]
    if not isinstance(node, dict):
        return node
    if node.get("duration") is True:
        return _duration(node)
    if "anyOf" in node:
        options = [option for option in node["anyOf"] if option != {"type": "null"}]
        if len(options) == 1:
            rest = {key: value for key, value in node.items() if key not in ("anyOf", "title")}
            if rest.get("default", 0) is None:
                del rest["default"]
            return _tidy({**options[0], **rest})
    tidy: Schema = {}
    for key, value in node.items():
        if key == "title" and isinstance(value, str):
            continue
        if key == "patternProperties":
            tidy["additionalProperties"] = False
        if key in ("properties", "$defs", "patternProperties"):
            tidy[key] = {name: _tidy(below) for name, below in value.items()}
        else:
            tidy[key] = value if key in ("default", "enum", "examples") else _tidy(value)
    return tidy


def _duration(node: Schema) -> Schema:
    # A key's own limits: `minimum`, or `ge` where the key may be left out.
    number: Schema = {
        "type": "number",
        "minimum": max(node.get("minimum", 0), node.get("ge", 0)),
        "maximum": min(node.get("maximum", LONGEST), node.get("le", LONGEST)),
    }
    tidy: Schema = {"anyOf": [number, {"type": "string", "pattern": _DURATION_PATTERN}], "x-unit": "seconds"}
    for key in ("description", "default"):
        if key in node and node[key] is not None:
            tidy[key] = node[key]
    return tidy


@cache
def _full() -> Schema:
    return json_schema()


def resolve(node: Schema) -> Schema:
    """`node` itself, or what its $ref names."""
    reference = node.get("$ref")
    if reference is None:
        return node
    target = cast(Schema, _full()["$defs"][reference.rsplit("/", 1)[1]])
    return {**target, **{key: value for key, value in node.items() if key != "$ref"}}


def schema_at(path: tuple[str | int, ...]) -> Schema | None:
    """The schema of the key at `path` in a config file; None when there is no such key."""
    node: Schema | None = _full()
    for part in path:
        node = None if node is None else _below(resolve(node), part)
    return None if node is None else resolve(node)


def _below(node: Schema, part: str | int) -> Schema | None:
    if isinstance(part, int):
        for option in (node, *node.get("anyOf", ())):
            if "items" in option:
                return cast(Schema, option["items"])
        return None
    properties = node.get("properties", {})
    if part in properties:
        return cast(Schema, properties[part])
    for more in (*node.get("patternProperties", {}).values(), node.get("additionalProperties")):
        if isinstance(more, dict):
            return more
    return None


def name_schema_at(path: tuple[str | int, ...]) -> Schema:
    """What the names in the table at `path` may look like."""
    node = schema_at(path) or {}
    for pattern in node.get("patternProperties", {}):
        return {"type": "string", "pattern": pattern}
    return cast(Schema, node.get("propertyNames", {"type": "string"}))


def keys_at(path: tuple[str | int, ...]) -> list[str]:
    """The keys that the table at `path` knows; empty for a table of free names."""
    node = schema_at(path)
    return [] if node is None else list(node.get("properties", {}))


def allowed(node: Schema) -> str:
    """What a key allows, in words: 'a whole number from 1 to 1000', "one of 'day', '30d'", ..."""
    node = resolve(node)
    if node.get("x-unit") == "seconds":
        number = node["anyOf"][0]
        limits = _limits(number, " s") if number["maximum"] < LONGEST else ""
        return DURATION_WORDS + (f", {limits}" if limits else "")
    if "anyOf" in node:
        return " or ".join(allowed(option) for option in node["anyOf"])
    if "enum" in node:
        return "one of " + ", ".join(f"'{value}'" for value in node["enum"])
    if "const" in node:
        return f"'{node['const']}'"
    kind = node.get("type")
    if kind in ("integer", "number"):
        limits = _limits(node, "")
        return ("a whole number" if kind == "integer" else "a number") + (f" {limits}" if limits else "")
    if kind == "boolean":
        return "true or false"
    if kind == "string":
        return _text(node)
    if kind == "array":
        least = "a list of at least one: " if node.get("minItems") else "a list of: "
        return least + allowed(node["items"])
    return "a table" if kind == "object" else "any value"


def _text(node: Schema) -> str:
    words = PATTERN_WORDS.get(node.get("pattern", ""))
    if words is not None:
        return words
    if node.get("maxLength") == PATH_LENGTH:
        return "a file name"
    if node.get("maxLength") == 1:
        return "one character"
    return f"text of at most {node['maxLength']} characters" if "maxLength" in node else "text"


def _limits(node: Schema, unit: str) -> str:
    low, above = node.get("minimum"), node.get("exclusiveMinimum")
    high, below = node.get("maximum"), node.get("exclusiveMaximum")
    if low is not None and high is not None:
        return f"from {_plain(low)} to {_plain(high)}{unit}"
    start = f"from {_plain(low)}" if low is not None else f"above {_plain(above)}" if above is not None else ""
    if high is not None:
        end = f"to {_plain(high)}{unit}"
    else:
        end = f"below {_plain(below)}{unit}" if below is not None else ""
    if start and end:
        return f"{start} {'and ' if below is not None else 'up '}{end}"
    if start:
        return f"{start} {'on' if low is not None else ''}".strip()
    return end


def _plain(number: float) -> str:
    return str(int(number)) if number == int(number) else str(number)
