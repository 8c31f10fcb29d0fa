"""One connection to the broker, with acknowledgements of received messages in our hands.

aiomqtt acknowledges a QoS 1 message as soon as it is read; a command must be acknowledged only after its commit.
paho below it can wait (`manual_ack`), and MQTT 3.1.1 section 4.6 wants the acknowledgements in the order of the
messages, so a message is acknowledged when it and all before it are done.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

import aiomqtt
from paho.mqtt.client import MQTTMessageInfo
from paho.mqtt.enums import MQTTErrorCode

#: Seconds of silence after which the broker is asked whether it is there; it counts as lost after 1.5 times that.
KEEPALIVE = 15
#: Seconds that the broker may take to answer or to read.
TIMEOUT = 10.0
#: QoS 1 messages sent before the first of them must be acknowledged.
INFLIGHT = 100
#: Received messages waiting to be looked at; more are discarded and counted.
INCOMING = 256


@dataclass(frozen=True, slots=True)
class BridgeConfig:
    """How to reach the broker. `topic` is the first part of every topic; secrets are not shown by `repr`.

    Raises ValueError when commands would be taken without a token from a broker beyond loopback.
    """

    host: str = "127.0.0.1"
    port: int = 1883
    client_id: str = "predictive-dialer"
    topic: str = "dialer"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: bool = False
    commands: bool = True
    command_token: str | None = field(default=None, repr=False)
    event_queue: int = 10_000

    def __post_init__(self) -> None:
        loopback = self.host in ("localhost", "::1") or self.host.startswith("127.")
        if self.commands and self.command_token is None and not loopback:
            raise ValueError(f"mqtt: commands from {self.host} need command_token_env (or set commands = false)")


def published(info: MQTTMessageInfo) -> bool:
    """Whether the broker has it (QoS 1: acknowledged it). paho raises for a message that it gave up: then
    it has not."""
    try:
        return info.is_published()
    except (ValueError, RuntimeError):
        return False


class _Ticket:
    __slots__ = ("done", "mid")

    def __init__(self, mid: int) -> None:
        self.mid = mid
        self.done = False


class Link(aiomqtt.Client):
    """A client with a persistent session, manual acknowledgement in order, and the dialer's last will."""

    def __init__(self, config: BridgeConfig, will: bytes, discarded: Callable[[], None]) -> None:
        class Incoming(asyncio.Queue[aiomqtt.Message]):
            """Says so when a message is discarded."""

            def put_nowait(self, item: aiomqtt.Message) -> None:
                if self.full():
                    discarded()
                super().put_nowait(item)

        super().__init__(
            config.host,
            config.port,
            username=config.username,
            password=config.password,
            identifier=config.client_id,
            clean_session=False,
            keepalive=KEEPALIVE,
            timeout=TIMEOUT,
            tls_context=ssl.create_default_context() if config.tls else None,
            will=aiomqtt.Will(f"{config.topic}/state/dialer", will, qos=1, retain=True),
            queue_type=Incoming,
            max_queued_incoming_messages=INCOMING,
            max_inflight_messages=INFLIGHT,
        )
        self._client.manual_ack_set(True)
        self.pending_calls_threshold = 1000
        self._tickets: deque[_Ticket] = deque()
        self.alive = False

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self.alive = True
        return self

    def hand_over(self, topic: str, payload: bytes | str, qos: int, retain: bool = False) -> MQTTMessageInfo:
        """Queue a message for the socket without waiting; await a `publish` after it, which waits for both.

        aiomqtt's `publish` costs a turn of the loop a message; a batch that waits for its last one costs a third of
        that. Raises MqttCodeError when there is no connection.
        """
        info = self._client.publish(topic, payload, qos, retain)
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise aiomqtt.MqttCodeError(info.rc, "Could not publish message")
        return info

    def taken(self, message: aiomqtt.Message) -> Callable[[], None]:
        """`message` is being worked on. Call what is returned when it is done: then it is acknowledged, in its turn."""
        if message.qos == 0:
            return lambda: None
        ticket = _Ticket(message.mid)
        self._tickets.append(ticket)

        def done() -> None:
            ticket.done = True
            while self._tickets and self._tickets[0].done:
                first = self._tickets.popleft()
                if self.alive:
                    self._client.ack(first.mid, 1)

        return done
