"""Registers that are swapped in whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from dispositions import CampaignPolicy, ImportFileError, Store, import_do_not_call


def numbers(first: int, last: int) -> str:
    return "".join(f"+1212555{n:04d}\n" for n in range(first, last))


@pytest.fixture
def register(store: Store, tmp_path: Path) -> Path:
    store.register(CampaignPolicy("c", region="US", dnc_lists=("state",)))
    path = tmp_path / "state.txt"
    path.write_text(numbers(0, 1000))
    import_do_not_call(store, "state", path, 1.0, replaces=True)
    return path


def test_what_the_register_lost_may_be_called_again(store: Store, register: Path) -> None:
    with store.write() as tx:
        tx.add_do_not_call(["+12125550001"], "own", 2.0)
    register.write_text(numbers(100, 1100))
    report = import_do_not_call(store, "state", register, 3.0, replaces=True)
    assert (report.rows, report.added) == (1000, 100)
    assert not store.is_do_not_call("+12125550002", "c")
    assert store.is_do_not_call("+12125550001", "c")  # this one asked an agent
    assert store.is_do_not_call("+12125551099", "c")
    store.refresh_do_not_call()
    assert not store.is_do_not_call("+12125550002", "c")


def test_without_replaces_a_list_only_grows(store: Store, register: Path) -> None:
    register.write_text(numbers(2000, 2001))
    import_do_not_call(store, "state", register, 3.0)
    assert store.is_do_not_call("+12125550002", "c")


def test_a_register_cut_off_is_refused(store: Store, register: Path) -> None:
    register.write_text(numbers(0, 10))
    with pytest.raises(ImportFileError, match="cut off"):
        import_do_not_call(store, "state", register, 3.0, replaces=True)
    assert store.is_do_not_call("+12125550500", "c")
