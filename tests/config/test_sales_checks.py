"""Mistakes in `[sales]`, each with its line."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from benchmarks.rig.process import Process
from benchmarks.thirdparty.config import sales_table
from dialer.config.load import ConfigErrors, load

ROOT = Path(__file__).parents[2]
PORTS = {"reservations": 1, "antifraud": 2, "gateway": 3, "mail": 4}
GOOD = sales_table(PORTS)


def mistakes(tmp_path: Path, table: str) -> list[str]:
    """`line: message` of each mistake, the line counted in `table`."""
    for name in ("contacts.csv", "do-not-call.txt"):
        (tmp_path / name).write_bytes((ROOT / "examples" / name).read_bytes())
    path = tmp_path / "sales.toml"
    head = f'base = "{ROOT}/examples/campaign.toml"\n'
    path.write_text(head + table, encoding="utf-8")
    try:
        load(path, environ={"TOKEN": "x" * 20})
    except ConfigErrors as errors:
        return [f"{error.line - 1}: {error.message}" for error in errors.errors]
    return []


def test_the_pipeline_of_the_tests_is_sound(tmp_path: Path) -> None:
    assert mistakes(tmp_path, GOOD) == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('connector = "gateway"', 'connector = "gatway"', "did you mean 'gateway'"),
        ('name = "payment"', 'name = "issue"', "another step is called 'issue'"),
        ('allow = ["127.0.0.1"]', "", "private address"),
        ('allow = ["127.0.0.1"]', 'allow = ["127.0.0.1/99"]', "allowed: '10.1.0.0/16'"),
        ('"http://127.0.0.1:3"', '"http://user:secret@127.0.0.1:3"', "holds a password"),
        ('"http://127.0.0.1:3"', '"ftp://127.0.0.1:3"', "no http URL"),
        ('"http://127.0.0.1:3"', '"http://{{ sale.id }}/"', "fixed host"),
        ('"smtp://127.0.0.1:4"', '"http://127.0.0.1:4"', "no smtp URL"),
        ('sender = "Tickets <tickets@example.com>"', "", "sender is needed"),
        ('do.path = "/charges"', 'do.path = "/charges{{"', "the template does not hold"),
        ('do.path = "/charges"', "do.path = \"{% include 'x' %}\"", "includes are not allowed"),
        (
            'do.path = "/charges"',
            'do.path = "/charges"\ndo.statement = "SELECT 1"',
            "no meaning for a connector of kind",
        ),
        ('do.path = "/charges"', 'do.path = "/charges"\ndo.unknown = ["x"]', "only `status` can say that"),
        ('do.reason = "$.reason"', 'do.reason = "$reason"', "not a path"),
        ('do.accepted = ["paid"]', 'do.accepted = ["paid", "declined"]', "cannot mean two things"),
        ('do.to = "{{ sale.fields.email }}"', "", "to is needed"),
        ('name = "sorry"', 'name = "payment"', "is called 'payment'"),
        ('kind = "smtp"', 'kind = "smtp"\ncall = "a:b"', "no meaning for kind 'smtp'"),
        ('kind = "smtp"', 'kind = "smtp"\npause = 99', "longer than pause_most"),
        ('kind = "smtp"', 'kind = "smtp"\nsecret_env = "NO_SUCH"', "NO_SUCH is not set"),
        ('connector = "antifraud"', 'connector = "antifraud"\ncampaigns = ["sprng"]', "did you mean 'spring'"),
        ('connector = "antifraud"', 'connector = "antifraud"\npatince = 3', "patience"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in GOOD
    table = GOOD.replace(old, new, 1)
    found = mistakes(tmp_path, table)
    assert any(message in mistake for mistake in found), found
    assert "secret@" not in repr(found)
    if new and old != 'allow = ["127.0.0.1"]':
        lines = [n for n, text in enumerate(table.splitlines(), 1) if new.splitlines()[-1] in text]
        near = [int(mistake.split(":")[0]) for mistake in found if message in mistake]
        assert min(abs(n - line) for n in near for line in lines) <= 1, (lines, found)


SQL = """
[sales.connectors.crm]
kind = "sql"
url = "postgresql+psycopg://crm@db.example.com/crm"
secret_env = "TOKEN"
[[sales.steps]]
name = "book"
connector = "crm"
do.statement = "INSERT INTO sold VALUES (:key, :number, 'a::b'::text)"
do.values = { number = "{{ sale.number }}" }
"""


def test_sql_is_no_template_and_its_parameters_are_known(tmp_path: Path) -> None:
    assert mistakes(tmp_path, SQL) == []
    assert "could change the statement" in mistakes(tmp_path, SQL.replace(":number,", "{{ sale.number }},"))[0]
    assert ":numbr is not among" in mistakes(tmp_path, SQL.replace(":number,", ":numbr,"))[0]
    assert "is needed" in mistakes(tmp_path, re.sub("do.statement.*\n", "", SQL))[0]
    broken = SQL.replace('kind = "sql"', 'kind = "python"').replace("url =", "call =")
    assert any("package.module:function" in mistake for mistake in mistakes(tmp_path, broken))


def test_a_table_with_nothing_in_it_says_what_it_needs(tmp_path: Path) -> None:
    found = mistakes(tmp_path, "[sales]\n")
    assert any("connectors" in mistake for mistake in found)
    assert any("steps" in mistake for mistake in found)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "steps.payment.charge | tojson",
            "steps.paymint.charge | tojson",
            "called 'paymint' (did you mean 'payment'?)",
        ),
        ("steps.payment.charge | tojson", "steps.payment.chrge | tojson", "keeps no 'chrge' (did you mean 'charge'?)"),
        ("steps.payment.charge | tojson", "steps.issue.document | tojson", "no step before this one is called 'issue'"),
        (
            "steps.payment.charge | tojson",
            "steps.antifraud.score | tojson",
            "nothing: give step 'antifraud' a `do.keep`",
        ),
        ("sale.fields.card | tojson", "sale.field.card | tojson", "a sale has no 'field' (did you mean 'fields'?)"),
        ("sale.fields.card | tojson", "sale.card | tojson", "what the agent filled in: sale.fields.card"),
        ("sale.fields.card | tojson", "crd | tojson", "nothing is called 'crd' here"),
        ("sale.fields.card | tojson", "status | tojson", "nothing is called 'status' here"),  # no answer yet
        ('do.subject = "Your ticket', 'do.subject = "{{ reason }} ', "nothing is called 'reason' here"),  # no notice
        ('do.reason = "$.reason"', 'do.reason = "{{ key }}"', "nothing is called 'key' here"),  # an answer has none
        ('charge = "$.id"', 'charge = "id"', "allowed: '$.id', or a template"),
        ("Tickets <tickets@example.com>", "Tickets", "no e-mail address"),
        ("smtp://127.0.0.1:4", "smtp://127.0.0.1:99999", "not a URL"),
    ],
)
def test_what_would_fail_every_sale_is_found_before_the_first(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in GOOD
    found = mistakes(tmp_path, GOOD.replace(old, new, 1))
    assert len(found) == 1
    assert message in found[0]
    line = next(n for n, text in enumerate(GOOD.replace(old, new, 1).splitlines(), 1) if new in text)
    said = int(found[0].partition(":")[0])
    assert 0 <= line - said <= 1, "its line, or that on which its text begins"


@pytest.mark.parametrize(
    "new",
    [
        '(crd | default("none")) | tojson',
        "(sale.card if sale.card is defined else 1) | tojson",
        'sale["fields"]["card"] | tojson',
        'steps["payment"] | default(1) | tojson',
        'sale.contact.anything.at_all | default("") | tojson',
    ],
)
def test_what_may_be_missing_is_no_mistake(tmp_path: Path, new: str) -> None:
    found = mistakes(tmp_path, GOOD.replace("sale.fields.card | tojson", new, 1))
    assert found == []


def test_a_trial_with_the_simulated_third_parties_holds(tmp_path: Path) -> None:
    """As the manager's page says it: started, and the file that is written is a whole config."""
    campaign, trial = ROOT / "examples" / "campaign.toml", tmp_path / "trial.toml"
    command = [sys.executable, "-m", "benchmarks.thirdparty", "all", "--log", str(tmp_path / "parties")]
    with Process([*command, "--trial", str(campaign), str(trial)], tmp_path / "out", cwd=ROOT) as parties:
        parties.wait_ready(lambda: "mail" in parties.tail(), 60.0, "they listen")
        found = load(trial, environ={}).file.sales
    assert found is not None
    assert [step.name for step in found.steps] == ["reservation", "antifraud", "payment", "issue", "notify"]
