"""Whose code counts, when, and what it leads to."""

from __future__ import annotations

import json

CARD = "4111111111111111"


def with_outbox(floor):
    floor.engine.services.outbox = True


def sent(floor):
    """The outbox: the events' names, in order."""
    return [json.loads(row[0])["event"] for row in floor.rows("SELECT payload FROM outbox ORDER BY id")]


def test_a_call_that_nobody_talked_on_takes_no_code(stage, party):
    async def play(floor):
        floor.carrier.default = party.status(486)
        (ended,) = await floor.ended()
        error = await floor.refused("dispose", 0, code="sold", call=ended.call)
        assert error.code == "wrong_state"
        assert (await floor.refused("dispose", 0, code="stop", call=ended.call)).code == "wrong_state"
        assert floor.contact().state == "waiting"
        assert not floor.store.is_do_not_call(party.number(0))

    stage(play)


def test_a_colleague_may_not_code_another_agents_call(stage):
    async def play(floor):
        one = 0 if await floor.until(lambda: [a for a in (0, 1) if floor.agent(a).call]) == [0] else 1
        call, _, _ = await floor.talking(one)
        assert (await floor.refused("dispose", 1 - one, code="stop", call=call.id)).code == "forbidden"
        await floor.do("hangup", one)
        await floor.ended()
        assert (await floor.refused("dispose", 1 - one, code="stop", call=call.id)).code == "forbidden"
        await floor.do("dispose", one, code="no_interest")
        assert (await floor.refused("dispose", 1 - one, code="sold", call=call.id)).code == "forbidden"
        assert (await floor.do("dispose", one, code="sold", call=call.id))["contact_state"] == "sold"

    stage(play, agents=2)


def test_after_a_hand_over_the_call_is_the_colleagues(stage):
    async def play(floor):
        one = 0 if await floor.until(lambda: [a for a in (0, 1) if floor.agent(a).call]) == [0] else 1
        other = 1 - one
        call, _, _ = await floor.talking(one)
        await floor.do("dispose", one, code="later", call=call.id)
        await floor.do("hand_over", one, to=floor.names[other])
        await floor.talking(other)
        await floor.until(lambda: floor.named("call_handed_over"))
        assert (await floor.refused("dispose", one, code="stop", call=call.id)).code == "forbidden"
        await floor.do("hangup", other)
        assert floor.agent(other).undisposed is call
        assert (await floor.do("dispose", other, code="sold"))["contact_state"] == "sold"
        await floor.do("ready", one)

    stage(play, agents=2)


def test_a_sale_told_during_the_call_is_published_at_its_end_and_owed_no_more(stage):
    async def play(floor):
        with_outbox(floor)
        call, customer, _ = await floor.talking()
        answer = await floor.do("dispose", 0, code="sold", call=call.id, fields={"package": "gold"})
        assert answer["sale"] is None
        floor.carrier.hang_up(customer)
        await floor.ended()
        (sale,) = floor.named("sale")
        assert (sale.agent, sale.fields, sale.call) == ("agent0", {"package": "gold"}, call.id)
        assert sent(floor) == ["disposition", "call_ended", "sale"]
        assert floor.agent().undisposed is None
        assert (await floor.do("ready", 0))["state"] == "available"

    stage(play)


def test_a_card_number_in_a_sale_is_whole_in_the_store_only(stage):
    async def play(floor):
        with_outbox(floor)
        call, customer, _ = await floor.talking()
        await floor.do("dispose", 0, code="sold", call=call.id, note="4111 1111 1111 1111", fields={"card": CARD})
        floor.carrier.hang_up(customer)
        await floor.ended()
        (sale,) = floor.named("sale")
        assert sale.fields == {"card": "************1111"}
        assert CARD not in str(floor.rows("SELECT payload FROM outbox"))
        assert floor.rows("SELECT fields FROM sale") == [(f'{{"card":"{CARD}"}}',)]
        told = await floor.do("contact", number=call.number)
        assert told["contacts"][0]["history"][0]["note"] == "**** **** **** 1111"

    stage(play)


def test_a_card_number_in_a_corrected_field_is_not_shown_whole(stage):
    async def play(floor):
        call, customer, _ = await floor.talking()
        await floor.do("dispose", 0, code="no_interest", call=call.id, fields={"remark": f"card {CARD}", "id": "12"})
        floor.carrier.hang_up(customer)
        await floor.ended()
        (card,) = (await floor.do("contact", number=call.number))["contacts"]
        assert (card["fields"]["remark"], card["fields"]["id"]) == ("card ************1111", "12")
        assert CARD not in str(card)

    stage(play)


def test_a_callback_promised_during_the_call_is_published_at_its_end(stage):
    async def play(floor):
        with_outbox(floor)
        call, _, _ = await floor.talking()
        await floor.do("dispose", 0, code="mine", call=call.id)
        assert not floor.named("callback")
        await floor.do("hangup", 0)
        await floor.ended()
        (callback,) = floor.named("callback")
        assert (callback.agent, callback.due_at) == ("agent0", floor.contact().due_at)
        assert sent(floor) == ["disposition", "call_ended", "callback"]

    stage(play)


def test_a_national_number_is_not_called_either(stage, party):
    async def play(floor):
        national = party.number(0).removeprefix("+34")
        assert (await floor.do("do_not_call", numbers=[f"{national[:3]} {national[3:]}"]))["added"] == 1
        assert floor.store.is_do_not_call(party.number(0), "promo")
        assert floor.contact().state == "do_not_call"

    stage(play, dial=False, log_in=False)


def test_a_number_that_cannot_be_read_is_told_with_its_place_and_the_others_are_marked(stage, party):
    async def play(floor):
        error = await floor.refused("do_not_call", numbers=["12"])
        assert error.code == "invalid"
        assert error.message.startswith("numbers.0: '12'")
        assert floor.contact().state == "ready"
        told = await floor.do("do_not_call", numbers=[party.number(0), "12"])
        assert told["marked"] == 1
        assert [(refused["index"], refused["number"]) for refused in told["refused"]] == [(1, "12")]
        assert floor.contact().state == "do_not_call"

    stage(play, dial=False, log_in=False)


def test_a_projects_own_mark_binds_its_campaigns_only_from_the_next_call_on(stage, party):
    async def play(floor):
        marked = party.number(0)
        assert (await floor.do("do_not_call", numbers=[marked], project="of-promo"))["added"] == 1
        assert (await floor.do("do_not_call", numbers=[marked], project="of-promo"))["added"] == 0
        assert floor.store.is_do_not_call(marked, "promo")
        assert not floor.store.is_do_not_call(marked, "autumn")
        assert floor.contact().state == "do_not_call"
        told = (await floor.do("contact", number=marked))["contacts"]
        assert {card["campaign"]: card["why"] for card in told} == {
            "promo": [f"must not be called: {marked} is on do-not-call list 'project:of-promo'"]
        }
        error = await floor.refused("do_not_call", numbers=[marked], project="summer")
        assert (error.code, error.message) == (
            "unknown_project", "no campaign here belongs to project 'summer'; projects: of-autumn, of-promo",
        )  # fmt: skip
        assert not floor.store.is_do_not_call(party.number(1))
        floor.dial()
        await floor.until(lambda: floor.named("call_connected"))
        await floor.do("do_not_call", numbers=[party.number(2)], project="of-promo")
        await floor.do("hangup", 0)
        (ended,) = await floor.ended()
        assert ended.number == party.number(1)
        await floor.do("dispose", 0, code="no_interest")
        await floor.until(lambda: floor.unit.campaign.state.value == "no_contacts")
        assert [placed.number for placed in floor.named("call_placed")] == [party.number(1)]

    stage(play, dial=False, numbers=3, campaign='project = "of-NAME"', others={"autumn": ""})
