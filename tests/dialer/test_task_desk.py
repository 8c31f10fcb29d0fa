"""A company's tasks as commands: in, looked at, corrected, taken back, and read on from a cursor."""

from __future__ import annotations


async def add(floor, party, *numbers: int):
    contacts = [{"number": party.number(n), "id": f"order/{n}", "name": "Ann"} for n in numbers]
    return await floor.do("add_contacts", campaign=floor.unit.campaign.name, contacts=contacts)


def test_a_task_from_its_arrival_to_its_code(stage, party):
    async def play(floor):
        floor.store.journalling = True
        name = floor.unit.campaign.name
        call, customer, _ = await floor.talking()
        assert (await add(floor, party, 500))["added"] == 1
        assert (await add(floor, party, 500))["duplicate"] == 1
        task = await floor.do("task", campaign=name, id="order/500")
        assert (task["state"], task["attempts"], task["fields"]) == ("ready", 0, {"name": "Ann"})
        fresh = party.number(501)
        done = await floor.do("update_task", campaign=name, id="order/500", fields={"name": None}, numbers=[fresh])
        assert done["corrected"] == 2
        again = [await floor.do("update_task", campaign=name, id="order/500", priority=5) for _ in range(2)]
        assert [answer["corrected"] for answer in again] == [1, 0]
        assert (await floor.do("task", campaign=name, id="order/500"))["priority"] == 5
        assert (await floor.do("correct", number=fresh, priority=-2))["corrected"] == 1
        withdrawn = await floor.do("withdraw_task", campaign=name, id="order/500")
        assert (withdrawn["withdrawn"], withdrawn["state"]) == (True, "withdrawn")
        assert not (await floor.do("withdraw_task", campaign=name, id="order/500"))["withdrawn"]
        task = await floor.do("task", campaign=name, id="order/500")
        assert (task["state"], task["number"], task["fields"], task["dialable"]) == ("withdrawn", fresh, {}, False)
        await floor.do("dispose", 0, code="no_interest", call=call.id)
        floor.carrier.hang_up(customer)
        await floor.ended()
        page = await floor.do("changes", campaign=name)
        told = [(change["event"], change["id"]) for change in page["changes"]]
        assert ("settled", "order/500") in told
        assert {"outcome", "disposition"} <= {event for event, _ in told}
        ranked = [
            (change["data"]["who"], one["old"], one["new"])
            for change in page["changes"] if change["event"] == "contact_changed"
            for one in change["data"]["changes"] if one["kind"] == "priority"
        ]  # fmt: skip
        assert ranked == [("api", "0", "5"), ("api", "5", "-2")]
        serials = [change["serial"] for change in page["changes"]]
        assert serials == sorted(set(serials))
        assert page["next"] == serials[-1]
        again = await floor.do("changes", campaign=name, after=page["next"])
        assert (again["changes"], again["next"], again["more"]) == ([], page["next"], False)
        first = await floor.do("changes", campaign=name, limit=1, kinds=["disposition"])
        assert [change["data"]["code"] for change in first["changes"]] == ["no_interest"]

    stage(play)


def test_what_is_refused(stage, party):
    async def play(floor):
        name = floor.unit.campaign.name
        await floor.talking()
        assert (await floor.refused("changes", campaign=name)).code == "unavailable"
        assert (await floor.refused("changes", campaign=name, kinds=["x"])).code == "invalid"
        floor.store.journalling = True
        for command in ("task", "withdraw_task"):
            assert (await floor.refused(command, campaign=name, id="nobody")).code == "unknown_task"
            assert (await floor.refused(command, campaign="nowhere", id="nobody")).code == "unknown_campaign"
        assert (await floor.refused("update_task", campaign=name, id="x")).code == "invalid"
        assert (await floor.refused("update_task", campaign=name, id="x", fields={"a": 1})).code == "unknown_task"
        await add(floor, party, 500)
        wrong = await floor.refused("update_task", campaign=name, id="order/500", numbers=["12"])
        assert wrong.code == "invalid"
        await floor.do("hangup", 0)
        await floor.ended()

    stage(play)


def test_a_task_that_is_being_called_is_not_taken_back(stage, party):
    async def play(floor):
        name = floor.unit.campaign.name
        with floor.store.write() as tx:
            tx.connection.exec_driver_sql("UPDATE contact SET external_id = 'now'")
        await floor.talking()
        assert (await floor.refused("withdraw_task", campaign=name, id="now")).code == "busy"
        await floor.do("hangup", 0)
        await floor.ended()

    stage(play)
