"""A whole call centre on loopback: SIPp carrier(s), SIPp agents, the real daemon, and people who code the calls.

Used by the integration tests and the benchmarks. Every process is a child, logs into the folder, and ends with `close`.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks.rig import joins
from benchmarks.rig.campaign import CampaignSettings, write
from benchmarks.rig.daemon import Daemon
from benchmarks.rig.media_ports import MediaPorts
from benchmarks.rig.ports import free_port
from benchmarks.rig.process import NotReadyError, Process, until
from benchmarks.rig.scenario import CarrierSettings, agent, carrier
from benchmarks.rig.sipp import CallStory, Sipp, stories
from benchmarks.rig.store_peek import UNFINISHED, StorePeek

MEDIA_PORTS = 400


class Floor:
    """Starts the peers at once; the daemon and the people when asked."""

    def __init__(
        self,
        folder: Path,
        *,
        contacts: int,
        agents: int,
        behaviour: CarrierSettings,
        reserve: CarrierSettings | None = None,
        agent_phones: str | None = None,
        carrier_address: str | None = None,
        seed: int = 1,
        program: Sequence[str] = (),
        media_port_count: int = MEDIA_PORTS,
        transport: str = "udp",
        **campaign: Any,
    ) -> None:
        """`campaign`: further fields of `CampaignSettings`. `reserve`: a second carrier as a reserve trunk.
        `transport`: of all SIP. `agent_phones`, `carrier_address`: peers of the caller's own instead of SIPp.
        `program` replaces daemon.py."""
        self.folder = folder
        self.seed = seed
        self.program = program
        self.carriers: dict[str, Sipp] = {}
        self.agents: Sipp | None = None
        self.daemon: Daemon | None = None
        self.people: Process | None = None
        self.redial_delay = float(campaign.get("redial_delay", 3600.0))
        trunks: dict[str, tuple[str, bool]] = {}
        if carrier_address is None:
            self.carriers["carrier"] = Sipp("carrier", carrier(behaviour), folder / "peers", transport=transport)
            trunks["carrier"] = (self.carriers["carrier"].address, False)
        else:
            trunks["carrier"] = (carrier_address, False)
        if reserve is not None:
            self.carriers["reserve"] = Sipp("reserve", carrier(reserve), folder / "peers", transport=transport)
            trunks["reserve"] = (self.carriers["reserve"].address, True)
        if agent_phones is None:
            self.agents = Sipp("agents", agent(), folder / "peers", transport=transport)
            agent_phones = self.agents.address
        self._ports = MediaPorts(media_port_count)
        self.settings = CampaignSettings(
            contacts=contacts,
            agents=agents,
            agent_phones=agent_phones,
            trunks=trunks,
            transport=transport,
            sip_port=free_port(),
            http_port=free_port(),
            media_ports=(self._ports.first, self._ports.last),
            **campaign,
        )
        self.config = write(folder, self.settings)
        url = self.settings.store_url
        self.store = StorePeek(folder / "dialer.db", url if url.startswith("postgresql") else None)

    # -- the cast -------------------------------------------------------------------------------------------------

    def start_daemon(self, env: dict[str, str] | None = None, program: Sequence[str] | None = None) -> Daemon:
        """Start the daemon (again) on the same files; does not wait until it is healthy."""
        used = self.program if program is None else program
        self.daemon = Daemon(self.config, self.settings.http_port, used, env)
        return self.daemon

    def start_people(self, **options: float | str) -> Process:
        """Start the agents' people, who log in as soon as the daemon is healthy."""
        arguments = [item for name, value in options.items() for item in (f"--{name}", str(value))]
        self.people = Process(
            [sys.executable, "-m", "benchmarks.rig.people", "--url", f"http://127.0.0.1:{self.settings.http_port}",
             "--folder", str(self.folder), "--agents", ",".join(self.settings.agent_names),
             "--seed", str(self.seed), *arguments],
            self.folder / "people.log",
        )  # fmt: skip
        return self.people

    def change(self, **campaign: Any) -> None:
        """Write the config file again with other values (the contacts stay)."""
        self.settings = replace(self.settings, **campaign)
        write(self.folder, self.settings)

    # -- what happened --------------------------------------------------------------------------------------------

    def calls(self) -> list[CallStory]:
        """All calls at all carriers."""
        return sorted((s for sipp in self.carriers.values() for s in stories(sipp.calls())), key=lambda story: story.at)

    def acknowledged(self, command: str = "dispose") -> list[dict[str, Any]]:
        """What the daemon has answered with success to the people, oldest first."""
        return [record for record in self._jsonl("acknowledged") if record["command"] == command]

    def refused(self) -> list[dict[str, Any]]:
        """What the daemon has refused the people."""
        return self._jsonl("refused")

    def _jsonl(self, name: str) -> list[dict[str, Any]]:
        path = self.folder / f"{name}.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def listed(self) -> list[str]:
        """The numbers of the list."""
        return joins.listed(self.folder / "contacts.csv")

    def lost(self) -> list[str]:
        """Contacts of the list that are in no state."""
        return joins.lost(self.listed(), self.store.states())

    def doubled(self) -> dict[str, float]:
        """Numbers dialed again too early, on one carrier."""
        found: dict[str, float] = {}
        for sipp in self.carriers.values():
            found |= joins.doubled(stories(sipp.calls()), self.redial_delay)
        return found

    def wait_done(self, seconds: float, states: Sequence[str] = UNFINISHED, *, crashed: bool = False) -> float:
        """Wait until no contact is in one of `states` (ready, leased, awaiting its code) and no call stands."""
        if self.daemon is None:
            raise NotReadyError("no daemon was started")

        def done() -> bool:
            return self.store.unfinished(states) == 0 and all(
                call.rings_no_more if crashed else call.over for call in self.calls()
            )

        try:
            return self.daemon.process.wait_ready(done, seconds, "the list is worked off")
        except NotReadyError as error:
            standing = [call for call in self.calls() if not call.over]
            raise NotReadyError(
                f"{error}\nstore: {dict(self.store.counts())}; at the carrier: {len(self.calls())} calls, "
                f"standing: {[(c.number, c.events) for c in standing[:5]]}"
            ) from None

    def wait_calls(self, count: int, seconds: float) -> float:
        """Wait until the carriers have seen `count` calls."""
        return until(lambda: len(self.calls()) >= count, seconds, f"{count} calls at the carrier")

    # -- the end --------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """End every process."""
        if self.people is not None:
            self.people.stop(signal.SIGKILL)
        if self.daemon is not None and self.daemon.process.code is None:
            self.daemon.stop()
        for sipp in [*self.carriers.values(), *([self.agents] if self.agents else [])]:
            sipp.stop()
        self._ports.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
