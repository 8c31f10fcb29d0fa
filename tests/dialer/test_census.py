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
        for now[0] in (AT_LEAST, REST * took - 0.1):
            await census.look(campaign)
        assert len(asked) == 1
        now[0] = REST * took
        await census.look(campaign)
        assert len(asked) == 2

    stage(play, numbers=3, dial=False, log_in=False)
