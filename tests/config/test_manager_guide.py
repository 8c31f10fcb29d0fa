"""What the guide shows holds: every TOML block of it, laid over the example."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.rig.authority import Authority
from dialer.config.build import build
from dialer.config.load import load

ROOT = Path(__file__).parents[2]
BLOCKS = re.findall(r"```toml\n(.*?)```", (ROOT / "docs" / "manager.md").read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_of_the_guide(block: str, tmp_path: Path, need: Callable[[str], str]) -> None:
    if ".pem" in block:
        need("openssl")
        authority = Authority(tmp_path)
        ours = authority.issue("ours", "DNS:dialer.example")
        named = {"dialer.pem": ours.certificate, "dialer.key": ours.key, "carrier-ca.pem": authority.ca_file}
        for name, made in named.items():
            (tmp_path / name).write_bytes(made.read_bytes())
    for name in ("contacts.csv", "do-not-call.txt"):
        (tmp_path / name).write_bytes((ROOT / "examples" / name).read_bytes())
    path = tmp_path / "guide.toml"
    path.write_text(f'base = "{ROOT}/examples/campaign.toml"\n{block}', encoding="utf-8")
    secrets = dict.fromkeys(re.findall(r'_env = "(\w+)"', block), "a secret of sixteen letters")
    build(load(path, environ=secrets), secrets)


def test_the_guide_names_no_command_that_is_not_there() -> None:
    from dialer.cli.group import COMMANDS

    text = (ROOT / "docs" / "manager.md").read_text(encoding="utf-8")
    named = set(re.findall(r"(?:^    |`)dialer ([a-z-]+)", text, re.MULTILINE))
    assert len(named) > 8
    assert named <= set(COMMANDS)
