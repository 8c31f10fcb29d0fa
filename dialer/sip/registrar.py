"""A registrar for the phones of people whom we know (RFC 3261 10.3), behind digest (22.1).

`admit` judges a REGISTER before any state is kept of it: who has no right to change anything gets its refusal without
a transaction. `bind` changes the table. Guessing is slowed down by address and user. A request's Path, GRUU and
third-party registration are not known here: a user's phone registers itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from dialer.sip.bindings import Binding, Bindings, Wanted
from dialer.sip.core import Core
from dialer.sip.digest_server import BOTH, DigestServer
from dialer.sip.errors import MalformedMessage
from dialer.sip.events import Bound, RegisterRefused, Unbound
from dialer.sip.flow import Destination
from dialer.sip.grammar import name_addr, split_list
from dialer.sip.message import Request
from dialer.sip.throttle import Throttle
from dialer.sip.timers import Timer

__all__ = ["Registrar"]

Answer = tuple[int, str | None, str]
"""Status, reason phrase (None: the default), header lines."""

_Q = re.compile(r"(0(\.[0-9]{0,3})?|1(\.0{0,3})?)")
_DIGITS = re.compile(r"[0-9]{1,10}")
_LONGEST_URI = 400


class Registrar:
    """`accounts`: user -> password; it may be replaced while it serves (`replace`). Times are in seconds; a
    registration is granted `min_expires` to `max_expires`. `max_contacts`: of one user at once. `algorithms`: see
    `DigestServer`.
    """

    __slots__ = (
        "_accounts", "_digest", "_hosts", "_pairs", "_timer", "bindings", "max_contacts", "max_expires", "min_expires",
    )  # fmt: skip

    def __init__(
        self,
        realm: str,
        accounts: Mapping[str, str],
        *,
        min_expires: int = 60,
        max_expires: int = 3600,
        max_contacts: int = 5,
        nonce_life: float = 300.0,
        secret: bytes | None = None,
        algorithms: Sequence[str] = BOTH,
    ) -> None:
        self.bindings = Bindings()
        self.min_expires, self.max_expires, self.max_contacts = min_expires, max_expires, max_contacts
        self._accounts = dict(accounts)
        self._digest = DigestServer(realm, nonce_life, secret, algorithms)
        self._pairs, self._hosts = Throttle(limit=5), Throttle(limit=50)
        self._timer: Timer | None = None

    def replace(self, accounts: Mapping[str, str]) -> list[Unbound]:
        """Other accounts from now on. Who has none any more, or another password, is bound no longer."""
        changed = [user for user, password in self._accounts.items() if accounts.get(user) != password]
        self._accounts = dict(accounts)
        return [Unbound(b.user, b.uri, "withdrawn") for user in changed for b in self.bindings.remove(user)]

    @property
    def serving(self) -> bool:
        """Whether there is anybody who may register."""
        return bool(self._accounts)

    def knows(self, user: str) -> bool:
        """Whether the user has an account."""
        return user in self._accounts

    def reach(self, user: str) -> Binding | None:
        """Where to call the user: the preferred binding, or None."""
        return next(iter(self.bindings.of(user)), None)

    # A REGISTER

    def admit(self, core: Core, request: Request, source: Destination, now: float) -> Answer | None:
        """None when the sender may change the bindings of To's user, else how to refuse it. Keeps no state of it."""
        host = source[0]
        verdict = self._digest.check(request, self._accounts.get, now)
        if verdict.kind == "absent":
            return 401, None, self._digest.challenge(now)
        pair = f"{host} {verdict.username}"
        wait = max(self._pairs.wait(pair, now), self._hosts.wait(host, now))
        if wait > 0:
            core.drops["register_throttled"] += 1
            return 503, None, f"Retry-After: {int(wait) + 1}\r\n"
        if verdict.kind == "stale":
            return 401, None, self._digest.challenge(now, stale=True)
        if verdict.kind == "malformed":
            core.drops["register_malformed"] += 1
            return 400, "Bad Authorization", ""
        if verdict.kind == "wrong":
            held = self._pairs.failed(pair, now)
            held = self._hosts.failed(host, now) or held
            core.events.append(RegisterRefused(verdict.username, source, "held" if held else "credentials"))
            core.drops["register_wrong_credentials"] += 1
            return 401, None, self._digest.challenge(now)
        self._pairs.succeeded(pair)
        if _user_of(request) != verdict.username:  # RFC 3261 10.3, 4: nobody registers for others
            core.events.append(RegisterRefused(verdict.username, source, "other_user"))
            core.drops["register_for_another"] += 1
            return 403, None, ""
        return None

    def bind(self, core: Core, request: Request, source: Destination, now: float) -> Answer:
        """Carry out an admitted REGISTER; what changed is among the core's events."""
        user, call_id, cseq = _user_of(request), request.fields["call-id"][0], request.cseq[0]
        try:
            wanted = self._wanted(request, user)
        except MalformedMessage as error:
            core.drops["register_malformed"] += 1
            return 400, f"Bad Request: {error.args[0].replace('_', ' ')}", ""
        if any(0 < one.expires < self.min_expires for one in wanted):
            return 423, None, f"Min-Expires: {self.min_expires}\r\n"
        if self.bindings.outdated(user, call_id, cseq, [one.uri for one in wanted]):
            return 500, "Out Of Order", ""
        known = {b.uri for b in self.bindings.of(user)}
        after = known.union(o.uri for o in wanted if o.expires) - {o.uri for o in wanted if not o.expires}
        if len(after) > self.max_contacts:
            core.drops["register_too_many_contacts"] += 1
            return 403, "Too Many Contacts", ""
        standing, gone = self.bindings.change(user, wanted, source, call_id, cseq, now)
        core.events.extend(Bound(user, b.uri, source, b.until - now, b.uri not in known) for b in standing)
        core.events.extend(Unbound(user, b.uri, "unregistered") for b in gone)
        self._arm(core)
        lines = [
            f"Contact: <{b.uri}>;expires={max(1, round(b.until - now))};q={b.q:g}\r\n" for b in self.bindings.of(user)
        ]
        return 200, None, "".join(lines)

    def _wanted(self, request: Request, user: str) -> list[Wanted]:
        values = request.fields.get("contact", [])
        general = request.first("expires")  # a number: `screen` has looked
        if any(value.strip() == "*" for value in values):
            if len(values) != 1 or general is None or int(general) != 0:
                raise MalformedMessage("star_beside_others_or_expires")
            return [Wanted(b.uri, 0, b.q) for b in self.bindings.of(user)]
        wanted: dict[str, Wanted] = {}
        for value in values:
            for item in split_list(value):
                contact = name_addr(item)
                if not contact.uri.lower().startswith(("sip:", "sips:")) or len(contact.uri) > _LONGEST_URI:
                    raise MalformedMessage("contact_uri")
                q = contact.params.get("q", "1")
                if not _Q.fullmatch(q):
                    raise MalformedMessage("q")
                asked = contact.params.get("expires", "")
                if not _DIGITS.fullmatch(asked):  # RFC 3261 20.10: what cannot be read counts as not there
                    asked = str(self.max_expires) if general is None else general
                wanted[contact.uri] = Wanted(contact.uri, min(int(asked), self.max_expires), float(q))
        return list(wanted.values())

    # Time

    def _arm(self, core: Core) -> None:
        core.timers.cancel(self._timer)
        at = self.bindings.next_expiry()
        self._timer = None if at is None else core.timers.start(at, lambda _, now: self._expire(core, now), "binding")

    def _expire(self, core: Core, now: float) -> None:
        core.events.extend(Unbound(b.user, b.uri, "expired") for b in self.bindings.expire(now))
        self._arm(core)


def _user_of(request: Request) -> str:
    """The user part of To's URI; empty when it has none."""
    uri = name_addr(request.fields["to"][0]).uri
    return uri.partition(":")[2].rpartition("@")[0].partition(":")[0]
