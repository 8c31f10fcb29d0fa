"""A person's rows taken out of a file of refused rows: erasure reaches those files, too.

Such a file has a refused row as one cell, as it was read (`importer.Rejects`). It is the person's when one of its own
cells is one of the person's numbers, or the person's key. What cannot be recognised so (a
number that cannot be read is why most rows are refused) stays: look at such a file yourself.
"""

from __future__ import annotations

import csv
import os
import re
import tempfile
from collections.abc import Collection
from pathlib import Path

from dispositions.errors import NumberError
from dispositions.number import normalise

__all__ = ["scrub_rejects"]

_DELIMITER = re.compile(r"[,;\t|]")


def scrub_rejects(path: Path, digits: Collection[int], keys: Collection[str] = (), region: str | None = None) -> int:
    """Rewrite the rejects file without the rows of whoever has these numbers (E.164 as integers) or keys (external
    ids); how many rows went. Nothing else changes, and the old file stands until the new one is whole. A file that is
    not there has no rows. Raises `OSError`."""
    if not path.is_file():
        return 0
    wanted, tails = set(digits), {str(one)[-6:] for one in digits}
    gone = 0
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with (
            path.open(encoding="utf-8", errors="surrogateescape", newline="") as old,
            os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape", newline="") as new,
        ):
            os.fchmod(new.fileno(), path.stat().st_mode & 0o777)
            writer = csv.writer(new)
            for row in csv.reader(old):
                cells = [cell.strip().strip("\"'") for text in row[2:] for cell in _DELIMITER.split(text)]
                if any(cell in keys or _is_one(cell, wanted, tails, region) for cell in cells):
                    gone += 1
                else:
                    writer.writerow(row)
            new.flush()
            os.fsync(new.fileno())
        if gone:
            os.replace(name, path)
    finally:
        Path(name).unlink(missing_ok=True)
    return gone


def _is_one(cell: str, wanted: set[int], tails: set[str], region: str | None) -> bool:
    plain = "".join(filter(str.isdigit, cell[:40]))
    if not any(plain.endswith(tail) for tail in tails):  # reading numbers is slow, and rejects files can be long
        return False
    try:
        return normalise(cell, region, validity="possible", default_zone="UTC").digits in wanted
    except NumberError:
        return False
