"""What agents, supervisors and company systems may ask of the dialer: one model per command, whichever door it comes
through.

HTTP, MQTT and the command line parse their input into these and call `CommandHandler.handle`. It returns a JSON-able
dict
after everything that the answer promises is committed, or raises `CommandError`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, Protocol

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter

from dispositions.consent import Basis
from dispositions.contact import MAX_PRIORITY

Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.@+-]+$")]
Line = Annotated[str, Field(max_length=500, pattern=r"^[^\r\n\x00]*$")]


class CommandError(Exception):
    """A command that cannot be carried out. `code` is one of `ERROR_CODES`; `message` is one line that says what to
    do; `details`: where several things are wrong, each in a line of its own.
    """

    def __init__(self, code: str, message: str, details: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = tuple(details)


#: code -> HTTP status
ERROR_CODES = {
    "invalid": 422,
    "unknown_agent": 404,
    "unknown_campaign": 404,
    "unknown_contact": 404,
    "unknown_call": 404,
    "unknown_sale": 404,
    "unknown_task": 404,
    "unknown_project": 404,
    "unknown_code": 422,
    "wrong_state": 409,
    "busy": 409,
    "forbidden": 403,
    "gone": 410,
    "unavailable": 503,
}


class _Command(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _AgentCommand(_Command):
    agent: Name


class AgentLogin(_AgentCommand):
    """Log in; the dialer calls the agent's phone and keeps that leg up. Returns once the phone has answered. To
    `campaign`, and to no other; or for several `campaigns`, or (neither named) for all that the agent may serve: then
    the agent is moved between them while idle, to where work is.
    """

    command: Literal["login"] = "login"
    campaign: Name | None = None
    campaigns: Annotated[list[Name], Field(max_length=100)] = []


class AgentLogout(_AgentCommand):
    """Log out; during a call it takes effect when the call and its wrap-up end."""

    command: Literal["logout"] = "logout"


class AgentReady(_AgentCommand):
    """End wrap-up or a break: available for calls."""

    command: Literal["ready"] = "ready"


class AgentBreak(_AgentCommand):
    """Go on a break (`reason` from the campaign's list); during a call it takes effect after wrap-up."""

    command: Literal["break"] = "break"
    reason: Line = "break"


class AgentDispose(_AgentCommand):
    """Code the agent's current or last call. `callback_at` with codes that promise a call back: without an offset, in
    the contact's zone. `ready=False` stays in wrap-up. `fields` go with a sale; with any other code they correct the
    contact's own. `numbers`: new numbers of the contact, best first.
    """

    command: Literal["dispose"] = "dispose"
    code: Name
    call: str | None = Field(default=None, max_length=100)
    callback_at: datetime | None = None
    personal: bool | None = None
    note: Line | None = None
    fields: dict[Annotated[str, Field(max_length=64)], Any] = Field(default_factory=dict, max_length=200)
    numbers: list[Line] = Field(default_factory=list, max_length=10)
    ready: bool = True


class AgentHangup(_AgentCommand):
    """End the customer's call; the agent goes into wrap-up. While it still rings: give it up."""

    command: Literal["hangup"] = "hangup"


class AgentHandOver(_AgentCommand):
    """Hand the live call to the colleague `to`, who must be available."""

    command: Literal["hand_over"] = "hand_over"
    to: Name


class AgentPreview(_AgentCommand):
    """Preview and manual modes: show the next contact (reserved for this agent)."""

    command: Literal["preview"] = "preview"


class AgentDial(_AgentCommand):
    """Preview mode: dial the contact shown. Manual mode: dial `number`, when the campaign has it as a contact."""

    command: Literal["dial"] = "dial"
    number: Line | None = None


class AgentSkip(_AgentCommand):
    """Preview mode: put the contact shown back; it comes again after the re-dial delay."""

    command: Literal["skip"] = "skip"


class ContactAdd(_Command):
    """Add contacts to a campaign's list while it runs; idempotent by `id` (or number)."""

    command: Literal["add_contacts"] = "add_contacts"
    campaign: Name
    list_name: Name = "api"
    contacts: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=1000)]


Priority = Annotated[int, Field(strict=True, ge=-MAX_PRIORITY, le=MAX_PRIORITY)]
ExternalId = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\r\n\x00]*$")]


class _TaskCommand(_Command):
    campaign: Name
    id: ExternalId


class TaskShow(_TaskCommand):
    """What became of a task, by the id that the company gave it."""

    command: Literal["task"] = "task"


class TaskUpdate(_TaskCommand):
    """Correct a task: `fields` (null takes one out), new `numbers`, dialed first, and its `priority` (higher is called
    first), which the next claim honours.
    """

    command: Literal["update_task"] = "update_task"
    fields: dict[Annotated[str, Field(max_length=64)], Any] = Field(default_factory=dict, max_length=200)
    numbers: list[Line] = Field(default_factory=list, max_length=10)
    priority: Priority | None = None


class TaskWithdraw(_TaskCommand):
    """Take a task back that is not being dialed: nobody is called for it any more."""

    command: Literal["withdraw_task"] = "withdraw_task"


class ChangeList(_Command):
    """What became of the campaign's contacts after the cursor `after` (of an earlier answer's `next`), in the order of
    the commits; without it from the oldest that is kept.
    """

    command: Literal["changes"] = "changes"
    campaign: Name
    after: Annotated[int, Field(ge=0, lt=2**63)] = 0
    kinds: Annotated[list[Name], Field(max_length=20)] = Field(default_factory=list)
    limit: Annotated[int, Field(ge=1, le=1000)] = 100


class DoNotCallAdd(_Command):
    """Numbers never to call again, from now on, in any campaign; with `project` only in those of that project."""

    command: Literal["do_not_call"] = "do_not_call"
    numbers: Annotated[list[Line], Field(min_length=1, max_length=10000)]
    source: Line = "api"
    project: Name | None = None


class ContactCorrect(_Command):
    """Correct a contact, known by one of its numbers: `fields` (null takes one out), new `numbers`, dialed first, and
    its `priority`.
    """

    command: Literal["correct"] = "correct"
    number: Line
    campaign: Name | None = None
    fields: dict[Annotated[str, Field(max_length=64)], Any] = Field(default_factory=dict, max_length=200)
    numbers: list[Line] = Field(default_factory=list, max_length=10)
    priority: Priority | None = None


class ContactConsent(_Command):
    """The lawful basis on which a contact may be called, in every campaign that has it; no `basis`: it was taken
    back.
    """

    command: Literal["consent"] = "consent"
    number: Line
    basis: Basis | None = None
    given_at: AwareDatetime | None = None
    source: Line | None = None
    expires_at: AwareDatetime | None = None


class CallbackReassign(_Command):
    """Give an open callback to the agent `agent_name`; without one, to everybody."""

    command: Literal["reassign_callback"] = "reassign_callback"
    callback: Annotated[int, Field(ge=1, lt=2**63)]
    agent_name: Name | None = None


class ContactErase(_Command):
    """Forget the person with this number in every campaign, and never call it again. Cannot be undone."""

    command: Literal["erase"] = "erase"
    number: Line


class CampaignPause(_Command):
    """Place no more calls in `campaign`; calls in progress go on."""

    command: Literal["pause"] = "pause"
    campaign: Name


class CampaignResume(_Command):
    """Dial again."""

    command: Literal["resume"] = "resume"
    campaign: Name


class ConfigReload(_Command):
    """Read the config file again; a bad file changes nothing and its errors come back."""

    command: Literal["reload"] = "reload"


class StatusShow(_Command):
    """A snapshot of campaigns, agents, trunks and queues."""

    command: Literal["status"] = "status"


class ContactShow(_Command):
    """History, state and why a number is or is not dialable now."""

    command: Literal["contact"] = "contact"
    number: Line


class SaleList(_Command):
    """Sales, newest first. `before`: only sales older than that id, for paging."""

    command: Literal["sales"] = "sales"
    campaign: Name | None = None
    states: Annotated[list[Name], Field(max_length=20)] = Field(default_factory=list)
    agent: Name | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    before: Annotated[int, Field(ge=1)] | None = None


class _SaleCommand(_Command):
    sale: Annotated[int, Field(ge=1, lt=2**63)]


class SaleShow(_SaleCommand):
    """One sale with its fields and what each step came to."""

    command: Literal["sale"] = "sale"


class SaleRetry(_SaleCommand):
    """Queue an ended sale again; one that could not be undone goes on being undone."""

    command: Literal["retry_sale"] = "retry_sale"


class SaleCancel(_SaleCommand):
    """Take a sale back: at once while it is queued, else at its next step, where what was done is undone."""

    command: Literal["cancel_sale"] = "cancel_sale"


Command = Annotated[
    AgentLogin
    | AgentLogout
    | AgentReady
    | AgentBreak
    | AgentDispose
    | AgentHangup
    | AgentHandOver
    | AgentPreview
    | AgentDial
    | AgentSkip
    | ContactAdd
    | ContactCorrect
    | ContactConsent
    | ContactErase
    | CallbackReassign
    | TaskShow
    | TaskUpdate
    | TaskWithdraw
    | ChangeList
    | DoNotCallAdd
    | CampaignPause
    | CampaignResume
    | ConfigReload
    | StatusShow
    | ContactShow
    | SaleList
    | SaleShow
    | SaleRetry
    | SaleCancel,
    Field(discriminator="command"),
]

COMMAND: TypeAdapter[Command] = TypeAdapter(Command)


class CommandHandler(Protocol):
    """The one place where commands take effect."""

    async def handle(self, command: Command) -> dict[str, Any]:
        """Carry out `command`; the dict answers it. Raises CommandError."""
        ...
