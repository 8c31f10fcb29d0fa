"""The live SIP ladder over HTTP: one JSON object a line, for as long as the client listens."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import FastAPI, Query
from fastapi.params import Depends
from fastapi.responses import StreamingResponse

from dialer.commands import CommandError
from dialer.doors import encode
from dialer.ladder import Rung
from dialer.tracing import TraceFull, Tracer, Wanted


async def _lines(rungs: AsyncIterator[Rung | int]) -> AsyncIterator[bytes]:
    yield b"\n"  # so that the client learns at once that it is heard
    async with contextlib.aclosing(rungs) as source:  # type: ignore[type-var]
        async for rung in source:
            yield encode({"missed": rung} if isinstance(rung, int) else rung.to_dict()) + b"\n"


def add_trace(app: FastAPI, tracer: Tracer, supervisor: Depends) -> None:
    """The route, for supervisors only: messages have people's numbers in them."""

    @app.get("/api/v1/trace", tags=["service"], dependencies=[supervisor], response_class=StreamingResponse)
    async def trace(
        call: Annotated[str | None, Query(max_length=64)] = None,
        number: Annotated[str | None, Query(max_length=20)] = None,
        agent: Annotated[str | None, Query(max_length=64)] = None,
    ) -> StreamingResponse:
        """SIP messages as they come and go: of one call, of calls to one number, of one agent, or all."""
        try:
            rungs = tracer.watch(Wanted(call or None, number or None, agent or None))
        except TraceFull:
            raise CommandError("unavailable", "as many clients trace as may") from None
        return StreamingResponse(_lines(rungs), media_type="application/x-ndjson")
