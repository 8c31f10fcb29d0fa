"""What stands before the application: a limit on bodies, headers that keep browsers careful, errors as JSON."""

from __future__ import annotations

import asyncio
import contextlib

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dialer.doors import MAX_BODY, encode, error_body

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
}
#: The same as they go over the wire.
RAW_HEADERS = tuple((name.lower().encode(), value.encode()) for name, value in HEADERS.items())


#: Seconds that a client may go on sending a body that is refused.
PATIENCE = 2.0


class _TooLarge(Exception):
    """The body went over the limit while it was read."""


class Guard:
    """ASGI middleware around everything else."""

    def __init__(self, app: ASGIApp, limit: int = MAX_BODY) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def guarded_send(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                given = message["headers"] = list(message.get("headers", ()))
                names = {name for name, _ in given}
                given += [header for header in RAW_HEADERS if header[0] not in names]
            await send(message)

        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if not declared.isdigit() or int(declared) > self._limit:
            await self._refuse(receive, guarded_send)
            return
        taken = 0

        async def guarded_receive() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._limit:
                raise _TooLarge
            return message

        try:
            await self._app(scope, guarded_receive, guarded_send)
        except _TooLarge:
            if not started:
                await self._refuse(receive, guarded_send)

    async def _refuse(self, receive: Receive, send: Send) -> None:
        # A client that is still sending would see a reset instead of the answer: hear it out, within limits.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                spare = self._limit * 8
                while spare > 0:
                    message = await receive()
                    spare -= len(message.get("body", b""))
                    if not message.get("more_body", False):
                        break
        body = encode(error_body("too_large", f"at most {self._limit} bytes are taken"))
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        await send({"type": "http.response.start", "status": 413, "headers": headers})
        await send({"type": "http.response.body", "body": body})
