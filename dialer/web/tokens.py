"""Whose token it is: the supervisor's opens everything, a project's what concerns its campaigns, an agent's that
agent's own commands."""

from __future__ import annotations

import hashlib
from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass

#: A token shorter than this could be found by trying.
SHORTEST = 16
#: Wrong tokens that one address may try within `WINDOW` seconds; after that it gets 429 for wrong ones.
FAILURES, WINDOW = 10, 60.0
_ADDRESSES = 10_000


@dataclass(frozen=True, slots=True)
class Project:
    """What a project's token opens. `agents`: those who work in no campaign but the project's. `marks`: the projects
    that its campaigns name, to whose do-not-call lists it may add."""

    name: str
    campaigns: frozenset[str]
    may: frozenset[str]
    agents: frozenset[str] = frozenset()
    marks: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever the token belongs to: an agent, a project, or, with neither, the supervisor."""

    agent: str | None
    project: Project | None = None

    @property
    def supervisor(self) -> bool:
        return self.agent is None and self.project is None


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


class Tokens:
    """Tokens by their digests; the tokens themselves are not kept. Raises ValueError on short or doubled ones."""

    def __init__(
        self,
        supervisor: str,
        agents: Mapping[str, str] | None = None,
        projects: Mapping[str, tuple[str, Project]] | None = None,
    ) -> None:
        self._callers: dict[bytes, Caller] = {}
        self.replace(supervisor, agents, projects)

    def replace(
        self,
        supervisor: str,
        agents: Mapping[str, str] | None = None,
        projects: Mapping[str, tuple[str, Project]] | None = None,
    ) -> None:
        """Take other tokens from now on (a reload). `projects`: name -> (token, what it opens). On ValueError the old
        ones stay."""
        found: dict[bytes, Caller] = {}
        given = [("the supervisor", Caller(None), supervisor)]
        given += [(f"agent {name}", Caller(name), token) for name, token in (agents or {}).items()]
        given += [
            (f"project {name}", Caller(None, project), token) for name, (token, project) in (projects or {}).items()
        ]
        for whose, caller, token in given:
            if len(token) < SHORTEST:
                raise ValueError(f"the token of {whose} is shorter than {SHORTEST} characters")
            if _digest(token) in found:
                raise ValueError(f"the token of {whose} is somebody else's too")
            found[_digest(token)] = caller
        self._callers = found

    def caller(self, token: str) -> Caller | None:
        """Whose token it is; None: nobody's. Looked up by its digest: what time that takes says nothing of a token."""
        return self._callers.get(_digest(token))


class Failures:
    """Counts wrong tokens by address. A right token is never held up: behind one proxy all agents share an address, and
    one wrong setting must not keep their dispositions out; against guessing stands the tokens' length."""

    def __init__(self) -> None:
        self._times: OrderedDict[str, deque[float]] = OrderedDict()

    def wrong(self, address: str, now: float) -> float:
        """Note a wrong token (`now` monotonic). 0 while within the limit, else the seconds to stay away."""
        times = self._times.setdefault(address, deque(maxlen=FAILURES))
        self._times.move_to_end(address)
        while len(self._times) > _ADDRESSES:
            self._times.popitem(last=False)
        full = len(times) == FAILURES and now - times[0] < WINDOW
        wait = WINDOW - (now - times[0]) if full else 0.0
        if not full:
            times.append(now)
        return wait
