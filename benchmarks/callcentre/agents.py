"""Simulated agents: `python -m benchmarks.callcentre.agents --listen 127.0.0.1:0 --agents 12 --api http://127.0.0.1:8080`.

Phones: one UDP port, each agent a user part (agent01 ...); they answer at once, accept re-INVITEs, speak, listen and
stay until BYE. People: `people.py`, when `--api` is given. The first line on standard output is JSON:
`{"event": "listening", "address": "127.0.0.1:40123", "agents": ["agent01", ...]}`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
from pathlib import Path

from .audio import Line, Studio
from .call import Call
from .carrier import parse_listen
from .ending import Ending
from .journal import Journal
from .people import People
from .phone import Phone


class Desks:
    """The agents' phones: one standing call each."""

    def __init__(self, names: list[str], journal: Journal, studio: Studio) -> None:
        self._journal = journal
        self._studio = studio
        self._lines: dict[str, Line] = {name: studio.open_line("agent") for name in names}
        self._calls: dict[str, Call] = {}
        self._since: dict[str, float] = {}
        self.phone: Phone | None = None

    # -- phone.Owner --------------------------------------------------------------------------------------------------

    def on_invite(self, call: Call) -> None:
        """Answer at once; a name that has no desk here is 404, a second call to a desk 486."""
        assert self.phone is not None
        line = self._lines.get(call.number)
        if line is None:
            self.phone.reject(call, 404)
        elif call.number in self._calls:
            self.phone.reject(call, 486)
        else:
            self._calls[call.number] = call
            call.media_port = line.port
            self.phone.answer(call)
            self._journal.write("leg_up", agent=call.number, call_id=call.call_id)

    def on_cancel(self, call: Call) -> None:
        """Cannot come: the phone has answered before."""

    def on_ack(self, call: Call) -> None:
        """The leg stands."""
        self.on_media(call)

    def on_media(self, call: Call) -> None:
        """The dialer sends our audio elsewhere."""
        line = self._lines.get(call.number)
        if line is not None and call.offer is not None and call.state == "confirmed":
            self._studio.aim(line, call.offer.sends_to, call.offer.payload)

    def on_end(self, call: Call, by: str) -> None:
        """The leg is gone."""
        if self._calls.get(call.number) is call:
            del self._calls[call.number]
            self._lines[call.number].target = None
            self._journal.write("leg_down", agent=call.number, call_id=call.call_id, by=by)

    # -- people.Ear ---------------------------------------------------------------------------------------------------

    def listen(self, agent: str) -> tuple[str, int]:
        """The last voice in this call, and its packets."""
        since = self._since.get(agent, 0.0)
        heard = [item for item in self._lines[agent].heard.values() if item.last >= since]
        # after the customer's end the dialer may send prompts or silence: what the customer said counts
        heard = [item for item in heard if item.voice != "other"] or heard
        if not heard:
            return "", 0
        latest = max(heard, key=lambda item: item.last)
        return latest.voice, latest.packets

    def forget(self, agent: str) -> None:
        """A new call: sources that have not spoken in the last moment are of the past."""
        # audio may have begun before the event came, hence the second of tolerance
        self._since[agent] = asyncio.get_running_loop().time() - 0.05
        line = self._lines[agent]
        line.heard = {ssrc: item for ssrc, item in line.heard.items() if item.last >= self._since[agent]}

    def hang_up_all(self) -> None:
        """BYE on every standing leg."""
        assert self.phone is not None
        for call in list(self._calls.values()):
            self.phone.hang_up(call)


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="agents", description="Simulated agents: phones (real SIP and RTP) and people (HTTP)."
    )
    parser.add_argument("--listen", type=parse_listen, default=("127.0.0.1", 0), metavar="HOST:PORT")
    parser.add_argument("--agents", type=int, default=12)
    parser.add_argument("--prefix", default="agent", help="names are PREFIX01, PREFIX02, ...")
    parser.add_argument("--api", help="base URL of the dialer; without it only the phones work")
    parser.add_argument("--token-env", default="DIALER_TOKEN", help="environment variable with the bearer token")
    parser.add_argument("--campaign", help="campaign to log in to")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--speed", type=float, default=1.0, help="divides every duration")
    parser.add_argument("--log", type=Path, help="JSON lines")
    parser.add_argument("--rtp", choices=("none", "sparse", "full"), default="full")
    parser.add_argument("--loss", type=float, default=0.0, help="share of SIP datagrams dropped each way")
    return parser


def agent_names(prefix: str, count: int) -> list[str]:
    """PREFIX01, PREFIX02, ..."""
    width = max(2, len(str(count)))
    return [f"{prefix}{index:0{width}d}" for index in range(1, count + 1)]


async def run(options: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM."""
    loop = asyncio.get_running_loop()
    ending = Ending(loop)
    rng = random.Random(f"{options.seed}/agents")
    names = agent_names(options.prefix, options.agents)
    with Journal(options.log) as journal:
        studio = Studio(options.listen[0], options.rtp, rng)
        desks = Desks(names, journal, studio)
        phone = desks.phone = Phone(desks, journal, rng, name="desks", loss=options.loss)
        await loop.create_datagram_endpoint(lambda: phone, local_addr=options.listen)
        studio.start()
        address = f"{phone.address[0]}:{phone.address[1]}"
        print(json.dumps({"event": "listening", "address": address, "agents": names}), flush=True)
        stopping = asyncio.create_task(ending.stop.wait())
        tasks: set[asyncio.Task[object]] = {stopping}
        if options.api:
            people = People(
                names,
                options.api,
                os.environ.get(options.token_env, ""),
                options.campaign,
                desks,
                journal,
                seed=options.seed,
                speed=options.speed,
                audible=studio.enabled,
            )
            tasks.add(asyncio.create_task(people.run()))
        done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        ending.failures += [repr(task.exception()) for task in done if task.exception() is not None]
        desks.hang_up_all()
        journal.write("closed", faults=phone.faults)
        phone.close()
        await studio.close()
    return ending.code("agents")


def main() -> int:
    """Entry point of `python -m benchmarks.callcentre.agents`."""
    parser = arguments()
    options = parser.parse_args()
    if not options.speed > 0 or options.agents < 1:
        parser.error("--speed must be above 0 and --agents at least 1")
    try:
        return asyncio.run(run(options))
    except (ValueError, OSError) as error:
        print(f"agents: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
