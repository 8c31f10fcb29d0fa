"""What each route answers, for /openapi.json; `tests/dialer/test_answers.py` holds it to what the daemon answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dialer.commands import ERROR_CODES

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
FLAG: Schema = {"type": "boolean"}
TIME: Schema = {"type": "number", "description": "epoch seconds, UTC"}
ANY: Schema = {"type": "object"}


def maybe(kind: Schema) -> Schema:
    """Or null."""
    return {"anyOf": [kind, {"type": "null"}]}


def many(kind: Schema) -> Schema:
    """A list."""
    return {"type": "array", "items": kind}


def record(optional: Mapping[str, Schema] | None = None, /, **fields: Schema) -> Schema:
    """An object that has all of `fields`, perhaps those of `optional`, and nothing else."""
    return {
        "type": "object",
        "properties": {**fields, **(optional or {})},
        "required": list(fields),
        "additionalProperties": False,
    }


ERROR = record(
    error=record(
        {"field": TEXT, "details": many(TEXT)},
        code={"type": "string", "examples": sorted(ERROR_CODES)},
        message=TEXT,
    )
)
_AGENT = {"agent": TEXT, "state": TEXT, "campaign": maybe(TEXT), "owes": maybe(TEXT)}
AGENT = record({"pending": FLAG}, **_AGENT)
DISPOSED = record(
    **_AGENT, call=TEXT, code=TEXT, contact_state=TEXT, next_at=maybe(TIME), sale=maybe(WHOLE), callback=maybe(WHOLE)
)
_CALL = record(
    call=TEXT, number=TEXT, started_at=TIME, ended_at=maybe(TIME), outcome=maybe(TEXT), disposition=maybe(TEXT),
    agent=maybe(TEXT), talk_seconds=maybe(NUMBER), note=maybe(TEXT),
)  # fmt: skip
TASK = record(
    id=maybe(TEXT), campaign=TEXT, list=TEXT, contact=WHOLE, state=TEXT, number=TEXT, numbers=many(TEXT), fields=ANY,
    priority=WHOLE, added_at=TIME, attempts=WHOLE, calls=many(_CALL), outcome=maybe(TEXT), disposition=maybe(TEXT),
    callback=maybe(record(due_at=TIME, agent=maybe(TEXT), note=maybe(TEXT))),
    sale=maybe(record(
        sale=WHOLE, call=TEXT, state=TEXT, step=maybe(TEXT), reason=maybe(TEXT), agent=TEXT, queued_at=TIME,
        ended_at=maybe(TIME), fields=ANY,
    )),
    dialable=FLAG, why=many(TEXT), next_at=maybe(TIME),
)  # fmt: skip
CHANGE = record(serial=WHOLE, event=TEXT, at=TIME, campaign=TEXT, id=maybe(TEXT), contact=WHOLE, data=ANY)
_SALE = {
    "sale": WHOLE, "campaign": TEXT, "state": TEXT, "step": maybe(TEXT), "reason": maybe(TEXT), "agent": TEXT,
    "number": TEXT, "call": TEXT, "contact": WHOLE, "queued_at": TIME, "started_at": maybe(TIME),
    "ended_at": maybe(TIME), "cancel_asked": FLAG,
}  # fmt: skip
SALE = record(**_SALE)
_STEP = record(
    step=TEXT, phase=TEXT, result=TEXT, reason=maybe(TEXT), kept=ANY, tries=WHOLE, seconds=NUMBER, at=TIME
)  # fmt: skip
ADDED = record(
    added=WHOLE, duplicate=WHOLE, do_not_call=WHOLE, rejected=WHOLE,
    results=many(record({"reason": TEXT}, status=TEXT, contact=maybe(WHOLE))),
)  # fmt: skip

#: command -> what it answers
ANSWERS: Mapping[str, Schema] = {
    **dict.fromkeys(("login", "logout", "ready", "break", "hangup", "dial", "skip"), AGENT),
    "dispose": DISPOSED,
    "hand_over": record(**_AGENT, call=TEXT, to=TEXT),
    "preview": record(**_AGENT, contact=maybe(ANY)),
    "add_contacts": ADDED,
    "do_not_call": record(
        {"added": WHOLE}, marked=WHOLE, refused=many(record(index=WHOLE, number=TEXT, reason=TEXT))
    ),
    "correct": record(contacts=many(WHOLE), corrected=WHOLE),
    "consent": record(contacts=many(WHOLE), basis=maybe(TEXT)),
    "erase": record(contacts=many(WHOLE), sales_kept=WHOLE, marked=WHOLE, messages=WHOLE),
    "reassign_callback": record(callback=WHOLE, agent=maybe(TEXT), due_at=TIME, contact=WHOLE),
    "pause": record(campaign=TEXT, paused=FLAG),
    "resume": record(campaign=TEXT, paused=FLAG),
    "reload": record(changed=many(TEXT), needs_restart=many(TEXT)),
    "status": {
        "type": "object",
        "properties": {"at": TIME, "campaigns": ANY, "agents": many(ANY), "trunks": ANY, "store": ANY},
        "required": ["at", "campaigns", "agents"],
    },
    "contact": record(contacts=many(ANY)),
    "task": TASK,
    "update_task": record(id=TEXT, campaign=TEXT, corrected=WHOLE),
    "withdraw_task": record(id=TEXT, campaign=TEXT, withdrawn=FLAG, state=TEXT),
    "changes": record(changes=many(CHANGE), next=WHOLE, more=FLAG),
    "sales": record(sales=many(SALE)),
    "sale": record(**_SALE, fields=ANY, run=WHOLE, starts=WHOLE, steps=many(_STEP)),
    "retry_sale": SALE,
    "cancel_sale": SALE,
}  # fmt: skip

#: (method, path) -> command, for the routes whose path does not name it
COMMAND_OF: Mapping[tuple[str, str], str] = {
    ("post", "/api/v1/campaigns/{campaign}/contacts"): "add_contacts",
    ("post", "/api/v1/campaigns/{campaign}/tasks"): "add_contacts",
    ("get", "/api/v1/campaigns/{campaign}/tasks/{task}"): "task",
    ("patch", "/api/v1/campaigns/{campaign}/tasks/{task}"): "update_task",
    ("delete", "/api/v1/campaigns/{campaign}/tasks/{task}"): "withdraw_task",
    ("get", "/api/v1/campaigns/{campaign}/changes"): "changes",
    ("post", "/api/v1/callbacks/{callback}/reassign"): "reassign_callback",
    ("post", "/api/v1/do-not-call"): "do_not_call",
    ("get", "/api/v1/contacts/{number}"): "contact",
    ("get", "/api/v1/sales/{sale}"): "sale",
    ("post", "/api/v1/sales/{sale}/retry"): "retry_sale",
    ("post", "/api/v1/sales/{sale}/cancel"): "cancel_sale",
}
_PAGES = {
    "/metrics": ("text/plain", TEXT),
    "/healthz": ("application/json", {"type": "object", "required": ["status"], "properties": {"status": TEXT}}),
    "/api/v1/events": ("text/event-stream", TEXT),
    "/api/v1/trace": ("application/x-ndjson", TEXT),
}
#: Needs no token.
OPEN = ("/healthz",)
_ERRORS = {
    "400": "not JSON",
    "401": "no token, or nobody's",
    "403": "this token may not",
    "404": "there is no such thing",
    "409": "not in this state, or busy",
    "410": "not kept any more",
    "413": "more than 1 MB",
    "422": "a field is wrong",
    "429": "too many wrong tokens",
    "503": "not now: the store is away",
}


def responses(method: str, path: str) -> Schema:
    """The `responses` of a route."""
    if path in _PAGES:
        kind, schema = _PAGES[path]
        good = {"description": "as it is now", "content": {kind: {"schema": schema}}}
        if path in OPEN:
            return {"200": good, "503": {**good, "description": "a part is degraded"}}
    else:
        command = COMMAND_OF.get((method, path), path.rsplit("/", 1)[1])
        named = {"$ref": f"#/components/schemas/answer_{command}"} if command in ANSWERS else ANY
        good = {"description": "done", "content": {"application/json": {"schema": named}}}
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {"200": good, **{status: {"description": text, "content": error} for status, text in _ERRORS.items()}}


def schemas() -> dict[str, Schema]:
    """The named ones."""
    return {"Error": ERROR, **{f"answer_{name}": schema for name, schema in ANSWERS.items()}}
