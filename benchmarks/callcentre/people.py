"""The simulated people behind the agents' phones: they log in, listen, code the call, take breaks.

They know only what a real agent knows: the dialer's events about themselves (server-sent events of `/api/v1/events`)
and what they hear on the phone. All durations are divided by the time factor.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

import httpx2

from .journal import Journal

#: What is heard -> the code that leaves no choice.
CODES: Final = {
    "buyer": "sale",
    "machine": "machine",
    "wrong_person": "wrong_number",
    "do_not_call": "do_not_call",
}
#: Everybody else -> share of each code. Real buyers talk long; the few who buy at once let short runs show a sale.
UNDECIDED: Final = {"not_interested": 0.72, "callback": 0.22, "sale": 0.06}
#: When nothing can be heard (no audio): shares of all that agents meet.
UNHEARD: Final = {
    "sale": 0.10,
    "callback": 0.16,
    "not_interested": 0.48,
    "machine": 0.18,
    "wrong_number": 0.04,
    "do_not_call": 0.04,
}
#: Voices that an agent hangs up on after a moment.
SHORT: Final = {"machine", "wrong_person"}
PRODUCTS: Final = ("deposit 6 months", "deposit 12 months", "deposit 24 months")


@dataclass(frozen=True, slots=True)
class Habits:
    """Seconds before the time factor, and shares of calls."""

    wrap_up_mean: float = 22.0
    react: float = 5.0
    break_share: float = 0.04
    break_mean: float = 180.0
    callback_after: tuple[float, float] = (200.0, 600.0)
    personal: float = 0.5
    retry_login: float = 5.0


def sold(rng: random.Random) -> dict[str, Any]:
    """What goes with a sale: a product, its price in cents, and what a pipeline asks for. Some cards are no good."""
    return {
        "product": rng.choice(PRODUCTS),
        "amount": rng.randrange(10, 200) * 100,
        "reservation": f"R{rng.randrange(10**6):06d}",
        "card": "4000000000000002" if rng.random() < 0.08 else "4000000000000001",
        "email": "customer@example.com",
    }


class Ear(Protocol):
    """What an agent hears."""

    def listen(self, agent: str) -> tuple[str, int]:
        """Who has spoken most lately (a key of `audio.TONES`, 'other', or '' for silence) and in how many packets."""
        ...

    def forget(self, agent: str) -> None:
        """A new call begins: what was heard before does not count."""
        ...


@dataclass(slots=True)
class Person:
    """One agent. `state` is the dialer's word for where the agent is."""

    name: str
    rng: random.Random
    state: str = "logged_out"
    events: asyncio.Queue[Mapping[str, Any]] = field(default_factory=asyncio.Queue)
    hanging_up: asyncio.Task[None] | None = None


class People:
    """All agents of the process. `api` is the daemon's base URL, `token` the bearer token (never logged)."""

    def __init__(
        self,
        names: list[str],
        api: str,
        token: str,
        campaign: str | None,
        ear: Ear,
        journal: Journal,
        *,
        seed: int,
        speed: float,
        audible: bool,
        habits: Habits | None = None,
    ) -> None:
        self._people = {name: Person(name, random.Random(f"{seed}/{name}")) for name in names}
        self._api = api.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._campaign = campaign
        self._ear = ear
        self._journal = journal
        self._speed = speed
        self._audible = audible
        self._habits = habits or Habits()
        self._client: httpx2.AsyncClient | None = None

    async def run(self) -> None:
        """Work until cancelled."""
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=50)
        async with httpx2.AsyncClient(headers=self._headers, timeout=15.0, limits=limits, trust_env=False) as client:
            self._client = client
            async with asyncio.TaskGroup() as group:
                group.create_task(self._watch())
                for person in self._people.values():
                    group.create_task(self._work(person))

    # -- events -------------------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        """Hand each event about an agent to that agent; after a lost connection everybody logs in again."""
        while True:
            try:
                async for event in self._events():
                    person = self._people.get(str(event.get("agent")))
                    if event.get("event") == "agent" and person is not None:
                        if event["state"] == "talking":
                            self._ear.forget(person.name)
                        person.events.put_nowait(event)
            except httpx2.TransportError as error:
                self._journal.write("events_lost", detail=type(error).__name__)
            await asyncio.sleep(0.2)

    async def _events(self) -> AsyncIterator[dict[str, Any]]:
        assert self._client is not None
        url = f"{self._api}/api/v1/events"
        async with self._client.stream("GET", url, timeout=httpx2.Timeout(15.0, read=None)) as response:
            if response.status_code != 200:
                self._journal.write("events_refused", status=response.status_code)
                return
            self._journal.write("events_open")
            for person in self._people.values():
                person.events.put_nowait({"state": "logged_out"})
            async for line in response.aiter_lines():
                if line.startswith("data:"):
                    yield json.loads(line[5:])

    # -- one agent ----------------------------------------------------------------------------------------------------

    async def _work(self, person: Person) -> None:
        react: dict[str, Callable[[Person, Mapping[str, Any]], Any]] = {
            "logged_out": self._log_in,
            "talking": self._talk,
            "wrap_up": self._wrap_up,
        }
        while True:
            event = await person.events.get()
            person.state = str(event["state"])
            action = react.get(person.state)
            if action is not None:
                await action(person, event)

    async def _log_in(self, person: Person, _: Mapping[str, Any]) -> None:
        await self._sleep(person.rng.uniform(0.0, 3.0))
        fields = {"campaign": self._campaign} if self._campaign else {}
        while person.events.empty() or person.state == "logged_out":
            status = await self._post(person, "login", fields)
            if status == 409:  # logged in before we lost the events: whatever it was, go on
                await self._post(person, "ready", {})
                return
            if status == 200:
                return
            await self._sleep(self._habits.retry_login)

    async def _talk(self, person: Person, _: Mapping[str, Any]) -> None:
        if person.hanging_up is not None:
            person.hanging_up.cancel()
        person.hanging_up = asyncio.create_task(self._hang_up_on_machines(person), name=f"{person.name}-listens")

    async def _hang_up_on_machines(self, person: Person) -> None:
        await self._sleep(self._habits.react * person.rng.uniform(0.7, 1.5))
        if person.events.empty() and self._ear.listen(person.name)[0] in SHORT:
            await self._post(person, "hangup", {})

    async def _wrap_up(self, person: Person, event: Mapping[str, Any]) -> None:
        if person.hanging_up is not None:
            person.hanging_up.cancel()
            person.hanging_up = None
        voice, packets = self._ear.listen(person.name)
        code = self._code(person, voice)
        fields: dict[str, Any] = {"code": code}
        if event.get("call"):
            fields["call"] = event["call"]
        if code == "callback":
            seconds = person.rng.uniform(*self._habits.callback_after) / self._speed
            fields["callback_at"] = (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()
            fields["personal"] = person.rng.random() < self._habits.personal
        elif code == "sale":
            fields["fields"] = sold(person.rng)
        rest = person.rng.random() < self._habits.break_share
        fields["ready"] = not rest
        mean = self._habits.wrap_up_mean * (0.4 if voice in SHORT else 1.0)
        await self._sleep(mean * person.rng.lognormvariate(-0.125, 0.5))
        status = await self._post(person, "dispose", fields)
        self._journal.write(
            "coded", agent=person.name, call=event.get("call"), voice=voice, packets=packets, code=code, status=status
        )
        if rest:
            await self._post(person, "break", {"reason": "break"})
            await self._sleep(person.rng.expovariate(1 / self._habits.break_mean))
            await self._post(person, "ready", {})

    def _code(self, person: Person, voice: str) -> str:
        if voice in CODES:
            return CODES[voice]
        shares = UNDECIDED if self._audible else UNHEARD
        return person.rng.choices(list(shares), list(shares.values()))[0]

    # -- helpers ------------------------------------------------------------------------------------------------------

    async def _post(self, person: Person, verb: str, fields: dict[str, Any]) -> int:
        """POST a command; its HTTP status, or 0 when nobody answers."""
        assert self._client is not None
        try:
            response = await self._client.post(f"{self._api}/api/v1/agents/{person.name}/{verb}", json=fields)
        except httpx2.TransportError as error:
            self._journal.write("api_lost", agent=person.name, verb=verb, detail=type(error).__name__)
            return 0
        if response.status_code != 200:
            self._journal.write(
                "api_refused", agent=person.name, verb=verb, status=response.status_code, detail=response.text[:300]
            )
        return response.status_code

    async def _sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self._speed)
