"""Digest authentication as client (RFC 3261 22, RFC 7616, RFC 8760): MD5, MD5-sess, SHA-256, SHA-256-sess; qop none,
auth, auth-int.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import md5, sha256

from dialer.sip.config import Credentials
from dialer.sip.message import Response

__all__ = ["Challenge", "DigestClient", "digest_response", "parse_challenge"]

_PAIR = re.compile(r'\s*([A-Za-z0-9\-.!%*_+`\'~]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^\s,"]+)\s*(?:,|$)', re.DOTALL)


def _md5(text: bytes) -> str:
    return md5(text, usedforsecurity=False).hexdigest()


def _sha256(text: bytes) -> str:
    return sha256(text).hexdigest()


_HASHES: dict[str, Callable[[bytes], str]] = {
    "md5": _md5,
    "md5-sess": _md5,
    "sha-256": _sha256,
    "sha-256-sess": _sha256,
}


@dataclass(frozen=True, slots=True)
class Challenge:
    """One WWW-Authenticate or Proxy-Authenticate value that we can answer. Quoted texts are kept as they came,
    escapes included.
    """

    realm: str
    nonce: str
    algorithm: str  # as the peer spells it; "" when it named none
    qop: str  # the one that we choose: "auth", "auth-int" or ""
    opaque: str | None
    stale: bool
    proxy: bool


def parse_challenge(value: str, proxy: bool) -> Challenge | None:
    """The challenge, or None when it is no digest or wants what we do not know (RFC 7616 3.3: then it is to be
    ignored).
    """
    scheme, _, rest = value.strip().partition(" ")
    if scheme.lower() != "digest":
        return None
    params: dict[str, str] = {}
    at = 0
    while at < len(rest):
        pair = _PAIR.match(rest, at)
        if pair is None:
            return None
        text = pair[2]
        params.setdefault(pair[1].lower(), text[1:-1] if text[0] == '"' else text)
        at = pair.end()
    algorithm = params.get("algorithm", "")
    if "realm" not in params or "nonce" not in params or (algorithm.lower() or "md5") not in _HASHES:
        return None
    offered = [item.strip().lower() for item in params.get("qop", "").split(",") if item.strip()]
    qop = next((choice for choice in ("auth", "auth-int") if choice in offered), "")
    if offered and not qop:
        return None
    stale = params.get("stale", "").lower() == "true"
    return Challenge(params["realm"], params["nonce"], algorithm, qop, params.get("opaque"), stale, proxy)


def digest_response(
    challenge: Challenge, username: str, password: str, method: str, uri: str, nc: str, cnonce: str, body: bytes
) -> str:
    """The `response` value (RFC 7616 3.4.1). `uri` is the Request-URI, `nc` eight hexadecimal digits."""
    name = challenge.algorithm.lower() or "md5"
    hashed = _HASHES[name]
    secret = hashed(f"{username}:{challenge.realm}:{password}".encode("utf-8", "surrogateescape"))
    if name.endswith("-sess"):
        secret = hashed(f"{secret}:{challenge.nonce}:{cnonce}".encode("utf-8", "surrogateescape"))
    action = f"{method}:{uri}"
    if challenge.qop == "auth-int":
        action += ":" + hashed(body)
    action_hash = hashed(action.encode("utf-8", "surrogateescape"))
    middle = f"{nc}:{cnonce}:{challenge.qop}:" if challenge.qop else ""
    return hashed(f"{secret}:{challenge.nonce}:{middle}{action_hash}".encode("utf-8", "surrogateescape"))


class DigestClient:
    """The challenges that one leg (or ping, or registration) has met, and its answers to them.

    A challenge is answered once; again only if the peer says `stale=true` (RFC 7616 3.3), and then once more at most:
    wrong credentials must not become a loop. Later requests of the leg carry the known nonces at once, with a rising
    nc.
    """

    __slots__ = ("_cnonce", "_counts", "_known", "_tries", "credentials")

    def __init__(self, credentials: Credentials | None, cnonce: Callable[[], str]) -> None:
        self.credentials = credentials
        self._cnonce = cnonce
        self._known: dict[tuple[bool, str], Challenge] = {}
        self._counts: dict[tuple[bool, str], int] = {}
        self._tries: dict[tuple[bool, str], int] = {}

    def begin(self) -> None:
        """A new request, not a repetition: challenges may be answered afresh."""
        if self._tries:
            self._tries.clear()

    def accept(self, response: Response) -> bool:
        """Take the challenges of a 401 or 407; true if the request should be sent again."""
        if self.credentials is None or response.status not in (401, 407):
            return False
        proxy = response.status == 407
        taken: set[tuple[bool, str]] = set()
        for value in response.fields.get("proxy-authenticate" if proxy else "www-authenticate", ()):
            challenge = parse_challenge(value, proxy)
            if challenge is None or (proxy, challenge.realm) in taken:
                continue  # RFC 8760 2.4: of several for one realm, the topmost that we know
            key = (proxy, challenge.realm)
            tries = self._tries.get(key, 0)
            if tries == 0 or (tries == 1 and challenge.stale):
                taken.add(key)
                self._known[key] = challenge
                self._counts[key] = 0
                self._tries[key] = tries + 1
        return bool(taken)

    def lines(self, method: str, uri: str, body: bytes = b"") -> str:
        """Authorization and Proxy-Authorization lines for a request, each with its CRLF; nothing if nobody
        asked yet.
        """
        credentials = self.credentials
        if not self._known or credentials is None:
            return ""
        lines = []
        for key, challenge in self._known.items():
            self._counts[key] += 1
            nc, cnonce = f"{self._counts[key]:08x}", self._cnonce()
            answer = digest_response(
                challenge, credentials.username, credentials.password, method, uri, nc, cnonce, body
            )
            username = credentials.username.replace("\\", "\\\\").replace('"', '\\"')
            parts = [
                f'{"Proxy-Authorization" if challenge.proxy else "Authorization"}: Digest username="{username}"',
                f'realm="{challenge.realm}"',
                f'nonce="{challenge.nonce}"',
                f'uri="{uri}"',
                f'response="{answer}"',
            ]
            if challenge.algorithm:
                parts.append(f"algorithm={challenge.algorithm}")
            if challenge.opaque is not None:
                parts.append(f'opaque="{challenge.opaque}"')
            if challenge.qop or challenge.algorithm.lower().endswith("-sess"):
                parts.append(f'cnonce="{cnonce}"')
            if challenge.qop:
                parts.append(f"qop={challenge.qop}, nc={nc}")
            lines.append(", ".join(parts) + "\r\n")
        return "".join(lines)
