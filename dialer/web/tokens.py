"""Who may ask for what: the supervisor's token opens everything, an agent's own token that agent's commands."""

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
class Caller:
    """Whoever the token belongs to; `agent` is None for the supervisor."""

    agent: str | None

    @property
    def supervisor(self) -> bool:
        return self.agent is None


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


class Tokens:
    """Tokens by their digests; the tokens themselves are not kept. Raises ValueError on short or doubled ones."""

    def __init__(self, supervisor: str, agents: Mapping[str, str] | None = None) -> None:
        self._callers: dict[bytes, Caller] = {}
        self.replace(supervisor, agents)

    def replace(self, supervisor: str, agents: Mapping[str, str] | None = None) -> None:
        """Take other tokens from now on (a reload). On ValueError the old ones stay."""
        found: dict[bytes, Caller] = {}
        for caller, token in ((Caller(None), supervisor), *((Caller(a), t) for a, t in (agents or {}).items())):
            whose = "the supervisor" if caller.agent is None else f"agent {caller.agent}"
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
