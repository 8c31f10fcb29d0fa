"""Keeps the broker told: events as they happen, outcomes from disk, states retained, commands answered.

Nothing here can hold up dialing. The stream's reader only appends to a bounded queue; a broker that is
slow or away costs
events (counted), never outcomes: those wait on disk and go out in order when it is back, at least once.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import aiomqtt

from dialer.commands import CommandHandler
from dialer.doors import encode, one_line
from dialer.events import Event, EventStream, ServiceAlert
from dialer.logs import get_logger
from dialer.metrics import Metrics
from dialer.mqtt.commands import CommandDoor
from dialer.mqtt.link import BridgeConfig, Link, published
from dialer.mqtt.outbox import Outbox, OutboxError, OutboxItem
from dialer.mqtt.topics import event_topic, safe_topic, state_of

#: First and longest pause between attempts to reach the broker, seconds.
RETRY_FIRST, RETRY_MOST = 0.25, 15.0
#: Seconds after which what goes on is cancelled again: a part of a session, and the session with its disconnect.
INSIST_PART, INSIST = 0.1, 1.5
#: Outcomes sent before waiting for their acknowledgements.
BATCH = 100
#: Seconds after which the outbox is looked at even when nobody said that there is something new.
OUTBOX_LOOK = 5.0
#: Seconds to gather outcomes before they are sent, so that marking them done costs few commits; and between two
#: deliveries of events and states, so that what comes together leaves together, an agent's states as the last of them.
LINGER = 0.05
#: Pause while the store is away, seconds.
OUTBOX_RETRY = 1.0
#: Events, or states, handed to the socket at once; then the broker must have read them before more are sent.
AT_ONCE = 100
#: Commands in work at once.
COMMANDS = 64
#: Commands that wait for somebody's phone: acknowledged when taken, since they promise nothing on disk and
#: would hold up the acknowledgements of those behind them.
SLOW = frozenset({"login"})

__all__ = ["BridgeConfig", "MqttBridge"]


class MqttBridge:
    """`start` it in the daemon's loop; `stop` ends it in order. `clock` gives epoch seconds."""

    def __init__(
        self,
        config: BridgeConfig,
        stream: EventStream,
        outbox: Outbox,
        handler: CommandHandler,
        metrics: Metrics,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._config = config
        self._stream = stream
        self._outbox = outbox
        self._metrics = metrics
        self._clock = clock
        self._door = CommandDoor(handler, config.command_token, metrics, clock)
        self._log = get_logger("mqtt")
        self._events: deque[Event] = deque()
        self._states: dict[str, dict[str, Any]] = {}
        self._dirty: dict[str, None] = {}
        self._wake = asyncio.Event()
        self._link: Link | None = None
        self._lost = False
        self._stopping = False
        self._outbox_empty = asyncio.Event()  # it was, when last looked at
        self._events_empty = asyncio.Event()
        self._main: asyncio.Task[None] | None = None
        self._working: set[asyncio.Task[None]] = set()
        self._room = asyncio.Semaphore(COMMANDS)

    @property
    def connected(self) -> bool:
        """The broker is there."""
        return self._link is not None

    async def start(self) -> None:
        """Subscribe to the stream and begin to connect; returns at once, whether or not the broker is there."""
        self._stream.subscribe(self.on_event)
        self._main = asyncio.create_task(self._run(), name="mqtt")
        self._main.add_done_callback(self._ended)

    async def stop(self, grace: float = 2.0) -> None:
        """Send what is waiting, at most `grace` seconds long, say `offline`, disconnect. Outcomes not sent
        stay on disk."""
        main, self._main = self._main, None
        if main is None:
            return
        self._stream.unsubscribe(self.on_event)
        self._stopping = True
        link = self._link
        if link is not None:
            try:
                async with asyncio.timeout(grace):
                    await self._drain()
            except (TimeoutError, aiomqtt.MqttError) as error:
                self._log.info("mqtt_not_drained", events=len(self._events), reason=type(error).__name__)
            link.timeout = 1.0  # a broker that hangs does not hold up the daemon's end
            with contextlib.suppress(aiomqtt.MqttError):
                await link.publish(f"{self._config.topic}/state/dialer", self._presence("offline"), qos=1, retain=True)
        await _end({main, *self._working}, INSIST)

    async def _drain(self) -> None:
        if self._working:
            await asyncio.wait(list(self._working))
        self._outbox_empty.clear()
        self._outbox.wake.set()
        await self._outbox_empty.wait()
        self._events_empty.clear()
        self._wake.set()
        await self._events_empty.wait()

    # the stream's side

    def know(self, standing: Iterable[Event]) -> None:
        """How things stand, as the events that would have said so: states that nothing has told yet are told."""
        for event in standing:
            state = state_of(event)
            if state is not None and state[0] not in self._states:
                self._states[state[0]] = state[1]
                self._dirty[state[0]] = None
        self._wake.set()

    def on_event(self, event: Event) -> None:
        """The stream's reader: takes note and returns."""
        state = state_of(event)
        if state is not None:
            self._states[state[0]] = state[1]
            self._dirty[state[0]] = None
        if self._link is None:
            self._metrics.mqtt_dropped("disconnected")
        elif len(self._events) >= self._config.event_queue:
            self._metrics.mqtt_dropped("queue_full")
        else:
            self._events.append(event)
        self._wake.set()

    # the connection

    async def _run(self) -> None:
        pause = RETRY_FIRST
        while not self._stopping:
            link = Link(self._config, self._presence("lost"), self._discarded)
            try:
                async with link:
                    pause = RETRY_FIRST
                    await self._session(link)
            except aiomqtt.MqttError as error:
                self._gone(str(error))
            finally:
                link.alive = False
                self._link = None
            await asyncio.sleep(pause * random.uniform(0.7, 1.3))
            pause = min(pause * 2, RETRY_MOST)

    async def _session(self, link: Link) -> None:
        if self._stopping:
            return
        self._link = link  # before anybody hears `online`: who stops us from then on says `offline` through it
        root = self._config.topic
        if self._config.commands:
            granted = await link.subscribe(f"{root}/command/+", qos=1)
            if any((code if isinstance(code, int) else code.value) >= 0x80 for code in granted):
                self._log.error("commands_refused_by_broker", topic=f"{root}/command/+")
        await link.publish(f"{root}/state/dialer", self._presence("online"), qos=1, retain=True)
        self._dirty = dict.fromkeys(self._states)
        self._wake.set()
        self._lost = False
        self._alert("broker_ok", f"{self._config.host}:{self._config.port}")
        parts = [
            asyncio.create_task(part, name=name)
            for name, part in (
                ("mqtt-commands", self._receive(link)),
                ("mqtt-events", self._pump(link)),
                ("mqtt-outcomes", self._send_outcomes(link)),
            )
        ]
        try:
            done, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
            for part in done:
                part.result()
        finally:
            await _end(set(parts), INSIST_PART)

    def _gone(self, reason: str) -> None:
        dropped = len(self._events)
        if dropped:
            self._metrics.mqtt_dropped("disconnected", dropped)
            self._events.clear()
        if not self._lost and not self._stopping:
            self._lost = True
            self._link = None
            self._alert("broker_lost", one_line(reason, 200))

    def _ended(self, main: asyncio.Task[None]) -> None:
        if not main.cancelled() and main.exception() is not None:
            self._log.error("mqtt_bridge_failed", exc_info=main.exception())
            self._alert("broker_lost", "the bridge failed; see the log")

    def _alert(self, alert: str, detail: str) -> None:
        self._stream.publish(ServiceAlert(at=self._clock(), campaign="", alert=alert, detail=detail))

    def _presence(self, state: str) -> bytes:
        return encode({"state": state, "at": self._clock()})

    # going out

    async def _pump(self, link: Link) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self._send_states(link)
            await self._send_events(link)
            self._events_empty.set()
            if not self._stopping:  # afterwards: what comes alone (a customer for an agent) goes at once
                await asyncio.sleep(LINGER)

    async def _send_states(self, link: Link) -> None:
        root = self._config.topic
        while self._dirty:
            topics = list(itertools.islice(self._dirty, AT_ONCE))
            for topic in topics:
                del self._dirty[topic]
            messages = [(f"{root}/{topic}", encode(self._states[topic])) for topic in topics]
            for message in messages[:-1]:
                link.hand_over(*message, 0, retain=True)
            await link.publish(*messages[-1], qos=0, retain=True)
            self._metrics.mqtt_published("state", len(messages))

    async def _send_events(self, link: Link) -> None:
        root = self._config.topic
        while self._events:
            batch = [self._events.popleft() for _ in range(min(len(self._events), AT_ONCE))]
            messages = [(f"{root}/{event_topic(event)}", encode(event.to_dict())) for event in batch]
            sent = []
            try:
                sent = [link.hand_over(topic, payload, 0) for topic, payload in messages[:-1]]
                await link.publish(*messages[-1], qos=0)
            except (aiomqtt.MqttError, asyncio.CancelledError):
                gone = sum(map(published, sent))
                self._metrics.mqtt_dropped("disconnected", len(batch) - gone)
                self._metrics.mqtt_published("event", gone)
                raise
            self._metrics.mqtt_published("event", len(batch))

    async def _send_outcomes(self, link: Link) -> None:
        while True:
            self._outbox.wake.clear()
            try:
                items = await self._outbox.fetch(BATCH)
                if items:
                    await self._send_batch(link, items)
            except OutboxError as error:
                self._log.warning("outbox_unavailable", reason=str(error))
                await asyncio.sleep(OUTBOX_RETRY)
                continue
            if len(items) < BATCH:
                if not items:
                    self._outbox_empty.set()
                await self._outbox_news()

    async def _outbox_news(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(OUTBOX_LOOK):
                await self._outbox.wake.wait()
                await asyncio.sleep(LINGER)

    async def _send_batch(self, link: Link, items: Sequence[OutboxItem]) -> None:
        root = self._config.topic
        sent = [link.hand_over(f"{root}/{safe_topic(item.topic)}", item.payload, 1) for item in items[:-1]]
        await link.publish(f"{root}/{safe_topic(items[-1].topic)}", items[-1].payload, qos=1)
        # A broker acknowledges in order (MQTT 3.1.1 section 4.6), so with the last one all are; a gap goes again.
        acknowledged = [*itertools.takewhile(published, sent)]
        count = len(items) if len(acknowledged) == len(sent) else len(acknowledged)
        await self._outbox.done([item.id for item in items[:count]])
        self._metrics.mqtt_published("outcome", count)

    # coming in

    async def _receive(self, link: Link) -> None:
        prefix = f"{self._config.topic}/command/"
        async for message in link.messages:
            done = link.taken(message)
            await self._room.acquire()
            name = str(message.topic).removeprefix(prefix)
            task = asyncio.create_task(self._work(link, name, message, done))
            self._working.add(task)
            task.add_done_callback(self._worked)

    async def _work(self, link: Link, name: str, message: aiomqtt.Message, done: Callable[[], None]) -> None:
        if name in SLOW:
            done()
        answer = await self._door.answer(name, message.payload, retained=message.retain)
        try:
            await link.publish(f"{self._config.topic}/answer/{answer.correlation}", answer.payload, qos=1)
        except aiomqtt.MqttError as error:
            # Not acknowledged: the broker delivers the command again, and it gets the answer that is remembered.
            self._log.info("answer_not_sent", correlation=answer.correlation, reason=str(error))
            return
        self._metrics.mqtt_published("answer")
        done()

    def _worked(self, task: asyncio.Task[None]) -> None:
        self._working.discard(task)
        self._room.release()
        if not task.cancelled() and task.exception() is not None:
            self._log.error("command_failed", exc_info=task.exception())

    def _discarded(self) -> None:
        self._metrics.refused("mqtt", "overload")


async def _end(tasks: set[asyncio.Task[None]], insist: float) -> None:
    """Cancel `tasks` and wait for their ends; again every `insist` seconds: `asyncio.wait_for`, in which aiomqtt waits,
    loses a cancellation that comes together with what it waits for (Python before 3.12)."""
    while tasks:
        for task in tasks:
            task.cancel()
        _, tasks = await asyncio.wait(tasks, timeout=insist)
