"""From what the network said to the attempt's outcome: data, in the order in which it counts.

A Q.850 cause in a Reason header (RFC 3326) says more than the SIP status that carries it and is looked at first.
Sources: RFC 3261 section 21; RFC 3398 section 7.2.6 (ISUP causes and SIP statuses); ITU-T Q.850 table 1.
"""

from __future__ import annotations

from dispositions import Outcome

#: Q.850 cause -> outcome. Causes that say nothing about the number (16 normal clearing, 31 unspecified) are left to
#: the status.
Q850: dict[int, Outcome] = {
    1: Outcome.INVALID,  # unallocated number
    2: Outcome.CONGESTION,  # no route to transit network
    3: Outcome.CONGESTION,  # no route to destination
    17: Outcome.BUSY,
    18: Outcome.NO_ANSWER,  # no user responding
    19: Outcome.NO_ANSWER,  # no answer from user (alerted)
    20: Outcome.NO_ANSWER,  # subscriber absent
    21: Outcome.REJECTED,
    22: Outcome.INVALID,  # number changed
    27: Outcome.CONGESTION,  # destination out of order
    28: Outcome.INVALID,  # invalid number format
    34: Outcome.CONGESTION,  # no circuit
    38: Outcome.CONGESTION,
    41: Outcome.CONGESTION,
    42: Outcome.CONGESTION,
    44: Outcome.CONGESTION,
    47: Outcome.CONGESTION,
}

#: SIP final status -> outcome.
STATUS: dict[int, Outcome] = {
    404: Outcome.INVALID,
    408: Outcome.NO_ANSWER,
    410: Outcome.INVALID,
    480: Outcome.NO_ANSWER,
    484: Outcome.INVALID,
    485: Outcome.INVALID,
    486: Outcome.BUSY,
    487: Outcome.CANCELLED,
    403: Outcome.REJECTED,
    600: Outcome.BUSY,
    603: Outcome.REJECTED,
    604: Outcome.INVALID,
    607: Outcome.REJECTED,  # RFC 8197 unwanted
    608: Outcome.REJECTED,  # RFC 8688 rejected
}

#: Statuses (and 0: no final response came) after which the same call may be tried on another trunk at once.
FAIL_OVER = frozenset({0, 500, 502, 503, 504})

#: Statuses after which the trunk as a whole is left alone for a while. A 500, 502 or 504 may be about one number.
RESTS = frozenset({503})


def outcome_of(status: int, cause: int | None) -> Outcome:
    """The outcome of an INVITE that ended with `status` (0: no response at all) and a Q.850 `cause`, if any."""
    if cause in Q850:
        return Q850[cause]
    if status in STATUS:
        return STATUS[status]
    if status == 0 or 500 <= status < 600:
        return Outcome.CONGESTION
    return Outcome.UNKNOWN
