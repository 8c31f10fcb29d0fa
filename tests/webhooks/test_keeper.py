"""All webhooks of a daemon: woken by commits, told when one takes nothing, and old changes let go."""

from __future__ import annotations

import asyncio
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from dialer.config.model import ConfigFile
from dialer.config.secret import Secret
from dialer.events import EventStream
from dialer.metrics import Metrics
from dialer.webhooks import WebhookKeeper, keeper
from dispositions import journal


class Scene:
    """A keeper over the office's store, with the office's receiver."""

    def __init__(self, office: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(keeper, "GATHER", 0.001)
        self.stream, self.metrics, self.alerts = EventStream(), Metrics(), []
        self.stream.subscribe(lambda event: self.alerts.append(event.alert))
        office.books.store = office.store
        self.services = SimpleNamespace(
            ledger=office.books,
            stream=self.stream,
            clock=SimpleNamespace(at=lambda: office.now),
            counters=Counter(),
            loop=asyncio.get_running_loop(),
        )
        file = ConfigFile.model_construct(
            webhooks=ConfigFile.model_fields["webhooks"].default_factory(), http=SimpleNamespace(keep_changes=3600.0)
        )
        self.keeper = WebhookKeeper(file, {"crm": Secret("secret")}, self.services, self.metrics)
        self.keeper.couriers = {"crm": office.hired(pause=0.01, pause_most=0.01, at_once=1)}
        self.keeper._wakes = {"crm": asyncio.Event()}


async def until(holds: Any) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.001)


def page(metrics: Metrics) -> str:
    return metrics.render().decode()


def test_a_commit_wakes_it_and_trouble_is_told(office: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> None:
        scene = Scene(office, monkeypatch)
        scene.keeper.start()
        await until(lambda: "webhook_waiting{" in page(scene.metrics))
        office.happens(0, "first")
        await until(lambda: office.words() == ["first"])  # far sooner than the next look by itself
        office.receiver.refuses = lambda entry: "status 500"
        for n in range(8):
            office.happens(n, "later")
        await until(lambda: "webhook_down" in scene.alerts)
        assert scene.keeper.trouble == "not taken by crm: kept and sent again"
        assert 'dialer_webhook_down{webhook="crm"} 1.0' in page(scene.metrics)
        office.receiver.refuses = lambda entry: None
        while office.words().count("later") < 8:
            office.now += 1.0
            await asyncio.sleep(0.005)
        await until(lambda: "webhook_ok" in scene.alerts)
        assert scene.keeper.trouble is None
        await scene.keeper.close()
        assert 'dialer_webhook_requests_total{result="delivered",webhook="crm"} 9.0' in page(scene.metrics)

    asyncio.run(play())


def test_old_changes_are_let_go(office: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> None:
        office.happens(0, "old")
        office.now += 7200.0
        office.happens(0, "new")
        scene = Scene(office, monkeypatch)
        scene.keeper.start()
        await until(lambda: left(office) == ["new"])
        await scene.keeper.close()

    asyncio.run(play())


def left(office: Any) -> list[str]:
    with office.store.read() as view:
        return office.words(list(journal.page(view, 0, 10).entries))
