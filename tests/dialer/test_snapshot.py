"""The present state for Prometheus."""

from __future__ import annotations

from dialer.census import Census
from dialer.snapshot import gauges


def test_what_could_be_dialed_and_what_went_over_the_wire_is_shown(stage):
    async def play(floor):
        await Census(floor.engine.services).look(floor.unit.campaign)
        seen = gauges(floor.engine)
        name = floor.unit.campaign.name
        assert seen.dialable == {name: 3}
        assert seen.sip_messages["out", "INVITE"] == seen.sip_messages["in", "2xx"] == 1  # the agent's phone

    stage(play, numbers=3, dial=False)
