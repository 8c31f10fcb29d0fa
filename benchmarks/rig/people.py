"""The agents as people: they log in, sometimes hang up first, and code every call. A process of its own.

    python -m benchmarks.rig.people --url http://127.0.0.1:8080 --folder DIR --agents agent1,agent2 --seed 1

Reads the daemon's event stream (server-sent events) and answers through its HTTP API with the supervisor's token. Every
command that the daemon acknowledged is a JSON line in DIR/acknowledged.jsonl, flushed before anything else happens:
after a kill, nothing in that file may be forgotten. When the daemon goes away the people wait for it and log in again.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import time
from pathlib import Path
from typing import Any

import httpx2

CODES = {
    "satisfied": 40,
    "not_interested": 25,
    "callback": 8,
    "own_callback": 5,
    "sale": 12,
    "do_not_call": 4,
    "wrong_number": 3,
    "machine": 3,
}  # code -> weight
GONE = (httpx2.TransportError,)
AGAIN = 0.2


class People:
    """All agents of a run behind one HTTP client."""

    def __init__(
        self,
        url: str,
        folder: Path,
        agents: list[str],
        *,
        seed: int,
        hangup: float,
        think: float,
        talk: float,
        sale: float = CODES["sale"],
        campaign: str = "main",
    ) -> None:
        """`hangup`: the share of calls that the agent ends; `think`, `talk`: longest wrap-up and talk, seconds;
        `sale`: weight of that code; `campaign`: to log in to, empty for all that the agent may serve."""
        self._login = {"campaign": campaign} if campaign else {}
        self._codes: dict[str, float] = {**CODES, "sale": sale}
        self._folder = folder
        self._agents = agents
        self._random = random.Random(seed)
        self._hangup, self._think, self._talk = hangup, think, talk
        self._client = httpx2.AsyncClient(base_url=url, timeout=20.0)
        self._acknowledged = (folder / "acknowledged.jsonl").open("a", buffering=1)
        self._refused = (folder / "refused.jsonl").open("a", buffering=1)
        self._tasks: set[asyncio.Task[None]] = set()
        self._unanswered: list[tuple[str, str, dict[str, Any]]] = []

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            try:
                await self._shift()
            except GONE:
                await asyncio.sleep(AGAIN)

    async def _shift(self) -> None:
        token_path = self._folder / "api-token"
        if not token_path.exists():
            await asyncio.sleep(AGAIN)
            return
        self._client.headers["Authorization"] = f"Bearer {token_path.read_text().strip()}"
        async with self._client.stream("GET", "/api/v1/events", timeout=httpx2.Timeout(5.0, read=None)) as stream:
            if stream.status_code != 200:
                print(f"no events: HTTP {stream.status_code} {(await stream.aread())[:200]!r}", flush=True)
                await asyncio.sleep(AGAIN)
                return
            again, self._unanswered = self._unanswered, []
            for agent in self._agents:
                self._start(self._log_in(agent, [owed for owed in again if owed[0] == agent]))
            async for line in stream.aiter_lines():
                if line.startswith("data:"):
                    self._saw(json.loads(line[5:]))

    def _saw(self, event: dict[str, Any]) -> None:
        if event.get("event") != "agent" or event["agent"] not in self._agents:
            return
        if event["state"] == "talking" and self._random.random() < self._hangup:
            self._start(self._later(self._random.uniform(0.2, self._talk), event["agent"], "hangup", {}))
        elif event["state"] == "wrap_up" and event.get("call"):
            code = self._random.choices(list(self._codes), weights=list(self._codes.values()))[0]
            body: dict[str, Any] = {"code": code, "call": event["call"], "note": "as agreed"}
            if code == "sale":
                body["fields"] = {"product": "P1", "price": 10}
            self._start(self._later(self._random.uniform(0.0, self._think), event["agent"], "dispose", body))

    def _start(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _log_in(self, agent: str, owed: list[tuple[str, str, dict[str, Any]]]) -> None:
        await self._command(agent, "login", dict(self._login))
        for command in owed:
            await self._command(*command)

    async def _later(self, seconds: float, agent: str, command: str, body: dict[str, Any]) -> None:
        await asyncio.sleep(seconds)
        await self._command(agent, command, body)

    async def _command(self, agent: str, command: str, body: dict[str, Any]) -> None:
        try:
            answer = await self._client.post(f"/api/v1/agents/{agent}/{command}", json=body)
        except GONE:
            if command == "dispose":  # the person still knows what came of the call
                self._unanswered.append((agent, command, body))
            return
        record = {"t": time.time(), "agent": agent, "command": command, "status": answer.status_code, **body}
        if answer.status_code == 200:
            self._acknowledged.write(json.dumps(record) + "\n")
        else:
            self._refused.write(json.dumps({**record, "answer": answer.text[:500]}) + "\n")


def main() -> None:
    """Parse the command line and work until killed."""
    parser = argparse.ArgumentParser(description="simulated agents for the daemon's HTTP API")
    parser.add_argument("--url", required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--agents", required=True, help="names, separated by commas")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--hangup", type=float, default=0.3)
    parser.add_argument("--think", type=float, default=0.3)
    parser.add_argument("--talk", type=float, default=1.2)
    parser.add_argument("--sale", type=float, default=CODES["sale"], help="weight of that code; the others: CODES")
    parser.add_argument("--campaign", default="main", help="to log in to; empty: all that the agents may serve")
    options = parser.parse_args()

    async def work() -> None:
        people = People(
            options.url, options.folder, options.agents.split(","),
            seed=options.seed, hangup=options.hangup, think=options.think, talk=options.talk,
            sale=options.sale, campaign=options.campaign,
        )  # fmt: skip
        await people.run()

    asyncio.run(work())


if __name__ == "__main__":
    main()
