"""The present state for Prometheus."""

from __future__ import annotations

from dialer.census import Census
from dialer.events import AgentChanged, CampaignChanged, TrunkChanged
from dialer.snapshot import gauges, standing


def test_what_could_be_dialed_and_what_went_over_the_wire_is_shown(stage):
    async def play(floor):
        await Census(floor.engine.services).look(floor.unit.campaign)
        seen = gauges(floor.engine)
        name = floor.unit.campaign.name
        assert seen.dialable == {name: 3}
        assert seen.sip_messages["out", "INVITE"] == seen.sip_messages["in", "2xx"] == 1  # the agent's phone

    stage(play, numbers=3, dial=False)


def test_how_everything_stands_is_told_as_events(stage):
    async def play(floor):
        agent = next(iter(floor.engine.agents.values()))
        trunk = next(iter(floor.engine.trunks.values()))
        trunk.up, trunk.down_reason = False, "options_lost"
        told = {type(event): event for event in standing(floor.engine) if event.name != "agent"}
        agents = {event.agent: event for event in standing(floor.engine) if isinstance(event, AgentChanged)}
        assert set(agents) == set(floor.engine.agents)
        mine = agents[agent.name]
        assert (mine.state, mine.campaign, mine.call) == ("available", floor.unit.campaign.name, None)
        assert 0 <= floor.engine.services.clock.at() - mine.at < 60
        campaign = told[CampaignChanged]
        assert (campaign.campaign, campaign.state) == (floor.unit.campaign.name, floor.unit.campaign.state.value)
        lost = told[TrunkChanged]
        assert (lost.trunk, lost.up, lost.reason, lost.breaker) == (trunk.name, False, "options_lost", "closed")

    stage(play, numbers=1, dial=False)


def test_each_state_of_a_breaker_is_shown_so_that_its_changes_can_be_counted(stage):
    async def play(floor):
        name = next(iter(floor.engine.trunks))
        shown = gauges(floor.engine).breakers
        assert shown == {(name, "closed"): 1, (name, "open"): 0, (name, "probing"): 0, (name, "half_open"): 0}

    stage(play, numbers=1, dial=False)
