"""Structured logs on standard error: one line an event, for people (`text`) or machines (`json`).

Whatever comes from outside may land in a log, so control characters are escaped in every value (a CR LF in a SIP header
would otherwise forge a line), and values under names that hold secrets are never written.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TextIO, cast

import structlog

from dialer import events

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_SECRET = re.compile(r"(^|_)(token|tokens|password|passwd|secret|authorization|nonce|credentials?|api_?key)($|_)", re.I)
_BEARER = re.compile(r"(?i)\b(bearer|basic|digest)\s+[^\s,;]+")
_URL_PASSWORD = re.compile(r"(://[^/@\s:]*):[^/@\s]+@")
_BARE = re.compile(r"^[\w.:/@+*,%-]+$")
_ODD = re.compile(r"[^\w.-]")
_MAX_VALUE = 2000

Line = MutableMapping[str, Any]


def neutral(text: str) -> str:
    """`text` with control characters, line separators and bidirectional overrides written as escapes."""
    return _CONTROL.sub(
        lambda found: f"\\u{ord(found[0]):04x}" if ord(found[0]) > 255 else f"\\x{ord(found[0]):02x}", text
    )


def _scrubbed(text: str) -> str:
    text = _BEARER.sub(lambda found: f"{found[1]} ***", text)
    return _URL_PASSWORD.sub(r"\1:***@", text)


def _clean(value: Any, depth: int = 0) -> Any:
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, dict) and depth < 4:
        return {neutral(str(k)): "***" if _SECRET.search(str(k)) else _clean(v, depth + 1) for k, v in value.items()}
    if isinstance(value, (list, tuple)) and depth < 4:
        return [_clean(item, depth + 1) for item in value[:50]]
    text = _scrubbed(str(value))
    return neutral(text if len(text) <= _MAX_VALUE else text[:_MAX_VALUE] + "...")


def clean_line(_logger: Any, _method: str, line: Line) -> Line:
    """A structlog processor: no secrets, no control characters. A traceback keeps its lines, each one cleaned."""
    for key in list(line):
        if key.startswith("_"):
            continue
        if not key.isidentifier():
            line[_ODD.sub("_", key)] = line.pop(key)
            key = _ODD.sub("_", key)
        if key == "exception":
            line[key] = "\n".join(neutral(_scrubbed(part)) for part in str(line[key]).split("\n"))
        elif _SECRET.search(key):
            line[key] = "***"
        else:
            line[key] = _clean(line[key])
    return line


def _stamp(_logger: Any, _method: str, line: Line) -> Line:
    line["time"] = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return line


def _json(_logger: Any, _method: str, line: Line) -> str:
    return json.dumps(dict(line), ensure_ascii=False, default=str)


def _word(value: Any) -> str:
    if isinstance(value, str):
        return value if _BARE.match(value) else json.dumps(value, ensure_ascii=False)
    return json.dumps(value, ensure_ascii=False, default=str)


def _text(_logger: Any, _method: str, line: Line) -> str:
    time, level, event = line.pop("time"), line.pop("level"), line.pop("event", "")
    trace = line.pop("exception", None)
    words = " ".join(f"{key}={_word(value)}" for key, value in line.items())
    shown = f"{time} {level:<7} {event}" + (f"  {words}" if words else "")
    if trace:
        # Indented, so that no line of it can pass for a log line of its own.
        shown += "".join(f"\n    | {part}" for part in str(trace).split("\n"))
    return shown


_RENDERERS: dict[str, Callable[[Any, str, Line], str]] = {"text": _text, "json": _json}


def configure(level: str = "info", format: str = "text", stream: TextIO | None = None) -> None:  # noqa: A002
    """Set up all logging of the process, ours and the libraries'. `level` as in the config; `stream`
    defaults to stderr.

    Raises KeyError on a format or level that the config does not know.
    """
    out = sys.stderr if stream is None else stream
    number = {"debug": 10, "info": 20, "warning": 30, "error": 40}[level]
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        _stamp,
        structlog.processors.format_exc_info,
        clean_line,
    ]
    render = cast(structlog.types.Processor, _RENDERERS[format])
    structlog.configure(
        processors=[*shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.contextvars.merge_contextvars,
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                _stamp,
            ],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                clean_line,
                render,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(number, logging.WARNING) if level != "debug" else number)


def get_logger(room: str) -> structlog.typing.FilteringBoundLogger:
    """The logger of a room; it follows `configure` even when it was made before."""
    return cast(structlog.typing.FilteringBoundLogger, structlog.get_logger(room=room))


@contextmanager
def bound(**values: Any) -> Iterator[None]:
    """Within the block (and the tasks started in it) every line carries `values`, e.g. `bound(call=attempt_id)`."""
    with structlog.contextvars.bound_contextvars(**values):
        yield


#: How loud each kind of event is; kinds that are not here are debug.
LEVELS: dict[type[events.Event], str] = {
    events.CallEnded: "info",
    events.CallAbandoned: "info",
    events.DispositionRecorded: "info",
    events.SaleQueued: "info",
    events.SaleChanged: "info",
    events.AgentMoved: "info",
    events.AgentAlert: "warning",
    events.TrunkChanged: "warning",
    events.ConnectorChanged: "warning",
    events.CampaignChanged: "info",
    events.ContactsAdded: "info",
    events.ServiceAlert: "warning",
}


ABSENT = frozenset({"logged_out", "break"})
#: How alerts end that say that a part is well again.
WELL = ("_ok", "_restarted")
#: The line has its own name and time; a sale's fields are the customer's (account numbers and the like).
UNLOGGED = frozenset({"event", "at", "fields"})


_NUMBERS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class EventLog:
    """A reader of the stream that writes each event as a line, with the call's id where there is one."""

    def __init__(self) -> None:
        self._log = get_logger("events").bind()  # once: an unbound logger is made anew at each use

    def on_event(self, event: events.Event) -> None:
        """Write one event at its level. A line costs some 20 us, so frequent kinds are debug and are skipped unread."""
        level = LEVELS.get(type(event), "debug")
        if isinstance(event, events.AgentChanged) and not ABSENT.isdisjoint((event.previous, event.state)):
            level = "info"  # coming and going; what happens at each call is debug
        elif isinstance(event, events.ServiceAlert) and event.alert.endswith(WELL):
            level = "info"
        if not self._log.is_enabled_for(_NUMBERS[level]):
            return
        record = {
            key: round(value, 4) if isinstance(value, float) else value
            for key, value in event.to_dict().items()
            if value is not None and key not in UNLOGGED
        }
        getattr(self._log, level)(event.name, **record)
