"""What the desk really answers fits what /openapi.json says of it: nothing missing, nothing more."""

from __future__ import annotations

import json

import pytest
from jsonschema import Draft202012Validator, ValidationError

from dialer.doors import encode
from dialer.web.answers import ANSWERS, ERROR


async def told(floor, command, agent=None, **fields):
    answer = json.loads(encode(await floor.do(command, agent, **fields)))
    Draft202012Validator(ANSWERS[command]).validate(answer)
    return answer


def test_a_day_of_commands(stage, party):
    async def play(floor):
        floor.store.journalling = True
        name = floor.unit.campaign.name
        call, customer, _ = await floor.talking()
        contacts = [{"number": party.number(500), "id": "t1", "name": "Ann"}, {"number": "12"}]
        await told(floor, "add_contacts", campaign=name, contacts=contacts)
        await told(floor, "task", campaign=name, id="t1")
        await told(floor, "update_task", campaign=name, id="t1", fields={"name": "Bea"})
        await told(floor, "withdraw_task", campaign=name, id="t1")
        await told(floor, "dispose", 0, code="no_interest", call=call.id)
        floor.carrier.hang_up(customer)
        await floor.ended()
        changes = await told(floor, "changes", campaign=name)
        assert changes["changes"]
        number = party.number(0)
        assert await told(floor, "contact", number=number)
        await told(floor, "correct", number=number, fields={"name": "Ann"})
        await told(floor, "consent", number=number, basis="consent")
        await told(floor, "do_not_call", numbers=[party.number(900), "12"])
        await told(floor, "erase", number=number)
        await told(floor, "status")
        await told(floor, "sales")
        await told(floor, "pause", campaign=name)
        await told(floor, "resume", campaign=name)
        await told(floor, "break", 0, reason="lunch")
        await told(floor, "ready", 0)
        await told(floor, "logout", 0)
        with floor.store.write() as tx:
            tx.connection.exec_driver_sql("UPDATE contact SET external_id = 'dialed' WHERE attempts > 0")
        task = await told(floor, "task", campaign=name, id="dialed")
        assert task["calls"]

    stage(play)


def test_the_schema_is_strict():
    answer = {"id": "t", "campaign": "c", "withdrawn": True, "state": "withdrawn"}
    check = Draft202012Validator(ANSWERS["withdraw_task"])
    check.validate(answer)
    for wrong in ({**answer, "more": 1}, {**answer, "withdrawn": "yes"}, {}):
        with pytest.raises(ValidationError):
            check.validate(wrong)
    Draft202012Validator(ERROR).validate({"error": {"code": "busy", "message": "x", "details": ["y"]}})
