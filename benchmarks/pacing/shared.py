"""Agents shared by campaigns: moved by the allocator, against a split that is fixed for the day.

Campaign a has the better list in the morning, b in the afternoon, and c has half the lines it could use; the split that
does not move gives each a share by weight, as a manager would.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace

from benchmarks.pacing.cells import HOUR, real_cell
from pacing import Pacer
from pacing.allocator import AllocatorConfig, Claim, Shared, allot
from pacing.laws import Laws, lognormal, realistic
from pacing.outcome import Outcome
from pacing.policy import Trunk
from pacing.rates import stepping
from pacing.run import Run

#: s between two looks of the allocator; it also looks when a call waits.
LOOK = 2.0
WARM_UP = 900.0


@dataclass(frozen=True, slots=True)
class Campaign:
    """weight: its share of the fixed split; lines: None for no limit."""

    name: str
    laws: Laws
    weight: float = 1.0
    lines: int | None = None


@dataclass(frozen=True, slots=True)
class Sharing:
    """Over all campaigns: occupancy, talks an hour, share abandoned; talks: by campaign, an hour; moves: per agent and
    hour."""

    occupancy: float
    talks_an_hour: float
    abandoned: float
    talks: tuple[float, ...]
    moves: float


def campaigns(hours: float) -> list[Campaign]:
    """The three."""
    noon = hours * HOUR / 2
    return [
        Campaign("a", realistic(stepping(0.25, 0.1, noon))),
        Campaign("b", realistic(stepping(0.1, 0.25, noon), lognormal(90.0, 0.9))),
        Campaign("c", realistic(0.2), lines=12),
    ]


def share(units: Sequence[Campaign], agents: int, hours: float, seed: int, config: AllocatorConfig | None) -> Sharing:
    """A day of `hours` h; config None: nobody is ever moved."""
    base = real_cell(agents).config
    runs = [
        Run(Pacer(base), unit.laws, 1000 * seed + place, WARM_UP, None, False, Trunk(unit.lines), None)
        for place, unit in enumerate(units)
    ]
    whole = sum(unit.weight for unit in units)
    here: dict[int, int] = {}
    for place in range(len(units)):
        until = round(agents * sum(u.weight for u in units[: place + 1]) / whole)
        for agent in range(len(here), until):
            here[agent] = place
    since = dict.fromkeys(here, 0.0)
    for agent, place in here.items():
        runs[place].admit(agent, 0.0)
    everywhere = frozenset(range(len(units)))
    end, look_at, moves = hours * HOUR, LOOK, 0

    def look(now: float) -> None:
        nonlocal moves
        claims: dict[Hashable, Claim] = {
            place: _claim(unit, run) for place, (unit, run) in enumerate(zip(units, runs, strict=True))
        }
        idle = {agent for run in runs for agent in run.idle}
        agents_now: dict[Hashable, Shared] = {
            agent: Shared(place, since[agent], agent in idle, everywhere) for agent, place in here.items()
        }
        for move in allot(now, claims, agents_now, config).moves:
            agent, target = _number(move.agent), _number(move.target)
            runs[here[agent]].release(agent, now)
            here[agent], since[agent] = target, now
            runs[target].admit(agent, now)
            moves += 1

    while True:
        run = min(runs, key=lambda run: run.next_at)
        if run.next_at >= end:
            break
        if config is not None and run.next_at >= look_at:
            now, look_at = look_at, look_at + LOOK
            look(now)
            continue
        now = run.step()
        if config is not None and run.waiting and any(other.idle for other in runs):
            look(now)
    for run in runs:
        run.close(end)
    return _sum([run.out for run in runs], agents, end - WARM_UP, moves)


def _number(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(f"{value!r} is no agent or campaign of this floor")
    return value


def _claim(unit: Campaign, run: Run) -> Claim:
    """The pacer's own numbers; no more agents than the campaign's lines can keep busy."""
    claim = replace(Claim.of(run.why, weight=unit.weight), waiting=run.waiting)
    return claim if unit.lines is None else replace(claim, most=claim.agents_for(unit.lines))


def _sum(outs: Sequence[Outcome], agents: int, seconds: float, moves: int) -> Sharing:
    connected = sum(out.connected for out in outs)
    abandoned = sum(out.abandoned for out in outs)
    hours = seconds / HOUR
    return Sharing(
        sum(out.occupied for out in outs) / sum(out.logged_in for out in outs), connected / hours,
        abandoned / max(1, abandoned + connected), tuple(out.connected / hours for out in outs), moves / agents / hours,
    )  # fmt: skip


def compare(
    agents: int, seeds: Sequence[int], hours: float, make: Callable[[float], list[Campaign]] = campaigns
) -> dict[str, list[Sharing]]:
    """Way of sharing -> a day per seed."""
    ways: dict[str, AllocatorConfig | None] = {
        "fixed split": None,
        "allocator": AllocatorConfig(),
        "allocator without rescues": AllocatorConfig(gain=1.0),
    }
    return {way: [share(make(hours), agents, hours, seed, config) for seed in seeds] for way, config in ways.items()}
