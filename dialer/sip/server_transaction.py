"""The server transactions (RFC 3261 17.2, RFC 6026), run from the tables in `dialer.sip.tables`."""

from __future__ import annotations

from collections.abc import Callable

from dialer.sip.core import AckKey, Core
from dialer.sip.flow import Flow
from dialer.sip.machine import Machine
from dialer.sip.message import Request
from dialer.sip.reply import ReplyHead
from dialer.sip.tables import INVITE_SERVER, PLAIN_SERVER
from dialer.sip.timers import Timer

__all__ = ["InviteServer", "PlainServer", "ServerTransaction"]


class ServerTransaction(Machine):
    """What both server machines share."""

    __slots__ = ("core", "cseq", "head", "interval", "key", "method", "repeat", "response", "timer")
    start_state: str

    def __init__(self, core: Core, method: str, cseq: int, key: tuple[str, str, str], head: ReplyHead) -> None:
        self.core = core
        self.method = method
        self.cseq = cseq
        self.key = key
        self.head = head
        self.enter(self.start_state)
        self.interval = core.config.t1
        self.response = b""
        self.repeat: Timer | None = None
        self.timer: Timer | None = None
        core.servers[key] = self
        if isinstance(head.destination, Flow):
            core.hold(head.destination, self)

    def respond(self, status: int, now: float, lines: str = "", body: bytes = b"", reason: str | None = None) -> None:
        """Send a response. `lines` are further header lines, each with its CRLF."""
        self.response = self.head.render(status, lines, body, reason)
        self.fire("send_1xx" if status < 200 else "send_2xx" if status < 300 else "send_final", now)

    @property
    def answered(self) -> bool:
        """A final response was sent."""
        return self.state not in ("trying", "proceeding")

    def connection_lost(self, established: bool, now: float) -> None:
        """What is still to be said goes to the address in Via over a new connection (RFC 3261 18.2.2), or nowhere."""
        destination = self.head.fall_back()
        if destination is not None:
            self.core.hold(destination, self)

    def send(self, now: float) -> None:
        if self.head.lost:
            self.core.drops["response_without_connection"] += 1
        else:
            self.core.outbox.append((self.response, self.head.destination))

    def resend(self, now: float) -> None:
        if self.response:
            self.send(now)

    def stop_g(self, now: float) -> None:
        self.core.timers.cancel(self.repeat)
        self.repeat = None

    def stop_timers(self, now: float) -> None:
        self.stop_g(now)
        self.core.timers.cancel(self.timer)
        self.timer = None

    def forget(self, now: float) -> None:
        self.core.servers.pop(self.key, None)
        if isinstance(self.head.destination, Flow):
            self.core.let_go(self.head.destination, self)

    def _wait(self, now: float, seconds: float, name: str) -> None:
        if name in "IJ" and isinstance(self.head.destination, Flow):
            seconds = 0.0  # RFC 3261 17.2.1, 17.2.2
        self.core.timers.linger(now, seconds, self.fire, name)


def _nothing(transaction: InviteServer, request: Request | None, now: float) -> None:
    """Nobody asked to be told."""


class InviteServer(ServerTransaction):
    """INVITE as server (RFC 3261 17.2.1). `on_ack` is called with the ACK of our 2xx, or with None when none came
    within 64*T1.
    """

    __slots__ = ("ack", "ack_key", "on_ack")
    table = INVITE_SERVER
    start_state = "proceeding"

    def __init__(self, core: Core, cseq: int, key: tuple[str, str, str], head: ReplyHead, ack_key: AckKey) -> None:
        super().__init__(core, "INVITE", cseq, key, head)
        self.ack_key = ack_key
        if head.tag:  # it is no re-INVITE
            core.asked[ack_key[0], ack_key[2], cseq] = self
        self.ack: Request | None = None
        self.on_ack: Callable[[InviteServer, Request | None, float], None] = _nothing

    def take_ack(self, request: Request, now: float) -> None:
        """The ACK of our 2xx, the first time or once more."""
        self.ack = request
        self.fire("ack_2xx", now)

    def hush(self, now: float) -> None:
        """The call is over: stop repeating the 2xx, tell nobody."""
        self.on_ack = _nothing
        if self.state == "accepted":
            self.fire("ack_2xx", now)

    def await_ack(self, now: float) -> None:
        self.core.accepted[self.ack_key] = self

    def forget(self, now: float) -> None:
        super().forget(now)
        if self.core.accepted.get(self.ack_key) is self:  # and not of one with the same number that was refused
            del self.core.accepted[self.ack_key]
        if self.head.tag:
            del self.core.asked[self.ack_key[0], self.ack_key[2], self.cseq]

    def start_g(self, now: float) -> None:
        # Over a connection a refusal is said once (RFC 3261 17.2.1), but a 2xx until its ACK: it may cross hops that
        # lose datagrams (13.3.1.4).
        if self.state == "completed" and isinstance(self.head.destination, Flow):
            return
        self.repeat = self.core.timers.start(now + self.interval, self.fire, "G")

    def back_off(self, now: float) -> None:
        self.interval = min(self.interval * 2, self.core.config.t2)
        self.start_g(now)

    def start_h(self, now: float) -> None:
        self.timer = self.core.timers.start(now + 64 * self.core.config.t1, self.fire, "H")

    def start_i(self, now: float) -> None:
        self._wait(now, self.core.config.t4, "I")

    def start_l(self, now: float) -> None:
        self.timer = self.core.timers.start(now + 64 * self.core.config.t1, self.fire, "L")

    def report_ack(self, now: float) -> None:
        on_ack, self.on_ack = self.on_ack, _nothing  # repeated ACKs say nothing new
        on_ack(self, self.ack, now)
        self.ack = None

    def report_end(self, now: float) -> None:
        on_ack, self.on_ack = self.on_ack, _nothing
        on_ack(self, None, now)


class PlainServer(ServerTransaction):
    """Any request but INVITE and ACK as server (RFC 3261 17.2.2)."""

    __slots__ = ()
    table = PLAIN_SERVER
    start_state = "trying"

    def start_j(self, now: float) -> None:
        self._wait(now, 64 * self.core.config.t1, "J")
