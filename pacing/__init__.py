"""How many calls to place now. Pure numbers: no clock, no I/O, numpy and scipy only.

    from pacing import Pacer, PacingConfig
    pacer = Pacer(PacingConfig(abandon_cap=0.03))

See docs/design/pacing.md.
"""

from pacing.config import PacingConfig
from pacing.decision import Decision, Snapshot
from pacing.errors import (
    ConfigError,
    InvalidValueError,
    PacingError,
    TimeBackwardsError,
    UnknownIdError,
    WrongOrderError,
)
from pacing.forecast import Forecast
from pacing.pacer import Pacer

__all__ = [
    "ConfigError",
    "Decision",
    "Forecast",
    "InvalidValueError",
    "Pacer",
    "PacingConfig",
    "PacingError",
    "Snapshot",
    "TimeBackwardsError",
    "UnknownIdError",
    "WrongOrderError",
]
