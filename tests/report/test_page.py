"""The page: well-formed, self-contained, and deaf to hostile names."""

from __future__ import annotations

import dataclasses
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from dialer.report import audit, figures
from dialer.report.page import render

VOID = {"meta", "link", "br", "img", "hr", "input"}


class Checker(HTMLParser):
    """Every element is closed in order; notes what would be loaded from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loads += [value or "" for name, value in attrs if name in ("src", "href", "action")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, tag
        assert self.open.pop() == tag


def page(day: Any, **changes: Any) -> str:
    verdict = audit(day.listed, (), day.carrier, day.store, 30)
    report = figures(
        day.store, day.events, carrier=day.carrier, audit=verdict, abandon_cap=0.03, settings={"speed": 10.0}
    )
    return render(dataclasses.replace(report, **changes))


def check(text: str) -> Checker:
    checker = Checker()
    checker.feed(text)
    checker.close()
    assert checker.open == []
    return checker


def test_the_page_is_well_formed_and_loads_nothing(day: Any) -> None:
    checker = check(page(day))
    assert checker.loads == []
    assert "script" not in checker.tags
    assert checker.tags.count("svg") == 10


def test_an_empty_campaign_has_a_page(day: Any) -> None:
    empty = dataclasses.replace(day.store, attempts=(), contacts={}, states={})
    check(render(figures(empty)))


def test_names_from_outside_are_escaped(day: Any) -> None:
    evil = '<script>alert("x")</script>'
    text = page(day, campaign=evil, outcomes={evil: 3}, codes={evil: 2})
    assert "<script>" not in text
    check(text)


def test_findings_are_shown(day: Any) -> None:
    broken = dataclasses.replace(day.store, attempts=day.store.attempts[1:])
    verdict = audit(day.listed, (), day.carrier, broken, 30)
    text = render(figures(broken, day.events, carrier=day.carrier, audit=verdict))
    assert "lost contacts: 1" in text
    assert day.store.attempts[0].number in text


@pytest.mark.peer
@pytest.mark.parallel
def test_a_browser_shows_it(day: Any, tmp_path: Path, need: Callable[[str], str]) -> None:
    browser = need("chromium")
    file, picture = tmp_path / "report.html", tmp_path / "report.png"
    file.write_text(page(day), encoding="utf-8")
    command = [browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1200,2000"]
    done = subprocess.run(
        [*command, f"--user-data-dir={tmp_path / 'profile'}", f"--screenshot={picture}", file.as_uri()],
        capture_output=True, timeout=90, check=False,
    )  # fmt: skip
    assert done.returncode == 0
    assert picture.stat().st_size > 50_000
