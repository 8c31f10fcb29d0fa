"""The routes about a company's tasks, by the company's own ids."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi.params import Depends
from fastapi.responses import Response

from dialer.web.schema import body_of
from dialer.web.tokens import Caller

CarryOut = Callable[[Caller, str, Mapping[str, Any]], Awaitable[Response]]
Body = Callable[[Request], Awaitable[dict[str, Any]]]
#: An id may hold anything, slashes too.
_TASK = "/api/v1/campaigns/{campaign}/tasks/{task:path}"


def add_tasks(app: FastAPI, carry_out: CarryOut, body: Body, company: Depends) -> None:
    """`/api/v1/campaigns/{campaign}/tasks` and `.../changes`."""
    Company = Annotated[Caller, company]  # noqa: N806

    @app.post(
        "/api/v1/campaigns/{campaign}/tasks",
        openapi_extra=body_of("add_contacts", without=("campaign",)),
        tags=["tasks"],
    )
    async def add(request: Request, campaign: str, who: Company) -> Response:
        """Hand over tasks, up to 1000 at once; idempotent by `id`. Each gets its own answer, in its place."""
        return await carry_out(who, "add_contacts", {**await body(request), "campaign": campaign})

    @app.get(_TASK, tags=["tasks"])
    async def task(campaign: str, task: str, who: Company) -> Response:
        """What became of it: state, calls with outcomes and codes, callback, sale, when it is dialed next."""
        return await carry_out(who, "task", {"campaign": campaign, "id": task})

    @app.patch(_TASK, tags=["tasks"], openapi_extra=body_of("update_task", without=("campaign", "id")))
    async def update(request: Request, campaign: str, task: str, who: Company) -> Response:
        """Correct its fields (null takes one out), give it new numbers, dialed first, or another priority."""
        return await carry_out(who, "update_task", {**await body(request), "campaign": campaign, "id": task})

    @app.delete(_TASK, tags=["tasks"])
    async def withdraw(campaign: str, task: str, who: Company) -> Response:
        """Take it back: nobody is called for it any more. 409 while it is being called."""
        return await carry_out(who, "withdraw_task", {"campaign": campaign, "id": task})

    @app.get("/api/v1/campaigns/{campaign}/changes", tags=["tasks"])
    async def changes(
        campaign: str,
        who: Company,
        after: int = 0,
        kind: Annotated[list[str] | None, Query()] = None,
        limit: int = 100,
    ) -> Response:
        """What became of the campaign's contacts after the cursor `after`, in the order of the commits; `next` of the
        answer is the next cursor. 410 when changes after `after` are not kept any more."""
        fields = {"campaign": campaign, "after": after, "kinds": kind or [], "limit": limit}
        return await carry_out(who, "changes", fields)
