"""What a campaign fixes about its pacing. Times in seconds, rates as fractions of one."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Literal, get_args

from pacing.errors import ConfigError

Mode = Literal["predictive", "progressive", "power", "zero"]
MODES: tuple[str, ...] = get_args(Mode)


@dataclass(frozen=True, slots=True, kw_only=True)
class PacingConfig:
    """How to pace one campaign. Every field has a default; every value is checked.

    mode            predictive: as many calls as the abandonment budget bears;
                    progressive: one call per idle agent; power: `power` calls per idle agent;
                    zero: never more calls in the air than idle agents that stay, so that pacing
                    itself abandons nobody.
    abandon_cap     abandoned / answered-by-a-person that may not be exceeded (a fraction)
    patience        s that an answered call may wait for an agent before it counts as abandoned
    ring_floor      s that a call must ring before the pacer may give it up
    ring_timeout    s of ringing after which the engine ends the call
    margin          share of the cap that is kept in reserve in the long run
    peak            times the cap that may be abandoned in any `peak_window` s, as far as it can be steered
    peak_window     s of such a stretch; see `pacing.peak`
    overrun_chance  chance of ending a legal window over the cap that is accepted (`set_budget`)
    most_per_agent  calls in the air per logged-in agent that are never exceeded: a broken trunk looks
                    like an answer rate of nil
    cancel          whether `Decision.cancel` may name calls at all
    prior_*         what is believed before the first call: answer rate, ring time of an answered
                    call (s), handle time = talk + wrap-up (s), each with the number of calls
                    that this belief is worth
    memory          calls after which old evidence about the answer rate has faded (1/e) at the
                    slowest; contradicted evidence fades sooner

    Raises `ConfigError` (a `ValueError`) that names the field.
    """

    mode: Mode = "predictive"
    power: float = 1.5
    abandon_cap: float = 0.03
    patience: float = 2.0
    ring_floor: float = 15.0
    ring_timeout: float = 25.0
    margin: float = 0.06
    peak: float = 3.0
    peak_window: float = 600.0
    overrun_chance: float = 0.005
    most_per_agent: float = 25.0
    cancel: bool = True
    prior_answer_rate: float = 0.3
    prior_answer_calls: float = 2.0
    prior_ring: float = 10.0
    prior_ring_calls: float = 5.0
    prior_handle: float = 120.0
    prior_handle_calls: float = 3.0
    memory: float = 5000.0

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ConfigError("mode", f"{self.mode!r} is not one of {', '.join(MODES)}")
        if not isinstance(self.cancel, bool):
            raise ConfigError("cancel", f"{self.cancel!r} is not true or false")
        bounds: dict[str, tuple[float, float]] = {
            "power": (0.1, 20.0),
            "abandon_cap": (0.0001, 0.5),
            "patience": (0.0, 120.0),
            "ring_floor": (0.0, 180.0),
            "ring_timeout": (1.0, 180.0),
            "margin": (0.0, 0.9),
            "peak": (1.0, 1e6),
            "peak_window": (1.0, 86_400.0),
            "overrun_chance": (1e-6, 0.5),
            "most_per_agent": (1.0, 1000.0),
            "prior_answer_rate": (0.001, 0.999),
            "prior_answer_calls": (0.5, 10_000.0),
            "prior_ring": (0.1, 120.0),
            "prior_ring_calls": (0.5, 10_000.0),
            "prior_handle": (1.0, 86_400.0),
            "prior_handle_calls": (0.5, 10_000.0),
            "memory": (50.0, 1e7),
        }
        for name, (low, high) in bounds.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise ConfigError(name, f"{value!r} is not a number")
            if not math.isfinite(value) or not low <= value <= high:
                raise ConfigError(name, f"{value!r} is not between {low:g} and {high:g}")

    def as_dict(self) -> dict[str, object]:
        """The fields as JSON-able values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, object]) -> PacingConfig:
        """The config that `as_dict` wrote. Raises `ConfigError` on unknown keys or bad values."""
        known = {f.name for f in fields(cls)}
        for name in values:
            if name not in known:
                raise ConfigError(str(name), "unknown field")
        return cls(**values)  # type: ignore[arg-type]
