"""The two clocks of the product, as one argument: a program that embeds the dialer passes its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clock:
    """`now()` is monotonic seconds (pacing, SIP, timers); `at()` is epoch seconds UTC (store, events, logs)."""

    now: Callable[[], float] = time.monotonic
    at: Callable[[], float] = time.time
