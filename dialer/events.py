"""What happened, as values: the one internal stream that metrics, MQTT, the live view and reports read.

Every event is frozen, carries `at` (epoch seconds, UTC) and says everything a reader needs without asking back.
`EventStream` calls its readers at once and in order, in the loop's thread; a reader must not block and must not raise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """The base of all events. `name` is the event's word in MQTT topics and logs."""

    name: ClassVar[str]
    at: float
    campaign: str

    def to_dict(self) -> dict[str, Any]:
        """All fields plus `event`, ready for JSON."""
        record: dict[str, Any] = {"event": self.name}
        for name in _names(type(self)):
            value = getattr(self, name)
            plain = type(value) in _PLAIN or not isinstance(value, Mapping)
            record[name] = value if plain else dict(value)
        return record


#: Values that are as they are in JSON, told by their type alone: asking for a Mapping takes longer than all the rest.
_PLAIN = frozenset((str, int, float, bool, type(None)))


_NAMES: dict[type, tuple[str, ...]] = {}


def _names(kind: type[Event]) -> tuple[str, ...]:
    names = _NAMES.get(kind)
    if names is None:
        names = _NAMES[kind] = tuple(field.name for field in fields(kind))
    return names


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEvent(Event):
    """Something about one attempt. `call` is the attempt's id, `sip_call_id` the Call-ID on the wire."""

    call: str
    sip_call_id: str
    contact: int
    number: str
    trunk: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPlaced(CallEvent):
    """The INVITE has left; its attempt was on disk before."""

    name: ClassVar[str] = "call_placed"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRinging(CallEvent):
    """The first 180 or 183."""

    name: ClassVar[str] = "call_ringing"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallAnswered(CallEvent):
    """The customer's 200 OK. `ring_seconds` counts from the INVITE."""

    name: ClassVar[str] = "call_answered"
    ring_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CallConnected(CallEvent):
    """Customer and agent hear each other. `answer_to_agent` runs from the 200 OK to the answers of both re-INVITEs,
    seconds;
    `wait` is the part of it in which no agent was free."""

    name: ClassVar[str] = "call_connected"
    agent: str
    answer_to_agent: float
    wait: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CallAbandoned(CallEvent):
    """Answered, and no agent within patience, or the customer hung up while waiting for one."""

    name: ClassVar[str] = "call_abandoned"
    waited: float
    message_played: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CallHandedOver(CallEvent):
    """A live call moved from one agent to a colleague."""

    name: ClassVar[str] = "call_handed_over"
    agent: str
    to_agent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEnded(CallEvent):
    """The attempt is over and its outcome is on disk. `status` is the SIP status that decided it (0: none)."""

    name: ClassVar[str] = "call_ended"
    outcome: str
    status: int
    agent: str | None
    ring_seconds: float | None
    talk_seconds: float | None
    next_state: str
    next_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DispositionRecorded(CallEvent):
    """The agent's code, applied through the table and on disk; or what time decided: `undisposed`,
    `callback_expired`."""

    name: ClassVar[str] = "disposition"
    agent: str
    code: str
    next_state: str
    next_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackScheduled(CallEvent):
    """A promise to call again. `agent` is the owner of a personal one, None when shared."""

    name: ClassVar[str] = "callback"
    due_at: float
    agent: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackReminder(CallEvent):
    """A promised call is due soon, at `due_at`. `agent` is the owner of a personal one, None when shared. `call` is the
    one in which it was promised."""

    name: ClassVar[str] = "callback_reminder"
    due_at: float
    agent: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SaleQueued(CallEvent):
    """A sale is on disk, to be carried through."""

    name: ClassVar[str] = "sale"
    sale: int
    agent: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class SaleChanged(Event):
    """A sale got on: started, undoing, done, rejected, compensated, cancelled, failed. `call` is the attempt that it
    was made in; `waited` seconds from the queue to the start (in `started`), `seconds` from the start to the end (in
    the last ones). `reason` says why not, in the third party's words."""

    name: ClassVar[str] = "sale_changed"
    sale: int
    call: str
    contact: int
    agent: str
    state: str
    reason: str | None
    waited: float | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SaleStepEnded(Event):
    """One step of a sale came to its end: done, rejected, failed. `phase`: do, undo, tell."""

    name: ClassVar[str] = "sale_step"
    sale: int
    agent: str
    step: str
    phase: str
    result: str
    tries: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorChanged(Event):
    """A third party's circuit breaker: closed (works), open (given a rest), half_open (one try is let through)."""

    name: ClassVar[str] = "connector"
    connector: str
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentChanged(Event):
    """An agent's state changed: logged_out, available, reserved, talking, wrap_up, break (with its reason)."""

    name: ClassVar[str] = "agent"
    agent: str
    previous: str
    state: str
    reason: str | None
    call: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentMoved(Event):
    """An idle agent whom campaigns share serves `campaign` from now on, and `from_campaign` no more. `cause`: rescue (a
    customer waited), targets, closed (`from_campaign` can use nobody), membership, own_call; `why`: the numbers."""

    name: ClassVar[str] = "agent_moved"
    agent: str
    from_campaign: str
    cause: str
    why: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentAlert(Event):
    """Something an operator must see about an agent: leg_lost, leg_refused, register_refused, ..."""

    name: ClassVar[str] = "agent_alert"
    agent: str
    alert: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentPhoneChanged(Event):
    """An agent's phone registered with us, or is registered no more; `campaign` is empty. `reason`: registered;
    unregistered, expired, withdrawn."""

    name: ClassVar[str] = "agent_phone"
    agent: str
    registered: bool
    reason: str
    contact: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingCall(Event):
    """Somebody called `number` through a trunk; `campaign`: whose number that is, empty for none. `caller` as the trunk
    gave it. `taken`: a part of the dialer has it now; else it heard 480."""

    name: ClassVar[str] = "incoming_call"
    trunk: str
    sip_call_id: str
    number: str
    caller: str
    taken: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TrunkChanged(Event):
    """A trunk went up or down; `campaign` is empty. `reason`: options_lost, recovered, unwatched; 503, timeout,
    congestion, rested, proven, reset; registered, registration_failed, registration_lapsed, unregistered.
    `breaker`: closed, open, probing, half_open (a few calls on trial)."""

    name: ClassVar[str] = "trunk"
    trunk: str
    up: bool
    reason: str
    breaker: str = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided(Event):
    """One pacing decision that placed or gave up calls, with the numbers behind it. `seconds`: what it took to
    compute.
    """

    name: ClassVar[str] = "decision"
    place: int
    cancel: int
    seconds: float
    why: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignChanged(Event):
    """running, paused, closed (outside its schedule), no_agents, no_contacts, stopped; `reason` in words."""

    name: ClassVar[str] = "campaign"
    state: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactsAdded(Event):
    """Contacts arrived through an import or an API."""

    name: ClassVar[str] = "contacts_added"
    list_name: str
    added: int
    refused: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAlert(Event):
    """A part of the dialer is degraded or well again: store_locked, store_ok, media_restarted, broker_lost,
    config_rejected, ...
    """

    name: ClassVar[str] = "alert"
    alert: str
    detail: str


Reader = Callable[[Event], None]


class EventStream:
    """Hands every event to every reader, in the order of their subscription."""

    def __init__(self) -> None:
        self._readers: list[Reader] = []

    def subscribe(self, reader: Reader) -> None:
        """From now on `reader` sees every event. It runs inside `publish`: it must be quick and must not raise."""
        self._readers.append(reader)

    def unsubscribe(self, reader: Reader) -> None:
        """Stop showing events to `reader`; raises ValueError when it was not subscribed."""
        self._readers.remove(reader)

    def publish(self, event: Event) -> None:
        """Show `event` to all readers before returning."""
        for reader in self._readers:
            reader(event)
