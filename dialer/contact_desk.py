"""What companies and supervisors ask about single contacts: corrections, consent, erasure. Part of `Desk`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from functools import partial
from typing import Any, TypeVar

from dialer import commands as c
from dialer.commands import CommandError
from dialer.services import Services
from dispositions import Consent, NumberError, ReadView, UnderWay, UnknownContact, WriteTransaction, normalise

T = TypeVar("T")


class ContactDesk:
    """`campaigns`: the names of those that run here; `agents`: of those in the config. Methods raise CommandError, and
    the DispositionsErrors that the desk translates.
    """

    def __init__(
        self, services: Services, campaigns: Callable[[], list[str]], agents: Callable[[], Collection[str]]
    ) -> None:
        self._services = services
        self._campaigns = campaigns
        self._agents = agents

    async def correct(self, command: c.ContactCorrect) -> dict[str, Any]:
        """Fields, numbers, priority."""
        if not command.fields and not command.numbers and command.priority is None:
            raise CommandError("invalid", "nothing to correct: give fields, numbers or priority")
        at = self._services.clock.at()
        corrected = await self._each(
            command.number,
            command.campaign,
            lambda tx, contact: tx.correct(
                contact, command.fields, command.numbers, "api", at, priority=command.priority
            ),
        )
        return {"contacts": list(corrected), "corrected": max(corrected.values())}

    async def consent(self, command: c.ContactConsent) -> dict[str, Any]:
        """The lawful basis, or that there is none any more."""
        at = self._services.clock.at()
        ground = None
        if command.basis is not None:
            given = command.given_at.timestamp() if command.given_at is not None else at
            until = command.expires_at.timestamp() if command.expires_at is not None else None
            ground = Consent(command.basis, given, command.source, until)
        found = await self._each(
            command.number, None, lambda tx, contact: tx.record_consent(contact, ground, "api", at)
        )
        return {"contacts": list(found), "basis": command.basis}

    async def erase(self, command: c.ContactErase) -> dict[str, Any]:
        """The person is forgotten; the mark stays."""
        at, digits = self._services.clock.at(), _digits(command.number)
        try:
            erased = await self._services.ledger.write(lambda tx: tx.erase(digits, "api", at))
        except UnderWay as error:
            raise CommandError("busy", str(error)) from None
        await asyncio.to_thread(self._services.ledger.store.checkpoint)
        return {
            "contacts": list(erased.contacts),
            "sales_kept": erased.sales_kept,
            "marked": erased.marked,
            "messages": erased.messages,
        }

    async def reassign(self, command: c.CallbackReassign) -> dict[str, Any]:
        """A promised call goes to another agent, or to everybody."""
        name = command.agent_name
        if name is not None and name not in self._agents():
            raise CommandError("unknown_agent", f"agent {name!r} is not in the config file")
        at = self._services.clock.at()
        card = await self._services.ledger.write(lambda tx: tx.reassign_callback(command.callback, name, at))
        return {"callback": card.callback_id, "agent": name, "due_at": card.due_at, "contact": card.contact_id}

    async def _each(self, number: str, campaign: str | None, do: Callable[[WriteTransaction, int], T]) -> dict[int, T]:
        """`do` to the number's contact in `campaign`, or in every campaign that runs here."""
        text = f"+{_digits(number)}"
        names = self._campaigns() if campaign is None else [campaign]
        ids = []
        for name in names:
            try:
                ids.append(await self._services.ledger.read(partial(_holder, text, name)))
            except UnknownContact:
                continue
        if not ids:
            raise CommandError("unknown_contact", f"{number} is in no campaign that runs here")
        return await self._services.ledger.write(lambda tx: {contact: do(tx, contact) for contact in ids})


def _holder(number: str, campaign: str, view: ReadView) -> int:
    return view.contact_id(number, campaign)


def _digits(text: str) -> int:
    try:
        return normalise(text, None, validity="possible", default_zone="UTC").digits
    except NumberError as error:
        raise CommandError("invalid", f"number: {text[:40]} {error.problem}; write it as +34600000001") from None
