"""The client transactions (RFC 3261 17.1, RFC 6026), run from the tables in `dialer.sip.tables`.

A transaction keeps what it must repeat and nothing else; what happens in the call is the business of its user, who is
told through the callbacks given to it. Deadlines (B, F) are armed when the first repetition is due, not at the start:
they lie 63*T1 later anyway, and most requests never need them.
"""

from __future__ import annotations

from collections.abc import Callable

from dialer.sip.core import Core
from dialer.sip.flow import Destination, Flow
from dialer.sip.grammar import tag_of
from dialer.sip.machine import Machine
from dialer.sip.message import Response
from dialer.sip.tables import INVITE_CLIENT, PLAIN_CLIENT
from dialer.sip.timers import Timer
from dialer.sip.wire import RequestHead

_MAX_ANSWERS = 16
"""2xx with different To tags that one INVITE may bring: each costs an ACK and a BYE."""

__all__ = ["ClientTransaction", "InviteClient", "PlainClient"]


class ClientTransaction(Machine):
    """What both client machines share. `on_response` gets each response that is news, `on_timeout` the lack of any."""

    __slots__ = (
        "broken",
        "core",
        "destination",
        "head",
        "interval",
        "key",
        "method",
        "on_response",
        "on_timeout",
        "repeat",
        "request",
        "response",
        "resumed",
        "sent_at",
        "timer",
        "waiting",
    )
    start_state: str
    names: tuple[str, str]

    def __init__(
        self,
        core: Core,
        method: str,
        head: RequestHead,
        request: bytes,
        destination: Destination,
        on_response: Callable[[ClientTransaction, Response, float], None],
        on_timeout: Callable[[ClientTransaction, float], None],
    ) -> None:
        self.core = core
        self.method = method
        self.head = head
        self.request = request
        self.destination = destination
        self.on_response = on_response
        self.on_timeout = on_timeout
        self.key = (head.branch, method)
        self.enter(self.start_state)
        self.interval = core.config.t1
        self.sent_at = 0.0
        self.response: Response | None = None
        self.repeat: Timer | None = None
        self.timer: Timer | None = None
        self.waiting = False  # for its first repetition, which `Timers.watch` looks after
        self.broken = False  # what `on_timeout` reports is the loss of the connection
        self.resumed = False  # repeated once over a new connection

    def start(self, now: float) -> None:
        """Send the request and wait. Over a connection nothing is repeated: only B or F runs (RFC 3261 17.1.1.2)."""
        core, destination = self.core, self.destination
        core.clients[self.key] = self
        self.sent_at = now
        core.outbox.append((self.request, destination))
        if isinstance(destination, Flow):
            core.hold(destination, self)
            self.timer = core.timers.start(now + 64 * core.config.t1, self.fire, self.names[1])
        else:
            self.waiting = True
            core.timers.watch(now + self.interval, self)

    def connection_lost(self, established: bool, now: float) -> None:
        """The connection is gone. An unanswered request goes once over a new one, with the same branch: to a server
        that has it already that is a repetition. Without `established` there was none, and there will be none.
        """
        if established and not self.resumed and self.state in ("calling", "trying"):
            self.resumed = True
            assert isinstance(self.destination, Flow)
            self.core.hold(self.destination, self)
            self.core.outbox.append((self.request, self.destination))
        else:
            self.fire("error", now)

    def overdue(self, name: str, now: float) -> None:
        """The first repetition is due."""
        if not self.waiting:
            return
        self.waiting = False
        core = self.core
        self.timer = core.timers.start(self.sent_at + 64 * core.config.t1, self.fire, self.names[1])
        self.fire(self.names[0], now)

    def take(self, response: Response, now: float) -> None:
        """A response that belongs to this transaction."""
        self.response = response
        status = response.status
        self.fire("1xx" if status < 200 else "2xx" if status < 300 else "final", now)
        self.response = None

    def resend(self, now: float) -> None:
        self.core.outbox.append((self.request, self.destination))

    def stop_timers(self, now: float) -> None:
        self.waiting = False
        if self.repeat is not None:
            self.core.timers.cancel(self.repeat)
            self.repeat = None
        if self.timer is not None:
            self.core.timers.cancel(self.timer)
            self.timer = None

    def report(self, now: float) -> None:
        response, on_response = self.response, self.on_response
        if response is None:
            return
        if response.status >= 200:  # what only waits to be forgotten must not keep a whole call alive
            self.on_response = _deaf
            self.on_timeout = _indifferent
        on_response(self, response, now)

    def report_timeout(self, now: float) -> None:
        self.on_timeout(self, now)

    def report_error(self, now: float) -> None:
        self.broken = True
        self.core.drops["transaction_without_connection"] += 1
        self.on_timeout(self, now)

    def forget(self, now: float) -> None:
        self.core.clients.pop(self.key, None)
        if isinstance(self.destination, Flow):
            self.core.let_go(self.destination, self)


def _deaf(transaction: ClientTransaction, response: Response, now: float) -> None:
    """Its user has had the final response."""


def _indifferent(transaction: ClientTransaction, now: float) -> None:
    """As `_deaf`."""


class InviteClient(ClientTransaction):
    """INVITE (RFC 3261 17.1.1). `acks` holds the ACK of each 2xx by To tag, to repeat when the 2xx is; None: not sent
    yet.
    """

    __slots__ = ("acks", "on_fork")
    table = INVITE_CLIENT
    start_state = "calling"
    names = ("A", "B")

    def __init__(
        self,
        core: Core,
        head: RequestHead,
        request: bytes,
        destination: Destination,
        on_response: Callable[[ClientTransaction, Response, float], None],
        on_timeout: Callable[[ClientTransaction, float], None],
        on_fork: Callable[[InviteClient, Response, float], None],
    ) -> None:
        ClientTransaction.__init__(self, core, "INVITE", head, request, destination, on_response, on_timeout)
        self.on_fork = on_fork
        self.acks: dict[str, tuple[bytes, Destination] | None] = {}

    def adopt(self, now: float) -> None:
        """Wait for the end of an INVITE that an earlier process sent: as if a provisional had come, without sending."""
        self.core.clients[self.key] = self
        self.enter("proceeding")
        self.sent_at = now
        self.timer = self.core.timers.start(now + 64 * self.core.config.t1, self.give_up, "abandon")

    def release(self, now: float) -> None:
        """The call is over. A peer that said 1xx and then nothing must not keep this waiting for ever."""
        if self.state in ("calling", "proceeding"):
            self.core.timers.start(now + 64 * self.core.config.t1, self.give_up, "abandon")

    def give_up(self, name: str, now: float) -> None:
        """Nobody waits for the end any more; a transaction that has its final response ends by itself."""
        if self.state in ("calling", "proceeding"):
            self.fire(name, now)

    def back_off(self, now: float) -> None:
        self.interval *= 2
        self.repeat = self.core.timers.start(now + self.interval, self.fire, "A")

    def start_m(self, now: float) -> None:
        self.request = b""
        self.core.timers.linger(now, 64 * self.core.config.t1, self.fire, "M")

    def start_d(self, now: float) -> None:
        self.request = b""
        self.on_fork = _deaf  # as in `report`; who ends the call of a 2xx after a refusal says so when that is reported
        # RFC 3261 17.1.1.2: nothing is repeated over a connection that must be soaked up
        seconds = 0.0 if isinstance(self.destination, Flow) else 64 * self.core.config.t1
        self.core.timers.linger(now, seconds, self.fire, "D")

    def acknowledge(self, now: float) -> None:
        if (response := self.response) is not None:  # RFC 3261 17.1.1.3: same branch, the To of the response
            self.core.outbox.append((self.head.render("ACK", to=response.first("to")), self.destination))

    def report_again(self, now: float) -> None:
        response = self.response
        if response is None:
            return
        tag = tag_of(response.first("to") or "") or ""
        if tag not in self.acks:
            if len(self.acks) >= _MAX_ANSWERS:
                self.core.drops["too_many_forks"] += 1
                return
            self.acks[tag] = None
            self.on_fork(self, response, now)
            return
        ack = self.acks[tag]
        if ack is not None:
            self.core.outbox.append(ack)


class PlainClient(ClientTransaction):
    """Any request but INVITE and ACK (RFC 3261 17.1.2)."""

    __slots__ = ()
    table = PLAIN_CLIENT
    start_state = "trying"
    names = ("E", "F")

    def back_off(self, now: float) -> None:
        self.interval = min(self.interval * 2, self.core.config.t2)
        self.repeat = self.core.timers.start(now + self.interval, self.fire, "E")

    def slow_down(self, now: float) -> None:
        if isinstance(self.destination, Flow):
            return  # F runs, E never does
        self.waiting = False
        timers = self.core.timers
        timers.cancel(self.repeat)
        if self.timer is None:  # answered before the first repetition, so timer F is not armed yet
            self.timer = timers.start(self.sent_at + 64 * self.core.config.t1, self.fire, "F")
        self.repeat = timers.start(now + self.core.config.t2, self.fire, "E")

    def start_k(self, now: float) -> None:
        self.request = b""
        seconds = 0.0 if isinstance(self.destination, Flow) else self.core.config.t4  # RFC 3261 17.1.2.2
        self.core.timers.linger(now, seconds, self.fire, "K")
