"""What a pacer refuses. Every refusal leaves the pacer exactly as it was."""

from __future__ import annotations


class PacingError(Exception):
    """Base of everything that `pacing` raises on purpose."""


class ConfigError(PacingError, ValueError):
    """A configured value is outside what is allowed; `field` names it."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field


class InvalidValueError(PacingError, ValueError):
    """An argument is not a number, not finite, negative, or not one of the allowed words."""


class UnknownIdError(PacingError, KeyError):
    """No such agent or call is known; after a gap call `resync`."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class WrongOrderError(PacingError):
    """The event cannot follow what was told before (see the tables in `pacing.book`)."""


class TimeBackwardsError(PacingError, ValueError):
    """`now` is before an event that was already told."""
