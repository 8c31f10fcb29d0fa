"""From SIP statuses and Q.850 causes to outcomes: a table, complete, with its sources."""

from __future__ import annotations

from pathlib import Path

import pytest

from dialer.causes import (
    CAUSES,
    FAIL_OVER,
    NETWORK_OUTCOMES,
    RESTS,
    TABLE,
    CausesError,
    OwnCauses,
    outcome_of,
    page,
    read_causes,
)
from dialer.sip.wire import REASONS
from dispositions import Outcome, default_table

PAGE = Path(__file__).parents[2] / "docs" / "causes.md"

#: Final responses that IANA has registered (sip-parameters, "Response Codes"), 3xx to 6xx.
REGISTERED = {
    300, 301, 302, 305, 380, 400, 401, 402, 403, 404, 405, 406, 407, 408, 410, 412, 413, 414, 415, 416, 417, 420, 421,
    422, 423, 424, 425, 428, 429, 430, 433, 436, 437, 438, 439, 440, 469, 470, 480, 481, 482, 483, 484, 485, 486, 487,
    488, 489, 491, 493, 494, 500, 501, 502, 503, 504, 505, 513, 555, 580, 600, 603, 604, 606, 607, 608,
}  # fmt: skip
#: ITU-T Q.850 table 1.
Q850 = {
    1, 2, 3, 4, 5, 6, 7, 8, 9, 14, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 34, 38, 39, 40, 41,
    42, 43, 44, 46, 47, 49, 50, 53, 55, 57, 58, 62, 63, 65, 66, 69, 70, 79, 81, 82, 83, 84, 85, 86, 87, 88, 90, 91, 95,
    96, 97, 98, 99, 100, 101, 102, 103, 110, 111, 127,
}  # fmt: skip


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
        (486, 126, Outcome.BUSY),  # no such cause
        (488, None, Outcome.UNKNOWN),
        (305, None, Outcome.UNKNOWN),
        (499, None, Outcome.UNKNOWN),  # nobody knows it: the class decides
        (599, None, Outcome.CONGESTION),
        (404, 4, Outcome.UNKNOWN),  # special information tones: a recording says why
    ],
)
def test_outcome(status, cause, outcome):
    assert outcome_of(status, cause) is outcome


def test_a_number_that_does_not_exist_is_not_tried_elsewhere():
    assert not {404, 484, 486, 603} & FAIL_OVER


def test_only_silence_and_503_rest_the_trunk_and_both_go_elsewhere():
    assert {0, 503} == RESTS
    assert RESTS < FAIL_OVER


def test_the_table_is_complete():
    assert set(CAUSES.status) == REGISTERED | {0}
    assert set(CAUSES.q850) == Q850
    assert {code for code in REASONS if code >= 300} <= set(CAUSES.status)


def test_each_outcome_that_a_network_gives_has_a_rule_by_default():
    assert {Outcome(name) for name in NETWORK_OUTCOMES} <= set(default_table().outcomes)


@pytest.mark.parametrize("status", [408, 480, 487, 500, 503])
def test_after_an_announcement_that_nobody_heard_a_vague_refusal_is_unknown(status):
    assert outcome_of(status, None, announced=True) is Outcome.UNKNOWN
    assert outcome_of(status, 17, announced=True) is Outcome.BUSY  # the cause says why


@pytest.mark.parametrize(("status", "outcome"), [(404, Outcome.INVALID), (486, Outcome.BUSY), (603, Outcome.REJECTED)])
def test_an_announcement_does_not_make_a_clear_refusal_vague(status, outcome):
    assert outcome_of(status, None, announced=True) is outcome


def test_a_trunks_own_meaning_replaces_the_tables():
    own = OwnCauses(sip={403: Outcome.CONGESTION, 480: Outcome.INVALID}, q850={16: Outcome.BUSY, 1: Outcome.UNKNOWN})
    assert outcome_of(403, None, own=own) is Outcome.CONGESTION
    assert outcome_of(480, None, announced=True, own=own) is Outcome.INVALID
    assert outcome_of(404, 1, own=own) is Outcome.UNKNOWN
    assert outcome_of(480, 16, own=own) is Outcome.BUSY
    assert outcome_of(403, 17, own=own) is Outcome.BUSY  # a cause still counts before a status
    assert outcome_of(486, None, own=own) is Outcome.BUSY


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('outcome = "busy"', 'outcome = "answered"'),
        ("code = 486", "code = 487"),
        ("code = 486", "code = 86"),
        ('source = "RFC 3261 21.4.24"', 'source = ""'),
        ('source = "RFC 3261 21.4.24"', 'sauce = "x"'),
        ("[[q850]]\ncode = 127", "[[q850]]\ncode = 128"),
        ("code = 0\n", "code = 699\n"),
        ('5 = "congestion"', '7 = "congestion"'),
        ("[classes]", "[else]\n[classes]"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused(old, new):
    text = TABLE.read_text(encoding="utf-8")
    assert old in text
    with pytest.raises(CausesError):
        read_causes(text.replace(old, new))


def test_the_page_shows_the_table():
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m dialer.causes > docs/causes.md"
