"""As much of a faulty config as is sound, so that the cross-checks can go on and all mistakes come at once.

A key with a mistake is taken out, and where the table cannot do without it a placeholder goes in. Names that were
written stay known to the cross-checks, so that a trunk with a typo is not also reported as unknown.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from dialer.config.campaign_tables import CampaignTable, NextTable
from dialer.config.kinds import Table
from dialer.config.list_tables import DoNotCallTable, ListTable
from dialer.config.model import ConfigFile, HttpTable, LogTable, MqttTable, StoreTable
from dialer.config.positions import KeyPath
from dialer.config.sales_tables import SalesTable
from dialer.config.sharing_tables import SharingTable
from dialer.config.sip_tables import AgentTable, MediaTable, SipTable, TrunkTable
from dialer.config.wording import has, real_path

T = TypeVar("T", bound=Table)

_NAMED: dict[str, type[Table]] = {
    "trunks": TrunkTable,
    "agents": AgentTable,
    "lists": ListTable,
    "do_not_call": DoNotCallTable,
    "campaigns": CampaignTable,
}
_SINGLE: dict[str, type[Table]] = {
    "store": StoreTable,
    "sip": SipTable,
    "media": MediaTable,
    "sharing": SharingTable,
    "http": HttpTable,
    "mqtt": MqttTable,
    "sales": SalesTable,
    "log": LogTable,
}
#: Leaving these out means to do without.
_OPTIONAL = ("mqtt", "sales")

#: A harmless value for each required key. What the checks say about one is dropped: its absence is reported already.
PLACEHOLDERS: dict[str, Any] = {
    "address": "localhost:5060",
    "prefixes": ["+"],
    "phone": "sip:placeholder",
    "region": "XX",
    "path": "-",
    "lists": ["-"],
    "trunks": ["-"],
    "caller_id": "00",
    "jurisdiction": "none",
    "next": "done",
    "start": "00:00",
    "end": "24:00",
    "prefix": "+",
    "type": "text",
    "basis": "contract",
    "url_env": "-",
    "table": "-",
    "key": "-",
    "changed_column": "-",
    "kind": "http",
    "connectors": {},
    "steps": [],
    "name": "placeholder",
    "connector": "-",
    "do": {},
    "number": "00",
    "campaigns": ["-"],
    "url": "http://localhost/",
}

#: Taking a key out may uncover another mistake; the tables are four levels deep.
_ROUNDS = 8


def sound_part(data: Mapping[str, Any], bad: Iterable[KeyPath]) -> ConfigFile:
    """A config of the sound tables of `data`, `bad` being the paths with mistakes. Not validated as a whole."""
    pruned = copy.deepcopy(dict(data))
    for path in sorted(bad, key=len, reverse=True):
        _take_out(pruned, path)
    parts: dict[str, Any] = {}
    for key, model in _SINGLE.items():
        table = sound_table(model, pruned[key]) if key in pruned else None
        parts[key] = table if table is not None or key in _OPTIONAL else model()
    for key, model in _NAMED.items():
        tables = pruned.get(key)
        named = tables.items() if isinstance(tables, dict) else ()
        sound = ((name, sound_table(model, table)) for name, table in named)
        parts[key] = {name: table for name, table in sound if table is not None}
    parts["codes"] = {
        name: {code: line for code, raw in lines.items() if (line := sound_table(NextTable, raw)) is not None}
        for name, lines in _tables(pruned.get("codes"))
    }
    scale = pruned.get("time_scale", 1.0)
    parts["time_scale"] = float(scale) if isinstance(scale, int | float) else 1.0
    return ConfigFile.model_construct(base=None, **parts)


def _tables(tables: Any) -> Iterable[tuple[str, dict[str, Any]]]:
    """Those below `tables` that are tables."""
    return [(name, one) for name, one in tables.items() if isinstance(one, dict)] if isinstance(tables, dict) else []


def sound_table(model: type[T], table: Any) -> T | None:
    """`table` as a model, placeholders where a required key is gone; None when it is not even a table."""
    if not isinstance(table, dict):
        return None
    for _ in range(_ROUNDS):
        try:
            return model.model_validate(table)
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                path, _tagged, _on_key = real_path(detail["loc"], table, detail["type"])
                if detail["type"] == "missing" and path[-1] in PLACEHOLDERS:
                    _put_in(table, path)
                else:
                    _take_out(table, path)
    return None


def _put_in(table: Any, path: KeyPath) -> None:
    for part in path[:-1]:
        table = table[part]
    table[path[-1]] = copy.deepcopy(PLACEHOLDERS[str(path[-1])])


def _take_out(data: Any, path: KeyPath) -> None:
    *tables, last = path or ("",)
    for part in tables:
        if not has(data, part):
            return
        data = data[part]
    if isinstance(data, dict):
        data.pop(last, None)
    elif isinstance(last, int) and has(data, last):
        # Indices of the other items must go on being right: blank the item in place where that is possible.
        data[last] = data[last - 1] if last else data[-1]


def names_in(data: Mapping[str, Any], key: str) -> frozenset[str]:
    """The names of the tables under `key` as written, sound or not."""
    tables = data.get(key)
    return frozenset(tables) if isinstance(tables, dict) else frozenset()
