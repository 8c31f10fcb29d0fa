"""A person's rows leave the rejects, and nobody else's do."""

from __future__ import annotations

import csv
import os
from pathlib import Path

from dispositions import CampaignPolicy, ListSpec, Store, import_csv
from dispositions.scrubbing import scrub_rejects

ADA, KEY = 12125550101, "cust-77"


def test_rows_with_a_number_or_the_key_go_and_the_rest_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "leads.csv.rejects.csv"
    rows = [
        ["line", "reason", "row"],
        ["2", "bad_field age", "(212) 555-0101;Ada Byron;old"],
        ["3", "bad_field age", "'+12125550101,Ada,old"],
        ["4", "duplicate_columns", "cust-77;nonsense;Ada"],
        ["5", "bad_field age", "+1 212 555 0102;Bob;old"],
        ["6", "not_a_number", "ask Bob for 0101;cust-777;x"],
        ["7", "bad_field age", '"+12125550101"\t"Ada"'],
    ]
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    path.chmod(0o640)
    assert scrub_rejects(path, [ADA], [KEY], "US") == 4
    with path.open(newline="") as stream:
        assert list(csv.reader(stream)) == [rows[0], rows[4], rows[5]]
    assert os.stat(path).st_mode & 0o777 == 0o640
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
    before = path.stat().st_mtime_ns
    assert scrub_rejects(path, [ADA], [KEY], "US") == 0
    assert path.stat().st_mtime_ns == before, "a file without the person is left alone"


def test_a_file_that_is_not_there_has_nobody_in_it(tmp_path: Path) -> None:
    assert scrub_rejects(tmp_path / "none.csv", [ADA]) == 0


def test_what_an_import_has_written_is_found_again(tmp_path: Path, store: Store) -> None:
    """Bytes that were no UTF-8, quotes, line ends: what `Rejects` writes is what this reads."""
    leads = tmp_path / "leads.csv"
    leads.write_bytes(b"phone;name\nnot a number;Bob\n12;=Eve\xff\n+1 212 555 0101 or 0102;Ada\n")
    store.register(CampaignPolicy("c", region="US"))
    report = import_csv(store, "c", ListSpec("leads", leads, numbers=("phone",), validity="possible"), at=1.8e9)
    assert report.rejects_file is not None
    lines = report.rejects_file.read_bytes()
    assert scrub_rejects(report.rejects_file, [ADA], ["Bob"], "US") == 1
    left = report.rejects_file.read_bytes()
    assert b"Bob" not in left
    assert len(left.splitlines()) == len(lines.splitlines()) - 1
