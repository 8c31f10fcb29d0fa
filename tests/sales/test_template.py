"""The sandbox of templates: what it yields, what it refuses, and that nothing gets out of it."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialer.template import MOST_OUTPUT, TemplateFault, compiled, render, render_line

VALUES = {"sale": {"fields": {"card": "41\r\nX", "amount": 12.5, "name": 'O"Neill {{ 7*7 }}'}, "id": 7}, "key": "k/1"}


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("plain", "plain"),
        ("{{ sale.fields.amount }}", "12.5"),
        ("{{ sale.fields.name | tojson }}", '"O\\"Neill {{ 7*7 }}"'),
        ("{{ sale.fields['card'] | urlencode }}", "41%0D%0AX"),
        ("{{ sale.fields.get('none', 'else') }}", "else"),
        ("{% for k in sale.fields.keys() %}{{ k }},{% endfor %}", "card,amount,name,"),
        ("{% if sale.fields.amount > 10 and sale.id == 7 %}big{% endif %}", "big"),
        ("{{ 'a<b' | xml }}", "a&lt;b"),
        ("{{ (2 * 3) % 4 }}", "2"),
    ],
)
def test_what_managers_need(source: str, text: str) -> None:
    assert render(source, VALUES) == text


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ sale.__class__ }}",
        "{{ sale.fields.__init__.__globals__ }}",
        "{{ self._TemplateReference__context }}",
        "{{ cycler.__init__.__globals__.os }}",
        "{{ lipsum.__globals__ }}",
        "{{ range(10) }}",
        "{{ 'a' * 1000000000 }}",
        "{{ 10 ** 1000000 }}",
        "{{ '%0999999999d' % 1 }}",
        "{{ '{:>999999999}'.format(1) }}",
        "{{ 'a'.ljust(999999999) }}",
        "{{ 'a'.encode() }}",
        "{{ sale.fields.update({}) }}",
        "{{ [1]*99999999 }}",
        "{% include 'x' %}",
        "{% import 'x' as y %}",
        "{% extends 'x' %}",
        "{% macro m() %}{% endmacro %}",
        "{% for a in sale.fields %}{% for b in sale.fields %}x{% endfor %}{% endfor %}",
        "{% for a in sale.fields recursive %}{{ loop(sale.fields) }}{% endfor %}",
        "{{ 'x' | attr('__class__') }}",
        "{{ sale | map(attribute='__class__') }}",
        "{{ 'x' | center(999999999) }}",
        "{{ sale.nothing }}",
        "{{ nothing }}",
        "{{ 1 / 0 }}",
        "{{ unclosed",
        "{% if %}",
        "{{ sale.fields.get.__self__ }}",
        "{{ sale.fields.get.__func__ }}",
    ],
)
def test_what_is_refused(source: str) -> None:
    with pytest.raises(TemplateFault) as fault:
        render(source, VALUES)
    assert "\n" not in str(fault.value)
    assert 'O"Neill' not in str(fault.value), "a customer's data stands in no message"


def test_an_end_to_what_is_written() -> None:
    long = "{% for c in text %}{{ text }}{% endfor %}"
    with pytest.raises(TemplateFault, match=str(MOST_OUTPUT)):
        render(long, {"text": "x" * 100_000})
    with pytest.raises(TemplateFault):
        compiled("x" * 20_001)


def test_one_line_where_one_is_wanted() -> None:
    with pytest.raises(TemplateFault, match="line break"):
        render_line("{{ sale.fields.card }}", VALUES)
    assert render_line("{{ key }}", VALUES) == "k/1"


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200))
def test_any_source_yields_text_or_a_fault(source: str) -> None:
    try:
        text = render(source, VALUES)
    except TemplateFault:
        return
    assert "<class" not in text


_LANGUAGE = "{{ }} {% %} sale . __class__ for in endfor if endif | attr ( ) ' * 9 join [ ] : self loop % ~"
_WORDS = st.sampled_from([*re.findall(r"\S+", _LANGUAGE), " "])


@settings(max_examples=500, deadline=None)
@given(st.lists(_WORDS, max_size=30))
def test_any_jumble_of_the_language_stays_inside(words: list[str]) -> None:
    try:
        text = render("".join(words), VALUES)
    except TemplateFault:
        return
    assert len(text) <= MOST_OUTPUT
    assert "<class" not in text
    assert "object at 0x" not in text


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=100))
def test_data_is_never_template_and_always_json(value: str) -> None:
    rendered = render('{"name": {{ name | tojson }}}', {"name": value})
    assert json.loads(rendered) == {"name": value}
    assert render("{{ name }}", {"name": value}) == value
