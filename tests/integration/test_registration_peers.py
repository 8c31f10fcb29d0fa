"""A trunk registered with Kamailio, and baresip registered with us: the whole daemon on one side, a real peer on the
other.
"""

from __future__ import annotations

import asyncio
import textwrap
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.rig.baresip import Baresip
from benchmarks.rig.kamailio import Kamailio
from benchmarks.rig.ports import free_port, free_ports
from dialer.commands import COMMAND
from dialer.config.load import load
from dialer.daemon_parts import Parts, open_parts

pytestmark = [pytest.mark.peer, pytest.mark.parallel]
HOST = "127.0.0.1"
KAMAILIO = Path(__file__).parent / "kamailio" / "trunk.cfg"
CONFIG = """
    [store]
    url = "sqlite:///{folder}/dialer.db"
    [sip]
    listen = "127.0.0.1:{sip}"
    phone_digest = ["MD5"]
    [http]
    listen = "127.0.0.1:0"
    [media]
    port_min = {media}
    port_max = {media_end}
    [trunks.main]
    address = "127.0.0.1:{carrier}"
    prefixes = ["+34"]
    options_interval = 1
    {trunk}
    [agents.ana]
    {agent}
    [lists.spring]
    region = "ES"
    [campaigns.promo]
    lists = ["spring"]
    trunks = ["main"]
    caller_id = "+34910000000"
    jurisdiction = "none"
    dispositions.sold = {{ next = "sale" }}
"""


def run(folder: Path, play: Callable[[Parts, int], Awaitable[None]], **keys: Any) -> None:
    """The daemon's parts, opened and running, for `play(parts, sip port)`; then closed in order."""
    sip, media = free_port(), free_ports(42)
    keys = {"trunk": "", "agent": 'phone = "sip:ana@127.0.0.1:9"', "carrier": free_port(), **keys}
    text = textwrap.dedent(CONFIG).format(folder=folder, sip=sip, media=media, media_end=media + 40, **keys)
    path = folder / "campaign.toml"
    path.write_text(text)

    async def scene() -> None:
        async with open_parts(load(path)) as parts:
            parts.start()
            await play(parts, sip)

    asyncio.run(asyncio.wait_for(scene(), 60))


async def until(what: Callable[[], Any], seconds: float = 20.0) -> Any:
    for _ in range(int(seconds / 0.05)):
        if found := what():
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(f"not within {seconds:g} s")


@pytest.fixture
def kamailio(tmp_path: Path, request: pytest.FixtureRequest, need: Callable[[str], str]) -> Iterator[int]:
    """The port of a running Kamailio that wants to be registered with; the parameter is the digest algorithm."""
    port = free_port()
    with Kamailio(need("kamailio"), KAMAILIO, {"PORT": port, "ALGORITHM": request.param}, tmp_path):
        yield port


def trunk_keys(folder: Path, registrars: str = "") -> str:
    secret = folder / "secret"
    secret.write_text("s3cret")
    secret.chmod(0o600)
    return f'username = "acme"\npassword_file = "{secret}"\nregistration = {{ {registrars} }}'


async def signed_on(parts: Parts, seconds: float) -> None:
    """Wait until the trunk is registered and takes calls, and the status says so."""
    trunk = parts.engine.trunks["main"]
    await until(lambda: trunk.signed_on, seconds)
    # its OPTIONS may have gone to a Kamailio that was still starting
    await until(lambda: trunk.well(parts.engine.services.clock.now()))
    status = await parts.desk.handle(COMMAND.validate_python({"command": "status"}))
    assert status["trunks"]["main"]["registered"] is True


@pytest.mark.parametrize("kamailio", ["MD5"], indirect=True)
def test_a_trunk_is_registered_with_kamailio(tmp_path: Path, kamailio: int) -> None:
    async def play(parts: Parts, sip: int) -> None:
        await signed_on(parts, 45)

    run(tmp_path, play, carrier=kamailio, trunk=trunk_keys(tmp_path))


@pytest.mark.parametrize("kamailio", ["SHA-256"], indirect=True)
def test_a_trunk_is_registered_with_kamailio_though_the_first_registrar_is_dead(tmp_path: Path, kamailio: int) -> None:
    """Its silence lasts until Timer F, 32 s."""

    async def play(parts: Parts, sip: int) -> None:
        await signed_on(parts, 45)

    registrars = f'registrars = ["127.0.0.1:{free_port()}", "127.0.0.1:{kamailio}"]'
    run(tmp_path, play, carrier=kamailio, trunk=trunk_keys(tmp_path, registrars))


@pytest.fixture
def baresip(tmp_path: Path, need: Callable[[str], str]) -> Iterator[Callable[[int, str], Baresip]]:
    need("baresip")
    made: list[Baresip] = []

    def start(sip: int, password: str) -> Baresip:
        made.append(Baresip(tmp_path / "phone", "ana", 440.0, registrar=f"{HOST}:{sip}", password=password))
        return made[-1]

    yield start
    for one in made:
        one.stop()


def test_baresip_registers_as_an_agent_is_called_and_leaves(
    tmp_path: Path, baresip: Callable[[int, str], Baresip]
) -> None:
    secret = tmp_path / "phone-password"
    secret.write_text("ph0ne")
    secret.chmod(0o600)

    async def play(parts: Parts, sip: int) -> None:
        phones = parts.engine.services.phones
        assert phones is not None
        phone = await asyncio.to_thread(baresip, sip, "ph0ne")
        await until(lambda: phones.registered == 1)
        login = COMMAND.validate_python({"command": "login", "agent": "ana"})
        assert (await parts.desk.handle(login))["state"] == "available"
        assert parts.engine.agents["ana"].leg is not None
        await asyncio.to_thread(phone.stop)  # it hangs up and unregisters
        await until(lambda: phones.registered == 0)
        await until(lambda: parts.engine.agents["ana"].leg is None)

    run(tmp_path, play, agent=f'phone = "register"\npassword_file = "{secret}"')


def test_baresip_with_a_wrong_password_stays_outside(tmp_path: Path, baresip: Callable[[int, str], Baresip]) -> None:
    secret = tmp_path / "phone-password"
    secret.write_text("ph0ne")
    secret.chmod(0o600)

    async def play(parts: Parts, sip: int) -> None:
        switch, phones = parts.engine.services.switch, parts.engine.services.phones
        assert phones is not None
        await asyncio.to_thread(baresip, sip, "guess")
        await until(lambda: switch.udp.drops["register_wrong_credentials"])
        assert phones.registered == 0

    run(tmp_path, play, agent=f'phone = "register"\npassword_file = "{secret}"')
