"""The state tables: complete, without dead ends, and drawn as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from dialer.agent import AGENT_TABLE, Agent, AgentState, AgentStateError, AgentTrigger
from dialer.call import CALL_TABLE, CallState
from dialer.call_control import ACTIONS
from dialer.config.sip_tables import AgentTable
from dialer.diagram import agent_diagram, call_diagram

DOC = Path(__file__).parents[2] / "docs" / "design" / "engine.md"


def reachable(start, arrows):
    seen, todo = set(), [start]
    while todo:
        state = todo.pop()
        if state not in seen:
            seen.add(state)
            todo += arrows.get(state, ())
    return seen


def test_every_call_state_is_reached_and_every_one_leads_to_over():
    arrows: dict[CallState, set[CallState]] = {}
    for (state, _), (target, _) in CALL_TABLE.items():
        arrows.setdefault(state, set()).add(target)
    assert reachable(CallState.PLACED, arrows) == set(CallState)
    for state in CallState:
        assert CallState.OVER in reachable(state, arrows), f"a call could stay in {state} for ever"


def test_nothing_leaves_over():
    assert not [key for key in CALL_TABLE if key[0] is CallState.OVER]


def test_every_action_of_the_table_exists_and_every_action_is_used():
    named = {action for _, actions in CALL_TABLE.values() for action in actions}
    assert named == set(ACTIONS)


def test_every_way_to_over_closes_the_call():
    for key, (target, actions) in CALL_TABLE.items():
        assert (target is CallState.OVER) == (bool(actions) and actions[-1] == "close"), key


def test_an_agent_can_always_get_out_and_always_lose_the_phone():
    for state in AgentState:
        if state is AgentState.LOGGED_OUT:
            continue
        assert AGENT_TABLE[state, AgentTrigger.LEG_LOST] is AgentState.LOGGED_OUT


def test_a_move_that_the_table_does_not_have_changes_nothing():
    agent = Agent("ana", AgentTable(phone="sip:ana@127.0.0.1"))
    agent.move(AgentTrigger.LOGIN, 1.0)
    with pytest.raises(AgentStateError, match="agent ana is logging in: connect is not possible now"):
        agent.move(AgentTrigger.CONNECT, 2.0)
    assert (agent.state, agent.since) == (AgentState.LOGGING_IN, 1.0)


@pytest.mark.parametrize("diagram", [call_diagram, agent_diagram])
def test_the_design_page_shows_the_tables_as_they_are(diagram):
    assert diagram() in DOC.read_text(encoding="utf-8")
