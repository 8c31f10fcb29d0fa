"""Making the values of every call."""

from __future__ import annotations

from typing import Final

__all__ = ["made"]

made: Final = tuple.__new__
"""`made(Kind, (field, ...))`: a NamedTuple with all its fields in order. Its own constructor is a Python function that
is reached through three of C, which on a cold processor costs as much as the rest of the step.
"""
