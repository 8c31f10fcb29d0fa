"""From bytes that anybody may have sent to a `Command`: what the HTTP and the MQTT door share.

Whatever is wrong becomes one `DoorError` with a code and one line of text; nothing else leaves this module.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import orjson
from pydantic import ValidationError

from dialer.commands import COMMAND, Command

#: Largest request body or MQTT payload, bytes.
MAX_BODY = 1_000_000
#: Deepest nesting of a JSON document that is looked at.
MAX_DEPTH = 32
#: How many wrong fields one answer names.
MAX_FIELDS = 5

#: How many lines of details one answer holds.
MAX_DETAILS = 200

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class DoorError(Exception):
    """Input that is refused: `code` for programs, `message` in one line for people, `field` the path to
    what is wrong, `details` further lines."""

    def __init__(self, code: str, message: str, field: str | None = None, details: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = one_line(message)
        self.field = field
        self.details = tuple(details)

    def to_dict(self) -> dict[str, Any]:
        """The body of the answer."""
        return error_body(self.code, self.message, self.field, self.details)


def error_body(code: str, message: str, field: str | None = None, details: Sequence[str] = ()) -> dict[str, Any]:
    """`{"error": {"code", "message"[, "field"][, "details"]}}`: what every door, and the command line, answers."""
    error: dict[str, Any] = {"code": code, "message": one_line(message)}
    if field is not None:
        error["field"] = one_line(field)
    if details:
        error["details"] = [one_line(line) for line in details[:MAX_DETAILS]]
    return {"error": error}


def one_line(text: str, limit: int = 500) -> str:
    """`text` without control characters and not longer than `limit`."""
    clean = _CONTROL.sub("?", text[: limit + 1])
    return clean if len(clean) <= limit else clean[: limit - 3] + "..."


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")


def parse_object(data: bytes) -> dict[str, Any]:
    """The JSON object in `data`, checked for what no store can hold. Raises DoorError: too_large,
    malformed, invalid."""
    if len(data) > MAX_BODY:
        raise DoorError("too_large", f"at most {MAX_BODY} bytes are taken, these are {len(data)}")
    if not data:
        raise DoorError("malformed", "the body is empty; a JSON object is needed")
    try:
        value = json.loads(data.decode("utf-8"), parse_constant=_no_constant)
    except RecursionError:
        raise DoorError("malformed", f"nested deeper than {MAX_DEPTH} levels") from None
    except UnicodeDecodeError as error:
        raise DoorError("malformed", f"not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise DoorError("malformed", f"not JSON: {error.msg} at line {error.lineno} column {error.colno}") from None
    except ValueError as error:
        raise DoorError("malformed", f"not JSON: {error}") from None
    if not isinstance(value, dict):
        raise DoorError("malformed", "a JSON object is needed")
    _check(value, "", 1)
    return value


def _check(value: Any, path: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise DoorError("malformed", f"nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, str):
        if _UNSTORABLE.search(value):
            raise DoorError("invalid", f"{path}: NUL and unpaired surrogates are not allowed", path)
    elif isinstance(value, dict):
        for key, item in value.items():
            _check(key, path, depth + 1)
            _check(item, f"{path}.{one_line(key, 64)}" if path else one_line(key, 64), depth + 1)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _check(item, f"{path}.{index}", depth + 1)
    elif isinstance(value, int) and abs(value) >= 2**63:
        raise DoorError("invalid", f"{path}: integers must fit in 64 bits", path)


def parse_command(name: str, fields: Mapping[str, Any]) -> Command:
    """The command `name` with `fields`. Raises DoorError(invalid) naming what is wrong and where."""
    given = fields.get("command", name)
    if given != name:
        raise DoorError("invalid", f"command: it is {name!r} by its address, but the body says otherwise", "command")
    try:
        return COMMAND.validate_python({**fields, "command": name}, strict=False)
    except ValidationError as error:
        raise _explained(error) from None


def _explained(error: ValidationError) -> DoorError:
    parts = []
    first: str | None = None
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    for problem in problems[:MAX_FIELDS]:
        # The first part of a location is the command's own name: the union's tag.
        path = ".".join(one_line(str(part), 64) for part in problem["loc"][1:])
        if first is None:
            first = path or "command"
        parts.append(f"{path}: {problem['msg']}" if path else problem["msg"])
    if len(problems) > MAX_FIELDS:
        parts.append(f"and {len(problems) - MAX_FIELDS} more")
    return DoorError("invalid", "; ".join(parts), first)


def encode(record: Mapping[str, Any]) -> bytes:
    """`record` as compact strict JSON: numbers that JSON does not have (NaN, infinities) become null."""
    try:
        return orjson.dumps(record, _plain, _OPTIONS)
    except orjson.JSONEncodeError:  # an integer beyond 64 bits, a key that is no text, half a surrogate pair
        return _ENCODER.encode(_finite(record)).encode()


def to_text(record: Mapping[str, Any]) -> str:
    """The same as text, for what the store keeps."""
    return encode(record).decode()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset, tuple)):
        return list(value)
    item = getattr(value, "item", None)  # numpy's scalars
    return item() if callable(item) else str(value)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value


_OPTIONS = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME
#: For what orjson refuses.
_ENCODER = json.JSONEncoder(separators=(",", ":"), default=_plain, allow_nan=False)
