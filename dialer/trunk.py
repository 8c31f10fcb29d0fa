"""A SIP trunk: its lines, its calls per second, the numbers it may be given, and whether it is well."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dialer.breaker import Breaker, BreakerState
from dialer.causes import NO_OWN, OwnCauses
from dialer.config.sip_tables import TrunkTable
from dialer.locate import Located, Target
from dialer.sip import Credentials, Destination
from dialer.targets import Targets
from dispositions import Outcome

if TYPE_CHECKING:
    from dialer.trunk_guard import TrunkGuard


def parse_address(text: str) -> tuple[str, int]:
    """`host:port`, `[v6]:port` or a `sip:` URI of one -> (host, port); 5060 where none is named. ValueError when it
    is neither.
    """
    text = text.split(":", 1)[1] if text.startswith(("sip:", "sips:")) else text
    text = text.rsplit("@", 1)[-1].split(";", 1)[0].split("?", 1)[0]
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, port = text, "5060"
    if not host or not port.isdigit() or not 0 <= int(port) <= 65535:
        raise ValueError(f"{text!r} is not host:port")
    return host.strip("[]"), int(port)


@dataclass(frozen=True, slots=True)
class SignOn:
    """How a trunk is registered with: the registrar's URI, our address of record there, where to send it, seconds."""

    registrar: str
    aor: str
    destinations: tuple[Destination, ...]
    expires: int
    credentials: Credentials | None


#: A call is begun at most so long before the limit lets its INVITE leave, seconds; and what one call's way to disk
#: weighs in the mean.
LONGEST_LAG, LAG_WEIGHT = 0.25, 0.1


@dataclass(slots=True)
class Trunk:
    """A trunk at work. Times are monotonic seconds."""

    name: str
    table: TrunkTable
    destination: Destination
    """where its name led at the start; `target` is where requests go"""
    credentials: Credentials | None = None
    lines_in_use: int = 0
    up: bool = True
    down_reason: str = ""
    sign_on: SignOn | None = None
    """None: the carrier knows us by our address"""
    signed_on: bool | None = None
    """None: not to be registered with"""
    sign_on_problem: str = ""
    breaker: Breaker = field(init=False)
    targets: Targets = field(init=False)
    guard: TrunkGuard | None = None
    """made with the first call that is reported; see `dialer.trunk_guard`"""
    options_missed: int = 0
    ping: str | None = None
    _tokens: float = field(default=1.0)
    _tokens_at: float = field(default=0.0)
    _left: deque[float] = field(default_factory=deque)
    """when the INVITEs of the last second left"""
    _leaving: dict[str, float | None] = field(default_factory=dict)
    """calls whose attempt is on its way to disk and whose INVITE is about to leave: since when, until it is there"""
    _lag: float = 0.0
    """how long that way takes, seconds, smoothed: so much ahead of its turn a call is begun"""

    def __post_init__(self) -> None:
        self.breaker = Breaker(self.table.breaker)
        self.targets = Targets(Located((Target((self.destination,)),)))

    def target(self, now: float) -> Destination:
        """The server for the next request."""
        return self.targets.pick(now)

    def take(self, fresh: Trunk) -> None:
        """The settings of `fresh`, read from a new config, for what comes from now on."""
        self.table, self.destination, self.credentials = fresh.table, fresh.destination, fresh.credentials
        self.breaker.table = fresh.table.breaker
        self.targets, self.sign_on = fresh.targets, fresh.sign_on

    @property
    def hosts(self) -> frozenset[str]:
        """The addresses that its calls to us may come from."""
        registrars = self.sign_on.destinations if self.sign_on is not None else ()
        servers = (address for target in self.targets.located.targets for address in target.addresses)
        return frozenset(place[0] for place in (self.destination, *servers, *registrars))

    @property
    def asked(self) -> bool:
        """Whether OPTIONS show its life."""
        return self.table.options_interval > 0

    @property
    def options_uri(self) -> str:
        """Whom an OPTIONS is for."""
        return f"sip:{self.table.domain or self.table.address}"

    def carries(self, number: str) -> bool:
        """Whether `number` (E.164) begins with an allowed prefix: the guard against toll fraud."""
        return any(number.startswith(prefix) for prefix in self.table.prefixes)

    def price(self, number: str) -> float:
        """The price of the longest route prefix that fits, else the trunk's own."""
        best, price = -1, self.table.price
        for route in self.table.routes:
            if len(route.prefix) > best and number.startswith(route.prefix):
                best, price = len(route.prefix), route.price
        return price

    @property
    def causes(self) -> OwnCauses:
        """What its carrier means by its codes, where that differs from the table."""
        own = self.table.causes
        if not own.sip and not own.q850:
            return NO_OWN
        return OwnCauses(
            {int(code): Outcome(name) for code, name in own.sip.items()},
            {int(code): Outcome(name) for code, name in own.q850.items()},
        )

    def request_uri(self, number: str) -> str:
        """What is dialed there: digits after strip and prepend, at the carrier's domain."""
        digits = number.lstrip("+")[self.table.strip :]
        host = self.table.domain or self.table.address
        return f"sip:{self.table.prepend}{digits}@{host}"

    @property
    def blocked_until(self) -> float:
        """When its rest is over; 0 when it does not rest."""
        return self.breaker.until if self.breaker.state is BreakerState.OPEN else 0.0

    def well(self, now: float) -> bool:
        """Up, registered if it wants that, and not resting after a 503, a time-out or too much congestion. On trial it
        is well.
        """
        if not self.up or self.signed_on is False:
            return False
        state = self.breaker.state
        if state is BreakerState.OPEN:
            return not self.asked and now >= self.breaker.until
        return state is not BreakerState.PROBING

    def lets(self, now: float) -> bool:
        """Well, and not on trial with all the calls that it may be tried with."""
        return self.well(now) and self.breaker.allowance(now, self.asked) != 0

    def why_not(self, now: float) -> str:
        """Why it is not well, in words; empty when it is."""
        if self.down_reason or self.signed_on is False:
            return self.down_reason or self.sign_on_problem
        if self.well(now):
            return ""
        if self.breaker.state is BreakerState.PROBING:
            return "is asked whether it lives"
        return "rests after a failure"

    def free_lines(self, now: float) -> int:
        """Calls that it may be given besides those in progress; 0 when it is not well."""
        if not self.well(now):
            return 0
        free, allowed = max(0, self.table.lines - self.lines_in_use), self.breaker.allowance(now, self.asked)
        return free if allowed is None else min(free, allowed)

    def _refill(self, now: float) -> None:
        rate = self.table.calls_per_second
        now = max(now, self._tokens_at)  # a caller's `now` may be a moment old
        # at most a quarter of a second's worth at once: a trunk that rested must not be hit by a whole second's burst
        self._tokens = min(max(1.0, rate * 0.25), self._tokens + (now - self._tokens_at) * rate)
        self._tokens_at = now
        while self._left and self._left[0] <= now - 1.0:
            self._left.popleft()

    def starts(self, now: float) -> int:
        """Calls that may be begun right now: the tokens there are, and as many as the limit will let leave when their
        attempts are on disk. Whose turn has not come then waits for it: see `turn`.
        """
        self._refill(now)
        recent = len(self._left) - bisect_right(self._left, now - 1.0 + self._lag)
        left = math.ceil(self.table.calls_per_second) - recent - len(self._leaving)
        return max(0, min(int(self._tokens + 1e-9), left))

    def next_start(self, now: float) -> float:
        """When the next INVITE may leave."""
        self._refill(now)
        token = now + max(0.0, 1.0 - self._tokens) / self.table.calls_per_second
        if len(self._left) + len(self._leaving) >= math.ceil(self.table.calls_per_second):
            return max(token, (self._left[0] if self._left else now) + 1.0 - self._lag)
        return token

    def seize(self, now: float, call: str) -> None:
        """Take a line and a start of the calls-per-second limit for `call`, whose INVITE follows or does not."""
        self._refill(now)
        self._tokens -= 1.0
        self._leaving[call] = now
        self.breaker.began(call)
        self.lines_in_use += 1

    def turn(self, now: float, call: str) -> float:
        """Seconds until the INVITE of `call`, whose attempt is on disk, may leave: no second sees more
        than the limit.
        """
        self._refill(now)
        since = self._leaving.get(call)
        if since is not None:
            self._leaving[call] = None
            self._lag += LAG_WEIGHT * (min(now - since, LONGEST_LAG) - self._lag)
        if len(self._left) < math.ceil(self.table.calls_per_second):
            return 0.0
        return self._left[0] + 1.0 - now

    def left(self, now: float, call: str) -> None:
        """The INVITE of `call` leaves now. The limit counts from here: a commit lies between, and it may take long."""
        self._leaving.pop(call, None)
        self._left.append(now)

    def free(self, call: str) -> None:
        """Give back the line of `call`; if its INVITE has not left, it does not count."""
        self._leaving.pop(call, None)
        self.breaker.gone(call)
        self.lines_in_use -= 1

    def rest(self, now: float, seconds: float) -> None:
        """No calls for `seconds` (Retry-After of a 503, or the configured pause), at most `LONGEST_REST`."""
        self.breaker.refused(now, seconds)
