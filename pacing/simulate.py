"""A seeded simulator of one campaign that drives any pacer through the public contract.

The policy sees only what a switch reports. Draws are common across policies: the i-th call placed
has the same fate, the i-th connected call the same talk time, whoever paces. Longest idle agent
first, longest waiting call first. What is random is in `pacing.laws`, what moves with time in
`pacing.rates`, who is there in `pacing.staffing`, a list that ends in `pacing.supply`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pacing.decision import Decision
from pacing.history import History, Window
from pacing.laws import Laws
from pacing.outcome import Outcome
from pacing.policy import Policy, Trunk
from pacing.run import Run
from pacing.staffing import Shift, full_time
from pacing.supply import ContactList

__all__ = ["Outcome", "Policy", "Shift", "Trunk", "full_time", "simulate"]


def simulate(
    policy: Policy,
    laws: Laws,
    shifts: Sequence[Shift],
    seconds: float,
    seed: int,
    warm_up: float = 0.0,
    each: Callable[[float, Decision], None] | None = None,
    by_minute: bool = False,
    *,
    start: float = 0.0,
    trunk: Trunk | None = None,
    supply: ContactList | None = None,
    stop_when_done: bool = False,
    window: Window | None = None,
    history: History | None = None,
) -> Outcome:
    """Run `policy` on `laws` from `start` for `seconds`; what happens before `start + warm_up` is not counted.

    each: called with every decision, for inspection. by_minute: fill the per-minute occupancy. supply: the contacts;
    None: there are always more. stop_when_done: end as soon as no contact is left and nobody is busy. window: the legal
    window, told to the policy every few seconds from what `history` holds, earlier runs included. Shifts of one agent
    may not overlap; their times, like every `now`, are on the clock that reads `start` at the beginning.
    """
    run = Run(policy, laws, seed, start + warm_up, each, by_minute, trunk or Trunk(), supply)
    if history is not None:
        run.history = history
    run.window = window
    run.staff(shifts, start + seconds)
    run.until(start + seconds, stop_when_done)
    return run.out
