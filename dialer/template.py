"""Texts that managers write with gaps: jinja2, in a sandbox that can neither reach out nor run away.

What fills the gaps comes from customers, agents and third parties, so it is data and never template. A template itself
comes from a config file, whose author may be careless or in a hurry: it has no loops in loops, no imports, no macros,
no calls but a few harmless methods, a limited choice of filters, and an end to what it may write.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from jinja2 import StrictUndefined, Template, TemplateError, nodes
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

#: Characters that one rendering may yield, and that a template may have.
MOST_OUTPUT, MOST_SOURCE = 200_000, 20_000

_FILTERS = frozenset({
    "abs", "capitalize", "default", "first", "float", "int", "join", "last", "length", "lower", "replace", "round",
    "string", "title", "trim", "truncate", "upper",
})  # fmt: skip
_TESTS = frozenset({"defined", "undefined", "none", "string", "number", "mapping", "sequence", "true", "false", "in",
                    "eq", "equalto", "==", "ne", "!=", "lt", "<", "le", "<=", "gt", ">", "ge", ">="})  # fmt: skip
_METHODS: Mapping[type, frozenset[str]] = {
    str: frozenset({"upper", "lower", "strip", "startswith", "endswith", "split"}),
    dict: frozenset({"get", "items", "keys", "values"}),
}
_REFUSED: tuple[tuple[type[nodes.Node], str], ...] = (
    (nodes.Macro, "macros"),
    (nodes.CallBlock, "call blocks"),
    (nodes.Import, "imports"),
    (nodes.FromImport, "imports"),
    (nodes.Include, "includes"),
    (nodes.Extends, "inheritance"),
    (nodes.Block, "blocks"),
    (nodes.Pow, "powers"),
)
_LINE_BREAK = re.compile(r"[\r\n\x00]")


class TemplateFault(Exception):
    """A template that does not hold, or cannot be filled; the text is one line without the data."""


class _Sandbox(ImmutableSandboxedEnvironment):
    # long numbers and texts are made by these, and by nothing else that is allowed
    intercepted_binops = frozenset({"*", "%"})

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if not all(isinstance(side, int | float) and abs(side) < 1e15 for side in (left, right)):
            raise SecurityError(f"{operator} is for numbers only")
        return super().call_binop(context, operator, left, right)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        if callable(value):
            return attr in _METHODS.get(type(obj), frozenset())
        return not attr.startswith("_") and isinstance(obj, Mapping | str | int | float | list | tuple | type(None))

    def is_safe_callable(self, obj: Any) -> bool:
        owner = getattr(obj, "__self__", None)
        return getattr(obj, "__name__", "") in _METHODS.get(type(owner), frozenset())


def _environment() -> _Sandbox:
    made = _Sandbox(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True)
    made.globals.clear()
    made.filters = {name: made.filters[name] for name in _FILTERS}
    made.filters["tojson"] = _tojson
    made.filters["urlencode"] = lambda value: quote(str(value), safe="")
    made.filters["xml"] = _xml
    made.tests = {name: made.tests[name] for name in _TESTS}
    return made


def _tojson(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _xml(value: Any) -> str:
    text = str(value)
    for sign, word in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("'", "&#39;")):
        text = text.replace(sign, word)
    return text


_SANDBOX = _environment()


@lru_cache(maxsize=1024)
def compiled(source: str) -> Template:
    """The template, checked. Raises `TemplateFault` with the line of the mistake."""
    if len(source) > MOST_SOURCE:
        raise TemplateFault(f"longer than {MOST_SOURCE} characters")
    try:
        tree = _SANDBOX.parse(source)
        _check(tree)
        return _SANDBOX.from_string(source)
    except TemplateError as error:
        raise TemplateFault(_said(error)) from None
    except RecursionError:
        raise TemplateFault("nested too deeply") from None


def names_read(source: str) -> set[tuple[str, ...]]:
    """What a template that holds reads, from the outside in: `{{ sale.fields.card }}` is (sale, fields, card). What may
    be missing is left out (names under `default` or in a test such as `is defined`), and what it sets itself."""
    tree = _SANDBOX.parse(source)
    own = {node.name for node in tree.find_all(nodes.Name) if node.ctx != "load"}
    loose = [node for node in tree.find_all(nodes.Filter) if node.name == "default"]
    asked = {_chain(inner) for node in (*loose, *tree.find_all(nodes.Test)) for inner in _below(node)} - {()}
    whole = {chain for chain in asked if not any(o != chain and o[: len(chain)] == chain for o in asked)}
    read = {_chain(node) for node in tree.find_all((nodes.Name, nodes.Getattr, nodes.Getitem))} - {()}
    return {
        chain
        for chain in read
        if chain[0] not in own
        and not any(o != chain and o[: len(chain)] == chain for o in read)  # a part of a longer one
        and not any(chain[: len(o)] == o for o in whole)
    }


def _below(node: nodes.Node) -> list[nodes.Node]:
    return [inner for child in node.iter_child_nodes() for inner in (child, *_below(child))]


def _chain(node: nodes.Node) -> tuple[str, ...]:
    """(a, b, c) of a.b.c or a['b'].c; empty where it is none, or one of its parts is worked out."""
    if isinstance(node, nodes.Name):
        return (node.name,)
    if isinstance(node, nodes.Getattr):
        before = _chain(node.node)
        return (*before, node.attr) if before else ()
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str):
        before = _chain(node.node)
        return (*before, node.arg.value) if before else ()
    return ()


def _check(tree: nodes.Template) -> None:
    for kind, name in _REFUSED:
        if next(tree.find_all(kind), None) is not None:
            raise TemplateFault(f"{name} are not allowed")
    for loop in tree.find_all(nodes.For):
        if loop.recursive or next(loop.find_all(nodes.For), None) is not None:
            raise TemplateFault("loops within loops are not allowed")


def render(source: str, values: Mapping[str, Any]) -> str:
    """The text with its gaps filled. Raises `TemplateFault`: a name that is not there, a forbidden step, too long."""
    template = compiled(source)
    parts, left = [], MOST_OUTPUT
    try:
        for part in template.generate(values):
            left -= len(part)
            if left < 0:
                raise TemplateFault(f"writes more than {MOST_OUTPUT} characters")
            parts.append(part)
    except TemplateError as error:
        raise TemplateFault(_said(error)) from None
    except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError) as error:
        raise TemplateFault(f"cannot be filled: {type(error).__name__}") from None
    return "".join(parts)


def render_line(source: str, values: Mapping[str, Any]) -> str:
    """The same for what must stay on one line (a header, an address, a subject). Raises `TemplateFault`."""
    text = render(source, values)
    if _LINE_BREAK.search(text):
        raise TemplateFault("yields a line break where one line is wanted")
    return text


def _said(error: TemplateError) -> str:
    # only the first line, which names what is wrong; a value of the data never stands in it
    line = getattr(error, "lineno", None)
    text = (error.message or type(error).__name__).splitlines()[0][:200]
    return f"line {line}: {text}" if line else text


Renderer = Callable[[str, Mapping[str, Any]], str]
