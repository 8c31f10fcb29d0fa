"""A fax machine, as the far end's network tells it: a gateway that hears one offers T.38 in the middle of the call
(ITU-T T.38 D.2.2.4): `m=image PORT udptl t38`, and no audio beside it.

The tones themselves (CNG, CED) are not listened for: audio does not come this way.
"""

from __future__ import annotations

import re

__all__ = ["offers_fax"]

_IMAGE = re.compile(rb"^m=image +[1-9][0-9]* +udptl +t38\b", re.IGNORECASE | re.MULTILINE)
_AUDIO = re.compile(rb"^m=audio +[1-9]", re.MULTILINE)


def offers_fax(description: bytes | None) -> bool:
    """Whether an offer (SDP) wants to go on as a fax and with no audio. RFC 3264 5.1: a port of 0 offers nothing."""
    return description is not None and _IMAGE.search(description) is not None and _AUDIO.search(description) is None
