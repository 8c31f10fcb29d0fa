"""Keys of SIP transports: each mistake in one line that names the key, and certificates that are really read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.rig.authority import Authority
from dialer.config.errors import ConfigErrors
from dialer.config.load import load

BEFORE = "[trunks.main]"


@pytest.fixture
def problems(tmp_path: Path, good: str) -> Callable[[str, str], str]:
    """`problems(sip, trunk)`: what is wrong with the good config and these further keys."""

    def find(sip: str, trunk: str = "", phone: str = "") -> str:
        path = tmp_path / "campaign.toml"
        text = good.replace(BEFORE, f"[sip]\n{sip}\n{BEFORE}\n{trunk}", 1)
        if phone:
            text += f'\n[agents.extra]\nphone = "{phone}"\n'
        path.write_text(text)
        (tmp_path / "spring.csv").touch()
        try:
            load(path, environ={})
        except ConfigErrors as error:
            return str(error)
        return ""

    return find


@pytest.mark.parametrize(
    ("sip", "trunk", "words"),
    [
        ('listen_tls = "127.0.0.1:5061"', "", "sip.listen_tls: a TLS door without a certificate"),
        ("require_certificate = true", "", "sip.require_certificate: nobody connects by TLS"),
        ('key_file = "k.pem"', "", "sip.key_file: a private key without its certificate"),
        ('nameservers = ["dns.test:53"]', "", "sip.nameservers"),
        ("", 'server_name = "x.test"', "trunks.main.server_name: this trunk's transport is 'udp'"),
        ("", "verify = false", "trunks.main.verify: this trunk's transport is 'udp'"),
        ("", 'transport = "tcp"\nlarge_over_tcp = true', "trunks.main.large_over_tcp: this trunk's transport is 'tcp'"),
        ("", 'transport = "sctp"', "trunks.main.transport"),
        ("", 'transport = "tls"\nca_file = "none.pem"', "trunks.main.ca_file: no such file"),
    ],
)
def test_a_mistake_is_named_at_its_key(problems: Callable[..., str], sip: str, trunk: str, words: str) -> None:
    found = problems(sip, trunk)
    assert words in found
    assert "campaign.toml:" in found


def test_a_phone_over_a_transport_that_we_do_not_have(problems: Callable[..., str]) -> None:
    assert "'sctp' is no transport" in problems("", "", "sip:x@192.0.2.1;transport=sctp")
    assert problems("", "", "sip:x@192.0.2.1;transport=tls") == ""


def test_certificates_are_read(problems: Callable[..., str], tmp_path: Path, need: Callable[[str], str]) -> None:
    need("openssl")
    authority = Authority(tmp_path)
    one, two = authority.issue("one", "DNS:one.test"), authority.issue("two", "DNS:two.test")
    files = {"ca_file": authority.ca_file, "certificate_file": one.certificate, "key_file": one.key}
    good = "\n".join(f'{key} = "{file.name}"' for key, file in files.items())
    assert problems(f'listen_tls = "127.0.0.1:0"\n{good}', f'transport = "tls"\n{good}') == ""
    other = good.replace(one.key.name, two.key.name)
    assert "sip.certificate_file: it cannot be used" in problems(other)
    (tmp_path / "empty.pem").write_text("")
    assert "trunks.main.ca_file: it cannot be used" in problems("", 'transport = "tls"\nca_file = "empty.pem"')
