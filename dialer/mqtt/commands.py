"""The MQTT door for commands: one message in, one answer out, whatever was in the message."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dialer.commands import CommandError, CommandHandler
from dialer.doors import DoorError, encode, one_line, parse_command, parse_object
from dialer.logs import get_logger
from dialer.metrics import Metrics
from dialer.mqtt.topics import CORRELATION

#: Keys of a payload that are about the message, not the command.
ENVELOPE = ("correlation", "token", "expires_at")
#: Commands whose answers are kept, so that one delivered twice takes effect once.
REMEMBERED = 1000
#: Commands that change nothing: asked again, they look again.
LOOKS = frozenset({"status", "contact"})
#: Logged in full up to so many refusals in a row without a good command between; the rest is only counted.
LOGGED = 100


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes to `answer/CORRELATION`; `-` is the correlation of messages that carry none."""

    correlation: str
    payload: bytes
    accepted: bool


class CommandDoor:
    """Turns messages into commands for `handler` and their results into answers. `clock` gives epoch seconds."""

    def __init__(
        self, handler: CommandHandler, token: str | None, metrics: Metrics, clock: Callable[[], float]
    ) -> None:
        self._handler = handler
        self._token = token
        self._metrics = metrics
        self._clock = clock
        self._log = get_logger("mqtt")
        self._recent: OrderedDict[bytes, asyncio.Task[Answer]] = OrderedDict()
        self._refusals = 0

    async def answer(self, name: str, payload: bytes, *, retained: bool = False) -> Answer:
        """Carry out the command `name` that came as `payload`; the answer, once everything it promises is committed.

        The same message again (a redelivery, or a sender's retry with the same correlation) gets the same answer.
        """
        try:
            fields = parse_object(payload)
            correlation = self._correlation(fields)
        except DoorError as error:
            return self._refused(name, "-", error)
        key = hashlib.sha256(name.encode() + b"\0" + payload).digest()
        repeatable = correlation != "-" and name not in LOOKS
        known = self._recent.get(key) if repeatable else None
        if known is not None:
            return await asyncio.shield(known)
        task = asyncio.ensure_future(self._carried_out(name, correlation, fields, retained))
        if repeatable:
            self._recent[key] = task
            while len(self._recent) > REMEMBERED:
                self._recent.popitem(last=False)
        result = await task
        if not result.accepted:
            # Nothing took effect, so the same message may be tried again.
            self._recent.pop(key, None)
        return result

    @staticmethod
    def _correlation(fields: dict[str, Any]) -> str:
        given = fields.get("correlation")
        if given is None:
            return "-"
        if not isinstance(given, str) or CORRELATION.match(given) is None:
            raise DoorError("invalid", "correlation: 1 to 64 letters, digits, '_', '.' or '-'", "correlation")
        return given

    async def _carried_out(self, name: str, correlation: str, fields: dict[str, Any], retained: bool) -> Answer:
        try:
            self._admit(fields, retained)
            command = parse_command(name, {k: v for k, v in fields.items() if k not in ENVELOPE})
        except DoorError as error:
            return self._refused(name, correlation, error)
        work = asyncio.ensure_future(self._handler.handle(command))
        try:
            await asyncio.wait([work])
        finally:
            work.cancel()  # only when we are cancelled ourselves: a finished task stays as it is
        failure = work.exception()
        if failure is None:
            self._refusals = 0
            return Answer(correlation, encode({"command": name, "answer": work.result()}), accepted=True)
        if isinstance(failure, CommandError):
            return self._refused(name, correlation, DoorError(failure.code, failure.message, details=failure.details))
        # A fault of ours: the sender learns that it failed, the log has the traceback.
        self._log.error("command_failed", command=one_line(name, 64), correlation=correlation, exc_info=failure)
        return self._refused(name, correlation, DoorError("internal", "the dialer failed; its log says how"))

    def _admit(self, fields: dict[str, Any], retained: bool) -> None:
        if self._token is not None:
            given = fields.get("token")
            if given is None:
                raise DoorError("unauthorized", "token: missing", "token")
            if not isinstance(given, str) or not hmac.compare_digest(given.encode(), self._token.encode()):
                raise DoorError("unauthorized", "token: wrong", "token")
        if retained:
            raise DoorError("invalid", "a command must not be retained: it would be repeated at every connection")
        expires = fields.get("expires_at")
        if expires is not None:
            if isinstance(expires, bool) or not isinstance(expires, (int, float)):
                raise DoorError("invalid", "expires_at: epoch seconds, a number", "expires_at")
            if expires <= self._clock():
                raise DoorError("expired", "expires_at has passed; nothing was done", "expires_at")

    def _refused(self, name: str, correlation: str, error: DoorError) -> Answer:
        self._metrics.refused("mqtt", error.code)
        self._refusals += 1
        if self._refusals <= LOGGED:
            self._log.warning(
                "command_refused",
                command=one_line(name, 64),
                correlation=correlation,
                code=error.code,
                reason=error.message,
                **({"more": "only counted"} if self._refusals == LOGGED else {}),
            )
        return Answer(correlation, encode({"command": one_line(name, 64), **error.to_dict()}), accepted=False)
