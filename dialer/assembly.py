"""From a checked config to the engine's parts: trunks, agents, campaigns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import structlog

from dialer.agent import Agent
from dialer.campaign import Campaign
from dialer.config.build import Built, BuiltCampaign
from dialer.config.model import ConfigFile
from dialer.config.sip_tables import RegistrationTable, TrunkTable
from dialer.pacemaker import Pacemaker
from dialer.resolve import ResolveError, resolve
from dialer.roster import Roster
from dialer.sip import Credentials
from dialer.trunk import SignOn, Trunk, parse_address
from pacing import Pacer, PacingError

log = structlog.get_logger(__name__)


async def make_trunks(built: Built) -> dict[str, Trunk]:
    """The trunks by name. Raises ResolveError that names the trunk."""
    return {name: await make_trunk(built, name) for name in built.file.trunks}


async def make_trunk(built: Built, name: str) -> Trunk:
    """One trunk. Raises ResolveError that names it."""
    table, secret = built.file.trunks[name], built.passwords.get(name)
    credentials = None
    if table.username is not None and secret is not None:
        credentials = Credentials(table.username, secret.reveal())
    try:
        destination = await resolve(parse_address(table.address))
    except ResolveError as error:
        raise ResolveError(f"trunk {name}: {error}") from None
    sign_on = None if table.registration is None else await _sign_on(name, table, table.registration, credentials)
    return Trunk(name, table, destination, credentials, sign_on=sign_on)


async def _sign_on(
    name: str, table: TrunkTable, wanted: RegistrationTable, credentials: Credentials | None
) -> SignOn:
    destinations = []
    for registrar in wanted.registrars or [table.address]:
        try:
            destinations.append(await resolve(parse_address(registrar)))
        except ResolveError as error:
            raise ResolveError(f"trunk {name}: registrar {error}") from None
    domain = wanted.domain or table.domain or table.address
    user = wanted.user or table.username
    return SignOn(f"sip:{domain}", f"sip:{user}@{domain}", tuple(destinations), int(wanted.expires), credentials)


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
