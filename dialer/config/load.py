"""From a file's name to a checked `Config`, or to all of its mistakes at once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from dialer.config.campaign_checks import ALL_CHECKS
from dialer.config.checks import Known
from dialer.config.errors import ConfigError, ConfigErrors
from dialer.config.jurisdiction import limits
from dialer.config.merge import Merged, nearest, read_merged
from dialer.config.model import ConfigFile, StoreTable
from dialer.config.outside import missing_things
from dialer.config.partial import names_in, sound_part
from dialer.config.positions import KeyPath, Place, Positions
from dialer.config.store_url import resolve_store_url
from dialer.config.wording import Problem, problems_of

__all__ = ["Config", "ConfigError", "ConfigErrors", "load"]

#: Beyond so many mistakes nobody reads on.
MAX_ERRORS = 200


@dataclass(frozen=True, slots=True)
class Config:
    """A config that holds. `file`: the model, all paths absolute; `path`: as named; `files`: it and its bases.

    `data` is the merged TOML as it was validated, for the reload's comparison.
    """

    file: ConfigFile
    path: Path
    files: tuple[Path, ...]
    data: Mapping[str, Any]
    positions: Positions

    def place(self, *path: str | int) -> Place:
        """Where a key's value is written; where it is not, the place of the table around it."""
        entry = nearest(self.positions, path)
        return Place(str(self.path), 1, 1) if entry is None else entry.value

    def error(self, path: KeyPath, message: str) -> ConfigError:
        """A mistake at a key, found after the load (a CSV header, a table that cannot be built)."""
        place = self.place(*path)
        return ConfigError(place.file, place.line, place.column, message)


def load(path: str | os.PathLike[str], *, outside: bool = True, environ: Mapping[str, str] | None = None) -> Config:
    """Read and check the config at `path` and its bases. Raises ConfigErrors with every mistake.

    `outside`: also what it points at must be there (lists, messages, secrets); commands that only talk to a running
    daemon leave that out. `environ`: where `_env` keys look; default: the process's environment.
    """
    merged = read_merged(Path(path))
    merged.data.setdefault("store", {})
    store = merged.data["store"]
    if isinstance(store, dict) and "url" not in store:
        # The default is relative to the file, like a written one.
        store["url"] = resolve_store_url(StoreTable.model_fields["url"].default, Path(path).parent.absolute())
    problems: list[Problem] = []
    try:
        file = ConfigFile.model_validate(merged.data)
    except ValidationError as error:
        problems = problems_of(error, merged.data)
        file = sound_part(merged.data, [problem.path for problem in problems])
    kinds = ("trunks", "agents", "lists", "do_not_call", "codes", "campaigns")
    known = Known({kind: names_in(merged.data, kind) for kind in kinds}, limits())
    bad = {problem.path for problem in problems}
    for problem in _further(file, known, os.environ if environ is None else environ, outside):
        if not _moot(problem, bad):
            problems.append(problem)
    if problems:
        raise ConfigErrors(_errors(merged, problems))
    return Config(file, Path(path), merged.files, merged.data, merged.positions)


def _further(file: ConfigFile, known: Known, environ: Mapping[str, str], outside: bool) -> Iterator[Problem]:
    for check in ALL_CHECKS:
        yield from check(file, known)
    if outside:
        yield from missing_things(file, environ)


def _moot(problem: Problem, bad: set[KeyPath]) -> bool:
    """Whether the problem follows from a mistake that is reported already, here or at a key it depends on."""
    places = (problem.path, *problem.needs)
    if any(place[: len(wrong)] == wrong for place in places for wrong in bad):
        return True
    return problem.whole and any(wrong[: len(problem.path)] == problem.path for wrong in bad)


def _errors(merged: Merged, problems: list[Problem]) -> list[ConfigError]:
    errors = []
    for problem in problems:
        entry = nearest(merged.positions, problem.path)
        if entry is None:
            errors.append(ConfigError(merged.shown, 1, 1, problem.message))
            continue
        place = entry.key if problem.on_key else entry.value
        errors.append(ConfigError(place.file, place.line, place.column, problem.message))
    if len(errors) > MAX_ERRORS:
        errors.sort()
        last = errors[MAX_ERRORS - 1]
        more = f"and {len(errors) - MAX_ERRORS} further mistakes"
        errors = [*errors[:MAX_ERRORS], ConfigError(last.file, last.line, last.column + 1, more)]
    return errors
