"""Fields, consent, filters and shared codes in the config: what is built of them, and what is refused where."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dialer.config.build import build_campaigns, database_spec
from dialer.config.errors import ConfigErrors
from dialer.config.load import Config, load
from dispositions import Consent, ConsentRule, FieldSpec, NextState

MORE = """
[lists.spring.columns]
id = "customer"
basis = "basis"

[lists.spring.fields.age]
type = "number"
min = 18

[lists.spring.fields.plan]
type = "choice"
choices = ["gold", "blue"]
required = true

[lists.spring.consent]
basis = "consent"
at = 2026-01-10
source = "web form"

[lists.spring.database]
url_env = "CRM_URL"
table = "crm.people"
key = "customer"
changed_column = "version"

[codes.common]
no = { next = "done" }
later = { next = "callback" }
sold = { next = "done", label = "shared" }
"""
PROMO = """
codes = ["common"]
filter = "fields.age >= 30 and region == 'ES-MD'"
recycled_share = 0.3
"""


@pytest.fixture
def full(good: str) -> str:
    text = good.replace('jurisdiction = "none"\n', 'jurisdiction = "none"\n' + PROMO)
    text = text.replace('region = "ES"\n', 'region = "ES"\nweight = 2.5\n')
    return (
        text.replace("[campaigns.promo]\n", MORE + "\n[campaigns.promo]\n")
        + "\n[campaigns.promo.consent]\nrequired = true\nlifetime = '365d'\n"
    )


def test_what_is_built(full: str, loaded: Callable[[str], Config]) -> None:
    config = loaded(full)
    policy = build_campaigns(config)["promo"].policy
    assert policy.lists["spring"].weight == 2.5
    assert policy.lists["spring"].fields == {
        "age": FieldSpec("number", least=18.0),
        "plan": FieldSpec("choice", choices=("gold", "blue"), required=True),
    }
    assert policy.recycled_share == 0.3
    assert policy.filter is not None
    assert policy.filter.names == {"fields.age", "region"}
    assert policy.consent == ConsentRule(lifetime=365 * 86400.0)
    assert policy.callback_reminder == 300.0
    assert {code: rule.next for code, rule in policy.table.codes.items()} == {
        "no": NextState.DONE, "later": NextState.CALLBACK, "sold": NextState.SALE,
    }  # fmt: skip
    spec = database_spec("spring", config.file.lists["spring"], "sqlite:///x.db")
    assert spec is not None
    assert (spec.table, spec.key, spec.spec.external_id) == ("crm.people", "customer", "customer")
    assert spec.spec.ground == Consent("consent", 1768003200.0, "web form")


def test_shared_codes_scale_with_the_campaign(full: str, loaded: Callable[[str], Config]) -> None:
    fast = "time_scale = 10.0\n" + full.replace(
        'later = { next = "callback" }', 'later = { next = "callback", after = 3600 }'
    )
    table = build_campaigns(loaded(fast))["promo"].policy.table
    assert table.codes["later"].after == 360.0


def test_spain_asks_for_a_basis(good: str, loaded: Callable[[str], Config]) -> None:
    rule = build_campaigns(loaded(good.replace('"none"', '"es"')))["promo"].policy.consent
    assert rule is not None
    assert rule.lifetime == pytest.approx(2 * 365 * 86400, rel=0.01)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("fields.age >= 30", "age >= 30", "campaigns.promo.filter: in its line 1, column 1: there is no 'age'"),
        ("fields.age >= 30", "fields.age >=", "campaigns.promo.filter: in its line 1"),
        ("min = 18", "choices = ['x']", "fields.age.choices: means nothing with type = 'number'"),
        ('choices = ["gold", "blue"]', "", "a choice needs `choices`"),
        ("min = 18", "min = 18\nmax = 3", "fields.age.max: 3 is less than min"),
        ("at = 2026-01-10\n", "", "consent without a date proves nothing"),
        ('codes = ["common"]', 'codes = ["comon"]', "there is no set of codes 'comon'; did you mean"),
        ("recycled_share = 0.3", "recycled_share = 1.5", "recycled_share"),
        ("weight = 2.5", "weight = 0", "weight"),
        ('"none"', '"es"', None),
        ("lifetime = '365d'", "lifetime = '3650d'", None),
    ],
)
def test_mistakes(full: str, write: Callable[[str], Path], old: str, new: str, says: str | None) -> None:
    assert old in full
    text = full.replace(old, new)
    if says is None:
        load(write(text), environ={})
        return
    with pytest.raises(ConfigErrors) as error:
        load(write(text), environ={})
    lines = str(error.value).splitlines()
    assert len(lines) == 1, lines
    assert says in lines[0].replace(" (did you", "; did you")


def test_less_than_the_jurisdiction_asks_is_refused(full: str, write: Callable[[str], Path]) -> None:
    text = full.replace('"none"', '"es"').replace("'365d'", "'3650d'")
    with pytest.raises(ConfigErrors, match=r"consent.lifetime: longer than jurisdiction 'es'"):
        load(write(text), environ={})
