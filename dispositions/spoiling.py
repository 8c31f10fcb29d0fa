"""What a conflict in the midst of an operation does to its transaction."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeAlias, TypeVar

from dispositions.errors import StoreConflict

if TYPE_CHECKING:
    from dispositions.transaction import WriteTransaction

__all__ = ["spoiling"]

P = ParamSpec("P")
T = TypeVar("T")
_Method: TypeAlias = "Callable[Concatenate[WriteTransaction, P], T]"


def spoiling(method: _Method[P, T]) -> _Method[P, T]:
    """A `StoreConflict` may leave an operation half done in memory. Whoever catches it must not commit the rest:
    the transaction is spoilt, every later operation and the commit raise it again."""

    @wraps(method)
    def guarded(self: WriteTransaction, /, *args: P.args, **kwargs: P.kwargs) -> T:
        if self.spoilt is not None:
            raise self.spoilt
        try:
            return method(self, *args, **kwargs)
        except StoreConflict as conflict:
            self.spoilt = conflict
            raise

    return guarded
