"""What the engine writes down about attempts: every step of an attempt becomes a store operation, and after its
commit an event.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from dialer.agent import Agent
from dialer.call import Call
from dialer.card_number import masked_values
from dialer.doors import to_text
from dialer.events import CallbackScheduled, CallEnded, CallEvent, DispositionRecorded, SaleQueued
from dialer.mqtt.outbox import outcome_message
from dialer.services import Services
from dialer.sip import DialogState
from dialer.told import tell
from dispositions import Applied, Disposition, Finish, Outcome, WriteTransaction

#: Key of the saved SIP state of a leg that outlives its attempt's outcome, so that a restart can end it.
STANDING_KEY = "standing_leg/"


def call_fields(call: Call) -> dict[str, Any]:
    """The fields that every event about a call carries."""
    return {
        "campaign": call.campaign,
        "call": call.id,
        "sip_call_id": call.leg.id,
        "contact": call.claim.contact_id,
        "number": call.number,
        "trunk": call.trunk.name,
    }


class OutcomeDesk:
    """Writes attempts' steps through the ledger."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def note_ringing(self, call: Call, early: DialogState | None) -> None:
        """It rings. The early dialog goes to disk beside the INVITE's plan: should we die between the ACK of its answer
        and the commit of that, the plan's CANCEL would come too late, and only a BYE ends the call.
        """
        attempt, at, plan = call.id, self.services.clock.at(), call.plan
        saved = None if early is None else to_text({**plan.to_dict(), "early": early.to_dict()})

        def written(_: object) -> None:
            if early is not None and call.plan is plan:  # not for a fail-over's next trunk
                call.known_tag = early.remote_tag

        self.services.ledger.post(
            lambda tx: tx.update_attempt(attempt, sip=saved, ringing_at=at), written, about=attempt
        )

    def note_answered(self, call: Call, then: Callable[[], None]) -> None:
        """The dialog stands: what a BYE after a crash needs goes to disk; `then` is called when it is there."""
        attempt, dialog, at = call.id, call.dialog, call.answered_at
        saved = to_text(dialog.to_dict()) if dialog is not None else None
        self.services.ledger.post(
            lambda tx: tx.update_attempt(attempt, sip=saved, answered_at=at), lambda _: then(), about=attempt
        )

    def note_connected(self, call: Call, agent: Agent) -> None:
        """Customer and agent are joined."""
        attempt, name, at = call.id, agent.name, self.services.clock.at()
        self.services.ledger.post(lambda tx: tx.update_attempt(attempt, connected_at=at, agent=name), about=attempt)

    def note_retargeted(self, call: Call, then: Callable[[], None]) -> None:
        """The attempt goes on over another trunk: its new INVITE is on disk before `then` sends it."""
        attempt, plan, trunk = call.id, to_text(call.plan.to_dict()), call.trunk.name
        self.services.ledger.post(lambda tx: tx.update_attempt(attempt, sip=plan, trunk=trunk), lambda _: then())

    def finish(self, call: Call, outcome: Outcome, *, standing: bool = False) -> None:
        """The attempt's outcome. `standing`: the leg is still up (a message plays, a BYE is on its way), so a crash
        must still end it.
        """
        services = self.services
        clock = services.clock
        call.outcome, call.standing = outcome, standing
        at = clock.at()
        ring = (call.answered or clock.now()) - call.placed
        talk = clock.now() - call.connected if call.connected is not None else None
        attempt, status, cause, dialog = call.id, call.status, call.cause, call.dialog
        agent = call.agent.name if call.agent is not None else None
        fields = call_fields(call)
        end = Finish(attempt, outcome, at, _cause(status, cause), talk, call.moved_to)

        def operation(tx: WriteTransaction) -> list[CallEvent]:
            applied = tx.finish_attempts([end])[0]
            if standing and dialog is not None:
                tx.save_state(f"{STANDING_KEY}{attempt}", {**dialog.to_dict(), "trunk": fields["trunk"], "at": at})
            ended = CallEnded(
                at=at, outcome=outcome.value, status=status, agent=agent, ring_seconds=ring, talk_seconds=talk,
                next_state=applied.state.value, next_at=applied.due_at, **fields,
            )  # fmt: skip
            return self.to_outbox(tx, [ended, *consequences(applied, applied.given, at, fields)])

        services.ledger.post(operation, self.publish, about=attempt)

    def withdraw(self, call: Call, reason: str) -> None:
        """Its attempt is on disk, but no INVITE has left and none will: nothing that counts, so nothing to tell."""
        attempt, at = call.id, self.services.clock.at()
        self.services.ledger.post(lambda tx: tx.withdraw_attempt(attempt, at, reason), about=attempt)

    def note_closed(self, call: Call) -> None:
        """The leg is gone: nothing is left to be ended after a crash."""
        if not call.standing:
            return
        self.services.ledger.save(f"{STANDING_KEY}{call.id}", None)

    async def dispose(
        self,
        call_fields_of: Mapping[str, Any],
        agent: str,
        code: str,
        *,
        callback_at: datetime | None = None,
        bound: bool = False,
        note: str | None = None,
        fields: Mapping[str, Any] | None = None,
        numbers: Sequence[str] = (),
    ) -> Applied:
        """An agent's code, applied and on disk when this returns; raises the DispositionsError that refused it.

        `bound`: a callback that the code leads to belongs to this agent.
        """
        at = self.services.clock.at()
        attempt = call_fields_of["call"]
        due = callback_at.timestamp() if callback_at is not None else None

        given = Disposition(attempt, code, agent, at, due, bound, note, fields or None, tuple(numbers))

        def operation(tx: WriteTransaction) -> tuple[Applied, list[CallEvent]]:
            applied = tx.dispose_attempts([given])[0]
            recorded = DispositionRecorded(
                at=at, agent=agent, code=code, next_state=applied.state.value, next_at=applied.due_at, **call_fields_of
            )
            return applied, self.to_outbox(tx, [recorded, *consequences(applied, given, at, call_fields_of)])

        applied, events = await self.services.ledger.write(operation, about=attempt)
        self.publish(events)
        return applied

    def post(self, decide: Callable[[WriteTransaction], list[CallEvent]]) -> None:
        """Outcomes that no live call makes: `decide` makes them true, and they are told after the commit."""
        self.services.ledger.post(lambda tx: self.to_outbox(tx, decide(tx)), self.publish)

    def publish(self, events: Iterable[CallEvent]) -> None:
        """Outcomes whose transaction is committed."""
        for event in events:
            self.services.stream.publish(event)
        if self.services.outbox:
            self.services.outbox_wake()

    def to_outbox(self, tx: WriteTransaction, events: list[CallEvent]) -> list[CallEvent]:
        """Put outcomes into the journal and the outbox, in the transaction that makes them true; the same list."""
        tell(tx, events)
        if self.services.outbox:
            for event in events:
                message = outcome_message(event)
                if message is not None:
                    tx.outbox_add(*message, event.at)
        return events


def consequences(applied: Applied, given: Disposition | None, at: float, fields: Mapping[str, Any]) -> list[CallEvent]:
    """The callback and the sale that an agent's code has led to: at once, or at the end of the call that it was given
    in. `fields`: see `call_fields`.
    """
    events: list[CallEvent] = []
    if given is None:
        return events
    if applied.callback_id is not None and applied.due_at is not None:
        owner = given.agent if given.callback_personal else None
        events.append(CallbackScheduled(at=at, due_at=applied.due_at, agent=owner, **fields))
    if applied.sale_id is not None:
        told = masked_values(given.fields or {})  # every reader of events, brokers and webhooks too, sees this
        events.append(SaleQueued(at=at, sale=applied.sale_id, agent=given.agent, fields=told, **fields))
    return events


def _cause(status: int, cause: int | None) -> str:
    return f"sip {status}" if cause is None else f"sip {status} q850 {cause}"
