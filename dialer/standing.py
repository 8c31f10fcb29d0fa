"""Calls that still stand at their far end after a crash: on disk until the far end has said that they are over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog

from dialer.aftermath import recovered
from dialer.agent_phone import LEG_KEY, saved_leg
from dialer.events import CallEvent
from dialer.outcomes import STANDING_KEY, OutcomeDesk
from dialer.services import Services
from dialer.trunk import Trunk
from dispositions import ReadView, Recovery, WriteTransaction

log = structlog.get_logger(__name__)

#: Seconds between two tries to end what stands; the far end has half a minute (64*T1) to answer each.
RETRY_EVERY = 60.0
#: Seconds after which a far end that never answers is given up. No call is a day long.
KEEP = 86_400.0
#: CSeq numbers that one try may use up (its BYE, and again after each challenge).
_ROOM_FOR_A_TRY = 8

Saved = dict[str, Any]


class StandingLegs:
    """What earlier processes left standing. Their rows are read once, in `take_over`: legs of calls that end in this
    process have such rows, too, and are none of this one's business.
    """

    def __init__(self, services: Services, trunks: Mapping[str, Trunk]) -> None:
        self.services = services
        self.trunks = trunks
        self._left: dict[str, Saved] = {}
        self._being_ended: set[str] = set()

    async def take_over(self) -> Recovery:
        """After a crash: bring all attempts to an end in the store, and begin to end their legs. What a BYE needs is
        written in the same transaction that gives up the leases, so another crash at any instant forgets nothing.
        """
        at = self.services.clock.at()
        outcomes = OutcomeDesk(self.services)

        def take_over(tx: WriteTransaction) -> tuple[Recovery, dict[str, Saved], list[CallEvent]]:
            recovery, left = _take_over(tx, at)
            return recovery, left, outcomes.to_outbox(tx, recovered(tx, recovery, at))

        recovery, self._left, events = await self.services.ledger.write(take_over)
        outcomes.publish(events)
        self.end_all()
        return recovery

    def end_all(self) -> None:
        """CANCEL or BYE for each leg that stands; those on their way are left alone."""
        at = self.services.clock.at()
        for key, value in list(self._left.items()):
            if key in self._being_ended:
                continue
            if at - value.get("at", at) > KEEP:
                self._forget(key, "given_up")
            else:
                self._end(key, value)

    def _end(self, key: str, value: Saved) -> None:
        legs = [leg for leg in (saved_leg(value), saved_leg(value.get("early"))) if leg is not None]
        waiting, all_answered = len(legs), True

        def ended(answered: bool) -> None:
            nonlocal waiting, all_answered
            waiting -= 1
            all_answered = all_answered and answered
            if waiting == 0:
                self._ended(key, all_answered)

        if not legs:
            self._forget(key, "unreadable")
            return
        # a carrier that challenges an INVITE challenges its BYE, too
        trunk = self.trunks.get(str(value.get("trunk")))
        credentials = trunk.credentials if trunk is not None else None
        self._being_ended.add(key)
        for leg in legs:
            if not self.services.switch.end_orphan(leg, ended, credentials):
                ended(True)  # no address to send to: there is nothing more to be done for it

    def _ended(self, key: str, answered: bool) -> None:
        self._being_ended.discard(key)
        if answered:
            self._forget(key)
            return
        self.services.counters["standing_leg_unanswered"] += 1
        self._left[key] = _later(self._left[key])
        log.warning("a call of an earlier run may still stand: its far end does not answer", leg=key)

    def _forget(self, key: str, reason: str = "") -> None:
        value = self._left.pop(key)
        self.services.ledger.save(key, None)
        if reason:
            self.services.counters[f"standing_leg_{reason}"] += 1
            log.warning("a call of an earlier run is left to itself", leg=key, reason=reason, saved=str(value)[:500])


def _take_over(tx: WriteTransaction, at: float) -> tuple[Recovery, dict[str, Saved]]:
    view = ReadView(tx.store, tx.connection)
    standing = {key: _later(value) for key, value in view.load_states(STANDING_KEY).items() if isinstance(value, dict)}
    recovery = tx.recover(at)
    for call in recovery.interrupted:
        value = saved_leg(call.sip)
        if value is not None:
            standing[f"{STANDING_KEY}{call.attempt_id}"] = {**value, "trunk": call.trunk}
    for key, saved in view.load_states(LEG_KEY).items():
        value = saved_leg(saved)
        if value is not None:  # under a name of its own: the agent may log in again before this one has ended
            standing[f"{STANDING_KEY}{value['call_id']}"] = value
        tx.save_state(key, None)
    for key, value in standing.items():
        value.setdefault("at", at)
        tx.save_state(key, value)
    return recovery, standing


def _later(value: Saved) -> Saved:
    """The same with higher CSeq numbers in its dialogs: what was used in the last try must not be used again."""
    later = dict(value)
    if isinstance(value.get("local_cseq"), int):
        later["local_cseq"] = value["local_cseq"] + _ROOM_FOR_A_TRY
    if isinstance(value.get("early"), dict):
        later["early"] = _later(value["early"])
    return later
