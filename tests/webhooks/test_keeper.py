"""All webhooks of a daemon: woken by commits, told when one takes nothing, and old changes let go."""

from __future__ import annotations

import asyncio
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from dialer.config.door_tables import WebhookTable
from dialer.config.model import ConfigFile
from dialer.config.secret import Secret
from dialer.events import EventStream
from dialer.metrics import Metrics
from dialer.webhooks import Courier, WebhookKeeper, keeper
from dispositions import journal


class Scene:
    """A keeper over the office's store, with the office's receiver."""

    def __init__(self, office: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(keeper, "GATHER", 0.001)
        self.stream, self.metrics, self.alerts = EventStream(), Metrics(), []
        self.used: list[tuple[str, str, str]] = []
        self.stream.subscribe(lambda event: self.alerts.append(event.alert))
        office.books.store = office.store
        self.services = SimpleNamespace(
            ledger=office.books,
            stream=self.stream,
            clock=SimpleNamespace(at=lambda: office.now),
            counters=Counter(),
            loop=asyncio.get_running_loop(),
        )
        self.office = office
        # as the keeper makes them, but for who is spoken to
        monkeypatch.setattr(keeper, "HttpSender", self.sender)
        monkeypatch.setattr(keeper, "Courier", self.courier)
        self.secrets = {"crm": Secret("secret"), "erp": Secret("secret")}
        self.keeper = WebhookKeeper(file_of(crm=hook()), self.secrets, self.services, self.metrics)

    def sender(self, table: Any, secret: str) -> Any:
        """Notes by whose words, and with which secret, each word came."""
        office, used = self.office, self.used

        class Sender:
            closed = False

            async def send(self, entry: Any, at: float) -> Any:
                assert not self.closed
                refusal = await office.receiver.send(entry, at)
                if refusal is None:
                    used.append((table.url, secret, office.words([entry])[0]))
                return refusal

            async def close(self) -> None:
                self.closed = True

        return Sender()

    @staticmethod
    def courier(*given: Any) -> Courier:
        return Courier(*given, chance=lambda: 0.5)


def hook(**settings: Any) -> WebhookTable:
    values = {
        "url": "https://crm.example/", "events": ["contact_changed"], "secret_env": "S", "pause": 0.01,
        "pause_most": 0.01, "at_once": 1, **settings,
    }  # fmt: skip
    return WebhookTable.model_validate(values)


def file_of(keep_changes: float | None = 3600.0, **webhooks: WebhookTable) -> ConfigFile:
    return ConfigFile.model_construct(webhooks=webhooks, tokens={}, http=SimpleNamespace(keep_changes=keep_changes))


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


def test_a_reload_takes_what_changed_and_goes_on_where_the_old_one_stood(
    office: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play() -> None:
        scene = Scene(office, monkeypatch)
        scene.keeper.start()
        await until(lambda: "webhook_waiting{" in page(scene.metrics))
        office.happens(0, "first")
        await until(lambda: len(scene.used) == 1)
        office.receiver.refuses = lambda entry: "status 500"
        for n in range(8):
            office.happens(n, "later")
        await until(lambda: scene.keeper.trouble is not None)
        asked = len(office.receiver.asked)
        scene.keeper.take(file_of(crm=hook()), scene.secrets)  # the same: goes on as it was
        scene.keeper.take(file_of(crm=hook(url="https://new.example/")), {"crm": Secret("other")})
        office.receiver.refuses = lambda entry: None
        while len(scene.used) < 9:
            office.now += 1.0
            await asyncio.sleep(0.005)
        assert asked > 0
        assert scene.used[0] == ("https://crm.example/", "secret", "first")
        assert set(scene.used[1:]) == {("https://new.example/", "other", "later")}
        await until(lambda: scene.keeper.trouble is None)
        await scene.keeper.close()

    asyncio.run(play())


def test_a_reload_adds_and_removes(office: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> None:
        scene = Scene(office, monkeypatch)
        scene.keeper.start()
        await until(lambda: 'webhook_waiting{webhook="crm"}' in page(scene.metrics))
        scene.keeper.take(file_of(erp=hook(url="https://erp.example/")), scene.secrets)
        await until(lambda: 'webhook_waiting{webhook="erp"}' in page(scene.metrics))
        office.happens(0, "x")
        await until(lambda: len(scene.used) == 1)
        assert scene.used[0][0] == "https://erp.example/"
        scene.keeper.take(file_of(None), {})
        await until(lambda: not office.store.journalling)
        office.happens(0, "nobody asks for it any more")
        scene.keeper.take(file_of(None, crm=hook()), scene.secrets)
        await until(lambda: office.store.journalling)
        await until(lambda: scene.keeper._hooks.keys() == {"crm"})
        office.happens(0, "y")
        await until(lambda: len(scene.used) == 3)
        assert [word for _, _, word in scene.used[1:]] == ["x", "y"], "what it missed while it was away, too"
        await scene.keeper.close()

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
