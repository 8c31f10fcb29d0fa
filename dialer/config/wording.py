"""pydantic's errors in a manager's words: the key, what came, what is allowed, and what was probably meant."""

from __future__ import annotations

import datetime
import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from dialer.config.positions import KeyPath
from dialer.config.schema import allowed, keys_at, name_schema_at, schema_at

SHOWN = 60


@dataclass(frozen=True, slots=True)
class Problem:
    """A mistake at a key path. `on_key`: the key is wrong, not its value. `needs`: keys whose own mistakes make this
    one moot. `whole`: so does a mistake anywhere below."""

    path: KeyPath
    message: str
    on_key: bool = False
    needs: tuple[KeyPath, ...] = ()
    whole: bool = False


def flaw(
    path: KeyPath, text: str, *, on_key: bool = False, needs: tuple[KeyPath, ...] = (), whole: bool = False
) -> Problem:
    """A problem whose message begins with its key path."""
    return Problem(path, f"{dotted(path)}: {text}", on_key, needs, whole)


def dotted(path: KeyPath) -> str:
    """A key path as people write it: campaigns.main.lists[0]."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            shown = part if part and all(c.isalnum() or c in "_-" for c in part) else f'"{part[:SHOWN]}"'
            text += f".{shown}" if text else shown
    return text or "the file"


def shown(value: Any) -> str:
    """A value as it may be shown in one line: its kind, and as much of it as is readable."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"the text {clip(value)!r}"
    if isinstance(value, int):
        # str() refuses integers of thousands of digits, which TOML can hold
        return f"the number {value}" if abs(value) < 10**18 else "a number beyond 10^18"
    if isinstance(value, float):
        return f"the number {value:g}"
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return f"the date or time {value.isoformat()}"
    return f"a {type(value).__name__}"


def clip(text: str) -> str:
    """`text`, shortened to what fits into a message."""
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """` (did you mean 'x'?)`, or nothing when no known word is close."""
    close = difflib.get_close_matches(word[:100], list(known)[:2000], n=1, cutoff=0.6)
    return f" (did you mean '{close[0]}'?)" if close else ""


def names(known: Iterable[str], limit: int = 32) -> str:
    """Known names for a message, sorted, shortened."""
    listed = sorted(known)
    return ", ".join(f"'{name}'" for name in listed[:limit]) + (
        f" and {len(listed) - limit} more" if len(listed) > limit else ""
    )


def problems_of(error: ValidationError, data: Mapping[str, Any]) -> list[Problem]:
    """One problem for each mistake in `data`; of a union's several complaints about one value, the deepest."""
    found: dict[KeyPath, Problem] = {}
    unions: set[KeyPath] = set()
    for detail in error.errors(include_url=False, include_context=True):
        path, tagged, on_key = real_path(detail["loc"], data, detail["type"])
        if tagged:
            unions.add(path)
        if path not in found:
            found[path] = _problem(path, detail["type"], detail, data, on_key)
    return [
        problem
        for path, problem in found.items()
        # "not the word 'all'" says nothing new when an item of the list has a problem of its own
        if not (path in unions and any(other[: len(path)] == path and other != path for other in found))
    ]


def has(data: Any, part: str | int) -> bool:
    """Whether a table has this key, or a list this index."""
    if isinstance(data, dict):
        return part in data
    return isinstance(data, list) and isinstance(part, int) and 0 <= part < len(data)


def real_path(location: tuple[int | str, ...], data: Any, kind: str) -> tuple[KeyPath, bool, bool]:
    """pydantic's location without the tags of unions; whether there was one; whether the key itself is meant."""
    path: KeyPath = ()
    tagged = on_key = False
    value: Any = data
    for index, part in enumerate(location):
        last = index == len(location) - 1
        if part == "[key]" and last:
            on_key = True
        elif has(value, part):
            path, value = (*path, part), value[part]
        elif last and kind == "missing" and isinstance(part, str):
            path = (*path, part)
        else:
            tagged = True
    return path, tagged, on_key


def _problem(path: KeyPath, kind: str, detail: Mapping[str, Any], data: Mapping[str, Any], on_key: bool) -> Problem:
    if kind == "extra_forbidden":
        return _unknown_key(path)
    if kind == "missing":
        return _missing(path)
    if on_key:
        name_schema = name_schema_at(path[:-1])
        if "enum" in name_schema:
            guess = did_you_mean(str(path[-1]), name_schema["enum"])
            return Problem(
                path,
                f"unknown key '{clip(str(path[-1]))}' in {dotted(path[:-1])}{guess}; allowed: {allowed(name_schema)}",
                True,
            )
        return Problem(path, f"the name '{clip(str(path[-1]))}' cannot be used; allowed: {allowed(name_schema)}", True)
    node = schema_at(path)
    may = allowed(node) if node is not None else "see `dialer schema`"
    value = _at(data, path)
    if kind in ("too_short", "too_long") and isinstance(value, dict):
        return Problem(path, f"{dotted(path)}: is empty; at least one is needed: [{dotted(path)}.NAME]")
    if kind in ("too_short",) and isinstance(value, list):
        return Problem(path, f"{dotted(path)}: the list is empty; allowed: {may}")
    what = f"{dotted(path)}: got {shown(value)}"
    if kind == "value_error":
        reason = str(detail["msg"]).removeprefix("Value error, ")
        return Problem(
            path, f"{what}; {reason}" + ("" if reason.startswith(("a duration", may)) else f"; allowed: {may}")
        )
    guess = ""
    if kind == "literal_error" and isinstance(value, str) and node is not None:
        words = [
            w
            for option in (node, *node.get("anyOf", ()))
            for w in (*option.get("enum", ()), *([option["const"]] if "const" in option else []))
        ]
        guess = did_you_mean(value, words)
    if kind == "string_type" and isinstance(value, int | float) and not isinstance(value, bool):
        guess = f'; put it in quotes: "{clip(str(value))}"' if abs(value) < 1e18 else ""
    if kind in ("int_type", "float_type", "bool_type", "int_from_float") and isinstance(value, str) and _bare(value):
        guess = f"; write it without quotes: {value}"
    return Problem(path, f"{what}{guess}; allowed: {may}")


def _bare(value: str) -> bool:
    return value in ("true", "false") or (len(value) <= 20 and value.replace(".", "", 1).removeprefix("-").isdecimal())


def _at(data: Any, path: KeyPath) -> Any:
    for part in path:
        data = data[part]
    return data


def _unknown_key(path: KeyPath) -> Problem:
    key, table = str(path[-1]), path[:-1]
    known = keys_at(table)
    where = f"[{dotted(table)}]" if table else "the file"
    guess = did_you_mean(key, known)
    return Problem(path, f"unknown key '{clip(key)}' in {where}{guess}; allowed: {', '.join(known)}", on_key=True)


def _missing(path: KeyPath) -> Problem:
    key, table = path[-1], path[:-1]
    node = schema_at(path) or {}
    if node.get("type") == "object":
        example = f"[{key}.NAME]" if not table else f"[{dotted(path)}]"
        return Problem(path, f"there is no {example} table; at least one is needed", on_key=True)
    about = node.get("description", "")
    may = allowed(node)
    words = f"{about}; " if about else ""
    where = f"[{dotted(table)}]" if table else "the file"
    return Problem(path, f"the key '{key}' is missing in {where}: {words}allowed: {may}", on_key=True)
