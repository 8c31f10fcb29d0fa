"""Contacts, outcomes, the rules between them, and their store. Usable alone: list hygiene, or a whole campaign's state.

Names are imported when they are first used: the table and the calling rules do not pull in the database.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dispositions.attempt import (
        Applied as Applied,
    )
    from dispositions.attempt import (
        AttemptUpdate as AttemptUpdate,
    )
    from dispositions.attempt import (
        CallbackCard as CallbackCard,
    )
    from dispositions.attempt import (
        Disposition as Disposition,
    )
    from dispositions.attempt import (
        Finish as Finish,
    )
    from dispositions.attempt import (
        NewAttempt as NewAttempt,
    )
    from dispositions.attempt import (
        OutboxMessage as OutboxMessage,
    )
    from dispositions.attempt import (
        Recovery as Recovery,
    )
    from dispositions.attempt import (
        SaleCard as SaleCard,
    )
    from dispositions.attempt import (
        StandingCall as StandingCall,
    )
    from dispositions.callbacks import Promises as Promises
    from dispositions.changes import Change as Change
    from dispositions.consent import Consent as Consent
    from dispositions.consent import ConsentRule as ConsentRule
    from dispositions.contact import (
        AddResult as AddResult,
    )
    from dispositions.contact import (
        AttemptCard as AttemptCard,
    )
    from dispositions.contact import (
        Claim as Claim,
    )
    from dispositions.contact import (
        ContactCard as ContactCard,
    )
    from dispositions.contact import (
        NewContact as NewContact,
    )
    from dispositions.contact import (
        NumberCard as NumberCard,
    )
    from dispositions.contact import (
        Verdict as Verdict,
    )
    from dispositions.erasing import Erased as Erased
    from dispositions.errors import (
        AlreadyFinished as AlreadyFinished,
    )
    from dispositions.errors import (
        ArgumentError as ArgumentError,
    )
    from dispositions.errors import (
        DispositionsError as DispositionsError,
    )
    from dispositions.errors import ExpressionError as ExpressionError
    from dispositions.errors import FieldError as FieldError
    from dispositions.errors import (
        ImportFileError as ImportFileError,
    )
    from dispositions.errors import (
        NotDialable as NotDialable,
    )
    from dispositions.errors import (
        NotLeased as NotLeased,
    )
    from dispositions.errors import (
        NotTalked as NotTalked,
    )
    from dispositions.errors import (
        NumberError as NumberError,
    )
    from dispositions.errors import (
        OtherAgent as OtherAgent,
    )
    from dispositions.errors import (
        RulesError as RulesError,
    )
    from dispositions.errors import (
        SchemaError as SchemaError,
    )
    from dispositions.errors import (
        StoreConflict as StoreConflict,
    )
    from dispositions.errors import (
        StoreError as StoreError,
    )
    from dispositions.errors import (
        StoreUnavailable as StoreUnavailable,
    )
    from dispositions.errors import SyncError as SyncError
    from dispositions.errors import (
        TableError as TableError,
    )
    from dispositions.errors import UnderWay as UnderWay
    from dispositions.errors import (
        UnknownAttempt as UnknownAttempt,
    )
    from dispositions.errors import (
        UnknownCallback as UnknownCallback,
    )
    from dispositions.errors import (
        UnknownCampaign as UnknownCampaign,
    )
    from dispositions.errors import (
        UnknownCode as UnknownCode,
    )
    from dispositions.errors import (
        UnknownContact as UnknownContact,
    )
    from dispositions.expression import Filter as Filter
    from dispositions.expression import parse_filter as parse_filter
    from dispositions.fields import FieldSpec as FieldSpec
    from dispositions.hours import CallingRules as CallingRules
    from dispositions.hours import week as week
    from dispositions.importer import Head as Head
    from dispositions.importer import ImportReport as ImportReport
    from dispositions.importer import ListSpec as ListSpec
    from dispositions.importer import import_csv as import_csv
    from dispositions.importer import read_head as read_head
    from dispositions.jurisdiction import Jurisdiction as Jurisdiction
    from dispositions.jurisdiction import jurisdictions as jurisdictions
    from dispositions.jurisdiction import load_jurisdiction as load_jurisdiction
    from dispositions.number import Number as Number
    from dispositions.number import normalise as normalise
    from dispositions.outcome import Outcome as Outcome
    from dispositions.policy import AttemptCap as AttemptCap
    from dispositions.policy import CampaignPolicy as CampaignPolicy
    from dispositions.policy import ListPolicy as ListPolicy
    from dispositions.register import import_do_not_call as import_do_not_call
    from dispositions.state import ContactState as ContactState
    from dispositions.store import Store as Store
    from dispositions.table import NextState as NextState
    from dispositions.table import OutcomeTable as OutcomeTable
    from dispositions.table import Rule as Rule
    from dispositions.table import default_table as default_table
    from dispositions.transaction import WriteTransaction as WriteTransaction
    from dispositions.view import ReadView as ReadView

_HOME = {
    "attempt": (
        "Applied", "AttemptUpdate", "CallbackCard", "Disposition", "Finish", "NewAttempt", "OutboxMessage", "Recovery",
        "SaleCard", "StandingCall",
    ),
    "contact": ("AddResult", "AttemptCard", "Claim", "ContactCard", "NewContact", "NumberCard", "Verdict"),
    "errors": (
        "AlreadyFinished", "ArgumentError", "DispositionsError", "ExpressionError", "FieldError",
        "ImportFileError", "NotDialable", "NotLeased",
        "NotTalked", "NumberError", "OtherAgent", "RulesError", "SchemaError", "StoreConflict", "StoreError",
        "StoreUnavailable", "TableError",
        "SyncError", "UnderWay", "UnknownAttempt",
        "UnknownCallback", "UnknownCampaign", "UnknownCode", "UnknownContact",
    ),
    "callbacks": ("Promises",),
    "changes": ("Change",),
    "consent": ("Consent", "ConsentRule"),
    "erasing": ("Erased",),
    "expression": ("Filter", "parse_filter"),
    "fields": ("FieldSpec",),
    "hours": ("CallingRules", "week"),
    "importer": ("Head", "ImportReport", "ListSpec", "import_csv", "read_head"),
    "register": ("import_do_not_call",),
    "jurisdiction": ("Jurisdiction", "jurisdictions", "load_jurisdiction"),
    "number": ("Number", "normalise"),
    "outcome": ("Outcome",),
    "policy": ("AttemptCap", "CampaignPolicy", "ListPolicy"),
    "state": ("ContactState",),
    "store": ("Store",),
    "table": ("NextState", "OutcomeTable", "Rule", "default_table"),
    "transaction": ("WriteTransaction",),
    "view": ("ReadView",),
}  # fmt: skip
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}
__all__ = sorted(_MODULE_OF)


def __getattr__(name: str) -> Any:
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{module}"), name)
