"""What became of the list: the carrier's own log, the list and the store, joined.

*Lost*: a contact of the list that is in no state. *Doubled*: a number whose INVITEs at the carrier are closer together
than its re-dial delay. *Stray*: an INVITE to a number that is not on the list.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path

from benchmarks.rig.sipp import CallStory


def listed(path: Path, column: str = "number") -> list[str]:
    """The numbers of a contact list, E.164, in order."""
    with path.open(newline="") as file:
        return [row[column] for row in csv.DictReader(file)]


def e164(dialed: str) -> str:
    """What the carrier was asked for, with its plus."""
    return "+" + dialed.lstrip("+")


def doubled(calls: Iterable[CallStory], redial_delay: float, slack: float = 0.5) -> dict[str, float]:
    """number -> smallest gap between two calls to it, seconds, where shorter than `redial_delay` less `slack`."""
    times: dict[str, list[float]] = defaultdict(list)
    for call in calls:
        times[e164(call.number)].append(call.at)
    gaps: dict[str, float] = {}
    for number, at in times.items():
        at.sort()
        gap = min((later - earlier for earlier, later in pairwise(at)), default=redial_delay)
        if gap < redial_delay - slack:
            gaps[number] = gap
    return gaps


def lost(numbers: Iterable[str], states: Mapping[str, str]) -> list[str]:
    """Numbers of the list that the store has in no state."""
    return [number for number in numbers if number not in states]


def stray(calls: Iterable[CallStory], numbers: Iterable[str]) -> set[str]:
    """Numbers that were dialed and are not on the list."""
    return {e164(call.number) for call in calls} - set(numbers)
