"""Contact files that nobody vouches for."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dispositions import (
    CampaignPolicy,
    ImportFileError,
    ListSpec,
    Store,
    UnknownCampaign,
    import_csv,
    import_do_not_call,
    read_head,
)
from dispositions.csvfile import MAX_LINE, CsvFile, Fault, Record, detect


@pytest.fixture
def sqlite(tmp_path: Path) -> Store:
    store = Store(tmp_path / "store.db")
    store.migrate()
    store.register(CampaignPolicy("c", region="US"))
    return store


def write(tmp_path: Path, content: str | bytes, name: str = "list.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def rejects(path: Path) -> list[tuple[int, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return [(int(row["line"]), row["reason"]) for row in csv.DictReader(file)]


def test_a_whole_import_and_the_same_again(tmp_path: Path, sqlite: Store) -> None:
    path = write(
        tmp_path,
        "\ufeffid;phone;mobile;zone;prio;name;city\n"
        "1;212 555 0101;;;5;Ann;New York\n"
        '2;;(312) 555-0101;America/Denver;;"Bob ""B"" Brown";"a\nb"\n'
        "3;nonsense;12;;;Cy;\n"
        "4;212 555 0102;;Mars/Olympus;;D;\n"
        "5;212 555 0103;;;x;E;\n"
        "6;(212) 555-0101;;;;F;\n"
        "7;212 555 0199;;;;G;\n"
        "8;900 234 5678;;;;H;\n"
        "9;212 555 0104;;;;I;;extra\n"
        "\n"
        "=cmd|' /C calc'!A0;;;;;;\n"
        "10;212 555 0105",
    )
    with sqlite.write() as tx:
        tx.add_do_not_call(["+12125550199"], "own", 0.0)
    spec = ListSpec(
        "l", path, ("phone", "mobile"), external_id="id", zone="zone", priority="prio", rename={"name": "customer"}
    )
    seen: list[tuple[int, int, int]] = []
    report = import_csv(sqlite, "c", spec, 0.0, lambda *done: seen.append(done))
    assert (report.rows, report.added, report.duplicates, report.do_not_call, report.rejected) == (11, 3, 1, 1, 6)
    assert report.reasons == {
        "not_a_number": 1, "bad_zone": 1, "bad_priority": 1, "premium": 1, "too_many_cells": 1, "empty": 1,
    }  # fmt: skip
    size = path.stat().st_size
    assert seen == [(11, size, size)]
    assert report.rejects_file == tmp_path / "list.csv.rejects.csv"
    assert rejects(report.rejects_file) == [
        (5, "not_a_number"), (6, "bad_zone"), (7, "bad_priority"), (10, "premium"),
        (11, "too_many_cells"), (13, "empty"),
    ]  # fmt: skip
    assert "\n13,empty,'=cmd" in report.rejects_file.read_text()  # no spreadsheet runs it
    with sqlite.read() as view:
        bob = view.contact("+13125550101")
        assert bob.fields == {"customer": 'Bob "B" Brown', "city": "a\nb"}
        assert (bob.zones, bob.external_id) == (("America/Denver",), "2")
        assert view.contact("+12125550101").priority == 5
    again = import_csv(sqlite, "c", spec, 1.0)
    assert (again.added, again.duplicates, again.do_not_call, again.rejected) == (0, 4, 1, 6)
    path.write_text("phone,mobile,id,zone,prio,name\n2125550111,,z,,,\n")
    assert import_csv(sqlite, "c", spec, 2.0).rejects_file is None
    assert not (tmp_path / "list.csv.rejects.csv").exists()  # the old one would mislead


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252", "utf-32"])
def test_delimiters_and_encodings(tmp_path: Path, sqlite: Store, delimiter: str, encoding: str) -> None:
    rows = [["number", "name", "note"]]
    rows += [[f"+34911234{n:03d}", "Íñigo Muñoz García", "café, mañana; año"] for n in range(20)]
    text = "\r\n".join(delimiter.join(f'"{cell}"' for cell in row) for row in rows)
    path = write(tmp_path, text.encode(encoding))
    named = encoding if encoding == "utf-16-le" else None  # it has no mark to be known by
    report = import_csv(sqlite, "c", ListSpec("l", path, encoding=named), 0.0)
    assert (report.added, report.rejected, report.delimiter) == (20, 0, delimiter)
    with sqlite.read() as view:
        fields = view.contact("+34911234000").fields
    assert fields == {"name": "Íñigo Muñoz García", "note": "café, mañana; año"}


def test_what_cannot_be_read_costs_its_own_line(tmp_path: Path, sqlite: Store) -> None:
    path = write(
        tmp_path,
        b'number,name\n'
        b'2125550100,good\n'
        b'2125550101,"unclosed\n'
        b'2125550102,good\n'
        b'2125550103,n\x00l\n'
        b'2125550104,\xff\xfe broken\n'
        b'2125550105,' + b"x" * (MAX_LINE + 10) + b'\n'
        b'2125550106,"ab"c\n'
        b'2125550107,5" pipe\n'
        b'2125550108,good',
    )  # fmt: skip
    report = import_csv(sqlite, "c", ListSpec("l", path, encoding="utf-8"), 0.0)
    assert report.rejects_file is not None
    assert rejects(report.rejects_file) == [
        (3, "unclosed_quote"), (5, "nul"), (6, "encoding"), (7, "line_too_long"), (8, "quotes"),
    ]  # fmt: skip
    with sqlite.read() as view:
        assert view.contact("+12125550107").fields == {"name": '5" pipe'}
        assert view.contact("+12125550102").fields == {"name": "good"}
    assert report.added == 4


def test_an_endless_line_is_skipped_in_pieces(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    with path.open("wb") as file:
        file.write(b"number\n")
        for _ in range(64):
            file.write(b"9" * (1 << 20))
        file.write(b"\n2125550100\n")
    found = list(CsvFile(path, detect(path)))
    assert [type(item) for item in found] == [Record, Fault, Record]
    assert isinstance(found[1], Fault)
    assert (found[1].line, found[1].reason, len(found[1].text)) == (2, "line_too_long", 200)


@pytest.mark.parametrize(
    ("content", "spec", "what"),
    [
        (b"", {}, "the file is empty"),
        (b"\n\n  \n", {}, "the file is empty"),
        (b"phone,name\n1,2\n", {}, "list.csv:1: no column 'number'; there are: phone, name"),
        (b"number,x,x\n1,2,3\n", {}, "list.csv:1: column 'x' is there twice"),
        (b"number\n1\n", {"external_id": "id"}, "no column 'id'"),
        (b"number\n1\n", {"encoding": "klingon"}, "unknown encoding 'klingon'"),
        (b'"number\n' + b"x\n" * 60, {}, "the header cannot be read: unclosed_quote"),
        (b"\xff\xfen\x00u\x00m\x00\n", {}, "list.csv:1:"),
        (bytes(range(128, 256)) * 30 + b"\x00\x01\x02" * 50, {}, "list.csv"),
        ((",".join(f"c{n}" for n in range(600))).encode() + b"\n1\n", {}, "600 columns; at most 500"),
    ],
)
def test_files_that_cannot_be_imported(
    tmp_path: Path, sqlite: Store, content: bytes, spec: dict[str, Any], what: str
) -> None:
    path = write(tmp_path, content)
    with pytest.raises(ImportFileError) as error:
        import_csv(sqlite, "c", ListSpec("l", path, **spec), 0.0)
    assert what in str(error.value)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.glob("*.part"))


def test_other_refusals(tmp_path: Path, sqlite: Store) -> None:
    with pytest.raises(ImportFileError, match="No such file"):
        import_csv(sqlite, "c", ListSpec("l", tmp_path / "none.csv"), 0.0)
    with pytest.raises(ImportFileError, match="directory"):
        import_csv(sqlite, "c", ListSpec("l", tmp_path), 0.0)
    with pytest.raises(UnknownCampaign):
        import_csv(sqlite, "d", ListSpec("l", tmp_path), 0.0)


def test_head(tmp_path: Path) -> None:
    path = write(tmp_path, "Number; Name\n1;2\n")
    head = read_head(ListSpec("l", path, ("Number", "mobile")))
    assert (head.columns, head.missing, head.form.delimiter) == (("Number", "Name"), ("mobile",), ";")


def test_a_do_not_call_file(tmp_path: Path, sqlite: Store) -> None:
    import_csv(sqlite, "c", ListSpec("l", write(tmp_path, "number\n2125550100\n2125550101\n")), 0.0)
    plain = write(tmp_path, "2125550100\n+1 212 555 0150\nrubbish\n", "own.txt")
    report = import_do_not_call(sqlite, "own", plain, 1.0, region="US")
    assert (report.rows, report.added, report.rejected) == (3, 2, 1)
    assert sqlite.is_do_not_call("+12125550150")
    columns = write(tmp_path, "when;phone\n1;2125550101\n", "register.csv")
    assert import_do_not_call(sqlite, "register", columns, 1.0, region="US", column="phone").added == 1
    assert sqlite.is_do_not_call("+12125550101")
    assert not sqlite.is_do_not_call("+12125550101", "c")  # a list that does not bind this campaign
    with pytest.raises(ImportFileError, match="no column 'nummer'"):
        import_do_not_call(sqlite, "register", columns, 1.0, column="nummer")
    with sqlite.read() as view:
        assert view.counts("c")["do_not_call"] == 1
        assert view.accounted("c") == []


CELLS = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20), min_size=1, max_size=4)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(CELLS, min_size=1, max_size=8))
def test_whatever_the_csv_module_writes_is_read_back(tmp_path: Path, rows: list[list[str]]) -> None:
    path = tmp_path / "round.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows(rows)
    if not path.read_text(encoding="utf-8").strip("\ufeff\r\n\t \x00"):
        return
    form = detect(path, "utf-8", ",")
    assert [item.cells for item in CsvFile(path, form) if isinstance(item, Record)] == rows


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(min_size=1, max_size=400))
def test_no_bytes_end_in_a_traceback(tmp_path: Path, sqlite: Store, content: bytes) -> None:
    path = write(tmp_path, b"number,name\n2125550100,a\n" + content)
    try:
        report = import_csv(sqlite, "c", ListSpec("l", path), 0.0)
    except ImportFileError as error:
        assert "\n" not in str(error)  # noqa: PT017
        return
    assert report.rows == report.added + report.duplicates + report.do_not_call + report.rejected
