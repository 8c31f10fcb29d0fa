"""How a running dialer is reached, from its config file, mistakes and all.

The daemon goes on while somebody edits its file. Whoever wants to pause it then needs its address and its token, which
the rest of the file has no part in: what can be read of them is taken, and the mistakes are handed back.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dialer.config.errors import ConfigError, ConfigErrors
from dialer.config.load import load
from dialer.config.merge import MAX_BASES, resolve_paths
from dialer.config.model import HttpTable, StoreTable
from dialer.config.partial import sound_table
from dialer.config.source import legible
from dialer.config.store_url import resolve_store_url


@dataclass(frozen=True, slots=True)
class Reach:
    """`store_url`: beside its file lie address and token. `ignored`: the file's mistakes, none of them looked at."""

    store_url: str
    http: HttpTable
    ignored: tuple[ConfigError, ...] = ()


def reach(path: Path) -> Reach:
    """What the file at `path` says of its daemon's API. Raises ConfigErrors when it cannot be read as a file at all."""
    try:
        config = load(path, outside=False)
    except ConfigErrors as errors:
        data = _legible(path)
        store = data["store"] if isinstance(data.get("store"), dict) else {}
        # without the URL: the default, as `load` has it
        table = sound_table(StoreTable, store) or StoreTable()
        http = sound_table(HttpTable, data.get("http", {})) or HttpTable()
        url = resolve_store_url(table.url, path.parent.absolute())
        return Reach(url, http, errors.errors)
    return Reach(config.file.store.url, config.file.http)


def _legible(path: Path, depth: int = 0) -> dict[str, Any]:
    """The tables `store` and `http` of the file and its bases, as far as they can be read."""
    data = legible(path)
    resolve_paths(data, path.parent.absolute())
    base = data.get("base")
    under: dict[str, Any] = {}
    if isinstance(base, str) and base and "\x00" not in base and depth < MAX_BASES:
        try:
            under = _legible(path.parent / base, depth + 1)
        except ConfigErrors:
            under = {}  # a base that is not there is among the mistakes already
    found: dict[str, Any] = {}
    for key in ("store", "http"):
        tables = [table for table in (under.get(key), data.get(key)) if isinstance(table, dict)]
        found[key] = {name: value for table in tables for name, value in table.items()}
    return found
