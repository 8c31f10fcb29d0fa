"""The commands of agents, without a framework in between: a busy floor sends a hundred of them a second.

`POST /api/v1/agents/AGENT/COMMAND` is answered here; everything else, and every such request whose body has no declared
length within the limit, goes on to the application. Its routes for these commands stay there for the OpenAPI document
and behave the same (`tests/web/test_agent_door.py` holds both to it): a request costs 55 us here and 160 us there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from dialer.commands import CommandError
from dialer.doors import MAX_BODY, DoorError, encode, parse_object
from dialer.web.guard import RAW_HEADERS
from dialer.web.tokens import Caller

PREFIX = "/api/v1/agents/"
#: Commands of an agent, each a route under PREFIX{agent}/.
AGENT_COMMANDS = (
    "login",
    "logout",
    "ready",
    "break",
    "dispose",
    "hangup",
    "hand_over",
    "preview",
    "dial",
    "skip",
)
_KNOWN = frozenset(AGENT_COMMANDS)

#: status, body, further headers
Answer = tuple[int, Mapping[str, Any], Mapping[str, str]]
#: (Authorization header, the client's address) -> who it is; raises DoorError
Who = Callable[[str, str], Caller]
#: (who, command, fields) -> what the handler answered; raises DoorError and CommandError
CarryOut = Callable[[Caller, str, Mapping[str, Any]], Awaitable[Mapping[str, Any]]]
#: (error, path, the client's address) -> how it is answered; counts and logs it
Refuse = Callable[[DoorError | CommandError, str, str], Answer]


def agent_fields(fields: Mapping[str, Any], agent: str) -> dict[str, Any]:
    """A body's fields with the agent of the address. Raises DoorError when the body names another one."""
    if fields.get("agent", agent) != agent:
        raise DoorError("invalid", "agent: the address names another one", "agent")
    return {**fields, "agent": agent}


class AgentDoor:
    """ASGI middleware in front of the application."""

    def __init__(self, app: ASGIApp, who: Who, carry_out: CarryOut, refuse: Refuse) -> None:
        self._app = app
        self._who = who
        self._carry_out = carry_out
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"].startswith(PREFIX):
            agent, _, name = scope["path"][len(PREFIX) :].partition("/")
            if agent and name in _KNOWN:
                length, authorization = _headers(scope)
                if length is not None:
                    await self._serve(scope, receive, send, agent, name, authorization)
                    return
        await self._app(scope, receive, send)

    async def _serve(
        self, scope: Scope, receive: Receive, send: Send, agent: str, name: str, authorization: str
    ) -> None:
        client = scope.get("client")
        address = client[0] if client else "-"
        status, extra = 200, _NONE
        try:
            who = self._who(authorization, address)
            data = await _body(receive)
            if data is None:
                return
            fields = agent_fields(parse_object(data) if data else {}, agent)
            answer = await self._carry_out(who, name, fields)
        except (DoorError, CommandError) as error:
            status, answer, extra = self._refuse(error, scope["path"], address)
        body = encode(answer) + b"\n"
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), *RAW_HEADERS]
        headers += [(key.lower().encode(), value.encode()) for key, value in extra.items()]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


_NONE: Mapping[str, str] = {}


def _headers(scope: Scope) -> tuple[int | None, str]:
    """The declared length of the body (0 without a body; None when there is none to go by, or it is too much), and the
    Authorization header.
    """
    length, authorization = 0, ""
    for name, value in scope["headers"]:
        if name == b"content-length":
            if not value.isdigit() or int(value) > MAX_BODY:
                return None, ""
            length = int(value)
        elif name == b"transfer-encoding":
            return None, ""
        elif name == b"authorization":
            authorization = value.decode("latin-1")
    return length, authorization


async def _body(receive: Receive) -> bytes | None:
    """The body of a request with a declared length; None when the client has gone."""
    data: bytes = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        part: bytes = message.get("body", b"")
        data += part
        if not message.get("more_body", False):
            return data
