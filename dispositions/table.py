"""The table that turns an outcome, or an agent's disposition code, into the contact's next state: data, checked when
built."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from dispositions.errors import TableError
from dispositions.outcome import Outcome
from dispositions.state import SETTLED, ContactState

CODE = re.compile(r"[a-z0-9][a-z0-9_.-]{0,39}")
UNDISPOSED = "undisposed"
"""The code that is written when no agent gave one in time."""


_MAY_END = SETTLED - {ContactState.WITHDRAWN}


class NextState(StrEnum):
    """What becomes of the contact."""

    DONE = "done"
    RETRY = "retry"
    CALLBACK = "callback"
    SALE = "sale"
    DO_NOT_CALL = "do_not_call"
    BAD_NUMBER = "bad_number"


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the table.

    `after`: seconds until the contact may be dialed again (retry; None: the campaign's re-dial delay) or until a
    callback for which the agent gave no time is due. `attempts`: after that many attempts with this result the
    contact goes to `exhausted`, a settled state, instead. `personal`: whether a callback belongs to the agent who
    took it. `relabel`: the outcome that the attempt is counted under from now on (an agent says it was a machine).
    `project`: do_not_call binds the campaigns of this one's project only, where it has one.
    """

    next: NextState
    after: float | None = None
    attempts: int | None = None
    exhausted: ContactState = ContactState.EXHAUSTED
    personal: bool = True
    relabel: Outcome | None = None
    description: str = ""
    project: bool = False


@dataclass(frozen=True, slots=True)
class OutcomeTable:
    """Outcome -> rule and code -> rule. Raises `TableError` with every problem when it is incomplete.

    `answered` has no rule among `outcomes`: the agent's disposition decides; when none comes within `undisposed_after`
    seconds of the end of the call, `undisposed` does. `callback_expired` is for callbacks that nobody kept in time.
    """

    outcomes: Mapping[Outcome, Rule]
    codes: Mapping[str, Rule]
    undisposed: Rule = Rule(NextState.RETRY)
    undisposed_after: float = 900.0
    callback_expired: Rule = Rule(NextState.RETRY, after=0.0)
    _checked: bool = field(default=True, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "outcomes", MappingProxyType(dict(self.outcomes)))
        object.__setattr__(self, "codes", MappingProxyType(dict(self.codes)))
        problems = [
            f"outcome {outcome} has no rule"
            for outcome in Outcome
            if outcome is not Outcome.ANSWERED and outcome not in self.outcomes
        ]
        if Outcome.ANSWERED in self.outcomes:
            problems.append("outcome answered takes no rule: the agent's disposition decides")
        if not self.codes:
            problems.append("there is no disposition code: an agent could not end a call")
        for outcome, rule in self.outcomes.items():
            if rule.next in (NextState.SALE, NextState.CALLBACK):
                problems.append(f"outcome {outcome}: {rule.next} needs an agent")
            problems += _problems(f"outcome {outcome}", rule)
        for code, rule in self.codes.items():
            if not CODE.fullmatch(code):
                problems.append(f"code {code!r}: use a-z, 0-9, '_', '.', '-', at most 40 characters")
            if code == UNDISPOSED:
                problems.append(f"code {code!r} is reserved: set the table's own rule for it")
            problems += _problems(f"code {code}", rule)
        problems += _problems("undisposed", self.undisposed)
        problems += _problems("callback_expired", self.callback_expired)
        if self.undisposed.next in (NextState.SALE, NextState.CALLBACK):
            problems.append(f"undisposed: {self.undisposed.next} needs an agent")
        if self.callback_expired.next not in (NextState.DONE, NextState.RETRY):
            problems.append("callback_expired: done or retry")
        if not 0 <= self.undisposed_after <= 7 * 86400:
            problems.append("undisposed_after: 0 to 604800 seconds")
        if problems:
            raise TableError(problems)

    def diagram(self) -> str:
        """The table as a Mermaid flow chart: results at the left, next states at the right."""
        lines = ["flowchart LR"]
        named = [(f"o_{outcome}", str(outcome), rule) for outcome, rule in self.outcomes.items()]
        named += [(f"c_{n}", code, rule) for n, (code, rule) in enumerate(self.codes.items())]
        named.append(("c_undisposed", UNDISPOSED, self.undisposed))
        for key, text, rule in named:
            label = [] if rule.after is None else [f"after {rule.after:g} s"]
            if rule.project:
                label.append("of its project")
            if rule.attempts is not None:
                label.append(f"x{rule.attempts}")
                lines.append(f'    {key} -->|"then"| {rule.exhausted}')
            arrow = f'-->|"{", ".join(label)}"|' if label else "-->"
            lines.append(f'    {key}["{text}"] {arrow} {rule.next}')
        return "\n".join(lines) + "\n"


def _problems(where: str, rule: Rule) -> list[str]:
    problems = []
    if rule.after is not None and not 0 <= rule.after <= 366 * 86400:
        problems.append(f"{where}: after must be 0 seconds to a year")
    if rule.attempts is not None and not 1 <= rule.attempts <= 1000:
        problems.append(f"{where}: attempts must be 1 to 1000")
    if rule.next is NextState.CALLBACK and rule.after is None:
        problems.append(f"{where}: a callback needs `after`, for when the agent gives no time")
    if rule.exhausted not in _MAY_END:
        problems.append(f"{where}: exhausted must be one of {', '.join(sorted(_MAY_END))}")
    return problems


def default_table() -> OutcomeTable:
    """A table that suits an ordinary sales campaign; the delays are in seconds."""
    retry, done = NextState.RETRY, NextState.DONE
    return OutcomeTable(
        outcomes={
            Outcome.MACHINE: Rule(retry, after=4 * 3600, attempts=5),
            Outcome.FAX: Rule(NextState.BAD_NUMBER),
            Outcome.BUSY: Rule(retry, after=900, attempts=8),
            Outcome.NO_ANSWER: Rule(retry, after=2 * 3600, attempts=6),
            Outcome.INVALID: Rule(retry, after=86400, attempts=2, exhausted=ContactState.BAD_NUMBER),
            Outcome.CONGESTION: Rule(retry, after=600),
            Outcome.REJECTED: Rule(retry, after=86400, attempts=3),
            Outcome.UNKNOWN: Rule(retry, after=1800),
            Outcome.CANCELLED: Rule(retry),
            Outcome.ABANDONED: Rule(retry),
            Outcome.INTERRUPTED: Rule(retry),
        },
        codes={
            "sale": Rule(NextState.SALE, description="bought"),
            "interested": Rule(NextState.CALLBACK, after=86400, description="call again at an agreed time"),
            "not_interested": Rule(done, description="said no"),
            "annoyed": Rule(done, description="did not want to be called"),
            "do_not_call": Rule(NextState.DO_NOT_CALL, description="asked never to be called again"),
            "wrong_number": Rule(NextState.BAD_NUMBER, description="somebody else's number"),
            "machine": Rule(retry, after=4 * 3600, relabel=Outcome.MACHINE, description="answering machine"),
            "hung_up": Rule(retry, after=86400, attempts=2, description="hung up at once"),
        },
    )
