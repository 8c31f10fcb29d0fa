"""What a crash leaves standing is on disk until its far end has answered, whatever goes wrong before that."""

from __future__ import annotations

import asyncio

import pytest

from dialer import standing
from dialer.udp import UdpEndpoint


def rows(floor):
    with floor.store.read() as view:
        return {k: v for k, v in (view.load_states("agent_leg/") | view.load_states("standing_leg/")).items() if v}


async def restarted(floor):
    """A new daemon on the same files: recovery only, nobody logs in, nothing is dialed."""
    await floor.crash()
    await floor.open(add=False)
    await floor.do("pause", campaign="promo")


async def all_over(floor):
    await floor.until(lambda: not floor.carrier.up() and not floor.phones.up())
    await floor.ledger.flush()
    await floor.until(lambda: not rows(floor))


async def standing_talk(floor):
    floor.dial()
    await floor.log_in(0)
    await floor.talking(0)
    await floor.ledger.flush()


def test_killed_between_the_commit_of_the_recovery_and_its_byes(stage, monkeypatch):
    async def play(floor):
        await standing_talk(floor)
        with monkeypatch.context() as patch:
            patch.setattr(UdpEndpoint, "end_orphan", lambda *args, **named: None)
            await restarted(floor)
        assert floor.recovered == 1
        assert floor.carrier.up()
        assert len(rows(floor)) == 2, "the customer's leg and the agent's"
        await restarted(floor)
        assert floor.recovered == 0
        await all_over(floor)

    stage(play, log_in=False, dial=False)


def test_a_far_end_that_cannot_be_reached_at_the_restart_is_told_later(stage):
    async def play(floor):
        await standing_talk(floor)
        floor.carrier.dead = floor.phones.dead = True
        await restarted(floor)
        await floor.until(lambda: floor.counters["standing_leg_unanswered"] == 2)
        await floor.ledger.flush()
        assert len(rows(floor)) == 2
        floor.carrier.dead = floor.phones.dead = False
        floor.engine.standing.end_all()
        await all_over(floor)
        byes = [r for r in floor.carrier.requests if r[1] == "BYE"]
        assert len({cseq for *_, cseq in byes}) == len(byes) == 1

    stage(play, log_in=False, dial=False, quiet=("standing_leg_unanswered",))


def test_it_is_told_by_the_next_daemon_too_and_given_up_after_a_day(stage, monkeypatch):
    async def play(floor):
        await standing_talk(floor)
        floor.carrier.dead = True
        await restarted(floor)
        await floor.until(lambda: not floor.phones.up() and len(rows(floor)) == 1)
        monkeypatch.setattr(standing, "KEEP", -1.0)
        floor.engine.standing._being_ended.clear()
        floor.engine.standing.end_all()
        await floor.ledger.flush()
        assert rows(floor) == {}
        assert floor.counters["standing_leg_given_up"] == 1
        floor.carrier.dead = False
        floor.carrier.hang_up(floor.carrier.lines[0])

    stage(play, log_in=False, dial=False, quiet=("standing_leg_given_up", "sip_event_without_owner"))


def test_a_leg_that_ends_in_this_process_is_none_of_the_retries_business(stage):
    async def play(floor):
        await floor.talking(0)
        floor.engine.standing.end_all()
        assert not [r for r in floor.carrier.requests if r[1] == "BYE"]
        await floor.do("hangup", 0)

    stage(play)


def test_a_bye_for_a_call_whose_outcome_was_written_carries_the_trunks_credentials(stage, monkeypatch, tmp_path):
    told = []

    async def play(floor):
        floor.dial()
        await floor.log_in(0)
        _call, customer, _ = await floor.talking(0)
        floor.carrier._deaf.add(customer.leg)
        await floor.do("hangup", 0)
        await floor.ended()
        await floor.ledger.flush()
        floor.carrier._deaf.clear()
        plain = UdpEndpoint.end_orphan

        def end_orphan(self, saved, on_end, *, credentials=None):
            told.append((saved["call_id"], credentials))
            plain(self, saved, on_end, credentials=credentials)

        monkeypatch.setattr(UdpEndpoint, "end_orphan", end_orphan)
        await restarted(floor)
        await all_over(floor)
        of_customer = [credentials for leg, credentials in told if leg == customer.leg]
        assert [c.username for c in of_customer] == ["us"]

    (tmp_path / "password").touch(mode=0o600)
    (tmp_path / "password").write_text("geheim-geheim\n")
    trunk = f'username = "us"\npassword_file = "{tmp_path}/password"'
    stage(play, log_in=False, dial=False, trunks={"main": trunk})


@pytest.mark.parametrize("answered", [False, True])
def test_killed_while_an_agents_phone_rings_or_before_its_answer_is_on_disk(stage, monkeypatch, party, answered):
    async def play(floor):
        floor.phones.default = party.of(answer=None)
        floor._running.append(asyncio.ensure_future(floor.do("login", 0)))
        await floor.until(lambda: any("early" in value for value in rows(floor).values()))
        if answered:
            monkeypatch.setattr(floor.ledger, "save", lambda key, value: None)  # dies before that commit
            floor.phones.answer(floor.phones.lines[0])
            await floor.until(lambda: floor.agent(0).state.value == "available")
        floor._running.extend(floor.desk._at_work_on)  # a log-in that never returns goes with the crash
        await restarted(floor)
        await floor.until(lambda: floor.phones.lines[0].over)
        await all_over(floor)

    stage(play, log_in=False, dial=False)


def test_a_pause_holds_after_a_crash_and_a_resume_too(stage):
    async def play(floor):
        await floor.do("pause", campaign="promo")
        await floor.crash()
        await floor.open(add=False)
        assert floor.unit.campaign.paused
        await floor.do("resume", campaign="promo")
        await floor.crash()
        await floor.open(add=False)
        assert not floor.unit.campaign.paused

    stage(play, log_in=False, dial=False)
