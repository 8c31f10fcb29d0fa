"""One factor shortens every duration of the campaigns, and nothing else."""

from __future__ import annotations

from collections.abc import Callable

from dialer.config.load import Config
from dialer.config.scale import is_duration, scaled

Loaded = Callable[[str], Config]

TIMES = """
redial_delay = "15m"
abandoned_redial_delay = "3d"
wrap_up_max = 60
pacing = { patience = 2, ring_floor = 15, ring_timeout = 30, expected_handle = "3m", calls_per_agent = 2 }
queues.callbacks = { grace = "10m", expiry = "2d" }
outcomes.busy = { next = "retry", after = "15m", attempts = 5 }
"""


def test_every_duration_alike(loaded: Loaded, good: str) -> None:
    text = good.replace('"none"\n', f'"none"{TIMES}', 1)
    one, ten = loaded(text).file, loaded("time_scale = 10\n" + text).file
    assert scaled(one) is one
    before, after = one.campaigns["promo"], scaled(ten).campaigns["promo"]
    pairs = [
        (before.redial_delay, after.redial_delay),
        (before.abandoned_redial_delay, after.abandoned_redial_delay),
        (before.wrap_up_max, after.wrap_up_max),
        (before.pacing.patience, after.pacing.patience),
        (before.pacing.ring_floor, after.pacing.ring_floor),
        (before.pacing.ring_timeout, after.pacing.ring_timeout),
        (before.pacing.expected_handle, after.pacing.expected_handle),
        (before.queues.callbacks.grace, after.queues.callbacks.grace),
        (before.queues.callbacks.expiry, after.queues.callbacks.expiry),
        (before.outcomes["busy"].after, after.outcomes["busy"].after),
    ]
    for long, short in pairs:
        assert long is not None
        assert short == long / 10
    assert after.outcomes["busy"].attempts == 5
    assert after.pacing.calls_per_agent == 2
    assert after.model_fields_set == before.model_fields_set
    assert ten.campaigns["promo"].redial_delay == 900
    assert scaled(ten).trunks == ten.trunks


def test_which_keys_are_durations() -> None:
    assert is_duration(("campaigns", "x", "pacing", "ring_floor"))
    assert not is_duration(("campaigns", "x", "pacing", "max_lines"))
    assert not is_duration(("campaigns", "x", "nothing"))
