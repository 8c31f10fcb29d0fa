"""Counting follows its own cost."""

from __future__ import annotations

from types import SimpleNamespace

from dialer.census import AT_LEAST, REST, Census
from dispositions import ReadView


def test_a_dear_count_is_not_repeated_soon(stage, monkeypatch):
    async def play(floor):
        took, now, asked = 0.5, [0.0], []
        ticks = iter(range(100))
        clock = SimpleNamespace(now=lambda: now[0], at=floor.clock.at)
        services = SimpleNamespace(clock=clock, ledger=floor.ledger)
        census = Census(services, timer=lambda: next(ticks) * took)
        counts = ReadView.counts
        monkeypatch.setattr(ReadView, "counts", lambda view, name: asked.append(name) or counts(view, name))
        campaign = floor.unit.campaign
        await census.look(campaign)
        assert campaign.queue_depths["ready"] == campaign.contact_counts["ready"] == 3
        assert len(asked) == 1, "the queues take the states' counts"
        assert (campaign.dialable_contacts, campaign.closed_contacts) == (3, 0)
        for now[0] in (AT_LEAST, REST * took - 0.1):
            await census.look(campaign)
        assert len(asked) == 1
        now[0] = REST * took
        await census.look(campaign)
        assert len(asked) == 2

    stage(play, numbers=3, dial=False, log_in=False)


def test_a_list_that_runs_dry_is_told_once(stage, party, monkeypatch):
    monkeypatch.setattr("dialer.census.DRY_SOON", 30 * 86400.0)  # the hour of the day plays no part

    async def play(floor):
        floor.carrier.default = party.status(486)
        await floor.ended(3)
        campaign = floor.unit.campaign
        now, told = [0.0], []
        clock = SimpleNamespace(now=lambda: now[0], at=floor.clock.at)
        services = SimpleNamespace(clock=clock, ledger=floor.ledger, stream=SimpleNamespace(publish=told.append))
        census = Census(services)
        for _ in range(3):
            await census.look_ahead(campaign)
            now[0] += 10_000.0
        assert campaign.call_rate > 0
        assert campaign.dry_at is not None
        assert [event.alert for event in told] == ["list_dry_soon"]
        assert campaign.promises.due == 0

    stage(play, numbers=3)
