"""Which campaign an idle agent should serve, where several campaigns share agents. Pure: time passed in, no state kept.

Two questions with two answers.

*In the long run*: how many agents each campaign should have. Talks per hour of n agents, n less the idle ones at the
optimum, grow almost in proportion to n (`busy`), so the sum of talks alone would put everybody into one campaign. We
maximise the weighted sum of log(talks) instead (proportional fairness: Kelly, Maulloo, Tan 1998, J. Oper. Res. Soc.
49). It is concave, so agents are given out one by one, each to the campaign where the next one is worth most; with
agents who may serve some campaigns only the same holds, since what can be served is a polymatroid (Federgruen,
Groenevelt 1986, Oper. Res. 34). Every campaign gets its minimum first and never more than it can use.

*Now*: an idle agent is worth the chance to be taken within the next ring time. Where an answered call waits and nobody
is idle it is 1. So an agent goes there from the campaign where it is worth least, if that is clearly less, whatever the
targets are.

Hysteresis: a move for the targets needs a deficit of `band` agents on both sides and an agent who has been where it is
for `dwell` s; a rescue needs neither.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field

from pacing.checks import finite
from pacing.errors import ConfigError, InvalidValueError

CampaignId = Hashable
AgentId = Hashable


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocatorConfig:
    """band: agents that a campaign may lack or have over before one is moved for the targets; dwell: s that an agent
    stays at least, but for a rescue; gain: by how much more an agent must be worth where it is sent for a rescue.

    Raises `ConfigError`."""

    band: float = 1.0
    dwell: float = 120.0
    gain: float = 0.25

    def __post_init__(self) -> None:
        for name, value, top in (("band", self.band, 1e4), ("dwell", self.dwell, 1e6), ("gain", self.gain, 1.0)):
            if not (isinstance(value, (int, float)) and 0.0 <= value <= top):
                raise ConfigError(name, f"{value!r} is not between 0 and {top:g}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A campaign that wants agents.

    weight: its importance; least: agents it gets in any case (as far as there are some); most: more would be idle
    (lines, contacts, closed: 0); answer_rate, handle, ring, cap: as the pacer knows them (s, shares); waiting: answered
    calls without an agent; answers: answers to come of the calls in the air; freed: agents who come free within a ring
    time.

    Raises `InvalidValueError`."""

    weight: float = 1.0
    least: int = 0
    most: int = 10_000
    answer_rate: float = 0.2
    handle: float = 150.0
    ring: float = 12.0
    cap: float = 0.03
    waiting: int = 0
    answers: float = 0.0
    freed: float = 0.0

    def __post_init__(self) -> None:
        for name in ("weight", "answer_rate", "handle", "ring", "cap"):
            finite(name, getattr(self, name))
            if getattr(self, name) <= 0.0:
                raise InvalidValueError(f"{name} must be above 0: {getattr(self, name)!r}")
        for name in ("least", "most", "waiting", "answers", "freed"):
            finite(name, getattr(self, name))
            if getattr(self, name) < 0:
                raise InvalidValueError(f"{name} is negative: {getattr(self, name)!r}")

    def agents_for(self, lines: int) -> int:
        """Agents whom `lines` lines can keep busy: one for each talk, ring / (p handle) for the calls that ring."""
        return max(1, int(lines / (1.0 + self.ring / (self.answer_rate * self.handle))))

    def agents_for_list(self, contacts: int, seconds: float) -> int:
        """Agents whom `contacts` contacts keep busy for `seconds` s: each talk takes 1 / p of them."""
        return math.ceil(contacts * self.answer_rate * self.handle / max(seconds, self.handle))

    @classmethod
    def of(
        cls, why: Mapping[str, float], *, weight: float = 1.0, least: int = 0, most: int = 10_000, cap: float = 0.03
    ) -> Claim:
        """From `Decision.why` of the campaign's pacer; what it does not say keeps its default."""
        basis = cls()
        return cls(
            weight=weight, least=least, most=most, cap=cap,
            answer_rate=max(1e-3, why.get("answer_rate", basis.answer_rate)),
            handle=why.get("handle", basis.handle), ring=why.get("ring", basis.ring),
            waiting=int(why.get("waiting", 0.0)), answers=why.get("answers_to_come", 0.0), freed=why.get("freed", 0.0),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shared:
    """An agent: where it counts now, since when (s), whether it is idle, and where it may be sent."""

    campaign: CampaignId
    since: float
    idle: bool
    allowed: frozenset[CampaignId]


@dataclass(frozen=True, slots=True)
class Move:
    """`agent` should leave `source` for `target`; worth: what it is worth there and here, of 1; rescue: for a call that
    waits, else for the targets."""

    agent: AgentId
    source: CampaignId
    target: CampaignId
    worth_there: float
    worth_here: float
    rescue: bool


@dataclass(frozen=True, slots=True)
class Allotment:
    """moves: what to do now; targets: agents that each campaign should have; next_worth: what the next agent would add
    to each (weighted log of talks), so that a person sees why."""

    moves: tuple[Move, ...]
    targets: Mapping[CampaignId, int]
    next_worth: Mapping[CampaignId, float] = field(default_factory=dict)


def busy(n: float, answer_rate: float, handle: float, ring: float, cap: float) -> float:
    """Agents of n who are occupied at the optimum, about: within 0.5 agents of `pacing.optimum` for 1 to 200 agents.

    One agent alone, one call at a time, is idle ring / p of ring / p + handle; from there the idle ones grow like a
    logarithm, the slower the more may be abandoned.
    """
    wait = ring / answer_rate
    alone = wait / (wait + handle)
    scale = (cap / 0.03) ** -0.31
    return float(n - scale * math.log1p(n * alone / scale))


def worth_of_next(claim: Claim, n: int) -> float:
    """What agent n + 1 adds to the campaign's weighted log of talks; falls with n."""
    if n == 0:
        return math.inf
    args = claim.answer_rate, claim.handle, claim.ring, claim.cap
    return claim.weight * math.log(busy(n + 1, *args) / busy(n, *args))


def targets(claims: Mapping[CampaignId, Claim], agents: Sequence[frozenset[CampaignId]]) -> dict[CampaignId, int]:
    """Agents that each campaign should have; agents: where each of them may serve. All are given out, as far as `most`
    and what they may serve allow."""
    given = dict.fromkeys(claims, 0)
    free: dict[frozenset[CampaignId], int] = {}
    for allowed in agents:
        kind = frozenset(allowed & claims.keys())
        free[kind] = free.get(kind, 0) + 1
    placed: dict[tuple[frozenset[CampaignId], CampaignId], int] = {}

    def grow(campaign: CampaignId) -> bool:
        """One more agent for the campaign, others sent round if need be; False: there is no way."""
        came: dict[CampaignId, tuple[frozenset[CampaignId], CampaignId] | None] = {campaign: None}
        queue = [campaign]
        for here in queue:
            for kind in free:
                if here not in kind:
                    continue
                if free[kind]:
                    free[kind] -= 1
                    placed[kind, here] = placed.get((kind, here), 0) + 1
                    # back along the path: each campaign lends an agent to the one before it
                    while (step := came[here]) is not None:
                        lent, to = step
                        placed[lent, here] -= 1
                        placed[lent, to] = placed.get((lent, to), 0) + 1
                        here = to
                    given[campaign] += 1
                    return True
                for other in kind:
                    if other not in came and placed.get((kind, other), 0):
                        came[other] = (kind, here)
                        queue.append(other)
        return False

    for wanted in sorted(claims, key=lambda c: -claims[c].weight):
        while given[wanted] < min(claims[wanted].least, claims[wanted].most) and grow(wanted):
            pass
    # a first agent is worth more than any other; among several first ones the weight decides
    worth = {
        campaign: (worth_of_next(claim, given[campaign]), claim.weight, str(campaign))
        for campaign, claim in claims.items()
        if given[campaign] < claim.most
    }
    while worth:
        best = max(worth, key=worth.__getitem__)
        if not grow(best) or given[best] >= claims[best].most:
            del worth[best]
        else:
            worth[best] = (worth_of_next(claims[best], given[best]), *worth[best][1:])
    return given


def chance_taken(claim: Claim, idle: int) -> float:
    """P(the last of `idle` agents is taken within a ring time): more answers than the others and those who come free
    can serve; 1 where calls wait already. Poisson answers."""
    before = idle - 1 - claim.waiting + claim.freed
    if before < 0:
        return 1.0
    term, below = math.exp(-claim.answers), 0.0
    for k in range(math.floor(before) + 1):
        below += term
        term *= claim.answers / (k + 1)
    return max(0.0, 1.0 - below)


def allot(
    now: float,
    claims: Mapping[CampaignId, Claim],
    agents: Mapping[AgentId, Shared],
    config: AllocatorConfig | None = None,
) -> Allotment:
    """What should be moved at `now`. The same arguments give the same answer; nothing is kept.

    Only idle agents move, each at most once. An agent whose campaign is not among `claims` (closed, gone) is moved as
    soon as anything wants it. Raises `InvalidValueError`.
    """
    finite("now", now)
    config = config or AllocatorConfig()
    aims = targets(claims, [agent.allowed for agent in agents.values()])
    floor = _Floor(now, claims, agents, config)
    floor.rescue()
    floor.bring_back(aims)
    floor.approach(aims)
    worth = {campaign: worth_of_next(claim, floor.count[campaign]) for campaign, claim in claims.items()}
    return Allotment(tuple(floor.moves), aims, worth)


def rescues(
    now: float,
    claims: Mapping[CampaignId, Claim],
    agents: Mapping[AgentId, Shared],
    config: AllocatorConfig | None = None,
) -> tuple[Move, ...]:
    """The rescues alone, for the moment in which a call begins to wait or an agent becomes idle. `agents`: those who
    are idle are enough. Raises `InvalidValueError`."""
    finite("now", now)
    floor = _Floor(now, claims, agents, config or AllocatorConfig())
    floor.rescue()
    return tuple(floor.moves)


class _Floor:
    """Who is where while moves are found."""

    def __init__(
        self,
        now: float,
        claims: Mapping[CampaignId, Claim],
        agents: Mapping[AgentId, Shared],
        config: AllocatorConfig,
    ) -> None:
        self._now, self._claims, self._agents, self._config = now, claims, agents, config
        self.moves: list[Move] = []
        self.count = dict.fromkeys(claims, 0)
        self._idle: dict[CampaignId, list[AgentId]] = {campaign: [] for campaign in claims}
        self._stray: list[AgentId] = []
        for name, agent in agents.items():
            if agent.campaign in claims:
                self.count[agent.campaign] += 1
                if agent.idle:
                    self._idle[agent.campaign].append(name)
            elif agent.idle:
                self._stray.append(name)

    def rescue(self) -> None:
        """Idle agents to calls that wait and have nobody."""
        claims, config = self._claims, self._config
        helped = {campaign: len(idle) for campaign, idle in self._idle.items()}
        for target in sorted(claims, key=lambda c: -claims[c].weight):
            weight = claims[target].weight
            while claims[target].waiting > helped[target]:
                donors = [
                    (claims[source].weight * self._taken(source), str(source), source)
                    for source in claims
                    if source != target and self._movable(source, target)
                ]
                if not donors:
                    break
                loss, _, source = min(donors, key=lambda donor: donor[:2])
                if weight - loss <= config.gain * weight:
                    break
                name = self._longest(self._movable(source, target))
                here = self._taken(source)
                helped[target] += 1
                helped[source] -= 1
                self._move(name, target, 1.0, here, rescue=True)

    def bring_back(self, aims: Mapping[CampaignId, int]) -> None:
        """Agents whose campaign wants nobody any more."""
        claims = self._claims
        for name in self._stray:
            wanted = [c for c in claims if c in self._agents[name].allowed and self.count[c] < claims[c].most]
            if wanted:
                target = max(wanted, key=lambda c: (aims[c] - self.count[c], str(c)))
                self._move(name, target, worth_of_next(claims[target], self.count[target]), 0.0, rescue=False)

    def approach(self, aims: Mapping[CampaignId, int]) -> None:
        """Idle agents from campaigns that have too many to those that have too few."""
        claims, least = self._claims, max(1.0, self._config.band)
        while True:
            pairs = []
            for source in claims:
                over = self.count[source] - aims[source]
                # who may have nobody lets go at once
                dwell = 0.0 if claims[source].most == 0 else self._config.dwell
                for target in claims:
                    lacks = aims[target] - self.count[target]
                    if over >= least and lacks >= least and self._pays(source, target):
                        ready = self._movable(source, target, dwell)
                        if ready:
                            pairs.append((over + lacks, str(source), str(target), source, target, ready))
            if not pairs:
                return
            *_, source, target, ready = max(pairs, key=lambda pair: pair[:3])
            there = worth_of_next(claims[target], self.count[target])
            here = worth_of_next(claims[source], max(0, self.count[source] - 1))
            self._move(self._longest(ready), target, there, here, rescue=False)

    def _pays(self, source: CampaignId, target: CampaignId) -> bool:
        """Whether one agent more there and one less here is better, and not just another of two equals."""
        here, there = self._claims[source], self._claims[target]
        if self.count[source] > here.most or self.count[target] < there.least:
            return True
        lost = worth_of_next(here, max(0, self.count[source] - 1))
        return worth_of_next(there, self.count[target]) > lost * (1.0 + 1e-9)

    def _taken(self, campaign: CampaignId) -> float:
        return chance_taken(self._claims[campaign], len(self._idle[campaign]))

    def _movable(self, source: CampaignId, target: CampaignId, dwell: float = 0.0) -> list[AgentId]:
        agents, now = self._agents, self._now
        return [n for n in self._idle[source] if target in agents[n].allowed and now - agents[n].since >= dwell]

    def _longest(self, names: Sequence[AgentId]) -> AgentId:
        """The one who has been where it is for longest."""
        return min(names, key=lambda name: (self._agents[name].since, str(name)))

    def _move(self, name: AgentId, target: CampaignId, there: float, here: float, *, rescue: bool) -> None:
        source = self._agents[name].campaign
        self.moves.append(Move(name, source, target, there, here, rescue))
        if source in self._claims:
            self._idle[source].remove(name)
            self.count[source] -= 1
        self.count[target] += 1
