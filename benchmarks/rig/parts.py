"""Which part of the daemon a moment of its loop belongs to, by the files on the stack.

The stack is read from the inside out, and the first file that belongs to a part decides. So what a reader of an event
does counts for the reader, not for the call that published it; and SIP that an agent's command over HTTP sets going is
SIP. The engine is what is left of our own files: calls, agents, trunks, campaigns, and the rules that they ask.
"""

from __future__ import annotations

from collections.abc import Iterable

#: The loop itself: what is left when no file on the stack says more.
LOOP = "the loop itself"
ENGINE = "engine"
STACK = "SIP stack"
SOCKETS = "SIP's sockets"
PACING = "pacing"
#: What a call costs that only signals and joins: the rest is told of it, writes it down, or asks for it.
SIGNALLING = (STACK, SOCKETS, ENGINE, LOOP)

#: Part of a path -> part of the daemon; the first that fits. None: whoever called it.
_PARTS: tuple[tuple[str, str | None], ...] = (
    ("/dialer/sip/", STACK),
    ("/dialer/udp.py", SOCKETS),
    ("/dialer/transport/", SOCKETS),
    ("/dialer/media/", "media control"),
    ("/dialer/metrics/", "metrics"),
    ("/prometheus_client/", "metrics"),
    ("/dialer/mqtt/", "MQTT"),
    ("/paho/", "MQTT"),
    ("/dialer/webhooks/", "webhooks"),
    ("/dialer/web/", "HTTP"),
    ("/dialer/doors.py", "HTTP"),
    ("/uvicorn/", "HTTP"),
    ("/starlette/", "HTTP"),
    ("/fastapi/", "HTTP"),
    ("/dialer/logs.py", "logs"),
    ("/structlog/", "logs"),
    ("/dialer/ledger.py", "store, the loop's side"),
    ("/dialer/outbox.py", "store, the loop's side"),
    ("/dialer/snapshot.py", "status and gauges"),
    ("/dialer/sale_watch.py", "sales"),
    ("/pacing/", PACING),
    ("/dialer/events.py", None),
    ("/dialer/", ENGINE),
    ("/dispositions/", ENGINE),
)


def part_of(files: Iterable[str]) -> str:
    """The part that the stack of `files`, the innermost first, belongs to."""
    for file in files:
        if "/site-packages/" not in file or file.rpartition("/site-packages/")[2].partition("/")[0] in _LIBRARIES:
            for piece, part in _PARTS:
                if piece in file:
                    if part is not None:
                        return part
                    break
    return LOOP


_LIBRARIES = frozenset(("prometheus_client", "paho", "uvicorn", "starlette", "fastapi", "structlog"))
