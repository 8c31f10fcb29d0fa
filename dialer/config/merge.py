"""`base = "other.toml"`: a config that changes another one, key by key.

Tables merge; everything else (values, lists, arrays of tables) replaces what the base had. Relative paths are resolved
against the file that they stand in, before the merge, so that a base may live in another directory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dialer.config.errors import ConfigError, ConfigErrors
from dialer.config.positions import Entry, KeyPath, Place, Positions
from dialer.config.source import Source, read_source
from dialer.config.store_url import resolve_store_url

MAX_BASES = 16

#: Keys that hold file names; `*` stands for any table name. A test compares this with the model.
PATH_KEYS: tuple[tuple[str, ...], ...] = (
    ("sip", "certificate_file"),
    ("sip", "key_file"),
    ("sip", "ca_file"),
    ("trunks", "*", "password_file"),
    ("trunks", "*", "certificate_file"),
    ("trunks", "*", "key_file"),
    ("trunks", "*", "ca_file"),
    ("agents", "*", "token_file"),
    ("agents", "*", "password_file"),
    ("lists", "*", "path"),
    ("lists", "*", "rejects"),
    ("do_not_call", "*", "path"),
    ("campaigns", "*", "message"),
    ("http", "token_file"),
    ("mqtt", "password_file"),
    ("sales", "connectors", "*", "secret_file"),
    ("tokens", "*", "token_file"),
    ("webhooks", "*", "secret_file"),
)


@dataclass(frozen=True, slots=True)
class Merged:
    """A file with its bases folded in. `files` has the file itself first, then its base, the base's base, ..."""

    data: dict[str, Any]
    positions: Positions
    files: tuple[Path, ...]
    shown: str


def read_merged(path: Path) -> Merged:
    """Read `path` and all its bases. Raises ConfigErrors: syntax, a missing base, a cycle."""
    return _read(path, str(path), None, ())


def _read(path: Path, shown: str, named_at: Place | None, seen: tuple[Path, ...]) -> Merged:
    try:
        real = path.resolve()
    except (OSError, RuntimeError, ValueError):
        raise ConfigErrors([ConfigError(shown, 1, 1, "no such file")]) from None
    if named_at is not None and real in seen:
        chain = " -> ".join(file.name for file in (*seen[seen.index(real) :], real))
        raise _at(named_at, f"base: goes in a circle: {chain}")
    if named_at is not None and len(seen) >= MAX_BASES:
        raise _at(named_at, f"base: more than {MAX_BASES} files deep")
    if named_at is not None and not path.is_file():
        raise _at(named_at, f"base: no such file: {shown}")
    source = read_source(path, shown)
    resolve_paths(source.data, path.parent.absolute())
    base_name = source.data.pop("base", None)
    if base_name is None:
        return Merged(source.data, source.positions, (real,), shown)
    place = source.positions[("base",)].value
    if not isinstance(base_name, str) or not base_name or "\x00" in base_name:
        raise _at(place, f"base: got {base_name!r}; allowed: the name of another config file")
    base = _read(path.parent / base_name, str(Path(shown).parent / base_name), place, (*seen, real))
    positions = dict(base.positions)
    data = _overlay(base.data, source, positions, ())
    positions[("base",)] = source.positions[("base",)]
    return Merged(data, positions, (real, *base.files), shown)


def _at(place: Place, message: str) -> ConfigErrors:
    return ConfigErrors([ConfigError(place.file, place.line, place.column, message)])


def resolve_paths(data: dict[str, Any], directory: Path) -> None:
    """Make the relative file names in `data` absolute, in place: they are relative to `directory`."""
    for pattern in PATH_KEYS:
        *tables, key = pattern
        for table in _tables(data, tables):
            value = table.get(key)
            if isinstance(value, str) and value and "\x00" not in value:
                table[key] = (
                    str(directory / Path(value).expanduser()) if value.startswith("~/") else str(directory / value)
                )
    for name, key in (("store", "url"), ("sales", "database")):
        holder = data.get(name)
        if isinstance(holder, dict) and isinstance(holder.get(key), str):
            holder[key] = resolve_store_url(holder[key], directory)


def _tables(data: Any, names: list[str]) -> list[dict[str, Any]]:
    found = [data] if isinstance(data, dict) else []
    for name in names:
        below: list[dict[str, Any]] = []
        for table in found:
            values = table.values() if name == "*" else [table.get(name)]
            below.extend(value for value in values if isinstance(value, dict))
        found = below
    return found


def _overlay(base: dict[str, Any], source: Source, positions: Positions, at: KeyPath) -> dict[str, Any]:
    """`base` with the source's table at path `at` laid over it; `positions` follow."""
    over: Any = source.data
    for part in at:
        over = over[part]
    merged = dict(base)
    for key, value in over.items():
        path = (*at, key)
        if isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = _overlay(merged[key], source, positions, path)
            positions[path] = source.positions[path]
        else:
            _replace_positions(positions, source.positions, path, merged.get(key), value)
            merged[key] = value
    return merged


def _replace_positions(positions: Positions, new: Positions, path: KeyPath, old: Any, value: Any) -> None:
    for gone in _paths(old, path):
        positions.pop(gone, None)
    for written in _paths(value, path):
        if written in new:
            positions[written] = new[written]


def _paths(value: Any, path: KeyPath) -> Iterator[KeyPath]:
    """`path` and every key path below it."""
    yield path
    if isinstance(value, dict):
        for key, below in value.items():
            yield from _paths(below, (*path, key))
    elif isinstance(value, list):
        for index, below in enumerate(value):
            yield from _paths(below, (*path, index))


def nearest(positions: Positions, path: KeyPath) -> Entry | None:
    """The entry of `path` or of the closest table around it that is written in a file."""
    while path:
        entry = positions.get(path)
        if entry is not None:
            return entry
        path = path[:-1]
    return None
