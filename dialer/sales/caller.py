"""One third party, spoken to with patience: tries, pauses, its circuit breaker, and the question what became of a try.

tries of a step, by what came back:

    accepted                  done
    rejected                  rejected
    not sent                  pause, try again
    no answer (unsure)        pause; ask by key what became of it, where the config says how; else try again, same key
    unclear (5xx, 429, ...)   the same: the third party may have done it and failed afterwards
    impossible                failed
    patience or tries over    failed
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from dialer.card_number import masked
from dialer.config.sales_tables import ActionTable, ConnectorTable
from dialer.sales.answer import Answer, Meaning, Verdict, understand
from dialer.sales.breaker import Breaker, BreakerState
from dialer.sales.connector import Connector, Impossible, NoAnswer, NotSent, Request

log = structlog.get_logger("sales")

#: Longest reason that is kept, characters.
REASON = 300


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a step. `result`: done, rejected, failed."""

    result: str
    reason: str | None
    kept: Mapping[str, Any] = field(default_factory=dict)
    tries: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Job:
    """A step to be done. `status` asks what became of an earlier try. `patience`: seconds; `tries`: None, as many as
    fit into the patience. `unknown_is_done`: whoever undoes what nobody has heard of is done."""

    do: ActionTable
    key: str
    values: Mapping[str, Any]
    patience: float
    status: ActionTable | None = None
    tries: int | None = None
    unknown_is_done: bool = False


class Caller:
    """`clock` is monotonic seconds; `hold` returns when new tries may begin (never, once the process stops)."""

    def __init__(
        self,
        name: str,
        table: ConnectorTable,
        connector: Connector,
        *,
        secret: str | None = None,
        on_breaker: Callable[[str, BreakerState], None] = lambda name, state: None,
        hold: Callable[[], Awaitable[None]] | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        rng: random.Random | None = None,
    ) -> None:
        self.name, self.table, self.connector = name, table, connector
        self.breaker = Breaker(table.breaker_failures, table.breaker_rest, lambda state: on_breaker(name, state))
        self.busy = 0  # tries under way
        self._secret = secret
        self._room = asyncio.Semaphore(table.at_once)
        self._hold, self._clock, self._sleep = hold, clock, sleep
        self._rng = rng or random.Random()

    async def carry_out(self, job: Job) -> Outcome:
        """Try until there is an answer or patience is over."""
        begun = self._clock()
        tries, unsure, said = 0, False, "nobody was asked"
        while True:
            left = job.patience - (self._clock() - begun)
            rest = self.breaker.wait(self._clock())
            if rest > 0:
                if rest >= left:
                    return self._over("failed", f"{self.name} is not reached: {said}", begun, tries)
                await self._sleep(rest * self._rng.uniform(1.0, 1.1))
                continue
            if self._hold is not None:
                await self._hold()
            async with self._room:
                tries += 1
                self.busy += 1
                try:
                    meaning, unsure = await self._once(job, unsure)
                except Impossible as fault:
                    self._log("sale step impossible", job, str(fault))
                    return self._over("failed", str(fault), begun, tries)
                finally:
                    self.busy -= 1
            if meaning.verdict is Verdict.ACCEPTED:
                return self._over("done", meaning.reason, begun, tries, meaning.kept)
            if meaning.verdict is Verdict.UNKNOWN and job.unknown_is_done:
                return self._over("done", "nothing was there to undo", begun, tries)
            if meaning.verdict is not Verdict.UNCLEAR:
                return self._over("rejected", meaning.reason, begun, tries)
            said = meaning.reason
            pause = self._pause(tries, meaning.wait)
            spent = self._clock() - begun
            if (job.tries is not None and tries >= job.tries) or spent + pause >= job.patience:
                return self._over("failed", f"{self.name}: {said}", begun, tries)
            self._log("sale step to be tried again", job, said, tries=tries, pause=round(pause, 2))
            await self._sleep(pause)

    async def _once(self, job: Job, unsure: bool) -> tuple[Meaning, bool]:
        """One try; what it means, and whether something may have happened without our knowing."""
        if unsure and job.status is not None:
            meaning, _ = await self._ask(job.status, job)
            if meaning.verdict is not Verdict.UNKNOWN:
                return meaning, True
        meaning, sent = await self._ask(job.do, job)
        return meaning, unsure or (sent and meaning.verdict is Verdict.UNCLEAR)

    async def _ask(self, action: ActionTable, job: Job) -> tuple[Meaning, bool]:
        timeout = action.timeout or self.table.timeout
        try:
            async with asyncio.timeout(timeout * 1.5):  # the connector's own limit is per read
                answer = await self.connector.ask(Request(action, job.key, job.values, timeout))
        except NotSent as fault:
            self.breaker.failed(self._clock())
            return Meaning(Verdict.UNCLEAR, str(fault)), False
        except (NoAnswer, TimeoutError) as fault:
            self.breaker.failed(self._clock())
            return Meaning(Verdict.UNCLEAR, str(fault) or f"no answer within {timeout:g} s"), True
        (self.breaker.failed if answer.default is Verdict.UNCLEAR else self.breaker.succeeded)(self._clock())
        return self._understood(answer, action, job), True

    def _understood(self, answer: Answer, action: ActionTable, job: Job) -> Meaning:
        return understand(
            answer,
            verdict=action.verdict,
            accepted=action.accepted,
            rejected=action.rejected,
            unknown=action.unknown,
            reason=action.reason,
            keep=action.keep,
            context=job.values,
        )

    def _pause(self, tries: int, asked: float | None) -> float:
        """Doubling, and never quite the same for all who wait; no shorter than the third party has `asked` for, as far
        as that is no longer than the longest pause."""
        base: float = min(self.table.pause_most, self.table.pause * 2.0 ** min(tries - 1, 30))
        own = base * self._rng.uniform(0.5, 1.0)
        if asked is None:
            return own
        return max(own, min(asked, self.table.pause_most) * self._rng.uniform(1.0, 1.1))

    def _over(
        self, result: str, reason: str, begun: float, tries: int, kept: Mapping[str, Any] | None = None
    ) -> Outcome:
        clean = self._fit_to_show(reason) or None
        return Outcome(result, clean, dict(kept or {}), tries, self._clock() - begun)

    def _fit_to_show(self, text: str) -> str:
        """Third parties repeat what they were sent, the secret and card numbers among it."""
        return masked(text.replace(self._secret, "***") if self._secret else text)[:REASON]

    def _log(self, event: str, job: Job, problem: str, **more: Any) -> None:
        log.warning(event, connector=self.name, key=job.key, problem=self._fit_to_show(problem), **more)
