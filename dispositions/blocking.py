"""Do-not-call marks: registers of numbers, and customers who ask for it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, select

from dispositions import schema, settle
from dispositions.donotcall import ADDED, REMOVED
from dispositions.number import digits_of
from dispositions.policy import CampaignPolicy
from dispositions.rows import upsert
from dispositions.state import ContactState
from dispositions.statement import ByKeys, Statement
from dispositions.work import Contact

if TYPE_CHECKING:
    from dispositions.transaction import WriteTransaction

_d, _n = schema.do_not_call.c, schema.number.c
_ADD = Statement(
    lambda dialect: upsert(schema.do_not_call, ["digits", "list"], dialect),
    columns=("digits", "list", "source", "at", "serial"),
)
_TAKE_BACK = Statement(
    delete(schema.do_not_call).where(
        _d.digits == bindparam("digits"), _d.list == bindparam("list"), _d.source == bindparam("source")
    )
)
_HOLDERS = ByKeys(
    _n.digits,
    lambda condition, dialect: select(_n.contact_id, _n.digits).where(
        condition, _n.campaign_id == bindparam("campaign_id")
    ),
)
_CHUNK = 10_000
_WITHDRAWN = (ContactState.READY, ContactState.WAITING, ContactState.CALLBACK)


def among(tx: WriteTransaction, numbers: Collection[int], policy: CampaignPolicy) -> set[int]:
    """Which of these numbers are on do-not-call lists that bind the campaign, this transaction's own marks included."""
    lists = tx.store.lists_of(policy)
    found = tx.store.do_not_call.among(numbers, lists)
    for name, marked in tx.forbidden:
        if name in lists:
            found.update(set(marked).intersection(numbers))
    return found


def add_do_not_call(tx: WriteTransaction, numbers: Iterable[str | int], source: str, at: float) -> int:
    """See `WriteTransaction.add_do_not_call`."""
    digits = list(dict.fromkeys(digits_of(number) for number in numbers))
    added = 0
    for start in range(0, len(digits), _CHUNK):
        added += _add(tx, digits[start : start + _CHUNK], source, source, at)
    for policy in tx.store.policies():
        if source in tx.store.lists_of(policy):
            _withdraw(tx, policy, digits, at)
    return added


def _add(tx: WriteTransaction, digits: list[int], name: str, source: str, at: float) -> int:
    if not digits:
        return 0
    serial = tx.store.counter(ADDED, tx.connection)
    rows = [{"digits": n, "list": name, "source": source, "at": at, "serial": serial} for n in digits]
    tx.forbidden.append((name, digits))
    return _ADD.many(tx.connection, rows)


def remove_do_not_call(tx: WriteTransaction, numbers: Iterable[int], source: str) -> int:
    """See `WriteTransaction.remove_do_not_call`."""
    digits = list(numbers)
    rows = [{"digits": number, "list": source, "source": source} for number in digits]
    removed = _TAKE_BACK.many(tx.connection, rows)
    if removed:
        tx.store.counter(REMOVED, tx.connection)
        tx.allowed.append((source, digits))
    return removed


def _withdraw(tx: WriteTransaction, policy: CampaignPolicy, digits: list[int], at: float) -> None:
    campaign_id = tx.store.campaign_id(policy.name)
    given = {"campaign_id": campaign_id}
    holders = [(row[0], row[1]) for row in _HOLDERS.all(tx.connection, digits, given)]
    tx.work.load_contacts([contact_id for contact_id, _ in holders])
    for contact_id, number in holders:
        withdraw_contact(tx, tx.work.contacts[contact_id], number, policy, at)


def withdraw_contact(tx: WriteTransaction, contact: Contact, number: int, policy: CampaignPolicy, at: float) -> None:
    """One of the contact's numbers is forbidden: it goes on with its next one, or is settled."""
    settle.mark_number(tx, contact, number, "do_not_call")
    if contact.number != number or contact.place.state not in _WITHDRAWN:
        return  # not dialed with it now; a call under way is looked at when it ends
    if settle.switch_number(tx, contact, policy):
        settle.restand(contact, at)
        return
    if contact.callback_id is not None:
        tx.work.close_callback(contact.callback_id, "withdrawn", at)
        contact.callback_id, contact.dirty = None, True
    settle.settle(contact, ContactState.DO_NOT_CALL, at)


def forbid(
    tx: WriteTransaction, contact: Contact, attempt_id: str, policy: CampaignPolicy, at: float, project: bool
) -> None:
    """Every number of the contact goes on the campaign's own list, or its project's; other campaigns that it binds lose
    them too."""
    name = policy.project_list if project and policy.project_list is not None else policy.own_list
    rows = settle.NUMBERS.one(tx.connection, {"contact_id": contact.id}).all()
    digits = [row.digits for row in rows]
    for number in digits:
        settle.mark_number(tx, contact, number, "do_not_call")
    _add(tx, digits, name, f"attempt:{attempt_id}", at)
    for other in tx.store.policies():
        if other.name != policy.name and name in tx.store.lists_of(other):
            _withdraw(tx, other, digits, at)


def allow(tx: WriteTransaction, contact: Contact, attempt_id: str, policy: CampaignPolicy) -> None:
    """The mark was a mistake of the same attempt; marks of any other source stay."""
    for name in (policy.own_list, policy.project_list):
        if name is not None:
            _allow(tx, contact, attempt_id, name)


def _allow(tx: WriteTransaction, contact: Contact, attempt_id: str, name: str) -> None:
    freed = []
    for row in settle.NUMBERS.one(tx.connection, {"contact_id": contact.id}).all():
        key = {"digits": row.digits, "list": name, "source": f"attempt:{attempt_id}"}
        if _TAKE_BACK.many(tx.connection, [key]) and row.status == "do_not_call":
            settle.mark_number(tx, contact, row.digits, "ok")
            freed.append(row.digits)
    if freed:
        tx.store.counter(REMOVED, tx.connection)
        tx.allowed.append((name, freed))
        tx.forbidden = [
            (other, [n for n in numbers if other != name or n not in freed]) for other, numbers in tx.forbidden
        ]
