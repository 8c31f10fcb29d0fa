"""The daemon's parts come up in the order that a crash wants, and what cannot start says so in one line."""

from __future__ import annotations

import asyncio
import ssl
import stat
import textwrap

import pytest

from benchmarks.rig.authority import Authority
from dialer import daemon_parts
from dialer.config.load import load
from dialer.daemon_parts import StartError, open_parts
from dialer.engine import Engine

CONFIG = """
    [store]
    url = "sqlite:///{folder}/dialer.db"
    [sip]
    listen = "127.0.0.1:0"
    [http]
    listen = "127.0.0.1:0"
    [trunks.main]
    address = "127.0.0.1:9"
    prefixes = ["+34"]
    options_interval = 0
    [agents.ana]
    phone = "sip:ana@127.0.0.1:9"
    [lists.spring]
    path = "{folder}/spring.csv"
    region = "ES"
    [campaigns.promo]
    lists = ["spring"]
    trunks = ["main"]
    caller_id = "+34910000000"
    jurisdiction = "none"
    [campaigns.promo.dispositions]
    sold = {{ next = "sale" }}
"""


@pytest.fixture
def config(tmp_path):
    (tmp_path / "spring.csv").write_text("number\n+34600000001\n")
    path = tmp_path / "campaign.toml"
    path.write_text(textwrap.dedent(CONFIG).format(folder=tmp_path))
    return load(path, environ={})


def start(config, look=lambda parts: None):
    async def main():
        async with open_parts(config) as parts:
            return look(parts)

    return asyncio.run(asyncio.wait_for(main(), 30))


def key(parts):
    return parts.engine.services.switch.udp.endpoint._core.config.branch_key


def test_branches_have_a_secret_that_survives_a_restart(config):
    first = start(config, key)
    assert len(first) == 32
    assert start(config, key) == first


def test_what_a_crash_left_is_ended_before_the_lists_are_read(config, monkeypatch):
    order = []
    recover, import_lists = Engine.recover, daemon_parts.import_lists

    async def first(engine):
        order.append("recover")
        return await recover(engine)

    async def second(*args):
        order.append("lists")
        await import_lists(*args)

    monkeypatch.setattr(Engine, "recover", first)
    monkeypatch.setattr(daemon_parts, "import_lists", second)
    start(config)
    assert order == ["recover", "lists"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [(b"", "the file is empty"), (b"\x00\x01\x02\x03" * 100, "spring.csv"), (None, "spring.csv")],
)
def test_a_list_that_cannot_be_read_is_one_line(config, tmp_path, content, problem):
    file = tmp_path / "spring.csv"
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)
    with pytest.raises(StartError, match=problem) as caught:
        start(config)
    assert "\n" not in str(caught.value)


def test_a_second_daemon_on_the_same_store_does_not_start(config):
    async def main():
        async with open_parts(config):
            with pytest.raises(StartError, match="another dialer runs on it"):
                async with open_parts(config):
                    raise AssertionError("two on one store")

    asyncio.run(asyncio.wait_for(main(), 30))


def test_a_token_file_that_a_crash_left_empty_is_made_anew(config, tmp_path):
    token = tmp_path / "api-token"
    token.touch()
    start(config)
    made = token.read_text()
    assert len(made.strip()) >= 16
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    start(config)
    assert token.read_text() == made
    assert not list(tmp_path.glob("api-token.*"))


def test_a_reload_shows_renewed_certificates_and_keeps_the_old_ones_when_the_new_are_gone(tmp_path, config, need):
    need("openssl")
    authority = Authority(tmp_path)
    own = authority.issue("own", "IP:127.0.0.1")
    tls = f'listen_tls = "127.0.0.1:0"\ncertificate_file = "{own.certificate}"\nkey_file = "{own.key}"\n'
    config.path.write_text(config.path.read_text().replace("[sip]\n", f"[sip]\n{tls}"))

    async def shown(parts):
        asker = ssl.create_default_context(cafile=authority.ca_file)
        where = parts.engine.services.switch.udp.listens("tls")
        _, writer = await asyncio.open_connection(*where, ssl=asker)
        certificate = writer.get_extra_info("ssl_object").getpeercert(True)
        writer.close()
        return certificate

    async def main():
        async with open_parts(load(config.path, environ={})) as parts:
            alerts = []
            parts.engine.services.stream.subscribe(lambda event: alerts.append(getattr(event, "alert", "")))
            first = await shown(parts)
            authority.issue("own", "IP:127.0.0.1")
            assert await shown(parts) == first
            await parts.reloader.reload()
            second = await shown(parts)
            assert second != first
            assert "certificate_not_read" not in alerts

            authority.issue("own", "IP:127.0.0.1")
            parts.reloader.check = lambda built: own.key.write_text("half a file")  # good when the config was read
            await parts.reloader.reload()
            assert alerts.count("certificate_not_read") == 1
            assert await shown(parts) == second

    asyncio.run(asyncio.wait_for(main(), 30))
