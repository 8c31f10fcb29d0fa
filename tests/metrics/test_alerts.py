"""The alert rules, checked by Prometheus' own tool, against our metrics and the operator's guide."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from dialer.metrics import Gauges, Metrics
from dialer.metrics.families import Families

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "alerts" / "dialer.rules.yml"
TESTS = ROOT / "alerts" / "dialer.rules.test.yml"
ALERTS = re.findall(r"^\s+- alert: (\w+)$", RULES.read_text(), re.M)


def promtool(*arguments: str, given: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    program = shutil.which("promtool")
    if program is None:
        message = "promtool is not installed (make peers)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return subprocess.run([program, *arguments], input=given, capture_output=True, timeout=300, check=False)


@pytest.mark.peer
@pytest.mark.parallel
def test_the_rules_are_valid() -> None:
    result = promtool("check", "rules", str(RULES))
    assert result.returncode == 0, result.stdout + result.stderr
    assert b"SUCCESS" in result.stdout


@pytest.mark.peer
@pytest.mark.parallel
def test_the_page_is_as_prometheus_asks() -> None:
    metrics = Metrics()
    metrics.observe(Gauges(at=0.0, lines={"main": 1}, sip_drops={"malformed": 1}, outbox=1))
    result = promtool("check", "metrics", given=metrics.render())
    assert (result.returncode, result.stdout + result.stderr) == (0, b"")


@pytest.mark.peer
@pytest.mark.parallel
def test_every_alert_fires_and_keeps_quiet_as_it_should() -> None:
    result = promtool("test", "rules", str(TESTS))
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_alert_has_a_firing_and_a_quiet_test() -> None:
    text = TESTS.read_text()
    assert len(ALERTS) > 20
    for alert in ALERTS:
        assert f"name: {alert} fires" in text
        assert f"name: {alert} is quiet 1" in text


def test_every_alert_is_explained_to_the_operator() -> None:
    guide = (ROOT / "docs" / "operator.md").read_text()
    headings = re.findall(r"^### (Dialer\w+)$", guide, re.M)
    assert sorted(headings) == sorted(ALERTS)
    for alert in ALERTS:
        assert f"docs/operator.md#{alert.lower()}" in RULES.read_text()


def test_every_metric_of_the_rules_is_one_of_ours() -> None:
    registry = CollectorRegistry()
    Families(registry)
    ours = set(registry._names_to_collectors)
    expressions = re.sub(r"\{[^}]*\}", "", RULES.read_text())
    used = set(re.findall(r"\bdialer_\w+", expressions))
    assert len(used) > 15
    assert used <= ours


def test_a_counter_whose_first_increase_must_alert_is_there_before_it() -> None:
    """Prometheus sees no increase in a counter that begins with its first event."""
    metrics = Metrics()
    metrics.observe(Gauges(at=0.0, campaigns={"spring": "running"}))
    metrics.observe_webhook("crm", waiting=0, oldest=0.0, down=False)
    page = metrics.render().decode().splitlines()
    watched = re.findall(r"(?:increase|rate)\((dialer_\w+_total)\{(\w+)=~?\"([^\"]+)\"\}", RULES.read_text())
    found = {
        (family, value): [line for line in page if line.startswith(family) and f'{label}="{value}"' in line]
        for family, label, values in watched
        for value in values.split("|")
        if family not in ("dialer_agent_seconds_total", "dialer_calls_ended_total")  # shares of what goes on all day
    }
    assert len(found) >= 6
    assert [key for key, lines in found.items() if not lines or not all(line.endswith(" 0.0") for line in lines)] == []


def _dashboard_expressions() -> list[str]:
    board = json.loads((ROOT / "alerts" / "dashboard.json").read_text())
    return [target["expr"] for panel in board["panels"] for target in panel["targets"]]


def test_every_metric_of_the_dashboard_is_one_of_ours() -> None:
    registry = CollectorRegistry()
    Families(registry)
    ours = set(registry._names_to_collectors)
    recorded = set(re.findall(r"record: (\S+)$", RULES.read_text(), re.M))
    used = {name for e in _dashboard_expressions() for name in re.findall(r"\bdialer[_:][\w:]+", e)}
    assert len(used) > 20
    assert used <= ours | recorded


@pytest.mark.peer
@pytest.mark.parallel
def test_every_query_of_the_dashboard_parses(tmp_path: Path) -> None:
    rules = [{"record": f"x:{n}", "expr": e.replace("$campaign", ".*")} for n, e in enumerate(_dashboard_expressions())]
    path = tmp_path / "board.yml"
    path.write_text(json.dumps({"groups": [{"name": "board", "rules": rules}]}))
    result = promtool("check", "rules", str(path))
    assert result.returncode == 0, result.stdout + result.stderr
