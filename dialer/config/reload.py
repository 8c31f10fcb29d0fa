"""What a reload would change: the keys that differ between two configs, and which of them a running daemon can take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from dialer.config.load import Config
from dialer.config.positions import KeyPath
from dialer.config.wording import dotted

#: What is opened or set once, at the start. Everything else is taken live.
FIXED: tuple[KeyPath, ...] = (
    ("store",),
    ("sip",),
    ("media",),
    ("mqtt",),
    ("sales",),
    ("log",),
    ("http", "listen"),
    ("http", "allow_metrics_without_token"),
)


@dataclass(frozen=True, slots=True)
class Change:
    """One key that differs. `kind`: added, removed or changed. `live`: taken at once, else after a restart."""

    path: KeyPath
    kind: str
    live: bool

    @property
    def key(self) -> str:
        """The key path as people write it."""
        return dotted(self.path)


@dataclass(frozen=True, slots=True)
class Difference:
    """What a reload changes, in the order of the key paths."""

    changes: tuple[Change, ...]

    @property
    def live(self) -> tuple[str, ...]:
        """Keys that take effect at once."""
        return tuple(change.key for change in self.changes if change.live)

    @property
    def needs_restart(self) -> tuple[str, ...]:
        """Keys that the running daemon keeps as they were."""
        return tuple(change.key for change in self.changes if not change.live)

    def touches(self, *path: str) -> bool:
        """Whether anything at or below `path`, or a table around it, changed."""
        return any(c.path[: len(path)] == path or path[: len(c.path)] == c.path for c in self.changes)

    def to_dict(self) -> dict[str, list[str]]:
        """For the answer of a reload command."""
        return {"changed": list(self.live), "needs_restart": list(self.needs_restart)}


def difference(old: Config, new: Config) -> Difference:
    """Compare two configs key by key, defaults filled in: writing a default down changes nothing."""
    found = _differ(old.file.model_dump(exclude={"base"}), new.file.model_dump(exclude={"base"}), ())
    changes = (Change(path, kind, not _fixed(path)) for path, kind in found)
    return Difference(tuple(sorted(changes, key=lambda change: change.key)))


def _fixed(path: KeyPath) -> bool:
    return any(path[: len(fixed)] == fixed or fixed[: len(path)] == path for fixed in FIXED)


def _differ(old: Mapping[str, Any], new: Mapping[str, Any], at: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    for key in old.keys() | new.keys():
        path = (*at, key)
        if key not in new:
            yield path, "removed"
        elif key not in old:
            yield path, "added"
        elif isinstance(old[key], dict) and isinstance(new[key], dict):
            yield from _differ(old[key], new[key], path)
        elif old[key] != new[key]:
            yield path, "changed"


def taken_live(old: Config, new: Config) -> Config:
    """`new` as a running daemon can take it: what is fixed stays as in `old`."""
    fixed = ("listen", "allow_metrics_without_token")
    http = {key: getattr(old.file.http, key) for key in fixed}
    kept = {
        "store": old.file.store,
        "sip": old.file.sip,
        "media": old.file.media,
        "mqtt": old.file.mqtt,
        "sales": old.file.sales,
        "log": old.file.log,
        "http": new.file.http.model_copy(update=http),
    }
    return replace(new, file=new.file.model_copy(update=kept))
