"""What can go wrong, by whose fault: the caller's arguments, the data, or the database."""

from __future__ import annotations


class DispositionsError(Exception):
    """The base of every error that this package raises on purpose."""


class TableError(DispositionsError):
    """An outcome table is incomplete or contradicts itself; `problems` lists all of them at once."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class RulesError(DispositionsError):
    """A jurisdiction's file or a weekly schedule cannot be read, or names an unknown zone or country."""


class NumberError(DispositionsError):
    """Not a number that may be dialed; `reason` is one of a small fixed set, for counting."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(f"{reason}: {text!r}")
        self.reason = reason

    @property
    def problem(self) -> str:
        """What is wrong, for people: follows the number in a sentence."""
        return _PROBLEMS.get(self.reason, f"cannot be dialed: {self.reason.replace('_', ' ')}")


_PROBLEMS = {
    "empty": "is empty",
    "not_a_number": "is not a number",
    "not_possible": "has too few or too many digits for a number",
    "not_valid": "is in no range that is in use",
    "premium": "costs its caller extra, and is never dialed",
    "no_zone": "is in no known time zone",
}


class FieldError(DispositionsError):
    """A field's value does not fit its type. `field`: its name; `problem`: what is wrong, without the value."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field} {problem}")
        self.field, self.problem = field, problem


class ExpressionError(DispositionsError):
    """A filter cannot be understood. `line` and `column` count from 1 within its text."""

    def __init__(self, line: int, column: int, problem: str) -> None:
        super().__init__(f"line {line}, column {column}: {problem}")
        self.line, self.column, self.problem = line, column, problem


class ImportFileError(DispositionsError):
    """A contact file cannot be imported at all; says file and, where known, line (1-based)."""

    def __init__(self, path: str, line: int | None, problem: str) -> None:
        where = path if line is None else f"{path}:{line}"
        super().__init__(f"{where}: {problem}")
        self.path, self.line, self.problem = path, line, problem


class SyncError(DispositionsError):
    """A company database cannot be read or written; says what is wrong without its password or its rows."""


class StoreError(DispositionsError):
    """The base of the store's errors."""


class StoreUnavailable(StoreError):
    """The database is locked, full, unreachable or went away: nothing was committed as far as we know.
    Replay the same operations later; all of them are idempotent by the ids that the caller gave."""


class SchemaError(StoreError):
    """The database has no schema, an older one or a newer one; the text says what to do."""


class StoreConflict(StoreError):
    """A conditional write did not find the row that it was to move: two owners of one campaign, or a bug.
    The transaction is rolled back."""


class ArgumentError(StoreError):
    """The caller's arguments are wrong. Raised before anything is changed, so that the rest of the same
    transaction is unharmed and may be committed."""


class UnknownCampaign(ArgumentError):
    """The campaign was never registered with this store."""


class UnknownContact(ArgumentError):
    """No such contact in this campaign."""


class UnknownAttempt(ArgumentError):
    """No attempt has this id."""


class UnknownCode(ArgumentError):
    """The campaign's table has no such disposition code."""


class UnknownCallback(ArgumentError):
    """No open callback has this id."""


class UnderWay(ArgumentError):
    """The contact is in a call now: what was asked for must wait until that has ended."""


class NotLeased(ArgumentError):
    """An attempt may only start for a contact that is claimed and has no attempt yet."""


class AlreadyFinished(ArgumentError):
    """The attempt has another outcome already."""


class NotTalked(ArgumentError):
    """Only a call that reached an agent gets a disposition."""


class OtherAgent(ArgumentError):
    """The attempt belongs to another agent: whoever talked on it last."""


class NotDialable(ArgumentError):
    """The named contact must not be dialed now; `reasons` says why, `next_at` (epoch seconds) until when, if known."""

    def __init__(self, contact_id: int, reasons: tuple[str, ...], next_at: float | None) -> None:
        super().__init__(f"contact {contact_id}: {', '.join(reasons)}")
        self.contact_id, self.reasons, self.next_at = contact_id, reasons, next_at
