"""Reading the config again while calls are in progress: a bad file changes nothing, a good one is taken live."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import structlog

from dialer.agent import Agent, AgentState
from dialer.assembly import make_campaign, make_trunks
from dialer.campaign import Campaign
from dialer.clock import Clock
from dialer.commands import CommandError
from dialer.config.build import Built, BuiltCampaign, build
from dialer.config.errors import ConfigErrors
from dialer.config.load import Config, load
from dialer.config.reload import difference, taken_live
from dialer.engine import Engine, Unit
from dialer.events import EventStream, ServiceAlert
from dialer.lists import import_lists
from dialer.media import MediaError
from dialer.resolve import ResolveError
from dialer.trunk_guard import guard_of
from dialer.trunk_watch import unwatch
from dispositions import DispositionsError
from pacing import Pacer

log = structlog.get_logger("reload")


class ReloadError(Exception):
    """The new config cannot be taken; the text says why, one mistake a line. Nothing has changed."""


class ReloadTooLate(ReloadError):
    """The dialer is shutting down: a campaign that is added or taken up again would dial."""


class Reloader:
    """Takes a changed config file into a running engine."""

    def __init__(self, config: Config, engine: Engine, stream: EventStream, clock: Clock) -> None:
        self.config = config
        self.engine = engine
        self.stream = stream
        self.clock = clock
        self.check: Callable[[Built], None] = lambda built: None
        """raises ValueError for what the engine does not know of: tokens"""
        self.on_taken: Callable[[Built], None] = lambda built: None
        self._one_at_a_time = asyncio.Lock()

    async def from_signal(self) -> None:
        """SIGHUP: the result is in the log and, when refused, an alert."""
        try:
            result = await self.reload()
        except ReloadError as error:
            log.error("config not taken: the old one stays", problem=str(error))
            return
        log.info("config taken", **result)

    async def from_command(self) -> dict[str, Any]:
        """The `reload` command. Raises CommandError with every mistake."""
        try:
            return await self.reload()
        except ReloadTooLate as error:
            raise CommandError("unavailable", str(error)) from None
        except ReloadError as error:
            first, *rest = lines = str(error).splitlines() or ["the config file does not hold"]
            more = f" (and {len(rest)} more)" if rest else ""
            raise CommandError("invalid", f"not taken, the old config stays: {first}{more}", lines) from None

    async def reload(self) -> dict[str, list[str]]:
        """Read, check and take the file: the keys that changed, and those that need a restart. Raises ReloadError.

        Of two reloads at once the later reads the file when the earlier is done, so the newest file is the one taken.
        """
        async with self._one_at_a_time:
            return await self._reload()

    async def _reload(self) -> dict[str, list[str]]:
        self._refuse_if_ending()
        try:
            fresh = load(self.config.path)
            change = difference(self.config, fresh)
            taken = taken_live(self.config, fresh)
            built = build(taken)
            trunks = await make_trunks(built, self.engine.services.locator)
            prompts = {c.prompt: 0.0 for c in built.campaigns.values()}
            for prompt in prompts:
                prompts[prompt] = await self.engine.services.media.load_prompt(prompt)
            self.check(built)
            # the last thing that may fail: a locked store must not leave half a config behind
            store = self.engine.services.ledger.store
            await asyncio.to_thread(store.register_all, [campaign.policy for campaign in built.campaigns.values()])
        except (ConfigErrors, ResolveError, MediaError, DispositionsError, ValueError) as error:
            self._alert("config_rejected", str(error))
            raise ReloadError(str(error)) from None
        self._refuse_if_ending()  # it may have begun while we read
        self._take_trunks(trunks)
        self._take_agents(built)
        self.engine.sharing.configure(built.sharing)
        for name, campaign in built.campaigns.items():
            self._take_campaign(name, campaign, prompts[campaign.prompt])
        for name, unit in self.engine.units.items():
            if name not in built.campaigns:
                unit.campaign.draining = True
        for name, unit in self.engine.units.items():
            if name not in built.campaigns:
                self._wind_down(unit)
        self.config = taken
        self.on_taken(built)
        try:
            await import_lists(built, self.engine.services.ledger.store, self.clock, self.stream)
        except (DispositionsError, OSError) as error:
            # the settings are taken; a list that cannot be read now is read at the next reload
            self._alert("list_not_read", str(error))
            log.error("a list could not be read", problem=str(error))
        for unit in list(self.engine.units.values()):
            unit.dialing.contacts_arrived()
        self._alert("config_ok", "the config file was taken")
        return change.to_dict()

    def _refuse_if_ending(self) -> None:
        if self.engine.ending:
            raise ReloadTooLate("the dialer is shutting down")

    def _wind_down(self, unit: Unit) -> None:
        """A campaign that is not in the file any more: calls in progress end, its agents are logged out, but for those
        who serve others as well.
        """
        units = self.engine.units
        for agent in list(unit.campaign.roster.agents.values()):
            if all(units[name].campaign.draining for name in self.engine.sharing.serves(agent)):
                unit.agents.logout(agent)
        unit.campaign.wake()

    def _take_trunks(self, fresh: dict[str, Any]) -> None:
        for name, trunk in fresh.items():
            old = self.engine.trunks.get(name)
            if old is None:
                self.engine.add_trunk(trunk)
            else:
                old.take(trunk)
                self.engine.registrations[name].follow()
                guard_of(old, self.engine.services).reset()  # the operator asks for it to be tried again
                if old.table.options_interval <= 0:
                    unwatch(old, self.engine.services)

        for name, trunk in self.engine.trunks.items():
            if name not in fresh and trunk.sign_on is not None:
                self.engine.registrations[name].leave()

    def _take_agents(self, built: Built) -> None:
        for name, table in built.file.agents.items():
            agent = self.engine.agents.get(name)
            if agent is None:
                self.engine.agents[name] = Agent(name, table)
            else:
                agent.table, agent.withdrawn = table, False
        for name in [name for name in self.engine.agents if name not in built.file.agents]:
            agent = self.engine.agents[name]
            agent.withdrawn = True
            unit = self.engine.unit_of(agent)
            if (unit is None or unit.agents.logout(agent)) and agent.state is AgentState.LOGGED_OUT:
                del self.engine.agents[name]

    def _take_campaign(self, name: str, built: BuiltCampaign, prompt_seconds: float) -> None:
        services, now = self.engine.services, self.clock.now()
        unit = self.engine.units.get(name)
        if unit is None:
            campaign = make_campaign(built, self.engine.trunks, prompt_seconds, None, now, services.counters)
            self.engine.add_campaign(campaign)
            return
        campaign = unit.campaign
        campaign.table, campaign.policy, campaign.jurisdiction = built.table, built.policy, built.jurisdiction
        campaign.prompt, campaign.prompt_seconds = built.prompt, prompt_seconds
        campaign.ring_floor, campaign.abandon_cap, campaign.window = built.ring_floor, built.abandon_cap, built.window
        campaign.time_scale = built.time_scale
        campaign.trunks = [self.engine.trunks[trunk] for trunk in built.table.trunks]
        campaign.roster.choice = built.table.agent_choice
        campaign.draining = False
        self._take_pacing(campaign, built, now)
        campaign.wake()

    def _take_pacing(self, campaign: Campaign, built: BuiltCampaign, now: float) -> None:
        """New settings, with what was learned; calls in the air are told again."""
        before = campaign.pacemaker
        if built.pacing is None or before is None:
            fresh = make_campaign(built, self.engine.trunks, 0.0, None, now, self.engine.services.counters)
            campaign.pacemaker = fresh.pacemaker
            if campaign.pacemaker is not None:
                campaign.pacemaker.truth = campaign.snapshot
                campaign.pacemaker.needs_resync = True
        elif before.pacer.config != built.pacing:
            before.pacer = Pacer.restore(before.state(), now, built.pacing)
            before.needs_resync = True

    def _alert(self, kind: str, detail: str) -> None:
        self.stream.publish(ServiceAlert(at=self.clock.at(), campaign="", alert=kind, detail=detail))
