"""A register is compiled once, loaded whole, and never half."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispositions import ImportFileError
from dispositions.compiled_register import Register, compile_register, compiled_path, is_stale

LINES = "2015550123\n+12015550124\r\n(917) 555-0100\n\nnobody\n2015550123\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "national.txt"
    path.write_bytes(LINES.encode())
    return path


def test_every_spelling_of_a_number_is_taken_once(file: Path) -> None:
    stamp = compile_register(file, compiled_path(file), "US")
    assert (stamp.lines, stamp.numbers, stamp.refused) == (6, 3, 1)
    assert file.with_name("national.txt.rejects.csv").read_text().splitlines()[1:] == ["5,not_a_number,nobody"]
    register = Register.load(compiled_path(file))
    assert sorted(register.numbers) == [12015550123, 12015550124, 19175550100]
    assert 12015550123 in register
    assert 12015550125 not in register
    assert len(register) == 3


def test_a_column_of_a_csv_file(tmp_path: Path) -> None:
    path = tmp_path / "register.csv"
    path.write_text("name;telephone\nAda;912 34 56 78\nBen;x\n")
    stamp = compile_register(path, compiled_path(path), "ES", "telephone")
    assert (stamp.numbers, stamp.refused) == (1, 1)
    assert 34912345678 in Register.load(compiled_path(path))
    assert path.with_name("register.csv.rejects.csv").read_text().splitlines()[1:] == ["3,not_a_number,Ben;x"]
    with pytest.raises(ImportFileError, match="no column 'phone'"):
        compile_register(path, compiled_path(path), "ES", "phone")


def test_a_changed_file_and_another_way_to_read_it_are_noticed(file: Path) -> None:
    compiled = compiled_path(file)
    assert is_stale(file, compiled, "US")
    compile_register(file, compiled, "US")
    assert not is_stale(file, compiled, "US")
    assert is_stale(file, compiled, "CA")
    assert is_stale(file, compiled, "US", "number")
    file.write_bytes(b"2015550199\n")
    os.utime(file, ns=(1, 1))
    assert is_stale(file, compiled, "US")


def test_a_byte_order_mark_and_a_missing_last_newline(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes(b"\xef\xbb\xbf2015550123\n2015550124")
    assert compile_register(path, compiled_path(path), "US").numbers == 2


@pytest.mark.parametrize(
    "data", [b"", b"\n\n", b"\x00\x01\x02", b"name\nvalue\n"], ids=["empty", "lines", "nul", "words"]
)
def test_a_file_without_numbers_replaces_nothing(file: Path, data: bytes) -> None:
    compile_register(file, compiled_path(file), "US")
    before = compiled_path(file).read_bytes()
    file.write_bytes(data)
    with pytest.raises(ImportFileError, match="not one number"):
        compile_register(file, compiled_path(file), "US")
    assert compiled_path(file).read_bytes() == before


def test_a_process_of_its_own_says_what_it_did(file: Path) -> None:
    command = [sys.executable, "-m", "dispositions.compiled_register", str(file), str(compiled_path(file))]
    done = subprocess.run([*command, "--region", "US"], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["numbers"] == 3
    file.write_bytes(b"")
    failed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert failed.returncode == 1
    assert failed.stderr == f"{file}: there is not one number in it; is it the right file?\n"


@given(cut=st.integers(0, 200), flipped=st.integers(0, 200))
def test_a_spoilt_compiled_file_is_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, cut: int, flipped: int
) -> None:
    path = tmp_path_factory.mktemp("register") / "list.txt"
    path.write_text("\n".join(str(2015550000 + 7 * n) for n in range(40)))
    target = compiled_path(path)
    compile_register(path, target, "US")
    whole = target.read_bytes()
    target.write_bytes(whole[: min(cut, len(whole) - 1)])
    with pytest.raises(ImportFileError):
        Register.load(target)
    spoilt = bytearray(whole)
    spoilt[flipped % len(whole)] ^= 0xFF
    target.write_bytes(bytes(spoilt))
    try:
        register = Register.load(target)
    except ImportFileError:
        return
    assert sorted(register.numbers) == [12015550000 + 7 * n for n in range(40)], "only the stamp's dates were spoilt"
