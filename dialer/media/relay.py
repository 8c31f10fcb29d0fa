"""The `relay` backend: the media process stays between connected parties and forwards their audio.

For recording and monitoring later, for parties that cannot reach each other, or whose codecs differ. Costs CPU for
each packet (docs/design/media.md has the figures), where `direct` costs none.
"""

from __future__ import annotations

from dialer.media.backend import MediaRefused
from dialer.media.direct import DirectBackend
from dialer.media.messages import Bridge


class RelayBackend(DirectBackend):
    """As `DirectBackend`, but bridged parties keep sending to us: no re-INVITE is needed to connect them.

    `set_remote` (or a `play` or `hold` before) must have told where both parties listen.
    """

    def bridge(self, first: str, second: str) -> bool:
        """True: both parties hear each other through us. Raises MediaRefused when a party's address is not known
        yet."""
        one, other = self._leg(first), self._leg(second)
        if one is other:
            raise MediaRefused(f"leg {first!r} cannot be bridged with itself")
        for leg in (one, other):
            if leg.party is None:
                raise MediaRefused(f"leg {leg.name!r} cannot be bridged: its party's address is not known")
        self._quiet(one)
        self._quiet(other)
        one.sent, other.sent = other, one
        self._process.send(Bridge(one.port, other.port))
        return True
