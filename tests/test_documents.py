"""The documentation is true: its Python runs, its links lead somewhere, the commands that it names exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *ROOT.glob("docs/**/*.md")])
PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)[^)]*\)")
MODULE = re.compile(r"python3? -m ([a-z_.]+)")


def blocks():
    for page in (ROOT / "README.md", ROOT / "docs" / "embedding.md", ROOT / "docs" / "api.md"):
        for number, match in enumerate(PYTHON.finditer(page.read_text(encoding="utf-8")), 1):
            yield pytest.param(match.group(1), id=f"{page.name}-{number}")


@pytest.mark.parametrize("code", list(blocks()))
def test_the_examples_run(code, tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:__main__", "-c", code],
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        if not target.startswith(("http://", "https://", "mailto:")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_commands_that_the_pages_name_exist():
    from dialer.cli.group import COMMANDS

    lines = {
        match.group(1): page.name
        for page in PAGES
        for match in re.finditer(r"`(?:\.venv/bin/)?dialer ([a-z][a-z-]+)", page.read_text(encoding="utf-8"))
    }
    assert lines, "no page names a command"
    assert set(lines) <= set(COMMANDS), {name: page for name, page in lines.items() if name not in COMMANDS}


def test_the_modules_that_the_pages_run_exist():
    from importlib.util import find_spec

    for page in PAGES:
        for name in MODULE.findall(page.read_text(encoding="utf-8")):
            if name.startswith(("benchmarks", "dialer", "tests")):
                assert find_spec(name.rstrip(".")) is not None, f"{page.name} names {name}"
