"""A do-not-call file that changes is read again, once it has stopped changing."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from dialer.clock import Clock
from dialer.config.list_tables import DoNotCallTable
from dialer.events import EventStream, ServiceAlert
from dialer.registers import RegisterWatch, put_compiled, take_file
from dispositions import CampaignPolicy, ImportFileError, Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "s.db")
    made.migrate()
    made.register(CampaignPolicy("c", region="US", dnc_lists=("state",)))
    return made


def test_a_changed_file_is_swapped_in(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "state.txt"
    path.write_text("+12125550101\n+12125550102\n")
    tables = {"state": DoNotCallTable(path=str(path), region="US", replaces=True)}
    asyncio.run(take_file(store, "state", tables["state"], 1.0))
    stream, told = EventStream(), []
    stream.subscribe(told.append)
    watch = RegisterWatch(lambda: tables, store, Clock(), stream)

    def change(text: str, stamp: int) -> None:
        path.write_text(text)
        os.utime(path, (stamp, stamp))

    async def play() -> None:
        assert await watch.look() == []  # read at the start
        assert await watch.look() == []
        change("+12125550102\n+12125550103\n", 10)
        assert await watch.look() == []  # somebody may be writing it
        assert await watch.look() == ["state"]
        assert await watch.look() == []
        assert store.is_do_not_call("+12125550103", "c")
        assert not store.is_do_not_call("+12125550101", "c")
        path.unlink()
        assert await watch.look() == []
        assert await watch.look() == []
        assert store.is_do_not_call("+12125550103", "c")  # a file that is gone takes nothing back
        change("", 20)
        assert await watch.look() == []
        assert await watch.look() == []

    asyncio.run(play())
    kinds = [event.alert for event in told if isinstance(event, ServiceAlert)]
    assert kinds == ["do_not_call_read", "do_not_call_rejected"]
    assert store.is_do_not_call("+12125550103", "c")
    store.close()


def test_a_register_is_compiled_in_a_process_of_its_own_and_found_by_commands_that_look(
    store: Store, tmp_path: Path
) -> None:
    path = tmp_path / "state.txt"
    path.write_text("2125550101\n")
    tables = {"state": DoNotCallTable(path=str(path), region="US", replaces=True)}
    report = asyncio.run(take_file(store, "state", tables["state"], 1.0))
    assert (report.rows, report.added) == (1, 1)
    assert store.is_do_not_call("+12125550101", "c")
    other = Store(tmp_path / "s.db")
    other.register(CampaignPolicy("c", region="US", dnc_lists=("state",)))
    put_compiled(other, tables)
    assert other.is_do_not_call("+12125550101", "c")
    path.write_text("nobody\n")
    with pytest.raises(ImportFileError, match=r"state\.txt: there is not one number in it"):
        asyncio.run(take_file(store, "state", tables["state"], 2.0))
    assert store.is_do_not_call("+12125550101", "c")
    other.close()
    store.close()
