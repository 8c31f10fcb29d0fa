"""Digest authentication as server (RFC 3261 22, RFC 7616, RFC 8760): SHA-256 offered first, then MD5; qop auth only.

Challenges cost no memory: a nonce is its time and number under a keyed hash. What is kept is the highest nonce count of
each nonce that has been used well (RFC 7616 3.3, 3.4.5), so a request that is heard again proves nothing.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal

from dialer.sip.digest import Challenge, digest_response
from dialer.sip.message import Request
from dialer.sip.wire import quoted

__all__ = ["BOTH", "DigestServer", "Verdict"]

_PAIR = re.compile(r'\s*([A-Za-z0-9\-.!%*_+`\'~]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^\s,"]+)\s*(?:,|$)', re.DOTALL)
_COUNT = re.compile(r"[0-9A-Fa-f]{8}")
BOTH = ("SHA-256", "MD5")
_LONGEST_NAME = 128
_REMEMBERED = 10_000
"""Nonces in use; when there are more, the oldest become stale."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an Authorization is worth. `stale`: right, but for a nonce that is too old or was used so already;
    `absent`: none was sent that we could read as ours.
    """

    kind: Literal["good", "absent", "stale", "wrong", "malformed"]
    username: str = ""


class DigestServer:
    """Challenges for `realm`. `life`: seconds that a nonce may be used. `secret` keys the nonces; default: a fresh
    one. `algorithms`: those offered and taken. There are phones that know MD5 only, and give up when they see another
    beside it.
    """

    __slots__ = ("_algorithms", "_count", "_floor", "_secret", "_used", "life", "realm")

    def __init__(
        self, realm: str, life: float = 300.0, secret: bytes | None = None, algorithms: Sequence[str] = BOTH
    ) -> None:
        self.realm, self.life = realm, life
        self._algorithms = tuple(algorithms)
        self._secret = secrets.token_bytes(32) if secret is None else secret
        self._count = 0
        self._used: OrderedDict[str, int] = OrderedDict()
        self._floor = -1  # nonces up to this number are stale

    def challenge(self, now: float, *, stale: bool = False) -> str:
        """The WWW-Authenticate lines of a 401, the stronger algorithm first (RFC 8760 2.4)."""
        self._count += 1
        nonce, more = self._nonce(int(now * 1000), self._count), ", stale=true" if stale else ""
        return "".join(
            f'WWW-Authenticate: Digest realm={quoted(self.realm)}, nonce="{nonce}", algorithm={algorithm}, '
            f'qop="auth"{more}\r\n'
            for algorithm in self._algorithms
        )

    def check(self, request: Request, password_of: Callable[[str], str | None], now: float) -> Verdict:
        """Judge the Authorization of a request. `password_of` knows the users; None: there is no such user."""
        values = [v for v in request.fields.get("authorization", ()) if v[:7].lower() == "digest "]
        mine = [params for params in map(_params, values) if params is None or params.get("realm") == self.realm]
        if not mine:
            return Verdict("absent")
        params = mine[0]
        if params is None or len(mine) > 1:
            return Verdict("malformed")
        wanted = ("username", "nonce", "uri", "response", "cnonce", "nc", "qop")
        if any(name not in params for name in wanted) or not _COUNT.fullmatch(params["nc"]):
            return Verdict("malformed")
        username, nonce = _unescaped(params["username"]), params["nonce"]
        algorithm = params.get("algorithm", "MD5")
        if len(username) > _LONGEST_NAME:
            return Verdict("malformed")  # nobody whom we know, and names are remembered
        if params["uri"] != request.uri or params["qop"].lower() != "auth" or algorithm.upper() not in self._algorithms:
            return Verdict("malformed", username)
        age = self._age(nonce, now)
        if age is None:
            return Verdict("stale", username)  # not ours, or of an earlier process: a fresh one costs a round trip
        password = password_of(username)
        challenge = Challenge(self.realm, nonce, algorithm, "auth", None, False, False)
        expected = digest_response(
            challenge, username, password or "", request.method, request.uri, params["nc"], params["cnonce"], b""
        )
        right = hmac.compare_digest(expected.encode(), params["response"].lower().encode("utf-8", "replace"))
        if not right or password is None:
            return Verdict("wrong", username)
        if age > self.life or not self._count_up(nonce, int(params["nc"], 16)):
            return Verdict("stale", username)
        return Verdict("good", username)

    # Nonces

    def _nonce(self, stamp: int, number: int) -> str:
        named = f"{stamp:x}-{number:x}"
        return f"{named}-{blake2b(named.encode(), digest_size=16, key=self._secret).hexdigest()}"

    def _age(self, nonce: str, now: float) -> float | None:
        """Seconds since we gave it; None when we did not."""
        parts = nonce.split("-")
        if len(parts) != 3 or not all(re.fullmatch("[0-9a-f]{1,32}", part) for part in parts):
            return None
        stamp, number = int(parts[0], 16), int(parts[1], 16)
        if not hmac.compare_digest(nonce, self._nonce(stamp, number)) or number <= self._floor:
            return None
        return now - stamp / 1000

    def _count_up(self, nonce: str, count: int) -> bool:
        if count <= self._used.get(nonce, 0):
            return False
        self._used[nonce] = count
        if len(self._used) > _REMEMBERED:
            oldest, _ = self._used.popitem(last=False)
            self._floor = max(self._floor, int(oldest.split("-")[1], 16))
        return True


def _params(value: str) -> dict[str, str] | None:
    """The parameters of a digest value, quotes removed and escapes kept; None when it cannot be read, or one stands
    twice.
    """
    rest, at = value[7:], 0
    params: dict[str, str] = {}
    while at < len(rest):
        pair = _PAIR.match(rest, at)
        if pair is None or pair[1].lower() in params:
            return None
        text = pair[2]
        params[pair[1].lower()] = text[1:-1] if text[0] == '"' else text
        at = pair.end()
    return params


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)
