"""Filters: which contacts of a list may be dialed, as a small expression in the config.

    fields.age >= 30 and region in ('ES-MD', 'ES-CT') and not startswith(fields.plan, 'pre')

The text is parsed with Python's grammar, and only the nodes listed here are understood; nothing is ever evaluated as
Python. Numbers compare with numbers (a text that is a number counts as one), texts with texts, dates as `YYYY-MM-DD`;
every order or membership test with something that is missing is false, so a contact without an age is not 30 or older,
and `fields.age == none` finds it.
"""

from __future__ import annotations

import ast
import operator
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dispositions.errors import ExpressionError

NAMES = ("id", "number", "country", "kind", "region", "list", "priority", "attempts", "language")
"""What an expression may name beside `fields.NAME`. `region` and `language` are the contact's fields of these names;
without a field `region` is the country of the number. `kind`: mobile, fixed, either, voip, toll_free, other."""
LONGEST, MOST_NODES = 2000, 300

Value = Any
Look = Callable[[str], Value]
"""A name (`priority`, `fields.age`) to its value; None when there is none."""
_Part = Callable[[Look], Value]

_ORDER: Mapping[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_WORDS = {"true": True, "false": False, "none": None}


@dataclass(frozen=True, slots=True, eq=False)
class Filter:
    """A checked expression. Equal to another of the same text. `names`: what it looks at."""

    text: str
    names: frozenset[str]
    _test: _Part

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Filter) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)

    def holds(self, look: Look) -> bool:
        """Whether it is true of the contact that `look` knows."""
        return bool(self._test(look))


def parse_filter(text: str) -> Filter:
    """The filter that `text` means. Raises `ExpressionError` with line and column."""
    if len(text) > LONGEST:
        raise ExpressionError(1, LONGEST, f"is longer than {LONGEST} characters")
    if not text.strip():
        raise ExpressionError(1, 1, "is empty")
    if "\x00" in text:
        raise ExpressionError(1, text.index("\x00") + 1, "holds a NUL")
    try:
        # in brackets it may be broken into lines; the first line's columns are one too far then
        with warnings.catch_warnings():  # a SyntaxWarning would name a file `<unknown>` to a manager
            warnings.simplefilter("ignore", SyntaxWarning)
            tree = ast.parse(f"({text}\n)", mode="eval")
    except SyntaxError as error:
        line = min(error.lineno or 1, text.count("\n") + 1)
        column = (error.offset or 1) - (1 if line == 1 else 0)
        raise ExpressionError(line, max(1, column), f"cannot be read: {error.msg}") from None
    except (RecursionError, MemoryError):
        raise ExpressionError(1, 1, "is nested too deeply") from None
    if sum(1 for _ in ast.walk(tree)) > MOST_NODES:
        raise ExpressionError(1, 1, f"has more than {MOST_NODES} parts")
    builder = _Builder()
    test = builder.part(tree.body)
    return Filter(text, frozenset(builder.names), test)


class _Builder:
    """Turns the allowed nodes into closures."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def part(self, node: ast.expr) -> _Part:
        match node:
            case ast.Constant(value=value) if isinstance(value, str | int | float | bool) or value is None:
                return lambda look: value
            case ast.Name(id=word) if word.lower() in _WORDS:
                constant = _WORDS[word.lower()]
                return lambda look: constant
            case ast.Name(id=name):
                if name not in NAMES:
                    raise _wrong(node, f"there is no {name!r}; allowed: fields.NAME, {', '.join(NAMES)}")
                return self._look(name)
            case ast.Attribute(value=ast.Name(id="fields"), attr=name):
                return self._look(f"fields.{name}")
            case ast.Subscript(value=ast.Name(id="fields"), slice=ast.Constant(value=str() as name)):
                return self._look(f"fields.{name}")
            case ast.BoolOp(op=ast.And(), values=values):
                parts = [self.part(value) for value in values]
                return lambda look: all(part(look) for part in parts)
            case ast.BoolOp(values=values):
                parts = [self.part(value) for value in values]
                return lambda look: any(part(look) for part in parts)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                inner = self.part(operand)
                return lambda look: not inner(look)
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
                return lambda look: -number
            case ast.Compare(left=left, ops=ops, comparators=rights):
                return self._compare(left, ops, rights)
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _CALLS:
                return self._call(node, name, args)
            case ast.Tuple(elts=elements) | ast.List(elts=elements):
                parts = [self.part(element) for element in elements]
                return lambda look: tuple(part(look) for part in parts)
        raise _wrong(
            node, f"{_word(node)} is not understood here; allowed: comparisons, in, and, or, not, {_FUNCTIONS}"
        )

    def _look(self, name: str) -> _Part:
        self.names.add(name)
        return lambda look: look(name)

    def _compare(self, left: ast.expr, ops: list[ast.cmpop], rights: list[ast.expr]) -> _Part:
        parts = [self.part(left), *(self.part(right) for right in rights)]
        tests = []
        for op, right in zip(ops, rights, strict=True):
            test = _TESTS.get(type(op))
            if test is None:
                raise _wrong(right, "`is` is not understood; write == none")
            tests.append(test)

        def compare(look: Look) -> bool:
            values = [part(look) for part in parts]
            return all(test(values[n], values[n + 1]) for n, test in enumerate(tests))

        return compare

    def _call(self, node: ast.expr, name: str, args: list[ast.expr]) -> _Part:
        wanted, function = _CALLS[name]
        if len(args) != wanted:
            raise _wrong(node, f"{name} takes {wanted} value{'s' if wanted > 1 else ''}, not {len(args)}")
        parts = [self.part(arg) for arg in args]
        return lambda look: function(*(part(look) for part in parts))


def _alike(a: Value, b: Value) -> tuple[Value, Value] | None:
    """Both as things that can be compared; None when they cannot."""
    if isinstance(a, str) and isinstance(b, int | float) and not isinstance(b, bool):
        a = _as_number(a)
    elif isinstance(b, str) and isinstance(a, int | float) and not isinstance(a, bool):
        b = _as_number(b)
    if a is None or b is None or isinstance(a, bool) is not isinstance(b, bool):
        return None
    if isinstance(a, str) is not isinstance(b, str) or isinstance(a, tuple) or isinstance(b, tuple):
        return None
    return a, b


def _as_number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _equal(a: Value, b: Value) -> bool:
    if a is None or b is None:
        return a is b
    pair = _alike(a, b)
    return pair is not None and bool(pair[0] == pair[1])


def _ordered(test: Callable[[Any, Any], bool]) -> Callable[[Value, Value], bool]:
    def compare(a: Value, b: Value) -> bool:
        pair = _alike(a, b)
        return pair is not None and not isinstance(pair[0], bool) and test(*pair)

    return compare


def _among(a: Value, b: Value) -> bool:
    if isinstance(b, tuple):
        return any(_equal(a, one) for one in b)
    return isinstance(a, str) and isinstance(b, str) and a in b


_TESTS: Mapping[type[ast.cmpop], Callable[[Value, Value], bool]] = {
    ast.Eq: _equal,
    ast.NotEq: lambda a, b: not _equal(a, b),
    ast.In: _among,
    ast.NotIn: lambda a, b: not _among(a, b),
    **{op: _ordered(test) for op, test in _ORDER.items()},
}


def _starts(text: Value, start: Value) -> bool:
    return isinstance(text, str) and isinstance(start, str) and text.startswith(start)


_CALLS: Mapping[str, tuple[int, Callable[..., Value]]] = {
    "lower": (1, lambda text: text.lower() if isinstance(text, str) else text),
    "startswith": (2, _starts),
    "length": (1, lambda text: len(text) if isinstance(text, str | tuple) else 0),
}
_FUNCTIONS = ", ".join(f"{name}()" for name in _CALLS)


def _word(node: ast.expr) -> str:
    return {"Call": "this call", "BinOp": "arithmetic", "Attribute": "this name"}.get(
        type(node).__name__, type(node).__name__.lower()
    )


def _wrong(node: ast.expr, problem: str) -> ExpressionError:
    # the bracket in front of the first line moves its columns by one, and columns count from 1
    column = node.col_offset + (0 if node.lineno == 1 else 1)
    return ExpressionError(node.lineno, max(1, column), problem)
