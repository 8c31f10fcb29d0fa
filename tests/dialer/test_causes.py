"""From SIP statuses and Q.850 causes to outcomes."""

from __future__ import annotations

import pytest

from dialer.causes import FAIL_OVER, outcome_of
from dispositions import Outcome


@pytest.mark.parametrize(
    ("status", "cause", "outcome"),
    [
        (486, None, Outcome.BUSY),
        (600, None, Outcome.BUSY),
        (480, None, Outcome.NO_ANSWER),
        (408, None, Outcome.NO_ANSWER),
        (404, None, Outcome.INVALID),
        (484, None, Outcome.INVALID),
        (603, None, Outcome.REJECTED),
        (503, None, Outcome.CONGESTION),
        (0, None, Outcome.CONGESTION),
        (480, 17, Outcome.BUSY),  # the cause says more than the status
        (503, 1, Outcome.INVALID),
        (404, 34, Outcome.CONGESTION),
        (486, 16, Outcome.BUSY),  # normal clearing says nothing
        (488, None, Outcome.UNKNOWN),
        (305, None, Outcome.UNKNOWN),
    ],
)
def test_outcome(status, cause, outcome):
    assert outcome_of(status, cause) is outcome


def test_a_number_that_does_not_exist_is_not_tried_elsewhere():
    assert not {404, 484, 486, 603} & FAIL_OVER
