"""Audio: a process of its own owns every RTP socket; the dialer speaks to it through one `MediaBackend`.

The child (`python -m dialer.media`) imports nothing but the standard library and uvloop, so that nothing can make a
prompt stutter: WAV files are read and converted in the parent and sent over once. docs/design/media.md says why.
"""

from dialer.media.backend import (
    Latch,
    MediaBackend,
    MediaError,
    MediaExhausted,
    MediaGone,
    MediaPort,
    MediaRefused,
    MediaStats,
)

__all__ = [
    "Latch",
    "MediaBackend",
    "MediaError",
    "MediaExhausted",
    "MediaGone",
    "MediaPort",
    "MediaRefused",
    "MediaStats",
]
