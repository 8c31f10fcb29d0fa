"""The routes about sales."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any

from fastapi import FastAPI, Query
from fastapi.params import Depends
from fastapi.responses import Response

from dialer.web.tokens import Caller

CarryOut = Callable[[Caller, str, Mapping[str, Any]], Awaitable[Response]]


def add_sales(app: FastAPI, carry_out: CarryOut, supervisor: Depends) -> None:
    """`/api/v1/sales`, for supervisors and company systems."""
    Supervisor = Annotated[Caller, supervisor]  # noqa: N806

    @app.get("/api/v1/sales", tags=["sales"])
    async def sales(
        who: Supervisor,
        campaign: str | None = None,
        state: Annotated[list[str] | None, Query()] = None,
        agent: str | None = None,
        limit: int = 100,
        before: int | None = None,
    ) -> Response:
        """Sales, newest first; `state` may be given several times; `before`: only sales older than that id."""
        fields = {"campaign": campaign, "states": state or [], "agent": agent, "limit": limit, "before": before}
        return await carry_out(who, "sales", {name: value for name, value in fields.items() if value is not None})

    @app.get("/api/v1/sales/{sale}", tags=["sales"])
    async def show(sale: int, who: Supervisor) -> Response:
        """One sale: its fields, and what each step came to."""
        return await carry_out(who, "sale", {"sale": sale})

    @app.post("/api/v1/sales/{sale}/retry", tags=["sales"])
    async def retry(sale: int, who: Supervisor) -> Response:
        """Queue an ended sale again; one that could not be undone goes on being undone."""
        return await carry_out(who, "retry_sale", {"sale": sale})

    @app.post("/api/v1/sales/{sale}/cancel", tags=["sales"])
    async def cancel(sale: int, who: Supervisor) -> Response:
        """Take a sale back: now, or at its next step, where what was done is undone."""
        return await carry_out(who, "cancel_sale", {"sale": sale})
