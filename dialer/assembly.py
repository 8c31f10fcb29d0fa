"""From a checked config to the engine's parts: trunks, agents, campaigns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import structlog

from dialer.agent import Agent
from dialer.campaign import Campaign
from dialer.config.build import Built, BuiltCampaign
from dialer.config.model import ConfigFile
from dialer.config.sip_tables import RegistrationTable, TrunkTable
from dialer.locate import Locator, Place
from dialer.pacemaker import Pacemaker
from dialer.resolve import ResolveError
from dialer.roster import Roster
from dialer.sip import Credentials, Destination
from dialer.targets import Targets
from dialer.trunk import SignOn, Trunk, parse_address
from pacing import Pacer, PacingError

log = structlog.get_logger(__name__)


def make_locator(file: ConfigFile) -> Locator:
    """Who finds carriers and phones by their names."""
    return Locator([parse_address(server) for server in file.sip.nameservers])


async def make_trunks(built: Built, locator: Locator | None = None) -> dict[str, Trunk]:
    """The trunks by name. Raises ResolveError that names the trunk."""
    locator = locator or make_locator(built.file)
    return {name: await make_trunk(built, name, locator) for name in built.file.trunks}


async def make_trunk(built: Built, name: str, locator: Locator | None = None) -> Trunk:
    """One trunk. Raises ResolveError that names it."""
    locator = locator or make_locator(built.file)
    table, secret = built.file.trunks[name], built.passwords.get(name)
    credentials = None
    if table.username is not None and secret is not None:
        credentials = Credentials(table.username, secret.reveal())
    try:
        located = await locator.locate(place_of_trunk(name, table))
    except ResolveError as error:
        raise ResolveError(f"trunk {name}: {error}") from None
    trunk = Trunk(name, table, located.first, credentials)
    trunk.targets = Targets(located)
    if table.registration is not None:
        trunk.sign_on = await _sign_on(trunk, table.registration, locator)
    return trunk


async def _sign_on(trunk: Trunk, wanted: RegistrationTable, locator: Locator) -> SignOn:
    table, destinations = trunk.table, list[Destination]()
    for registrar in wanted.registrars or [table.address]:
        place = replace(Place.of_uri(registrar), transport=table.transport, profile=trunk.name)
        try:
            located = await locator.locate(place)
        except ResolveError as error:
            raise ResolveError(f"trunk {trunk.name}: registrar {error}") from None
        destinations += [address for target in located.targets for address in target.addresses]
    domain = wanted.domain or table.domain or table.address
    user = wanted.user or table.username
    return SignOn(f"sip:{domain}", f"sip:{user}@{domain}", tuple(destinations), int(wanted.expires), trunk.credentials)


def place_of_trunk(name: str, table: TrunkTable) -> Place:
    """Where a trunk's requests go; its TLS profile has its name."""
    return replace(Place.of_uri(table.address), transport=table.transport, profile=name)


def make_agents(file: ConfigFile) -> dict[str, Agent]:
    """The agents by name, all logged out."""
    return {name: Agent(name, table) for name, table in file.agents.items()}


def make_campaign(
    built: BuiltCampaign,
    trunks: Mapping[str, Trunk],
    prompt_seconds: float,
    learned: Mapping[str, Any] | None,
    now: float,
    counters: Counter[str],
) -> Campaign:
    """A campaign ready to run. `learned`: what its pacer knew at the last stop; `now`: monotonic seconds."""
    campaign = Campaign(
        name=built.name,
        table=built.table,
        policy=built.policy,
        jurisdiction=built.jurisdiction,
        trunks=[trunks[name] for name in built.table.trunks],
        roster=Roster(built.table.agent_choice),
        prompt=built.prompt,
        prompt_seconds=prompt_seconds,
        ring_floor=built.ring_floor,
        abandon_cap=built.abandon_cap,
        window=built.window,
        time_scale=built.time_scale,
    )
    if built.pacing is not None:
        pacer = Pacer(built.pacing)
        if learned is not None:
            try:
                pacer = Pacer.restore(learned, now, built.pacing)
            except PacingError as error:
                log.warning("what the pacer had learned cannot be used", campaign=built.name, problem=str(error))
        campaign.pacemaker = Pacemaker(pacer, campaign.snapshot, counters)
    return campaign
