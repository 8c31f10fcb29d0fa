"""Some hundred calls of every kind at once, with agents and phones that misbehave; then every book must agree."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest

from dialer import agent_phone, bridging
from dialer.commands import CommandError
from dispositions.unsent import UNSENT

CALLS = 120


def any_party(luck, party):
    """What a customer may do."""
    soon, later = luck.uniform(0.0, 0.05), luck.uniform(0.05, 0.4)
    return luck.choice(
        [
            party.of(answer=soon),
            party.of(answer=soon, hang_up=later),
            party.of(answer=soon, hang_up=luck.uniform(0.0, 0.02)),
            party.of(answer=soon, hang_up=luck.uniform(0.0, 0.02)),
            party.of(answer=later),
            party.of(answer=later, hang_up=later),
            party.of(answer=soon, refuse_after=luck.choice([0, 1])),
            party.of(answer=soon, no_audio=True),
            party.of(crosses=True),
            party.rings,
            party.of(ring=None),
            party.status(486),
            party.status(404),
            party.status(503),
            party.status(500),
            party.never if luck.random() < 0.2 else party.status(603),
        ]
    )


async def agent_life(floor, index, luck, problems, stop):
    """Works, takes breaks, hands over, loses the phone, logs out, comes back."""
    while not stop.is_set():
        await asyncio.sleep(luck.uniform(0.0, 0.05))
        agent = floor.agent(index)
        state, luckily = agent.state.value, luck.random()
        try:
            if state == "logged_out":
                await floor.do("login", index)
            elif luckily < 0.02:
                floor.phones.hang_up(floor.phone(index))
            elif luckily < 0.03:
                floor.phones.vanish(floor.phone(index))
            elif luckily < 0.05:
                await floor.do("logout", index)
            elif luckily < 0.09:
                await floor.do("break", index)
            elif state == "break":
                await floor.do("ready", index)
            elif state == "wrap_up" and agent.undisposed is not None:
                await floor.do("dispose", index, code=luck.choice(["no_interest", "sold", "stop", "later"]))
            elif state == "wrap_up":
                await floor.do("ready", index)
            elif state == "talking" and luckily < 0.3:
                await floor.do("hand_over", index, to=floor.names[luck.randrange(len(floor.names))])
            elif state == "talking" and luckily < 0.7:
                await floor.do("hangup", index)
        except CommandError as error:
            problems[error.code] += 1


async def put_to_rest(floor, index):
    """The agent is logged out, whatever was going on."""
    agent = floor.agent(index)

    def settled():
        return agent.state.value in ("logged_out", "available", "wrap_up", "break")

    await floor.until(settled, 10)
    if agent.state.value != "logged_out":
        await floor.do("logout", index)
    await floor.state(index, "logged_out")


#: What such lives explain. Not among them: a refusal of the store, an event that fits no state, a pacer set right.
EXPLAINED = (
    "answer_without_audio", "reinvite_refused_customer", "reinvite_refused_agent", "reinvite_unanswered_customer",
    "agent_phone_mute", "do_not_call_at_invite", "trunk_tripped",
    "given_up_unsent",
)  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
def test_lives(stage, party, seed, monkeypatch):
    lives(stage, party, seed, monkeypatch)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(3, 60))
def test_many_lives(stage, party, seed, monkeypatch):
    lives(stage, party, seed, monkeypatch)


def lives(stage, party, seed, monkeypatch):
    monkeypatch.setattr(agent_phone, "PHONE_TIMEOUT", 1.0)
    monkeypatch.setattr(bridging, "BRIDGE_TIMEOUT", 0.4)
    luck = random.Random(seed)

    async def play(floor):
        for index in range(CALLS):
            chosen = any_party(luck, party)
            for carrier in floor.carriers.values():
                carrier.parties[party.number(index)] = chosen
        problems: Counter[str] = Counter()
        stop = asyncio.Event()
        floor.dial()
        working = [
            asyncio.create_task(agent_life(floor, i, random.Random(f"{seed}/{i}"), problems, stop)) for i in range(5)
        ]
        await floor.until(lambda: len(floor.named("call_ended")) >= CALLS, 25)
        stop.set()
        await asyncio.gather(*working)
        floor.unit.campaign.paused = True
        for index in range(5):
            await put_to_rest(floor, index)
        await floor.until(lambda: not floor.calls, 8)
        assert set(problems) <= {"wrong_state", "busy", "unknown_agent", "unavailable"}, problems
        ((unsent,),) = floor.rows("SELECT count(*) FROM attempt WHERE cause LIKE ?", f"{UNSENT}%")
        ended = Counter(e.outcome for e in floor.named("call_ended"))
        assert Counter(floor.outcomes()) == ended + Counter(cancelled=unsent), "an attempt that never left ends no call"
        opened = Counter(call for call, _ in floor.carriers["main"].invites())
        assert set(opened.values()) == {1}, "no INVITE of a call was repeated as a new one"
        numbers = Counter(line.number for line in floor.carriers["main"].lines)
        assert set(numbers.values()) == {1}, "nobody was called twice"

    stage(
        play, agents=5, numbers=CALLS, mode="power", pacing="calls_per_agent = 3.0", ring_timeout=1.0, ring_floor=0.2,
        patience=0.1, dial=False, quiet=EXPLAINED,
        trunks={"main": "retry_after = 0.05", "spare": "reserve = true\nretry_after = 0.05"},
    )  # fmt: skip
