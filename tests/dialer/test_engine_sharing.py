"""Agents whom two campaigns share: moved while idle, by what each is worth, and never from under a call."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime

import pytest

from dialer.agent_times import KEY, added_up
from pacing.allocator import AllocatorConfig

TWO = {"other": "[campaigns.other.sharing]\nweight = 1\n"}
EAGER = AllocatorConfig(dwell=0.0)


def where(floor) -> Counter[str]:
    return Counter(a.campaign for a in floor.engine.agents.values() if a.state.value != "logged_out")


def moved(floor, **wanted) -> list[tuple[str, str, str]]:
    return [(e.agent, e.campaign, e.cause) for e in floor.named("agent_moved", **wanted)]


def test_a_log_in_that_names_no_campaign_is_for_all_and_shared_out(stage):
    async def play(floor):
        await floor.add("+34600000900", campaign="other")
        # a whole shift at once
        answers = await asyncio.gather(*(floor.do("login", agent) for agent in range(4)))
        assert {tuple(answer["serves"]) for answer in answers} == {("promo", "other")}
        assert where(floor) == {"promo": 2, "other": 2}
        assert moved(floor) == []
        shown = (await floor.do("status"))["agents"]
        assert {tuple(agent["serves"]) for agent in shown} == {("promo", "other")}

    stage(play, agents=4, others=TWO, log_in=False, dial=False)


def test_a_log_in_names_one_a_few_or_all(stage):
    async def play(floor):
        assert (await floor.do("login", 0, campaign="other"))["serves"] == ["other"]
        assert (await floor.do("login", 0, campaign="other"))["campaign"] == "other"
        assert (await floor.refused("login", 0)).code == "wrong_state"
        few = await floor.do("login", 1, campaigns=["third", "other"])
        assert few["serves"] == ["other", "third"]
        assert (await floor.refused("login", 2, campaign="promo", campaigns=["other"])).code == "invalid"
        assert (await floor.refused("login", 2, campaigns=["promo", "nowhere"])).code == "unknown_campaign"
        assert "start the calls themselves" in str(await floor.refused("login", 2, campaigns=["promo", "hand"]))
        assert (await floor.do("login", 2))["serves"] == ["promo", "other", "third"]
        assert (await floor.do("login", 3, campaign="hand"))["serves"] == ["hand"]

    others = {"other": "", "third": "", "hand": ""}

    async def by_hand(floor):
        floor.engine.units["hand"].campaign.pacemaker = None
        await play(floor)

    stage(by_hand, agents=4, others=others, log_in=False, dial=False)


def test_a_campaign_out_of_contacts_gives_its_agents_away(stage):
    """The field's first complaint: agents idle while another list has work."""

    async def play(floor):
        floor.engine.sharing.configure(EAGER)
        await floor.add(*(f"+34600001{n:03d}" for n in range(40)), campaign="other")
        for agent in range(2):
            await floor.do("login", agent)
        assert where(floor) == {"promo": 1, "other": 1}
        floor.dial()  # promo has one contact: its agent talks to that one, and then there is nothing to do
        call, line, _ = await floor.talking(next(i for i in range(2) if floor.agent(i).campaign == "promo"))
        await asyncio.sleep(2.5)  # an agent is not taken from a call
        assert where(floor)["promo"] == 1
        floor.carrier.hang_up(line)
        await floor.until(lambda: floor.named("disposition") or floor.named("agent", state="wrap_up", campaign="promo"))
        name = next(a.name for a in floor.engine.agents.values() if a.campaign == "promo")
        await floor.do("dispose", name, code="no_interest")
        await floor.until(lambda: where(floor) == {"other": 2}, 8)
        assert moved(floor, agent=name) == [(name, "other", "closed")]
        why = floor.named("agent_moved")[0].why
        assert why["target_here"] == 0.0
        assert why["worth_there"] > 0.0
        promo = floor.unit.campaign
        away = "nothing to dial now: its agents (2) serve other campaigns"
        await floor.until(lambda: (promo.state.value, promo.reason) == ("no_contacts", away), 8)
        # and they come back when there is work again
        await floor.add(*(f"+34600002{n:03d}" for n in range(40)))
        for agent in range(2):
            await floor.state(agent, "talking")
        # both talk: one is told of as leaving, and goes when its call is over
        notices = floor.engine.sharing.rule.notices
        await floor.until(lambda: notices, 8)
        name = next(iter(notices))
        await floor.do("hangup", name)
        await floor.do("dispose", name, code="no_interest")
        await floor.until(lambda: where(floor)["promo"] == 1, 12)
        assert call.agent is not None
        await finish(floor)

    stage(play, agents=2, others=TWO, log_in=False, dial=False)


async def finish(floor) -> None:
    """Nobody talks any more."""
    for unit in floor.engine.units.values():
        unit.campaign.paused = True
    deadline = 200
    while deadline and any(u.campaign.calls for u in floor.engine.units.values()):
        deadline -= 1
        for agent in floor.engine.agents.values():
            if agent.state.value == "talking" and agent.call.state.value == "talking":
                await floor.do("hangup", agent.name)
        await asyncio.sleep(0.05)
    for agent in floor.engine.agents.values():
        if agent.undisposed is not None:
            await floor.do("dispose", agent.name, code="no_interest")


def test_a_pause_frees_agents_and_a_resume_takes_them_back(stage, party):
    async def play(floor):
        floor.engine.sharing.configure(EAGER)
        floor.carrier.default = party.rings
        await floor.add(*(f"+34600001{n:03d}" for n in range(40)), campaign="other")
        for agent in range(4):
            await floor.do("login", agent)
        assert where(floor) == {"promo": 2, "other": 2}
        floor.dial()
        await floor.until(lambda: len(floor.named("call_ringing", campaign="promo")) == 2)
        await floor.do("pause", campaign="promo")
        await asyncio.sleep(1.6)
        # two calls ring: nobody is taken from them, however little they are worth
        assert where(floor)["promo"] >= 1
        await floor.until(lambda: where(floor) == {"other": 4}, 10)
        assert not floor.calls, "the last one went when nothing rang any more"
        assert {cause for *_, cause in moved(floor)} == {"closed"}
        await floor.do("resume", campaign="promo")
        await floor.until(lambda: where(floor) == {"promo": 2, "other": 2}, 10)
        assert not floor.named("call_abandoned")

    stage(play, agents=4, numbers=8, others=TWO, log_in=False, dial=False, ring_timeout=2.0)


@pytest.mark.parametrize("gain", [0.25, 1.0])
def test_a_customer_who_waits_gets_an_idle_agent_of_another_campaign(stage, party, gain):
    """With gain 1 agents are never taken for a call: the customer hears the message."""

    async def play(floor):
        floor.engine.sharing.configure(AllocatorConfig(gain=gain))
        floor.carrier.default = party.of(ring=0.0, answer=0.3)
        for agent in range(2):
            await floor.do("login", agent)
        assert where(floor) == {"promo": 1, "other": 1}
        lent = next(i for i in range(2) if floor.agent(i).campaign == "other")
        floor.dial()  # power dialing at two calls an agent: both answer, and one has nobody
        await floor.until(lambda: len(floor.named("call_answered")) == 2)
        if gain == 1.0:
            await floor.until(lambda: floor.named("call_abandoned"))
            assert moved(floor) == []
        else:
            await floor.state(lent, "talking")
            assert moved(floor) == [(floor.names[lent], "promo", "rescue")]
            event = floor.named("agent_moved")[0]
            assert event.why["waiting_there"] == 1.0
            assert event.why["worth_there"] == 1.0
            assert not floor.named("call_abandoned")
            connected = [e for e in floor.named("call_connected") if e.agent == floor.names[lent]]
            assert connected[0].campaign == "promo"
        await finish(floor)

    stage(
        play, agents=2, numbers=2, others=TWO, log_in=False, dial=False, mode="power", pacing="calls_per_agent = 2.0",
        patience=0.5, ring_floor=1.0,
    )  # fmt: skip


def test_an_agent_moved_is_told_everywhere_and_a_lost_phone_is_the_new_campaigns(stage):
    async def play(floor):
        for agent in range(2):
            await floor.do("login", agent)
        name = floor.names[0]
        home = floor.agent(0).campaign
        away = "other" if home == "promo" else "promo"
        idle_since = floor.agent(0).idle_since
        assert floor.engine.units[away].campaign.borrow(name) is floor.agent(0)
        assert floor.agent(0).campaign == away
        assert floor.agent(0).idle_since == idle_since, "the place in the queue of the idle is kept"
        last = floor.named("agent", agent=name)[-1]
        assert (last.campaign, last.previous, last.state) == (away, "available", "available")
        shown = next(a for a in (await floor.do("status"))["agents"] if a["agent"] == name)
        assert shown["campaign"] == away
        here, there = floor.engine.units[home].campaign, floor.engine.units[away].campaign
        assert name not in here.roster.agents
        assert name not in here.pacemaker.agents
        assert name in there.pacemaker.agents
        floor.phones.hang_up(floor.phone(0))
        await floor.state(0, "logged_out")
        assert floor.named("agent_alert", agent=name)[-1].campaign == away
        assert name not in there.roster.agents
        assert name not in there.pacemaker.agents

    stage(play, agents=2, others=TWO, log_in=False, dial=False)


def test_a_personal_callback_fetches_its_agent_from_another_campaign(stage):
    async def play(floor):
        floor.engine.sharing.configure(EAGER)
        await floor.do("login", 0, campaign="promo")
        floor.dial()
        await floor.talking(0)
        await floor.do("hangup", 0)
        soon = datetime.fromtimestamp(floor.clock.at() + 1.0, UTC).isoformat()
        await floor.do("dispose", 0, code="mine", callback_at=soon)
        await floor.do("logout", 0)
        await floor.add("+34600000900", campaign="other")
        floor.engine.units["other"].campaign.paused = True
        await floor.do("pause", campaign="promo")
        await floor.do("login", 0, campaigns=["other", "promo"])
        if floor.agent(0).campaign == "promo":
            floor.engine.units["other"].campaign.borrow(floor.names[0])
        floor.events.clear()
        await floor.do("resume", campaign="promo")
        await floor.until(lambda: moved(floor) or floor.agent(0).state.value == "talking", 8)
        await floor.state(0, "talking", 8)
        assert floor.agent(0).campaign == "promo"
        await finish(floor)

    stage(play, agents=1, others=TWO, log_in=False, dial=False)


def rewrite(floor, *changes: tuple[str, str]) -> None:
    text = floor.config_text()
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    floor.write_config(text)


def test_a_reload_that_changes_who_may_work_where_moves_agents(stage, party):
    """Membership taken away: the agent goes where the agent may work, when idle. Given: the agent may be moved."""

    async def play(floor):
        floor.carrier.default = party.rings
        await floor.add(*(f"+34600001{n:03d}" for n in range(9)), campaign="other")
        for agent in range(2):
            await floor.do("login", agent)
        floor.dial()
        name = next(a.name for a in floor.engine.agents.values() if a.campaign == "promo")
        stays = next(a.name for a in floor.engine.agents.values() if a.name != name)
        phone = f"[agents.{name}]\n"
        rewrite(floor, (phone, f'{phone}campaigns = ["other"]\n'))
        await floor.do("reload")
        assert floor.engine.sharing.serves(floor.engine.agents[name]) == ["other"]
        await floor.until(lambda: floor.engine.agents[name].campaign == "other", 8)
        assert moved(floor) == [(name, "other", "membership")]
        rewrite(floor, ('agent_choice = "longest_idle"', 'agent_choice = "longest_idle"\nskills = ["catalan"]'), (
            f"[agents.{name}]", f'[agents.{name}]\nskills = ["catalan"]'
        ))  # fmt: skip
        await floor.do("reload")
        assert floor.engine.sharing.serves(floor.engine.agents[name]) == ["promo", "other"]
        assert floor.engine.sharing.serves(floor.engine.agents[stays]) == []

    stage(play, agents=2, numbers=0, others=TWO, log_in=False, dial=False)


def test_a_campaign_taken_out_of_the_file_leaves_its_agents_to_the_others(stage, party):
    async def play(floor):
        others = [f"+34600001{n:03d}" for n in range(30)]
        await floor.add(*others, campaign="other")
        floor.carrier.parties.update(dict.fromkeys(others, party.rings))
        for agent in range(2):
            await floor.do("login", agent)
        floor.dial()
        busy = next(i for i in range(2) if floor.agent(i).campaign == "promo")
        await floor.talking(busy)
        text = floor.config_text()
        floor.write_config(text[: text.index("[campaigns.promo]")] + text[text.index("[lists.other]") :])
        await floor.do("reload")
        assert floor.unit.campaign.draining
        assert floor.agent(busy).state.value == "talking", "the call goes on"
        await floor.do("hangup", busy)
        await floor.do("dispose", busy, code="no_interest")
        await floor.until(lambda: where(floor) == {"other": 2}, 8)
        assert moved(floor) == [(floor.names[busy], "other", "closed")]

    stage(play, agents=2, others=TWO, log_in=False, dial=False, ring_timeout=1.0)


def test_after_a_crash_agents_log_in_as_before_and_their_times_add_up(stage):
    """Times by campaign come from the moves as much as from the states, in both lives of the daemon."""

    async def play(floor):
        began = floor.clock.at()
        for agent in range(2):
            await floor.do("login", agent)
        name = next(a.name for a in floor.engine.agents.values() if a.campaign == "promo")
        await asyncio.sleep(0.2)
        assert floor.engine.units["other"].campaign.borrow(name) is not None
        await asyncio.sleep(0.3)
        floor.engine.save_learned()
        await floor.ledger.flush()
        await floor.crash()
        await floor.open(add=False)
        for agent in range(2):
            assert (await floor.do("login", agent))["serves"] == ["promo", "other"]
        assert where(floor) == {"promo": 1, "other": 1}
        await asyncio.sleep(0.2)
        floor.engine.save_learned()
        await floor.ledger.flush()
        times = {}
        for campaign in ("promo", "other"):
            with floor.store.read() as view:
                rows = view.load_states(f"{KEY}{campaign}/")
            times[campaign] = added_up({key.removeprefix(f"{KEY}{campaign}/"): row for key, row in rows.items()}, began)
        assert times["promo"][name]["available"] >= 0.19
        assert times["other"][name]["available"] >= 0.29
        spent = sum(seconds for agents in times.values() for states in agents.values() for seconds in states.values())
        assert spent <= 2 * (floor.clock.at() - began), "nobody is counted in two campaigns at once"

    stage(play, agents=2, numbers=0, others=TWO, log_in=False, dial=False)
