"""From what the network said to the attempt's outcome: a table in `dialer/data/causes.toml`, read once.

A Q.850 cause in a Reason header (RFC 3326, in responses RFC 6432) says more than the SIP status that carries it and is
looked at first. Sources are named at each entry; docs/causes.md shows the whole table (`python -m dialer.causes`).
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dispositions import Outcome

TABLE = Path(__file__).parent / "data" / "causes.toml"

#: What a row may lead to; `by_status` (Q.850 only): the cause says nothing about why.
NETWORK_OUTCOMES = ("busy", "no_answer", "invalid", "congestion", "rejected", "unknown", "cancelled")
BY_STATUS = "by_status"


class CausesError(ValueError):
    """The table contradicts itself or leaves something out; the text says where."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One row. `outcome` None: the status decides. `announced`: the outcome instead, after early media without
    ringing. `elsewhere`: the call may go on over another trunk. `rests`: the trunk is left alone for a while.
    """

    code: int
    means: str
    outcome: Outcome | None
    source: str
    elsewhere: bool = False
    rests: bool = False
    announced: Outcome | None = None


@dataclass(frozen=True, slots=True)
class Causes:
    """The whole table. `classes`: first digit of a status that has no row -> outcome."""

    status: Mapping[int, Cause]
    q850: Mapping[int, Cause]
    classes: Mapping[int, Outcome]


@dataclass(frozen=True, slots=True)
class OwnCauses:
    """What one trunk's carrier means by its codes, where that differs from the table: code -> outcome."""

    sip: Mapping[int, Outcome]
    q850: Mapping[int, Outcome]


NO_OWN = OwnCauses({}, {})


def read_causes(text: str) -> Causes:
    """The table from its TOML. Raises CausesError for what contradicts itself: unknown keys, codes and outcomes, codes
    that stand twice, rows without a source.
    """
    data = tomllib.loads(text)
    if set(data) != {"classes", "status", "q850"}:
        raise CausesError(f"tables {sorted(data)}; wanted: classes, q850, status")
    classes = {int(digit): _outcome(name, digit) for digit, name in data["classes"].items()}
    if set(classes) != {3, 4, 5, 6}:
        raise CausesError("classes: wanted 3, 4, 5 and 6")
    causes = Causes(_rows(data["status"], "status"), _rows(data["q850"], "q850"), classes)
    wrong = [code for code in causes.status if code and not 300 <= code <= 699]
    wrong += [code for code in causes.q850 if not 1 <= code <= 127]
    if wrong or 0 not in causes.status:
        raise CausesError(f"codes out of range: {wrong}, or none for no response")
    return causes


def _rows(rows: list[dict[str, Any]], kind: str) -> dict[int, Cause]:
    found: dict[int, Cause] = {}
    for row in rows:
        where = f"{kind} {row.get('code')}"
        wanted = {"code", "means", "outcome", "source"}
        allowed = wanted | ({"elsewhere", "rests", "announced"} if kind == "status" else set())
        if not wanted <= set(row) <= allowed or not row["source"] or row["code"] in found:
            raise CausesError(f"{where}: named twice, or keys {sorted(row)}")
        open_end = kind == "q850" and row["outcome"] == BY_STATUS
        found[row["code"]] = Cause(
            row["code"], row["means"], None if open_end else _outcome(row["outcome"], where), row["source"],
            row.get("elsewhere", False), row.get("rests", False),
            _outcome(row["announced"], where) if "announced" in row else None,
        )  # fmt: skip
    return found


def _outcome(name: str, where: object) -> Outcome:
    if name not in NETWORK_OUTCOMES:
        raise CausesError(f"{where}: {name!r} is no outcome that a network can give")
    return Outcome(name)


CAUSES = read_causes(TABLE.read_text(encoding="utf-8"))

#: Statuses (and 0: no final response came) after which the same call may be tried on another trunk at once.
FAIL_OVER = frozenset(code for code, row in CAUSES.status.items() if row.elsewhere)

#: Statuses after which the trunk as a whole is left alone for a while. A 500, 502 or 504 may be about one number.
RESTS = frozenset(code for code, row in CAUSES.status.items() if row.rests)


def outcome_of(status: int, cause: int | None, *, announced: bool = False, own: OwnCauses = NO_OWN) -> Outcome:
    """The outcome of an INVITE that ended with `status` (0: no response at all) and a Q.850 `cause`, if any.

    `announced`: the network had played early media and never said that it rings. `own`: the trunk's own meanings.
    """
    if cause is not None:
        row = CAUSES.q850.get(cause)
        said = own.q850.get(cause) or (row.outcome if row is not None else None)
        if said is not None:
            return said
    if status in own.sip:
        return own.sip[status]
    found = CAUSES.status.get(status)
    if found is None or found.outcome is None:
        return CAUSES.classes.get(status // 100, Outcome.UNKNOWN)
    return found.announced if announced and found.announced is not None else found.outcome


_HEAD = """\
# What the network says, and what it makes of an attempt

Made from `dialer/data/causes.toml` by `python -m dialer.causes > docs/causes.md`; do not edit. A Q.850 cause in the
Reason header counts before the SIP status that carries it; "by status": it says nothing, and the status decides. A
status that is not here counts as its class: {classes}. What an outcome leads to is the campaign's table
([manager.md](manager.md)).

*elsewhere*: the same call goes on over another trunk at once. *rests*: the trunk is left alone for Retry-After, or for
its `retry_after`. *announced*: the outcome instead, when the network played early media and never said that it
rings: a recording or special information tones said why, and nobody listened.

A carrier that means something else by a code is told so by its trunk:

```toml
[trunks.main.causes]
sip = {{ 403 = "congestion" }}      # says 403 for "too many calls"
q850 = {{ 31 = "congestion" }}
```
"""


def page() -> str:
    """docs/causes.md, Markdown."""
    classes = ", ".join(f"{digit}xx {outcome.value}" for digit, outcome in CAUSES.classes.items())
    lines = [_HEAD.format(classes=classes), "## SIP statuses (0: no response)\n"]
    lines += ["| status | meaning | outcome | | source |", "|---|---|---|---|---|"]
    for row in CAUSES.status.values():
        notes = [word for word, on in (("elsewhere", row.elsewhere), ("rests", row.rests)) if on]
        notes += [f"announced: {row.announced.value}"] if row.announced is not None else []
        outcome = row.outcome.value if row.outcome is not None else ""
        lines.append(f"| {row.code} | {row.means} | {outcome} | {', '.join(notes)} | {row.source} |")
    lines += ["\n## Q.850 causes\n", "| cause | meaning | outcome | source |", "|---|---|---|---|"]
    for row in CAUSES.q850.values():
        outcome = row.outcome.value if row.outcome is not None else "by status"
        lines.append(f"| {row.code} | {row.means} | {outcome} | {row.source} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())
