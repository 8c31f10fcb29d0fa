"""How a running dialer is reached, from its config file, mistakes and all.

The daemon goes on while somebody edits its file. Whoever wants to pause it then needs its address and its token, which
the rest of the file has no part in: what can be read of them is taken, and the mistakes are handed back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dialer.config.errors import ConfigError, ConfigErrors
from dialer.config.list_tables import ListTable
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
    lists: Mapping[str, ListTable] = field(default_factory=dict)
    list_of: Mapping[str, str] = field(default_factory=dict)
    """campaign -> the first of its lists"""

    def form(self, campaign: str, list_name: str | None) -> ListTable | None:
        """How files of contacts for the campaign are written: as those of the list named, else of its first one."""
        name = list_name if list_name in self.lists else self.list_of.get(campaign, "")
        return self.lists.get(name or "")


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
        return Reach(url, http, errors.errors, *_lists(data))
    file = config.file
    firsts = {name: campaign.lists[0] for name, campaign in file.campaigns.items() if campaign.lists}
    return Reach(file.store.url, file.http, (), file.lists, firsts)


def _lists(data: Mapping[str, Any]) -> tuple[dict[str, ListTable], dict[str, str]]:
    """The sound lists, and the first list of each campaign."""
    tables = {name: sound_table(ListTable, table) for name, table in data["lists"].items()}
    firsts: dict[str, str] = {}
    for name, campaign in data["campaigns"].items():
        named = campaign.get("lists") if isinstance(campaign, dict) else None
        if isinstance(named, list) and named and isinstance(named[0], str):
            firsts[name] = named[0]
    return {name: table for name, table in tables.items() if table is not None}, firsts


def _legible(path: Path, depth: int = 0) -> dict[str, Any]:
    """The tables of the file and its bases that are of use here, as far as they can be read."""
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
    for key in ("store", "http", "lists", "campaigns"):
        tables = [table for table in (under.get(key), data.get(key)) if isinstance(table, dict)]
        found[key] = {name: value for table in tables for name, value in table.items()}
    return found
