"""What a third party's answer means: looked up by a path into its JSON, or worked out by a template."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from dialer.template import TemplateFault, render

#: Longest text that is kept of an answer, characters.
LONGEST_KEPT = 2000

_PART = re.compile(r"\.([A-Za-z_][\w-]*)|\[(\d{1,6})\]")


class PathFault(Exception):
    """Not a path, or nothing is there."""


class Verdict(StrEnum):
    """What an answer says."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNKNOWN = "unknown"  # a question about a key that nobody has seen
    UNCLEAR = "unclear"  # try again


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `values`: what verdicts, reasons and `keep` may look at; `wait`: seconds after which the third
    party wants to be asked again, where it says so."""

    values: Mapping[str, Any]
    default: Verdict = Verdict.ACCEPTED
    told: str = ""
    wait: float | None = None


@dataclass(frozen=True, slots=True)
class Meaning:
    """The answer, understood. `wait`: see `Answer`."""

    verdict: Verdict
    reason: str = ""
    kept: Mapping[str, Any] = field(default_factory=dict)
    wait: float | None = None


def parse_path(source: str) -> list[str | int]:
    """`$.a.b[0].c` as keys and indices. Raises `PathFault`."""
    parts: list[str | int] = []
    place = 1
    while place < len(source):
        match = _PART.match(source, place)
        if match is None:
            raise PathFault(f"not a path at character {place + 1}")
        parts.append(match[1] if match[1] is not None else int(match[2]))
        place = match.end()
    return parts


def look_up(source: str, document: Any) -> Any:
    """What stands at the path. Raises `PathFault` when nothing does."""
    for part in parse_path(source):
        named = isinstance(part, str) and isinstance(document, Mapping) and part in document
        counted = isinstance(part, int) and isinstance(document, list) and part < len(document)
        if not (named or counted):
            raise PathFault(f"nothing at {source}")
        document = document[part]
    return document


def take(source: str, values: Mapping[str, Any]) -> str:
    """A path or a template, as text. Raises `PathFault`, `TemplateFault`."""
    if not source.startswith("$"):
        return render(source, values).strip()
    found = look_up(source, values.get("json"))
    if isinstance(found, str):
        return found
    return json.dumps(found, ensure_ascii=False)


def understand(
    answer: Answer,
    *,
    verdict: str | None,
    accepted: list[str],
    rejected: list[str],
    unknown: list[str],
    reason: str | None,
    keep: Mapping[str, str],
    context: Mapping[str, Any],
) -> Meaning:
    """Compare the answer's verdict with the words that the config knows. A reason or a kept value that is not there is
    left out, unless the answer was a yes: then a later step would miss it, and the answer counts as unclear."""
    values = {**context, **answer.values}
    found, said = answer.default, answer.told
    if verdict is not None and answer.default is not Verdict.UNCLEAR:
        try:
            word = take(verdict, values)
        except (PathFault, TemplateFault) as fault:
            return (
                Meaning(Verdict.UNCLEAR, f"no verdict: {fault}") if found is Verdict.ACCEPTED else Meaning(found, said)
            )
        if word in accepted:
            found = Verdict.ACCEPTED
        elif word in rejected:
            found, said = Verdict.REJECTED, said or f"said {word[:100]}"
        elif word in unknown:
            found = Verdict.UNKNOWN
        else:
            return Meaning(Verdict.UNCLEAR, f"an unexpected verdict: {word[:100]}")
    if reason is not None and found is Verdict.REJECTED:
        try:
            said = take(reason, values)[:LONGEST_KEPT] or said
        except (PathFault, TemplateFault):
            said = said or "no reason was given"
    if found is not Verdict.ACCEPTED:
        return Meaning(found, said, wait=answer.wait)
    try:
        kept = {name: take(source, values)[:LONGEST_KEPT] for name, source in keep.items()}
    except (PathFault, TemplateFault) as fault:
        return Meaning(Verdict.UNCLEAR, f"the answer lacks what is to be kept: {fault}")
    return Meaning(Verdict.ACCEPTED, said, kept)
