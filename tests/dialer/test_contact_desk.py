"""Corrections, consent and erasure as commands, and corrections that come with a code."""

from __future__ import annotations

from datetime import UTC, datetime


def test_an_agent_brings_a_new_address_and_number(stage, party):
    async def play(floor):
        call, customer, _ = await floor.talking()
        fresh = party.number(77)
        await floor.do("dispose", 0, code="no_interest", call=call.id, fields={"street": "New"}, numbers=[fresh])
        floor.carrier.hang_up(customer)
        await floor.ended()
        card = floor.contact()
        assert (card.fields["street"], card.number) == ("New", fresh)
        assert {change.who for change in card.changes} == {"agent0"}

    stage(play)


def test_commands_about_a_contact(stage, party):
    async def play(floor):
        floor.carrier.default = party.status(486)
        await floor.ended()
        number = party.number(0)
        assert (await floor.do("correct", number=number, fields={"name": "Ann"}))["corrected"] == 1
        await floor.do("consent", number=number, basis="consent", source="call")
        assert floor.contact().consent.source == "call"
        assert (await floor.refused("correct", number=number)).code == "invalid"
        erased = await floor.do("erase", number=number)
        assert (len(erased["contacts"]), erased["marked"]) == (1, 1)
        assert floor.store.is_do_not_call(number)
        assert (await floor.refused("correct", number=number, fields={"a": 1})).code == "unknown_contact"
        assert (await floor.refused("consent", number="x")).code == "invalid"

    stage(play)


def test_a_callback_goes_to_a_colleague_and_to_everybody(stage):
    async def play(floor):
        call, customer, _ = await floor.talking()
        tomorrow = datetime.fromtimestamp(floor.clock.at() + 86400, UTC)
        await floor.do("dispose", 0, code="later", call=call.id, callback_at=tomorrow)
        floor.carrier.hang_up(customer)
        await floor.ended()
        (card,) = floor.rows("SELECT id, agent, personal FROM callback")
        assert (await floor.refused("reassign_callback", callback=card[0], agent_name="nobody")).code == "unknown_agent"
        given = await floor.do("reassign_callback", callback=card[0], agent_name="agent0")
        assert given["agent"] == "agent0"
        assert floor.rows("SELECT agent, personal FROM callback") == [("agent0", 1)]
        await floor.do("reassign_callback", callback=card[0])
        assert floor.rows("SELECT agent, personal FROM callback") == [("agent0", 0)]
        assert (await floor.refused("reassign_callback", callback=999)).code == "invalid"

    stage(play)


def test_nobody_is_erased_in_mid_call(stage, party):
    async def play(floor):
        await floor.talking()
        assert (await floor.refused("erase", number=party.number(0))).code == "busy"
        await floor.do("hangup", 0)
        await floor.ended()

    stage(play)
