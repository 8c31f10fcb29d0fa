"""The bridge against a real Mosquitto: what is told, what survives, what is answered."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiomqtt
import pytest

from dialer import events
from dialer.metrics import Metrics
from dialer.mqtt import BridgeConfig, MqttBridge, outcome_message
from dialer.mqtt.link import Link
from dialer.mqtt.outbox import OutboxError

pytestmark = pytest.mark.peer

CALL: dict[str, Any] = {
    "campaign": "sales",
    "call": "a1",
    "sip_call_id": "x@y",
    "contact": 7,
    "number": "+441632960001",
    "trunk": "main",
}


def ended(at: float) -> events.CallEnded:
    return events.CallEnded(
        at=at,
        outcome="busy",
        status=486,
        agent=None,
        ring_seconds=None,
        talk_seconds=None,
        next_state="waiting",
        next_at=at + 900,
        **CALL,
    )


class Listener:
    """A subscriber that keeps all it hears and lets the test wait for a condition on it."""

    def __init__(self, port: int, *topics: str) -> None:
        self.heard: list[tuple[str, Any, bool]] = []
        self.port = port
        self._topics = topics
        self._news = asyncio.Event()
        self.ready = asyncio.Event()

    async def run(self) -> None:
        while True:
            try:
                async with aiomqtt.Client("127.0.0.1", self.port, identifier="listener", clean_session=False) as client:
                    for topic in self._topics:
                        await client.subscribe(topic, qos=1)
                    self.ready.set()
                    async for message in client.messages:
                        self.heard.append((str(message.topic), json.loads(message.payload), message.retain))
                        self._news.set()
            except aiomqtt.MqttError:
                await asyncio.sleep(0.05)  # reconnect pace while the test has the broker down

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._news.clear()
            await self._news.wait()

    def at(self, topic: str) -> list[Any]:
        return [payload for heard, payload, _ in self.heard if heard == topic]


class Setting:
    """A bridge with everything around it."""

    def __init__(self, port: int, outbox: Any, desk: Any, **config: Any) -> None:
        self.stream = events.EventStream()
        self.metrics = Metrics()
        self.stream.subscribe(self.metrics.on_event)
        self.alerts: list[str] = []
        self._news = asyncio.Event()
        self.stream.subscribe(self._note)
        self.outbox = outbox
        self.desk = desk
        self.bridge = MqttBridge(BridgeConfig(port=port, **config), self.stream, outbox, desk, self.metrics)

    def _note(self, event: events.Event) -> None:
        if isinstance(event, events.ServiceAlert):
            self.alerts.append(event.alert)
            self._news.set()

    async def alerted(self, *wanted: str) -> None:
        while self.alerts[-len(wanted) :] != list(wanted):
            self._news.clear()
            await self._news.wait()

    def counted(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


@asynccontextmanager
async def running(port: int, outbox: Any, desk: Any, **config: Any) -> AsyncIterator[tuple[Setting, Listener]]:
    setting = Setting(port, outbox, desk, **config)
    listener = Listener(port, "dialer/#")
    ears = asyncio.create_task(listener.run())
    await listener.ready.wait()
    await setting.bridge.start()
    await setting.alerted("broker_ok")
    try:
        yield setting, listener
    finally:
        await setting.bridge.stop()
        ears.cancel()
        await asyncio.wait([ears])


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(40):
            await test()

    asyncio.run(limited())


async def send(port: int, name: str, payload: bytes, **kw: Any) -> None:
    async with aiomqtt.Client("127.0.0.1", port) as client:
        await client.publish(f"dialer/command/{name}", payload, qos=kw.pop("qos", 1), **kw)


def test_events_states_and_outcomes_arrive_at_their_topics(broker: Any, desk: Any, make_outbox: Any) -> None:
    async def test() -> None:
        async with running(broker.port, make_outbox(), desk) as (it, ears):
            it.stream.publish(events.CallPlaced(at=1.0, **CALL))
            it.stream.publish(
                events.Decided(at=1.0, campaign="sales", place=1, cancel=0, seconds=0.1, why={"x": float("inf")})
            )
            it.stream.publish(events.TrunkChanged(at=2.0, campaign="", trunk="main", up=True, reason="recovered"))
            message = outcome_message(ended(3.0))
            assert message is not None
            it.outbox.add(*message)
            await ears.until(
                lambda: bool(ears.at("dialer/outcome/sales/call_ended") and ears.at("dialer/event/-/trunk"))
            )
            assert ears.at("dialer/event/sales/call_placed")[0]["number"] == "+441632960001"
            assert ears.at("dialer/event/sales/decision")[0]["why"] == {"x": None}
            assert ears.at("dialer/event/-/trunk")[0]["up"] is True
            assert ears.at("dialer/state/trunk/main")[0]["up"] is True
            assert ears.at("dialer/state/dialer")[0]["state"] == "online"
            outcome = ears.at("dialer/outcome/sales/call_ended")[0]
            assert len(outcome["id"]) == 32
            assert outcome["outcome"] == "busy"
        assert it.outbox.items == {}

    run(test)


def test_outcomes_survive_a_killed_broker_in_order_and_none_is_lost(broker: Any, desk: Any, make_outbox: Any) -> None:
    total = 600

    async def test() -> None:
        async with running(broker.port, make_outbox(), desk) as (it, ears):

            def add(numbers: range) -> None:
                for n in numbers:
                    it.outbox.add("outcome/sales/call_ended", json.dumps({"id": n}))

            def ids() -> list[int]:
                return [payload["id"] for payload in ears.at("dialer/outcome/sales/call_ended")]

            add(range(200))
            await ears.until(lambda: len(ids()) >= 100)
            broker.kill()
            await it.alerted("broker_lost")
            add(range(200, 400))
            before = it.counted("dialer_mqtt_dropped_total", reason="disconnected")
            it.stream.publish(events.CallPlaced(at=1.0, **CALL))
            assert it.counted("dialer_mqtt_dropped_total", reason="disconnected") == before + 1
            broker.start()
            await it.alerted("broker_ok")
            add(range(400, total))
            # What the broker acknowledged just before it was killed it may have failed to pass on: that is the
            # broker's durability, not ours. All that we sent to the new one must be there.
            await ears.until(lambda: set(range(200, total)) <= set(ids()))
            first_seen = list(dict.fromkeys(n for n in ids() if n >= 200))
            assert first_seen == sorted(first_seen)
            assert set(range(100)) <= set(ids())

    run(test)


def test_without_a_broker_nothing_waits_and_it_is_found_later(broker: Any, desk: Any, make_outbox: Any) -> None:
    broker.kill()

    async def test() -> None:
        it = Setting(broker.port, make_outbox(), desk)
        await it.bridge.start()
        await it.alerted("broker_lost")
        started = time.perf_counter()
        for _ in range(1000):
            it.stream.publish(events.CallPlaced(at=1.0, **CALL))
        assert time.perf_counter() - started < 1.0
        assert it.counted("dialer_mqtt_dropped_total", reason="disconnected") >= 1000
        assert not it.bridge.connected
        it.outbox.add("outcome/sales/sale", '{"id":1}')
        broker.start()
        await it.alerted("broker_ok")
        assert it.bridge.connected
        await it.bridge.stop()
        assert it.outbox.items == {}

    run(test)


def test_a_broker_that_stalls_costs_events_and_they_are_counted(broker: Any, desk: Any, make_outbox: Any) -> None:
    async def test() -> None:
        async with running(broker.port, make_outbox(), desk, event_queue=50) as (it, _):
            broker.signal(signal.SIGSTOP)
            for _ in range(120):
                it.stream.publish(events.CallPlaced(at=1.0, **CALL))
            assert it.counted("dialer_mqtt_dropped_total", reason="queue_full") == 120 - 49  # broker_ok is in it too
            broker.signal(signal.SIGCONT)

    run(test)


def test_states_are_retained_and_told_again_to_a_broker_that_forgot(
    broker: Any, desk: Any, make_outbox: Any, tmp_path: Any
) -> None:
    async def test() -> None:
        async with running(broker.port, make_outbox(), desk) as (it, _):
            for state in ("available", "talking"):
                it.stream.publish(
                    events.AgentChanged(
                        at=5.0, campaign="sales", agent="ana+1/x", previous="", state=state, reason=None, call=None
                    )
                )
            broker.kill()
            await it.alerted("broker_lost")
            for left in tmp_path.glob("mosquitto.db*"):
                left.unlink()
            broker.start()
            await it.alerted("broker_ok")
            late = Listener(broker.port, "dialer/state/#")
            ears = asyncio.create_task(late.run())
            await late.until(lambda: bool(late.at("dialer/state/agent/ana%2B1%2Fx")))
            assert late.at("dialer/state/agent/ana%2B1%2Fx")[-1]["state"] == "talking"
            ears.cancel()
            await asyncio.wait([ears])

    run(test)


def test_how_things_stand_is_told_at_the_first_connection_and_never_over_news(
    broker: Any, desk: Any, make_outbox: Any
) -> None:
    def trunk(name: str, up: bool) -> events.TrunkChanged:
        return events.TrunkChanged(at=5.0, campaign="", trunk=name, up=up, reason="", breaker="closed")

    async def test() -> None:
        setting = Setting(broker.port, make_outbox(), desk)
        setting.bridge.know([trunk("main", True), trunk("second", True), events.CallPlaced(at=1.0, **CALL)])
        await setting.bridge.start()
        await setting.alerted("broker_ok")
        setting.stream.publish(trunk("second", False))
        setting.bridge.know([trunk("second", True), trunk("third", True)])
        late = Listener(broker.port, "dialer/state/#")
        ears = asyncio.create_task(late.run())
        try:
            for name, up in (("main", True), ("second", False), ("third", True)):
                topic = f"dialer/state/trunk/{name}"
                await late.until(lambda topic=topic, up=up: [x["up"] for x in late.at(topic)][-1:] == [up])
        finally:
            await setting.bridge.stop()
            ears.cancel()
            await asyncio.wait([ears])

    run(test)


def test_offline_is_said_on_stopping_and_lost_when_it_is_cut_off(broker: Any, desk: Any, make_outbox: Any) -> None:
    async def test() -> None:
        async with running(broker.port, make_outbox(), desk) as (it, ears):
            link = it.bridge._link
            assert link is not None
            link._client.socket().shutdown(2)
            await ears.until(lambda: [p["state"] for p in ears.at("dialer/state/dialer")][-2:] == ["lost", "online"])
            await it.bridge.stop()
            await ears.until(lambda: ears.at("dialer/state/dialer")[-1]["state"] == "offline")

    run(test)


def test_stopped_in_the_instant_in_which_it_is_connected_again(broker: Any, desk: Any, make_outbox: Any) -> None:
    """`online` is on its way and nothing else has begun: the end loses no cancellation, and `offline` is said."""

    async def test() -> None:
        async with running(broker.port, make_outbox(), desk) as (it, ears):
            published = asyncio.Event()
            publish = Link.publish

            async def seen(link: Link, *message: Any, **how: Any) -> None:
                await publish(link, *message, **how)
                published.set()
                with suppress(asyncio.CancelledError):  # as asyncio.wait_for may, before Python 3.12
                    await asyncio.sleep(0.05)

            link = it.bridge._link
            assert link is not None
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(Link, "publish", seen)
                link._client.socket().shutdown(2)
                await published.wait()
                await it.bridge.stop(grace=0.0)
            await ears.until(lambda: ears.at("dialer/state/dialer")[-1]["state"] == "offline")

    run(test)


def test_a_store_that_is_away_is_asked_again(broker: Any, desk: Any, make_outbox: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("dialer.mqtt.bridge.OUTBOX_RETRY", 0.01)

    async def test() -> None:
        outbox = make_outbox()
        fetch, done = outbox.fetch, outbox.done
        failures = {"fetch": 3, "done": 1}

        def failing(name: str, method: Any) -> Any:
            async def call(argument: Any) -> Any:
                if failures[name]:
                    failures[name] -= 1
                    raise OutboxError("the store is locked")
                return await method(argument)

            return call

        outbox.fetch, outbox.done = failing("fetch", fetch), failing("done", done)
        async with running(broker.port, outbox, desk) as (_, ears):
            for n in range(5):
                outbox.add("outcome/sales/sale", json.dumps({"id": n}))
            # Sent, not marked, sent again: at least once.
            await ears.until(lambda: len(ears.at("dialer/outcome/sales/sale")) >= 10)
        assert outbox.items == {}
        assert failures == {"fetch": 0, "done": 0}

    run(test)


def test_a_command_is_carried_out_and_answered(broker: Any, desk: Any, make_outbox: Any) -> None:
    async def test() -> None:
        async with running(broker.port, make_outbox(), desk, command_token="secret-token") as (_, ears):
            body = {"agent": "ana", "code": "sale", "correlation": "c-1", "token": "secret-token"}
            await send(broker.port, "dispose", json.dumps(body).encode())
            await ears.until(lambda: bool(ears.at("dialer/answer/c-1")))
            assert ears.at("dialer/answer/c-1") == [{"command": "dispose", "answer": {"done": "dispose"}}]
            assert [command.command for command in desk.asked] == ["dispose"]

    run(test)


def test_a_command_is_acknowledged_only_after_its_commit(broker: Any, desk: Any, make_outbox: Any) -> None:
    """The dialer dies while it works on a command: the broker delivers it again to the next one."""

    async def test() -> None:
        begun = asyncio.Event()
        forever = asyncio.Event()

        async def stuck(_command: Any) -> dict[str, Any]:
            begun.set()
            await forever.wait()
            return {}

        desk.replies["do_not_call"] = stuck
        async with running(broker.port, make_outbox(), desk) as (first, ears):
            body = b'{"numbers": ["+441632960001"], "correlation": "n1"}'
            await send(broker.port, "do_not_call", body)
            await begun.wait()
            await first.bridge.stop(grace=0.01)
            assert ears.at("dialer/answer/n1") == []
            del desk.replies["do_not_call"]
            second = Setting(broker.port, make_outbox(), desk)
            await second.bridge.start()
            await ears.until(lambda: bool(ears.at("dialer/answer/n1")))
            assert ears.at("dialer/answer/n1")[0]["answer"] == {"done": "do_not_call"}
            await second.bridge.stop()

    run(test)


def test_a_command_sent_twice_takes_effect_once(broker: Any, desk: Any, make_outbox: Any) -> None:
    async def test() -> None:
        async with running(broker.port, make_outbox(), desk) as (_, ears):
            for _ in range(2):
                await send(broker.port, "pause", b'{"campaign": "sales", "correlation": "p1"}')
            await ears.until(lambda: len(ears.at("dialer/answer/p1")) == 2)
            assert len(desk.asked) == 1

    run(test)


def test_a_fault_in_the_dialer_is_answered_and_the_next_command_works(
    broker: Any, desk: Any, make_outbox: Any, capsys: Any
) -> None:
    async def test() -> None:
        async def broken(_command: Any) -> dict[str, Any]:
            raise ZeroDivisionError("a fault of ours")

        desk.replies["reload"] = broken
        async with running(broker.port, make_outbox(), desk) as (_, ears):
            await send(broker.port, "reload", b'{"correlation": "r1"}')
            await send(broker.port, "status", b'{"correlation": "s1"}')
            await ears.until(lambda: bool(ears.at("dialer/answer/r1")) and bool(ears.at("dialer/answer/s1")))
            assert ears.at("dialer/answer/r1")[0]["error"]["code"] == "internal"
            assert ears.at("dialer/answer/s1")[0]["answer"] == {"done": "status"}

    run(test)


def test_a_slow_login_does_not_hold_up_other_commands(broker: Any, desk: Any, make_outbox: Any) -> None:
    """More logins wait for a phone than a broker sends without acknowledgement (Mosquitto: 20)."""

    async def test() -> None:
        answered = asyncio.Event()

        async def phone(_command: Any) -> dict[str, Any]:
            await answered.wait()
            return {"done": "login"}

        desk.replies["login"] = phone
        async with running(broker.port, make_outbox(), desk) as (_, ears):
            async with aiomqtt.Client("127.0.0.1", broker.port) as client:
                for n in range(30):
                    body = json.dumps({"agent": f"a{n}", "correlation": f"l{n}"})
                    await client.publish("dialer/command/login", body, qos=1)
                await client.publish("dialer/command/status", b'{"correlation": "now"}', qos=1)
            await ears.until(lambda: bool(ears.at("dialer/answer/now")))
            answered.set()
            await ears.until(lambda: all(ears.at(f"dialer/answer/l{n}") for n in range(30)))

    run(test)
