"""What becomes of each row of a list, stated row by row without the importer; reading in a process of its own; pace."""

from __future__ import annotations

import csv
import json
import os
import pickle
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dispositions import (
    CampaignPolicy,
    Consent,
    FieldSpec,
    ImportFileError,
    ImportReport,
    ListPolicy,
    ListSpec,
    Store,
    adding,
    csvfile,
    import_csv,
    importer,
    listreading,
)
from dispositions.csvfile import CsvFile, Fault, detect
from dispositions.ground import ConsentColumns
from dispositions.listrows import plan_of
from dispositions.pace import ALONE, FEWEST, MOST, QUIET, SHARED, Pace, commits_of_others

DAY = 86400.0
POLICY = CampaignPolicy(
    "c",
    region="US",
    lists={"l": ListPolicy(fields={"amount": FieldSpec("number", least=0), "born": FieldSpec("date")})},
)
COLUMNS = ("key", "number", "mobile", "zone", "prio", "name", "amount", "born", "basis", "since")
NUMBERS: dict[str, str | int] = {  # a cell -> the number that it means, or why it is none
    "": "empty", "  ": "empty", "212 555 0100": 12125550100, "(212) 555-0100": 12125550100,
    "+1 312 555 0101": 13125550101, "+34 911 234 567": 34911234567, "415-555-0102": 14155550102,
    "9002345678": "premium", "12": "not_possible", "what": "not_a_number",
}  # fmt: skip
FORBIDDEN = 14155550102
ZONES = {"": None, "America/Denver": "America/Denver", "Mars/Olympus": "bad_zone"}
PRIORITIES = {"": 0, "7": 7, "-2": -2, "x": "bad_priority", "1000001": "bad_priority"}
AMOUNTS = {"": None, "2.5": 2.5, "10": 10, "-1": "bad_field amount", "much": "bad_field amount"}
BIRTHS = {"": None, "1990-02-03": "1990-02-03", "03/02/1990": "1990-02-03", "30/02/1990": "bad_field born"}
BASES = {"": None, "contract": "contract", "none": "bad_basis"}
SINCES = {"": None, "1970-01-02": DAY, "later": "bad_consent_at"}
ROWS = st.tuples(
    st.sampled_from(["", "k1", "k2", "k3"]),
    st.sampled_from(sorted(NUMBERS)), st.sampled_from(sorted(NUMBERS)), st.sampled_from(sorted(ZONES)),
    st.sampled_from(sorted(PRIORITIES)), st.sampled_from(["Ann", 'B "b"', "a,b", "two\nlines", "é", " "]),
    st.sampled_from(sorted(AMOUNTS)), st.sampled_from(sorted(BIRTHS)), st.sampled_from(sorted(BASES)),
    st.sampled_from(sorted(SINCES)), st.sampled_from(["", "", "", "one too many"]),
)  # fmt: skip


class Book:
    """A campaign's contacts as they ought to be: each row is looked at alone, in order."""

    def __init__(self, numbers: Mapping[str, str | int] = NUMBERS) -> None:
        self.numbers = numbers
        self.contacts: list[dict[str, object]] = []
        self.counts = {"added": 0, "duplicates": 0, "do_not_call": 0}
        self.refused: list[str] = []

    def take(self, row: tuple[str, ...]) -> None:
        """One row."""
        key, *phones = row[:3]
        if row[10]:
            return self.refused.append("too_many_cells")
        for place in (ZONES[row[3]], PRIORITIES[row[4]]):
            if str(place).startswith("bad"):
                return self.refused.append(str(place))
        numbers = [n for n in (self.numbers[phone] for phone in phones) if isinstance(n, int)]
        if not numbers:
            reasons = [str(self.numbers[phone]) for phone in phones]
            return self.refused.append(next((r for r in reasons if r != "empty"), "empty"))
        basis, since = BASES[row[8]], SINCES[row[9]]
        if isinstance(since, str):
            return self.refused.append(since)
        if basis == "bad_basis":
            return self.refused.append(basis)
        for value in (AMOUNTS[row[6]], BIRTHS[row[7]]):
            if str(value).startswith("bad"):
                return self.refused.append(str(value))
        held = {number for one in self.contacts for number in one["numbers"]}  # type: ignore[attr-defined]
        own = [number for number in dict.fromkeys(numbers) if number not in held]
        if not own or (key and key in [one["key"] for one in self.contacts]):
            self.counts["duplicates"] += 1
            return None
        own = [number for number in own if number != FORBIDDEN]
        if not own:
            self.counts["do_not_call"] += 1
            return None
        self.counts["added"] += 1
        ground = None if basis is None and since is None else Consent("consent" if basis is None else "contract", since)
        fields = {"name": row[5], "amount": AMOUNTS[row[6]], "born": BIRTHS[row[7]]}
        return self.contacts.append(
            {"key": key or None, "numbers": own, "zone": ZONES[row[3]], "prio": PRIORITIES[row[4]], "fields": fields,
             "ground": ground}
        )  # fmt: skip


def spec_of(path: Path) -> ListSpec:
    return ListSpec(
        "l", path, ("number", "mobile"), external_id="key", zone="zone", priority="prio", default_zone="UTC",
        consent=ConsentColumns("basis", "since"),
    )  # fmt: skip


def opened(path: Path) -> Store:
    store = Store(path)
    store.migrate()
    store.register(POLICY)
    return store


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(ROWS, max_size=12), some=st.sampled_from([3, 65_536]), data=st.data())
def test_each_row_becomes_what_it_ought_to(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, ...]], some: int, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("rows")
    path = folder / "list.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(row if row[10] else row[:10] for row in rows)
    store = opened(folder / "s.db")
    with store.write() as tx:
        tx.add_do_not_call([FORBIDDEN], "own", 0.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csvfile, "_SOME", some)
        patch.setattr(csvfile, "_GROUP", data.draw(st.integers(1, 4)))
        report = import_csv(store, "c", spec_of(path), 5.0)
    compare(store, rows, report)
    store.close()


def compare(
    store: Store, rows: list[tuple[str, ...]], report: ImportReport, numbers: Mapping[str, str | int] = NUMBERS
) -> None:
    """The campaign's contacts and the report with the book."""
    book = Book(numbers)
    for row in rows:
        book.take(row)
    assert (report.rows, report.rejected) == (len(rows), len(book.refused))
    assert {name: getattr(report, name) for name in book.counts} == book.counts
    assert report.reasons == {reason: book.refused.count(reason) for reason in book.refused}
    with store.read() as view:
        assert view.accounted("c") == []
        for one in book.contacts:
            card = view.contact(f"+{one['numbers'][0]}", "c")  # type: ignore[index]
            assert [number.number for number in card.numbers] == [f"+{n}" for n in one["numbers"]]  # type: ignore[attr-defined]
            assert (card.external_id, card.priority, dict(card.fields)) == (one["key"], one["prio"], one["fields"])
            assert card.consent == one["ground"]
            assert one["zone"] is None or card.zones == (one["zone"],)


def test_both_databases_hold_what_they_ought_to(store: Store, tmp_path: Path) -> None:
    chance = random.Random(11)
    columns = (NUMBERS, NUMBERS, ZONES, PRIORITIES, {"Ann": 0, "tab\there\\N": 0}, AMOUNTS, BIRTHS, BASES, SINCES)
    rows: list[tuple[str, ...]] = []
    more: dict[str, str | int] = {}
    for n in range(120):
        cells = [chance.choice([*column, *list(column)[:2] * 3]) for column in columns]
        rows.append((f"k{n % 100}", *cells, ""))
    for n in range(60):
        more[f"212 555 01{n + 20}"] = 12125550120 + n
        rows.append((f"m{n}", f"212 555 01{n + 20}", "", "", "", "\\N", "10", "", "", "", ""))
    with (tmp_path / "list.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *(row[:10] for row in rows)])
    store.register(POLICY)
    with store.write() as tx:
        tx.add_do_not_call([FORBIDDEN], "own", 0.0)
    report = import_csv(store, "c", spec_of(tmp_path / "list.csv"), 5.0)
    assert report.added > 50
    compare(store, rows, report, NUMBERS | more)
    again = import_csv(store, "c", spec_of(tmp_path / "list.csv"), 6.0)
    assert (again.added, again.rejected) == (0, report.rejected)


PIECES = st.sampled_from(["a", "1,2", '"', '"x"', "\n", "\r\n", "\r", '"a\nb"', "\x00", "é", " ", ",", "\x0b"])


@settings(max_examples=150, deadline=None)
@given(pieces=st.lists(PIECES, max_size=60), some=st.integers(1, 50), group=st.integers(1, 6))
def test_how_much_is_looked_at_together_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[str], some: int, group: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "pieces.csv"
    path.write_bytes(("n,m\n" + "".join(pieces)).encode())
    form = detect(path, "utf-8", ",")

    def read(some: int, group: int) -> list[tuple[int, object, str]]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(csvfile, "_SOME", some)
            patch.setattr(csvfile, "_GROUP", group)
            items = list(CsvFile(path, form))
        return [
            (one.line, one.reason if isinstance(one, Fault) else one.cells, one.text.rstrip("\r\n")) for one in items
        ]

    alone = read(1, 1)
    assert read(some, group) == alone
    assert read(65_536, 100) == alone


def write_some(path: Path, rows: int) -> None:
    chance = random.Random(3)
    with path.open("w") as file:
        file.write(",".join(COLUMNS) + "\n")
        for n in range(rows):
            number = f"+1212{2_000_000 + chance.randrange(rows)}" if n % 50 else "none"
            file.write(f"k{n},{number},,,{n % 3},Name {n},{n % 90},1990-02-03,contract,\n")


def facts(report: ImportReport) -> tuple[object, ...]:
    return report.rows, report.added, report.duplicates, report.rejected, dict(report.reasons)


def test_a_process_of_its_own_reads_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "list.csv"
    write_some(path, 5_000)
    monkeypatch.setattr(importer, "APART_FROM", 1)
    found = []
    for apart in (False, True):
        store = opened(tmp_path / f"{apart}.db")
        report = import_csv(store, "c", spec_of(path), 5.0, apart=apart)
        assert report.rejects_file is not None
        with store.engine.connect() as connection:
            tables = [
                sorted(tuple(row) for row in connection.exec_driver_sql(f"SELECT * FROM {table}"))
                for table in ("number", "ready", "consent")
            ]
        found.append((facts(report), report.rejects_file.read_text(), tables))
        store.close()
    assert found[0] == found[1]
    assert found[0][0][3] == 100


def test_a_reader_that_ends_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "list.csv"
    write_some(path, 10)
    form = detect(path)
    plan = plan_of(spec_of(path), POLICY, COLUMNS)
    path.unlink()
    with pytest.raises(ImportFileError, match="No such file"):
        list(listreading.read_apart(plan, form))
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(ImportFileError, match=r"list.csv: the process that read it ended"):
        list(listreading.read_apart(plan, form))


def test_a_reader_ends_when_nobody_takes_what_it_read(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    write_some(path, 60_000)
    plan = plan_of(spec_of(path), POLICY, COLUMNS)
    command = [sys.executable, "-c", "from dispositions.listreading import main; main()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(pickle.dumps((plan, detect(path))))
        child.stdin.close()
        assert len(pickle.load(child.stdout).candidates) > 0
        child.stdout.close()  # as when whoever started it was killed
        assert child.wait(timeout=60) != 0


IMPORTING = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_listreading import opened, spec_of
from dispositions import import_csv, importer
importer.APART_FROM = 1
folder = Path(sys.argv[2])
store = opened(folder / "s.db")
print("begin", flush=True)
said = lambda *_: print("some", flush=True)
import_csv(store, "c", spec_of(folder / "list.csv"), 5.0, said, apart=sys.argv[3] == "apart")
print("whole", flush=True)
"""


@pytest.mark.parametrize("how", ["here", "apart"])
def test_killed_at_any_moment_and_run_again_nothing_is_lost_or_doubled(tmp_path: Path, how: str) -> None:
    write_some(tmp_path / "list.csv", 8_000)
    command = [sys.executable, "-c", IMPORTING, str(Path(__file__).parent), str(tmp_path), how]
    chance = random.Random(how)
    cut = 0
    for _ in range(4):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "begin\n"
            if chance.random() < 0.7:
                child.stdout.readline()  # some of it is in
            time.sleep(chance.random() * 0.05)  # the instant is what is random here
            os.kill(child.pid, signal.SIGKILL)
            child.wait()
        cut += child.returncode == -signal.SIGKILL
    assert cut > 0
    store = opened(tmp_path / "s.db")
    import_csv(store, "c", spec_of(tmp_path / "list.csv"), 5.0)
    with store.read() as view:
        assert view.accounted("c") == []
    with store.engine.connect() as connection:
        contacts = connection.exec_driver_sql("SELECT external_id, number, fields FROM contact").all()
        digits = {row[0] for row in connection.exec_driver_sql("SELECT digits FROM number")}
    store.close()
    with (tmp_path / "list.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["number"] != "none"]
    first: dict[int, str] = {}  # the first row with a number is the one that stays
    for row in rows:
        first.setdefault(int(row["number"].removeprefix("+")), row["key"])
    assert {number: key for key, number, _ in contacts} == first
    assert len(contacts) == len(first)
    assert digits == set(first)
    assert all(json.loads(fields)["name"] == f"Name {key[1:]}" for key, _, fields in contacts)


def test_alone_transactions_grow_to_their_length() -> None:
    pace, at = Pace(), 0.0
    for _ in range(20):
        took = pace.rows * 20e-6
        pace.wrote(pace.rows, at, at + took, others=False)
        at += took
        assert pace.pause == 0.0
    assert pace.rows == pytest.approx(ALONE / 20e-6, rel=0.01)


def test_beside_others_they_are_short_with_pauses_and_long_again_when_it_is_quiet() -> None:
    pace = Pace(rows=MOST)
    pace.wrote(MOST, 0.0, 0.4, others=True)
    assert pace.rows == int(MOST * SHARED / 0.4)
    assert pace.pause == pytest.approx(0.4)
    pace.wrote(pace.rows, 1.0, 1.03, others=False)
    assert pace.pause == pytest.approx(0.03)
    before = pace.rows
    pace.wrote(before, 1.0 + QUIET, 1.03 + QUIET, others=False)
    assert pace.pause == 0.0
    assert pace.rows == 2 * before


def test_a_slow_disk_leaves_a_few_rows_and_postgresql_needs_no_pause() -> None:
    pace = Pace()
    pace.wrote(1_000, 0.0, 60.0, others=None)
    assert (pace.rows, pace.pause) == (FEWEST, 0.0)


def test_commits_of_others_are_noticed_and_own_ones_are_none(tmp_path: Path) -> None:
    own, other = opened(tmp_path / "s.db"), Store(tmp_path / "s.db")
    seen = []
    for written in (False, False, True, False):
        if written:
            with other.write() as tx:
                tx.save_state("k", 1)
        with own.write() as tx:
            seen.append(commits_of_others(tx.connection))
            tx.save_state("l", len(seen))
    assert seen[0] == seen[1]
    assert seen[1] != seen[2]
    assert seen[2] == seen[3]
    own.close()
    other.close()


def test_a_list_that_comes_beside_a_dialer_comes_in_small_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_some(tmp_path / "list.csv", 4_000)
    store, dialer = opened(tmp_path / "s.db"), opened(tmp_path / "s.db")
    now, sizes, pauses = [0.0], [], []

    enter = adding.enter

    def slow(*given: Any) -> Any:
        sizes.append(len(given[3]))
        now[0] += 0.06
        return enter(*given)

    def sleep(seconds: float) -> None:  # the dialer's turn
        now[0] += seconds
        pauses.append(seconds)
        with dialer.write() as tx:
            tx.save_state("k", seconds)

    monkeypatch.setattr(adding, "enter", slow)
    monkeypatch.setattr(importer, "time", SimpleNamespace(perf_counter=lambda: now[0], sleep=sleep))
    monkeypatch.setattr(importer, "Pace", lambda: Pace(rows=500, _others_at=0.0))
    assert import_csv(store, "c", spec_of(tmp_path / "list.csv"), 5.0).rejected == 80
    assert sizes[:3] == [500, 250, FEWEST]
    assert set(sizes[3:-1]) == {FEWEST}
    assert pauses == pytest.approx([0.06] * (len(sizes) - 1))
    store.close()
    dialer.close()
