"""What sharing agents brings: moved as the daemon moves them, beside a split fixed for the day and one big team.

    python -m benchmarks.sharing [--days 4] [--agents 6,12,30] [--scene dry]

The moves are `pacing.sharing.Sharing`'s, the very rule that the daemon runs: a look a second, notice to the pacer of
the campaign that an agent leaves, rescues. Two days, each of three campaigns whose parameters nobody is told:

* `noon`: the answer rate of one falls from .25 to .10 at noon, the other's rises, the third has 12 lines
  (`benchmarks.pacing.shared`). *One big team* is all agents in one campaign whose calls are an even mix of the three.
* `dry`: the list of the first is worked off in about half the day, and has nothing more to give.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass, replace

from benchmarks.pacing.cells import HOUR, real_cell
from benchmarks.pacing.shared import WARM_UP, Campaign, campaigns
from pacing import Pacer
from pacing.allocator import AllocatorConfig, Claim, Shared
from pacing.laws import lognormal, mixture, realistic
from pacing.policy import Trunk
from pacing.run import Run
from pacing.sharing import Kind, Sharing, Step
from pacing.supply import ContactList

#: s between two looks at all agents, as in the daemon.
LOOK = 1.0
#: h of a simulated day.
HOURS = 4.0
FIXED, SHARED, CALM, TEAM = "fixed split", "shared", "shared, no rescues", "one big team"


@dataclass(frozen=True, slots=True)
class Day:
    """busy: occupancy; talks: an hour; abandoned: share of the answered, over all campaigns; worst: the same of the
    campaign that abandons most; moves: per agent and hour; notices: share of the moves that waited for their notice."""

    busy: float
    talks: float
    abandoned: float
    worst: float
    moves: float = 0.0
    noticed: float = 0.0


class Centre:
    """A day of campaigns that share `agents` agents; config None: nobody is ever moved."""

    def __init__(
        self,
        units: Sequence[Campaign],
        agents: int,
        seed: int,
        config: AllocatorConfig | None,
        contacts: int | None = None,
    ) -> None:
        """contacts: of the first campaign's list, each dialed once; None: no list ends."""
        self.units, self.config = units, config
        base = real_cell(agents).config
        self.supplies = [
            ContactList(contacts, attempts=1, even=math.inf) if contacts is not None and place == 0 else None
            for place in range(len(units))
        ]
        self.pacers = [Pacer(base) for _ in units]
        self.runs = [
            Run(pacer, unit.laws, 1000 * seed + place, WARM_UP, None, False, Trunk(unit.lines), supply)
            for place, (pacer, unit, supply) in enumerate(zip(self.pacers, units, self.supplies, strict=True))
        ]
        self.rule = Sharing(config, base.patience)
        self.here = {agent: agent * len(units) // agents for agent in range(agents)}
        self.since = dict.fromkeys(self.here, 0.0)
        for agent, place in self.here.items():
            self.runs[place].admit(agent, 0.0)
        self.moves = self.noticed = 0
        self.claims: dict[Hashable, Claim] = {}

    def run(self, end: float) -> Day:
        """The day until `end` s."""
        look_at = LOOK
        while True:
            run = min(self.runs, key=lambda run: run.next_at)
            if min(run.next_at, look_at) >= end:
                break
            if self.config is not None and run.next_at >= look_at:
                self._look(look_at)
                look_at += LOOK
                continue
            if run.next_at >= end:
                break
            now = run.step()
            if self.config is not None:
                self._between(now)
        for run in self.runs:
            run.close(end)
        return self._sum(end - WARM_UP)

    def _look(self, now: float) -> None:
        self.claims = {place: self._claim(place, now) for place in range(len(self.units))}
        self._carry_out(self.rule.look(now, self.claims, self._agents()), now)

    def _between(self, now: float) -> None:
        """Who has been given notice and is idle goes; a call that waits is looked after."""
        idle = {agent for run in self.runs for agent in run.idle}
        if not idle.isdisjoint(self.rule.notices):
            self._carry_out(self.rule.due(now, self.claims, self._agents()), now)
        if any(run.waiting for run in self.runs) and any(run.idle for run in self.runs) and self.claims:
            claims = {
                place: replace(claim, waiting=self.runs[_number(place)].waiting) for place, claim in self.claims.items()
            }
            free = {name: agent for name, agent in self._agents().items() if agent.idle}
            self._carry_out(self.rule.rescue(now, claims, free), now)

    def _carry_out(self, steps: Sequence[Step], now: float) -> None:
        for step in steps:
            agent, source, target = _number(step.agent), _number(step.source), _number(step.target)
            if step.kind is not Kind.MOVE:
                self.pacers[source].agent_leaving(agent, step.at if step.kind is Kind.NOTICE else now + 1e9, now)
                self.noticed += step.kind is Kind.NOTICE
                continue
            self.runs[source].release(agent, now)
            self.here[agent], self.since[agent] = target, now
            self.runs[target].admit(agent, now)
            self.moves += now >= WARM_UP

    def _agents(self) -> dict[Hashable, Shared]:
        idle = {agent for run in self.runs for agent in run.idle}
        everywhere = frozenset[Hashable](range(len(self.units)))
        return {a: Shared(place, self.since[a], a in idle, everywhere) for a, place in self.here.items()}

    def _claim(self, place: int, now: float) -> Claim:
        unit, supply = self.units[place], self.supplies[place]
        believed = {**self.pacers[place].estimates(now), "waiting": self.runs[place].waiting}
        claim = Claim.of(believed, weight=unit.weight)
        most = claim.most if unit.lines is None else claim.agents_for(unit.lines)
        if supply is not None:
            most = min(most, claim.agents_for_list(supply.ready(now), self.rule.config.dwell))
        return replace(claim, most=most)

    def _sum(self, seconds: float) -> Day:
        outs, hours = [run.out for run in self.runs], seconds / HOUR
        connected, abandoned = sum(out.connected for out in outs), sum(out.abandoned for out in outs)
        shares = [out.abandoned / max(1, out.abandoned + out.connected) for out in outs]
        return Day(
            sum(out.occupied for out in outs) / sum(out.logged_in for out in outs), connected / hours,
            abandoned / max(1, abandoned + connected), max(shares), self.moves / len(self.here) / hours,
            self.noticed / max(1, self.moves),
        )  # fmt: skip


def _number(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(f"{value!r} is no agent or campaign of this centre")
    return value


def team(hours: float) -> list[Campaign]:
    """The three as one: each call is as likely one of the one's as of the other's."""
    three = campaigns(hours)
    talks = mixture([(2 / 3, lognormal(120.0, 0.9)), (1 / 3, lognormal(90.0, 0.9))])
    rates = [unit.laws.answer_rate for unit in three]
    return [Campaign("all", realistic(lambda now: sum(rate(now) for rate in rates) / len(rates), talks))]


def contacts_of(agents: int, hours: float) -> int:
    """As many as a third of the agents, busy three quarters of the time, dial in half the day: 170 s a talk with the
    wait before it, 1 / .175 calls a talk on average."""
    return round(agents / 3 * 0.5 * hours * HOUR / 170.0 / 0.25)


def days(scene: str, agents: int, seeds: Sequence[int], hours: float = HOURS) -> dict[str, list[Day]]:
    """Way of staffing -> a day per seed. `scene`: noon or dry."""
    contacts = contacts_of(agents, hours) if scene == "dry" else None
    ways: dict[str, AllocatorConfig | None] = {
        FIXED: None, SHARED: AllocatorConfig(), CALM: AllocatorConfig(gain=1.0),
    }  # fmt: skip
    end = hours * HOUR
    found = {
        way: [Centre(campaigns(hours), agents, seed, config, contacts).run(end) for seed in seeds]
        for way, config in ways.items()
    }
    if scene == "noon":
        found[TEAM] = [Centre(team(hours), agents, seed, None).run(end) for seed in seeds]
    return found


def mean(found: Sequence[Day]) -> Day:
    """Of each figure."""
    keys = asdict(found[0])
    return Day(**{key: sum(getattr(day, key) for day in found) / len(found) for key in keys})


def main() -> None:
    """Parse the command line; print a table for each scene and team."""
    parser = argparse.ArgumentParser(description="shared agents against a fixed split and one big team")
    parser.add_argument("--days", type=int, default=4, help="simulated days of each")
    parser.add_argument("--seed", type=int, default=1, help="the first day's")
    parser.add_argument("--agents", default="6,12,30", help="team sizes, by commas")
    parser.add_argument("--scene", choices=("noon", "dry"), help="one of the two only")
    parser.add_argument("--hours", type=float, default=HOURS, help="of a day")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    seeds = range(options.seed, options.seed + options.days)
    table = {}
    for scene in (options.scene,) if options.scene else ("noon", "dry"):
        for agents in (int(text) for text in options.agents.split(",")):
            found = {way: mean(each) for way, each in days(scene, agents, seeds, options.hours).items()}
            table[f"{scene} {agents}"] = {way: asdict(day) for way, day in found.items()}
            if options.json:
                continue
            print(f"\n{scene}, {agents} agents, {options.days} days of {options.hours:g} h")
            print("| | busy | talks an hour | abandoned | worst campaign | moves per agent and hour |")
            print("|---|---|---|---|---|---|")
            for way, day in found.items():
                shares = f"{day.abandoned:.2%} | {day.worst:.2%}"
                print(f"| {way} | {day.busy:.3f} | {day.talks:.0f} | {shares} | {day.moves:.1f} |", flush=True)
    if options.json:
        print(json.dumps(table))


if __name__ == "__main__":
    main()
