"""What would be dialable now, without changing anything: counted in a copy of the store with the lists read into it."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dialer.cli.lists import progress
from dialer.cli.output import Failure
from dialer.cli.stores import opened
from dialer.config.build import BuiltCampaign, list_spec
from dialer.config.load import Config
from dialer.config.store_url import sqlite_file
from dialer.registers import put_compiled
from dispositions import ImportFileError, Store
from dispositions.importer import ImportReport, import_csv, read_head
from dispositions.register import import_do_not_call

#: A larger store is counted where it is, without the lists' new rows: a copy would take too long.
LARGEST_COPY = 512 * 1024 * 1024


def heads(config: Config, problems: list[str]) -> dict[str, dict[str, Any]]:
    """List -> its columns, encoding and delimiter; what is wrong with a file is added to `problems`, with its place."""
    found: dict[str, dict[str, Any]] = {}
    for name, listed in config.file.lists.items():
        spec = list_spec(name, listed)
        if spec is None:
            continue
        try:
            head = read_head(spec)
        except ImportFileError as error:
            problems.append(str(config.error(("lists", name, "path"), f"lists.{name}.path: {error}")))
            continue
        found[name] = {
            "columns": list(head.columns),
            "encoding": head.form.encoding,
            "delimiter": head.form.delimiter,
        }
        for column in head.missing:
            place = config.error(("lists", name, "columns"), "")
            there = ", ".join(head.columns)[:300]
            text = f"lists.{name}.columns: {listed.path} has no column {column!r}; allowed: {there}"
            problems.append(str(replace(place, message=text)))
    return found


@dataclass(frozen=True, slots=True)
class Funnel:
    """`contacts`: campaign -> contacts by reason. `read`: list -> what became of its file's rows; empty for a store
    that was counted where it is."""

    contacts: Mapping[str, Mapping[str, int]]
    read: Mapping[str, ImportReport]


def count(config: Config, campaigns: Mapping[str, BuiltCampaign], at: float, *, quiet: bool) -> Funnel:
    """The contacts at `at` (epoch seconds), as a daemon started now would find them. Raises Failure."""
    url = config.file.store.url
    file = sqlite_file(url)
    exists = file is None or file.is_file()
    if exists and (file is None or file.stat().st_size > LARGEST_COPY):
        with opened(url, (c.policy for c in campaigns.values())) as store:
            put_compiled(store, config.file.do_not_call)
            return Funnel(_count(store, config, campaigns, at), {})
    with tempfile.TemporaryDirectory(prefix="dialer-check-") as directory:
        copy = Path(directory) / "store.db"
        if file is not None and exists:
            _copy(file, copy)
        with opened(f"sqlite:///{copy}", (c.policy for c in campaigns.values()), create=True) as store:
            read = _read_lists(config, campaigns, store, Path(directory), at, quiet)
            return Funnel(_count(store, config, campaigns, at), read)


def _count(
    store: Store, config: Config, campaigns: Mapping[str, BuiltCampaign], at: float
) -> dict[str, dict[str, int]]:
    found = {}
    with store.read() as view:
        for name, campaign in campaigns.items():
            prefixes = [p for trunk in campaign.table.trunks for p in config.file.trunks[trunk].prefixes]
            found[name] = {str(reason): n for reason, n in view.funnel(name, at, prefixes=prefixes).items()}
    return found


def _copy(source: Path, target: Path) -> None:
    """A consistent copy, also of a store that a daemon is writing."""
    try:
        with (
            closing(sqlite3.connect(f"{source.as_uri()}?mode=ro", uri=True)) as old,
            closing(sqlite3.connect(target)) as new,
        ):
            old.backup(new)
    except sqlite3.Error as error:
        raise Failure(f"store {source}: {error}", code="store") from None


def _read_lists(
    config: Config, campaigns: Mapping[str, BuiltCampaign], store: Store, scratch: Path, at: float, quiet: bool
) -> dict[str, ImportReport]:
    reports = {}
    for name, marks in config.file.do_not_call.items():
        # Rejects go beside the file: let that be the scratch directory.
        alias = scratch / f"do-not-call-{name}"
        alias.symlink_to(Path(marks.path).absolute())
        with progress(f"do not call: {name}", quiet) as tell:
            import_do_not_call(
                store, name, alias, at, region=marks.region, column=marks.column, replaces=marks.replaces, progress=tell
            )
    for campaign, unit in campaigns.items():
        for name in unit.table.lists:
            spec = list_spec(name, config.file.lists[name])
            if spec is not None:
                with progress(f"{campaign}: {name}", quiet) as tell:
                    aside = replace(spec, rejects=scratch / f"{name}.rejects.csv")
                    reports[name] = import_csv(store, campaign, aside, at, tell, apart=True)
    return reports
