"""Trunks that want to be registered with, and agents' phones that register with us."""

from __future__ import annotations

import asyncio

import pytest

from dialer.sip import Credentials

OWN = """
username = "acme"
password_env = "TRUNK"
registration = { registrars = [], expires = 60, domain = "carrier.test" }
"""


@pytest.fixture(autouse=True)
def passwords(monkeypatch):
    monkeypatch.setenv("TRUNK", "s3cret")
    monkeypatch.setenv("PHONE", "ph0ne")


def test_a_trunk_is_up_only_while_registered_and_signed_off_at_the_end(stage, party):
    ends = []

    async def play(floor):
        ends.append(floor.carrier)
        floor.carrier.registrar.replace({"acme": "s3cret"})
        await floor.until(lambda: floor.trunks["main"].signed_on)
        (bound,) = floor.carrier.registrations
        assert (bound.user, bound.expires) == ("acme", 60.0)
        await floor.talking()
        assert (await floor.do("status"))["trunks"]["main"]["registered"] is True
        assert [e.reason for e in floor.named("trunk")] == ["registered"]
        await floor.do("hangup", 0)

    stage(play, trunks={"main": OWN})
    assert [type(e).__name__ for e in ends[0].registrations] == ["Bound", "Unbound"]


def test_without_registration_nothing_is_dialed_over_it_and_the_reserve_takes_the_calls(stage, party):
    async def play(floor):
        floor.carrier.registrar.replace({"acme": "another"})
        call, _, _ = await floor.talking()
        assert call.trunk.name == "spare"
        assert not floor.carrier.lines
        trunk = (await floor.do("status"))["trunks"]["main"]
        assert (trunk["up"], trunk["registered"], trunk["reason"]) == (False, False, "is not registered: 401")
        assert floor.named("trunk", reason="registration_failed", up=False)
        await floor.do("hangup", 0)

    stage(play, trunks={"main": OWN, "spare": "reserve = true"}, quiet=("trunk_registration_failed",))


def test_the_second_registrar_takes_over(stage, party):
    async def play(floor):
        floor.carriers["spare"].registrar.replace({"acme": "s3cret"})
        floor.carrier.dead = True
        rewrite(
            floor,
            (
                "registrars = []",
                f'registrars = ["127.0.0.1:{floor.carrier.port}", "127.0.0.1:{floor.carriers["spare"].port}"]',
            ),
        )
        await floor.do("reload")
        await floor.until(lambda: floor.trunks["main"].signed_on, 10)
        floor.carrier.dead = False
        await floor.add(party.number(0))
        call, _, _ = await floor.talking()
        assert call.trunk.name == "main"
        await floor.do("hangup", 0)

    stage(play, numbers=0, trunks={"main": OWN, "spare": "reserve = true"}, quiet=("trunk_registration_failed",))


def rewrite(floor, *changes):
    text = floor.config_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    floor.write_config(text)


def test_other_credentials_are_taken_at_a_reload(stage, party, monkeypatch):
    async def play(floor):
        registrar = floor.carrier.registrar
        registrar.replace({"acme": "s3cret"})
        await floor.until(lambda: floor.trunks["main"].signed_on)
        registrar.replace({"acme": "fresh"})
        monkeypatch.setenv("TRUNK", "fresh")
        await floor.do("reload")
        await floor.until(lambda: registrar.reach("acme") is not None)
        await floor.until(lambda: floor.trunks["main"].signed_on)
        await floor.do("reload")  # nothing has changed: nothing is sent
        assert floor.trunks["main"].signed_on
        rewrite(floor, ("registration = {", "# registration = {"))
        await floor.do("reload")
        await floor.until(lambda: registrar.reach("acme") is None)
        await floor.until(lambda: floor.trunks["main"].signed_on is None)
        await floor.add(party.number(0))
        await floor.talking()
        await floor.do("hangup", 0)

    stage(play, numbers=0, trunks={"main": OWN}, quiet=("trunk_registration_failed",))


def test_a_binding_that_no_refresh_renews_lapses(stage, party):
    async def play(floor):
        floor.carrier.registrar.replace({"acme": "s3cret"})
        floor.carrier.registrar.max_expires = 1
        await floor.until(lambda: floor.trunks["main"].signed_on)
        floor.carrier.dead = True
        await floor.until(lambda: not floor.trunks["main"].signed_on)
        assert floor.named("trunk", reason="registration_lapsed", up=False)
        floor.carrier.dead = False

    stage(play, numbers=0, trunks={"main": OWN}, quiet=("trunk_registration_failed",))


# The agents' phones


def register(floor, index=0, password="ph0ne"):
    """The phones' endpoint registers as one agent."""
    name, host = floor.names[index], f"127.0.0.1:{floor.udp.address[1]}"
    return floor.phones.udp.register(
        f"sip:{host}", f"sip:{name}@{host}", [("127.0.0.1", floor.udp.address[1])], expires=60,
        credentials=Credentials(name, password),
    )  # fmt: skip


def test_a_phone_registers_and_is_called_where_it_is(stage, party):
    async def play(floor):
        refused = await floor.refused("login", 0)
        assert "the phone of agent0 is not registered" in str(refused)
        mine = register(floor)
        await floor.until(lambda: floor.named("agent_phone", registered=True))
        assert (await floor.do("status"))["agents"][0]["phone"] == "registered"
        floor.phones.parties["dialer"] = party.answers
        await floor.log_in(0)
        floor.phones.lines[-1].number = "agent0"  # its Contact's user is the endpoint's own
        await floor.talking()
        await floor.do("hangup", 0)
        await floor.do("dispose", 0, code="no_interest")
        floor.phones.udp.unregister(mine)
        await floor.until(lambda: floor.named("agent_phone", registered=False, reason="unregistered"))
        assert floor.agent().state.value == "available"  # the leg that stands needs no registration

    stage(play, phones_register=True, log_in=False)


def test_the_way_to_a_registered_phone_is_kept_open(stage, party):
    async def play(floor):
        register(floor)
        await floor.until(lambda: floor.named("agent_phone", registered=True))
        keeping = asyncio.create_task(floor.engine.services.phones.run(floor.switch, 0.05))
        await floor.until(lambda: [r for r in floor.phones.requests if r[1] == "OPTIONS"])
        floor.phones.answers_options = False
        await floor.until(lambda: floor.engine.services.phones.pings_lost)
        keeping.cancel()

    stage(play, phones_register=True, log_in=False, numbers=0)


def test_a_wrong_password_registers_nobody_and_too_many_are_told(stage, party):
    async def play(floor):
        for _ in range(5):
            floor.phones.udp.unregister(register(floor, password="guess"))
        await floor.until(lambda: floor.named("agent_alert", alert="register_refused", agent="agent0"))
        assert (await floor.do("status"))["agents"][0]["phone"] == "unregistered"

    stage(play, phones_register=True, log_in=False, numbers=0)
