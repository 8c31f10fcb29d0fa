"""Calls that one agent starts or has promised: preview, manual, personal callbacks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from dialer.commands import ContactShow


def soon(floor, seconds=0.0):
    return datetime.fromtimestamp(floor.clock.at(), UTC) + timedelta(seconds=seconds)


def test_preview_shown_dialed_and_talked(stage, party):
    async def play(floor):
        shown = await floor.do("preview", 0)
        assert shown["state"] == "reserved"
        again = await floor.do("preview", 0)
        assert again["contact"] == shown["contact"]
        assert not floor.carrier.requests
        assert (await floor.refused("hangup", 0)).code == "wrong_state"
        await floor.do("dial", 0)
        call, _, _ = await floor.talking()
        assert call.number == shown["contact"]["number"]
        await floor.do("hangup", 0)
        await floor.do("dispose", 0, code="no_interest")

    stage(play, mode="preview", numbers=2)


def test_preview_skipped(stage):
    async def play(floor):
        await floor.do("preview", 0)
        assert floor.contact().state == "leased"
        assert (await floor.do("skip", 0))["state"] == "available"
        assert floor.contact().state == "waiting"  # not shown again before the re-dial delay: the next one is
        assert (await floor.refused("skip", 0)).code == "wrong_state"
        assert (await floor.refused("dial", 0)).code == "wrong_state"

    stage(play, mode="preview")


def test_preview_of_an_empty_list(stage):
    async def play(floor):
        assert (await floor.refused("preview", 0)).code == "unknown_contact"
        assert floor.agent().state.value == "available"

    stage(play, mode="preview", numbers=0)


def test_log_out_and_break_with_a_contact_on_the_screen(stage):
    async def play(floor):
        await floor.do("preview", 0)
        answer = await floor.do("break", 0)
        assert (answer["state"], answer["pending"]) == ("break", False)
        assert floor.contact().state == "ready"
        await floor.do("ready", 0)
        await floor.do("preview", 0)
        answer = await floor.do("logout", 0)
        assert (answer["state"], answer["pending"]) == ("logged_out", False)
        assert floor.contact().state == "ready"
        await floor.until(lambda: floor.phones.lines[0].over)

    stage(play, mode="preview")


def test_the_phone_is_lost_with_a_contact_on_the_screen(stage):
    async def play(floor):
        await floor.do("preview", 0)
        floor.phones.hang_up(floor.phone())
        await floor.state(0, "logged_out")
        await floor.ledger.flush()
        assert floor.contact().state == "ready"

    stage(play, mode="preview")


def test_shutdown_with_a_contact_on_the_screen_ends_the_leg(stage):
    async def play(floor):
        await floor.do("preview", 0)
        await floor.engine.close(1.0)
        await floor.until(lambda: floor.phones.lines[0].over)
        await floor.ledger.flush()
        assert floor.contact().state == "ready"

    stage(play, mode="preview")


def test_preview_nobody_answers_and_the_agent_is_free_at_once(stage, party):
    async def play(floor):
        floor.carrier.default = party.status(486)
        await floor.do("preview", 0)
        await floor.do("dial", 0)
        (ended,) = await floor.ended()
        assert ended.outcome == "busy"
        await floor.state(0, "available")

    stage(play, mode="preview")


def test_preview_given_up_while_it_rings(stage, party):
    async def play(floor):
        floor.carrier.default = party.rings
        await floor.do("preview", 0)
        await floor.do("dial", 0)
        await floor.call_state("ringing")
        await floor.do("hangup", 0)
        (ended,) = await floor.ended()
        assert ended.outcome == "cancelled"
        await floor.state(0, "available")

    stage(play, mode="preview")


def test_preview_the_phone_is_lost_while_it_rings(stage, party):
    async def play(floor):
        floor.carrier.default = party.rings
        await floor.do("preview", 0)
        await floor.do("dial", 0)
        await floor.call_state("ringing")
        floor.phones.hang_up(floor.phone())
        (ended,) = await floor.ended()
        assert ended.outcome == "cancelled"

    stage(play, mode="preview", ring_floor=0.2)


def test_preview_the_phone_is_lost_before_the_invite_leaves(stage, party):
    async def play(floor):
        await floor.do("preview", 0)
        await floor.do("dial", 0)
        floor.unit.agents.phone_lost(floor.agent(), "test")
        await floor.until(lambda: floor.counters["given_up_unsent"])
        await floor.ledger.flush()
        assert floor.contact().attempts == 0
        assert not floor.carrier.requests

    # the engine dropped a leg that the phone still holds: its BYE comes from the phone
    async def with_bye(floor):
        phone = floor.phone()
        await play(floor)
        floor.phones.hang_up(phone)

    stage(with_bye, mode="preview", quiet=("sip_event_without_owner", "given_up_unsent"))


def test_manual_dial_of_a_number(stage, party):
    async def play(floor):
        assert (await floor.refused("dial", 0, number="+34699999999")).code == "unknown_contact"
        await floor.do("dial", 0, number=party.number(0))
        await floor.talking()
        await floor.do("hangup", 0)
        await floor.do("dispose", 0, code="no_interest")
        error = await floor.refused("dial", 0, number=party.number(0))
        assert error.code == "unavailable"
        assert floor.agent().state.value == "available"
        assert (await floor.refused("preview", 0)).code == "wrong_state"

    stage(play, mode="manual")


def test_an_abandoned_number_may_be_dialed_with_an_agent_reserved(stage, party):
    async def play(floor):
        floor.carrier.parties[party.number(0)] = party.of(answer=0.0, refuse_after=0)
        await floor.do("dial", 0, number=party.number(0))
        (ended,) = await floor.ended()
        assert ended.outcome == "abandoned"
        with floor.store.read() as view:
            assert not view.why(ended.contact, floor.clock.at()).dialable
        floor.carrier.parties.clear()
        await floor.state(0, "available")
        await floor.do("dial", 0, number=party.number(0))
        await floor.talking()
        await floor.do("hangup", 0)

    stage(play, mode="manual", quiet=("reinvite_refused_customer",))


def test_a_campaign_that_dials_by_itself_takes_no_manual_calls(stage, party):
    async def play(floor):
        await floor.do("break", 0)
        await floor.do("ready", 0)
        assert (await floor.refused("dial", 0, number=party.number(0))).code == "wrong_state"

    stage(play, numbers=0)


async def promise(floor, seconds=0.0, code="mine"):
    """A talk that ends with a promise to call again."""
    await floor.talking(0)
    await floor.do("hangup", 0)
    answer = await floor.do("dispose", 0, code=code, callback_at=soon(floor, seconds))
    assert answer["contact_state"] == "callback"
    return answer


def test_a_personal_callback_is_dialed_for_its_agent_and_not_told_to_the_pacer(stage, monkeypatch):
    from dialer import dialing

    monkeypatch.setattr(dialing, "LOOK_AGAIN", 0.1)

    async def play(floor):
        await promise(floor)
        call, _, _ = await floor.talking(0)
        assert call.reserved is floor.agent(0)
        assert not call.told_pacer
        assert floor.agent(1).state.value == "available"
        await floor.do("hangup", 0)
        await floor.do("dispose", 0, code="no_interest")
        assert floor.contact().state == "done"

    # the first call goes to agent0, who is idle longest
    stage(play, agents=2)


def test_a_personal_callback_whose_agent_is_away_turns_shared_after_its_grace(stage, monkeypatch):
    from dialer import dialing, engine

    monkeypatch.setattr(dialing, "LOOK_AGAIN", 0.1)
    monkeypatch.setattr(engine, "TEND_EVERY", 0.1)

    async def play(floor):
        await promise(floor)
        await floor.do("logout", 0)
        call, _, _ = await floor.talking(1)
        assert call.reserved is None
        await floor.do("hangup", 1)
        await floor.do("dispose", 1, code="no_interest")
        assert floor.contact().state == "done"

    stage(play, agents=2, codes=CODES_GRACE)


CODES_GRACE = """
    no_interest = { next = "done" }
    mine = { next = "callback", personal = true }
    [campaigns.promo.queues.callbacks]
    grace = 4
"""


def test_the_promised_agents_phone_is_lost_while_it_rings(stage, party, monkeypatch):
    from dialer import dialing

    monkeypatch.setattr(dialing, "LOOK_AGAIN", 0.1)

    async def play(floor):
        floor.carrier.default = party.answers
        await promise(floor)
        floor.carrier.default = party.rings
        await floor.call_state("ringing")
        floor.phones.hang_up(floor.phone(0))
        await floor.ended(2)
        assert floor.outcomes()[-1] == "cancelled"

    stage(play, agents=1, ring_floor=0.2)


def test_a_personal_callback_that_may_not_be_dialed_now_does_not_make_its_agent_flicker(stage, monkeypatch):
    from dialer import dialing
    from dispositions import NotDialable

    monkeypatch.setattr(dialing, "LOOK_AGAIN", 0.05)

    async def play(floor):
        await promise(floor)
        asked = []

        def never(self, name, contact, at, until, *, reserved=False):
            asked.append(contact)
            raise NotDialable(contact, ("closed",), None)

        monkeypatch.setattr("dispositions.WriteTransaction.claim_contact", never)
        await floor.until(lambda: asked)
        looked = floor.clock.now()
        await floor.until(lambda: floor.clock.now() - looked > 0.4)
        assert len(asked) == 1
        assert floor.agent().state.value == "available"

    stage(play)


def test_a_number_that_no_trunk_may_carry_is_not_called_dialable(stage):
    async def play(floor):
        for trunk in floor.engine.trunks.values():
            trunk.table = trunk.table.model_copy(update={"prefixes": ["+999"]})
        card = (await floor.desk.handle(ContactShow(number=floor.contact().number)))["contacts"][0]
        assert card["dialable"] is False
        assert card["why_codes"][0] == "no_route"

    stage(play, mode="preview")


def test_a_callback_without_an_offset_is_asked_about_where_the_number_may_be_in_two_zones(stage):
    async def play(floor):
        await floor.talking(0)
        await floor.do("hangup", 0)
        said = (soon(floor) + timedelta(days=2)).replace(tzinfo=None, microsecond=0)
        refused = await floor.refused("dispose", 0, code="mine", callback_at=said)
        assert refused.code == "invalid"
        assert "say the offset" in refused.message
        with_offset = said.replace(tzinfo=UTC)
        answer = await floor.do("dispose", 0, code="mine", callback_at=with_offset)
        assert answer["next_at"] == with_offset.timestamp()

    stage(play)
