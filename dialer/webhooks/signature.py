"""The signature of a webhook's request: HMAC-SHA256 (RFC 2104) over `TIMESTAMP.BODY`, with the time inside, so that a
request that somebody has kept cannot be sent again later.

    Dialer-Signature: t=1766000000,v1=5257a869e7...
"""

from __future__ import annotations

import hashlib
import hmac

HEADER = "Dialer-Signature"
#: Seconds that a receiver should take a request for, before and after its timestamp.
WINDOW = 300.0


class SignatureError(Exception):
    """The request was not signed with this secret, or too long ago; the text says which."""


def sign(secret: str, timestamp: int, body: bytes) -> str:
    """The header's value. `timestamp`: epoch seconds of the sending."""
    return f"t={timestamp},v1={_digest(secret, str(timestamp), body)}"


def verify(secret: str, header: str, body: bytes, now: float, window: float = WINDOW) -> None:
    """For receivers. `body`: the bytes as they came; `now`: epoch seconds. Raises SignatureError."""
    parts = dict(part.partition("=")[::2] for part in header.split(","))
    stamp, given = parts.get("t", ""), parts.get("v1", "")
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
        raise SignatureError("no timestamp in the signature")
    if not hmac.compare_digest(_digest(secret, stamp, body).encode(), given.encode("utf-8", "surrogatepass")):
        raise SignatureError("not signed with this secret, or changed on the way")
    if abs(now - int(stamp)) > window:
        raise SignatureError("signed too long ago: sent again by somebody else, or a clock is wrong")


def _digest(secret: str, stamp: str, body: bytes) -> str:
    return hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
