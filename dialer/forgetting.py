"""Files and places beyond the store that may know a person who is being erased: what the dialer wrote itself is
cleaned, everything else is named, so that somebody looks there.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from dialer.config.build import list_spec
from dialer.config.load import Config
from dispositions.scrubbing import scrub_rejects


@dataclass(frozen=True, slots=True)
class Cleaned:
    """`rows`: path -> rows that were taken out; `failed`: path -> why it could not be rewritten."""

    rows: dict[str, int]
    failed: dict[str, str]


def clean_rejects(config: Config, digits: Collection[int], keys: Collection[str]) -> Cleaned:
    """Take the person's rows out of the rejects files of the config's lists."""
    rows: dict[str, int] = {}
    failed: dict[str, str] = {}
    for name, table in config.file.lists.items():
        spec = list_spec(name, table)
        if spec is None:
            continue
        path = spec.rejects or spec.path.with_name(f"{spec.path.name}.rejects.csv")
        try:
            gone = scrub_rejects(path, digits, keys, table.region)
        except OSError as error:
            failed[str(path)] = error.strerror or str(error)
            continue
        if gone:
            rows[str(path)] = gone
    return Cleaned(rows, failed)


def elsewhere(config: Config) -> list[str]:
    """Where else the person may stand, in words, by what this config uses; the dialer does not reach there."""
    file = config.file
    found = []
    for name, table in file.lists.items():
        if table.path is not None:
            found.append(f"list {name}: {table.path} (its rows are not called any more, but stand there)")
        if table.database is not None:
            theirs, ours = table.database.table, table.database.results_table
            found.append(f"list {name}: table {theirs} of your database, and {ours} beside it")
    found.append("rejects whose number could not be read, and those of files given by hand (FILE.rejects.csv)")
    if file.mqtt is not None:
        found.append("what subscribers of the MQTT broker have kept (no retained message holds a number)")
    found += [f"webhook {name}: what its receiver has kept" for name in file.webhooks]
    if file.sales is not None:
        found.append("the sales' third parties, and sales.db beside the store (their answers' ids)")
    found.append("exports and reports that were written, logs (at level debug they name numbers), backups of the store")
    return found
