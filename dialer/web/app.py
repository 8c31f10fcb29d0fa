"""The HTTP door: every route parses into a `Command`, the handler carries it out, the answer is one line of JSON."""

import asyncio
import ipaddress
import time
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response, StreamingResponse
from starlette.exceptions import HTTPException as StarletteHTTPException

from dialer.commands import COMMAND, ERROR_CODES, CommandError, CommandHandler
from dialer.doors import DoorError, encode, error_body, one_line, parse_command, parse_object
from dialer.events import EventStream
from dialer.logs import get_logger
from dialer.metrics import Metrics
from dialer.tracing import Tracer
from dialer.web.access import Access, require
from dialer.web.agent_door import AGENT_COMMANDS, PREFIX, AgentDoor, Answer, agent_fields
from dialer.web.feed import Feed, FeedFull
from dialer.web.guard import HEADERS, Guard
from dialer.web.sale_routes import add_sales
from dialer.web.schema import add_schemas, body_of
from dialer.web.task_routes import add_tasks
from dialer.web.tokens import Caller, Failures, Tokens
from dialer.web.trace import add_trace

#: DoorError code -> HTTP status; a command's own codes are in ERROR_CODES.
STATUS = {
    "malformed": 400,
    "unauthorized": 401,
    "not_found": 404,
    "not_allowed": 405,
    "too_large": 413,
    "too_many": 429,
    "internal": 500,
}
_HEADERS_OF = {401: {"WWW-Authenticate": "Bearer"}, 429: {"Retry-After": "60"}}
_BY_STATUS = {404: "not_found", 405: "not_allowed", 413: "too_large"}

Health = Callable[[], Mapping[str, str]]


def reply(body: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """`body` as one line of JSON."""
    return Response(encode(body) + b"\n", status, dict(headers or {}), media_type="application/json")


def create_app(
    handler: CommandHandler,
    metrics: Metrics,
    tokens: Tokens,
    stream: EventStream,
    *,
    health: Health | None = None,
    tracer: Tracer | None = None,
    metrics_without_token: bool = True,
    clock: Callable[[], float] = time.monotonic,
) -> FastAPI:
    """The application. `health` returns part -> trouble for /healthz, empty when all is well; `clock` is monotonic.

    `app.state.streams` never end by themselves; close them before the server stops (`WebServer` does). `tracer`: for
    `/api/v1/trace`; None: there is no such route.
    """
    app = FastAPI(title="Predictive dialer", version="1", docs_url=None, redoc_url=None, openapi_url=None)
    feed = Feed(stream)
    app.state.feed = feed
    app.state.streams = [feed] if tracer is None else [feed, tracer]
    failures = Failures()
    log = get_logger("http")

    def refused(code: str, path: str, address: str) -> None:
        metrics.refused("http", code)
        log.info("request_refused", code=code, path=one_line(path, 200), address=address)

    def refuse(error: DoorError | CommandError, path: str, address: str) -> Answer:
        refused(error.code, path, address)
        body = error_body(error.code, error.message, getattr(error, "field", None), error.details)
        if isinstance(error, CommandError):
            return ERROR_CODES[error.code], body, {}
        status = STATUS.get(error.code, ERROR_CODES.get(error.code, 422))
        return status, body, _HEADERS_OF.get(status, {})

    # who asks

    def known(authorization: str, address: str) -> Caller:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() == "bearer" and token:
            found = tokens.caller(token.strip())
            if found is not None:
                return found
        wait = failures.wrong(address, clock())
        if wait > 0:
            raise DoorError("too_many", f"too many wrong tokens; again in {wait:.0f} s")
        raise DoorError("unauthorized", "a bearer token is needed" if not token else "this token is nobody's")

    async def caller(request: Request) -> Caller:
        return known(request.headers.get("authorization", ""), _address(request))

    async def supervisor(who: Annotated[Caller, Depends(caller)]) -> Caller:
        if not who.supervisor:
            raise DoorError("forbidden", "the supervisor's token only")
        return who

    async def company(who: Annotated[Caller, Depends(caller)]) -> Caller:
        if who.agent is not None:
            raise DoorError("forbidden", "an agent's token allows that agent's own commands only")
        return who

    Anybody = Annotated[Caller, Depends(caller)]  # noqa: N806
    Company = Annotated[Caller, Depends(company)]  # noqa: N806
    Supervisor = Annotated[Caller, Depends(supervisor)]  # noqa: N806

    access = Access(handler)

    async def obey(who: Caller, name: str, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        return await access.obey(who, parse_command(name, fields))

    async def carry_out(who: Caller, name: str, fields: Mapping[str, Any]) -> Response:
        return reply(await obey(who, name, fields))

    app.add_middleware(Guard)
    app.add_middleware(AgentDoor, who=known, carry_out=obey, refuse=refuse)  # the last one added stands in front

    async def body(request: Request, *, required: bool = True) -> dict[str, Any]:
        data = await request.body()
        return parse_object(data) if data or required else {}

    # errors

    @app.exception_handler(DoorError)
    @app.exception_handler(CommandError)
    async def _refused(request: Request, error: DoorError | CommandError) -> Response:
        status, answer, headers = refuse(error, request.url.path, _address(request))
        return reply(answer, status, headers)

    @app.exception_handler(RequestValidationError)
    async def _query(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:])
        status, answer, headers = refuse(
            DoorError("invalid", f"{where}: {first['msg']}", where), request.url.path, _address(request)
        )
        return reply(answer, status, headers)

    @app.exception_handler(StarletteHTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        code = _BY_STATUS.get(error.status_code, "invalid")
        refused(code, request.url.path, _address(request))
        return reply(error_body(code, str(error.detail)), error.status_code, error.headers)

    @app.exception_handler(500)
    async def _internal(request: Request, _error: Exception) -> Response:
        # Starlette raises it again after this answer, so the log has the traceback.
        metrics.refused("http", "internal")
        return reply(error_body("internal", "the dialer failed; its log says how"), 500, HEADERS)

    # commands

    @app.post("/api/v1/command", openapi_extra=body_of(None), tags=["commands"])
    async def command(request: Request, who: Anybody) -> Response:
        """Any command, as `{"command": NAME, ...}`."""
        fields = await body(request)
        name = fields.get("command")
        if not isinstance(name, str):
            raise DoorError("invalid", "command: missing, or not a string", "command")
        return await carry_out(who, name, fields)

    def agent_route(name: str) -> None:
        async def route(request: Request, agent: str, who: Anybody) -> Response:
            return await carry_out(who, name, agent_fields(await body(request, required=False), agent))

        app.add_api_route(
            f"{PREFIX}{{agent}}/{name}",
            route,
            methods=["POST"],
            operation_id=f"agent_{name}",
            summary=f"Agent: {name.replace('_', ' ')}",
            tags=["agents"],
            openapi_extra=body_of(name, without=("agent",)),
        )

    for name in AGENT_COMMANDS:
        agent_route(name)

    def contact_route(name: str) -> None:
        async def route(request: Request, number: str, who: Company) -> Response:
            return await carry_out(who, name, {**await body(request, required=False), "number": number})

        app.add_api_route(
            f"/api/v1/contacts/{{number}}/{name}",
            route,
            methods=["POST"],
            operation_id=f"contact_{name}",
            summary=f"Contact: {name}",
            tags=["contacts"],
            openapi_extra=body_of(name, without=("number",)),
        )

    @app.post(
        "/api/v1/campaigns/{campaign}/contacts",
        openapi_extra=body_of("add_contacts", without=("campaign",)),
        tags=["campaigns"],
    )
    async def contacts(request: Request, campaign: str, who: Company) -> Response:
        """Add contacts; sending the same ones again adds nothing."""
        return await carry_out(who, "add_contacts", {**await body(request), "campaign": campaign})

    @app.post("/api/v1/campaigns/{campaign}/pause", tags=["campaigns"])
    async def pause(campaign: str, who: Company) -> Response:
        """Place no more calls; calls in progress go on."""
        return await carry_out(who, "pause", {"campaign": campaign})

    @app.post("/api/v1/campaigns/{campaign}/resume", tags=["campaigns"])
    async def resume(campaign: str, who: Company) -> Response:
        """Dial again."""
        return await carry_out(who, "resume", {"campaign": campaign})

    for name in ("correct", "consent", "erase"):
        contact_route(name)

    @app.post(
        "/api/v1/callbacks/{callback}/reassign",
        openapi_extra=body_of("reassign_callback", without=("callback",)),
        tags=["contacts"],
    )
    async def reassign(request: Request, callback: int, who: Supervisor) -> Response:
        """Give an open callback to another agent, or to everybody."""
        return await carry_out(who, "reassign_callback", {**await body(request, required=False), "callback": callback})

    @app.post("/api/v1/do-not-call", openapi_extra=body_of("do_not_call"), tags=["campaigns"])
    async def do_not_call(request: Request, who: Company) -> Response:
        """Numbers never to call again."""
        return await carry_out(who, "do_not_call", await body(request))

    @app.post("/api/v1/reload", tags=["service"])
    async def reload(who: Supervisor) -> Response:
        """Read the config file again; a bad file changes nothing."""
        return await carry_out(who, "reload", {})

    # looking

    @app.get("/api/v1/status", tags=["service"])
    async def status(who: Company) -> Response:
        """A snapshot of campaigns, agents, trunks and queues."""
        return await carry_out(who, "status", {})

    @app.get("/api/v1/contacts/{number}", tags=["campaigns"])
    async def contact(number: str, who: Company) -> Response:
        """History, state, and why a number is or is not dialable now."""
        return await carry_out(who, "contact", {"number": number})

    @app.get("/api/v1/events", tags=["service"])
    async def sent_events(who: Anybody) -> Response:
        """Server-sent events; with an agent's token only what concerns that agent, with a project's what
        happens in its campaigns."""
        try:
            if who.project is not None:
                require(who.project, "read")
            lines = feed.join(who.agent, None if who.project is None else who.project.campaigns)
        except FeedFull:
            raise CommandError("unavailable", "as many clients listen as may") from None
        return StreamingResponse(lines, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})

    @app.get("/metrics", tags=["service"])
    async def show_metrics(request: Request) -> Response:
        """For Prometheus. Without a token from loopback only (or not at all, as configured)."""
        if not (metrics_without_token and _loopback(request)):
            await supervisor(await caller(request))
        page = await asyncio.get_running_loop().run_in_executor(None, metrics.render)
        return Response(page, media_type=metrics.content_type)

    @app.get("/healthz", tags=["service"])
    async def healthz() -> Response:
        """200 while all parts work, 503 with what does not. Needs no token and tells no secrets."""
        trouble = dict(health()) if health is not None else {}
        return reply({"status": "degraded" if trouble else "ok", **trouble}, 503 if trouble else 200)

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi() -> Response:
        return reply(app.openapi())

    add_sales(app, carry_out, Depends(company))
    add_tasks(app, carry_out, body, Depends(company))
    if tracer is not None:
        add_trace(app, tracer, Depends(supervisor))
    add_schemas(app, COMMAND)
    return app


def _address(request: Request) -> str:
    return request.client.host if request.client else "-"


def _loopback(request: Request) -> bool:
    try:
        return request.client is not None and ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False
