"""Python's garbage collector, kept out of work that makes very many small values and nothing that refers to itself."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """No collection in the meantime, of this process: for some tenths of a second at most. The collector walks the same
    values again and again as they become more, which took a quarter of the time of an import; what other threads leave
    behind is collected afterwards. Whoever has switched it off finds it off; two at a time leave it on."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
