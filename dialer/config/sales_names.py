"""What the templates of `[sales]` may read: a name that is not there would fail every sale, and after the payment."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from dialer.config.positions import KeyPath
from dialer.config.sales_tables import ActionTable, SalesTable
from dialer.config.wording import Problem, did_you_mean, flaw, names

#: What is known of a sale.
SALE = frozenset({"id", "campaign", "agent", "number", "call", "fields", "contact", "external_id", "run"})
_REQUEST = {
    "http": {"key", "secret"},
    "sms": {"key", "secret"},
    "smtp": {"key"},
    "sql": set[str](),
    "python": set[str](),
}
_ANSWER = {
    "http": {"status", "text", "headers", "json"},
    "sms": {"status", "text", "headers", "json"},
    "smtp": {"json"},
    "sql": {"json", "rows", "row", "rowcount"},
    "python": {"json"},
}
#: Of a notice: how the sale ended, and why.
_NOTICE = {"state", "reason"}
Kept = Mapping[str, Collection[str]]


def sales_names(table: SalesTable) -> Iterator[Problem]:
    """Names in templates that no sale will ever have. Templates that do not hold are reported elsewhere."""
    kept = {step.name: {*step.do.keep, *(step.status.keep if step.status else ())} for step in table.steps}
    before: dict[str, Collection[str]] = {}
    for index, step in enumerate(table.steps):
        path: KeyPath = ("sales", "steps", index)
        kind = table.connectors[step.connector].kind if step.connector in table.connectors else None
        if kind is not None:
            yield from _action((*path, "do"), step.do, kind, before, set())
            if step.status is not None:
                yield from _action((*path, "status"), step.status, kind, before, set())
            if step.undo is not None:
                yield from _action((*path, "undo"), step.undo, kind, {**before, step.name: kept[step.name]}, set())
        before[step.name] = kept[step.name]
    for index, notice in enumerate(table.notices):
        if notice.connector in table.connectors:
            kind = table.connectors[notice.connector].kind
            yield from _action(("sales", "notices", index, "do"), notice.do, kind, before, _NOTICE)
    for name, connector in table.connectors.items():
        path = ("sales", "connectors", name)
        if connector.kind in ("http", "sms"):
            roots = {"sale", "steps", *_REQUEST[connector.kind], *_NOTICE}
            for key, source in (("url", connector.url), *((f"headers {n}", s) for n, s in connector.headers.items())):
                yield from _read((*path, *key.split(" ")), source, roots, before)
            yield from _read((*path, "body"), connector.body, {*roots, "to", "text", "sender"}, before)


def _action(path: KeyPath, action: ActionTable, kind: str, steps: Kept, more: set[str]) -> Iterator[Problem]:
    roots = {"sale", "steps", *_REQUEST[kind], *more}
    for key in ("path", "body", "to", "subject", "text"):
        yield from _read((*path, key), getattr(action, key), roots, steps)
    for group in ("headers", "values"):
        for name, source in getattr(action, group).items():
            yield from _read((*path, group, name), source, roots, steps)
    roots = {"sale", "steps", *_ANSWER[kind], *more}
    for key in ("verdict", "reason"):
        yield from _read((*path, key), getattr(action, key), roots, steps)
    for name, source in action.keep.items():
        if source.startswith("$") or "{" in source:
            yield from _read((*path, "keep", name), source, roots, steps)
        else:
            text = f"keeps the text '{source[:50]}' of every answer; allowed: '$.{source[:50]}', or a template"
            yield flaw((*path, "keep", name), text)


def _read(path: KeyPath, source: str | None, roots: Collection[str], steps: Kept) -> Iterator[Problem]:
    from dialer.template import TemplateFault, compiled, names_read

    if source is None or source.startswith("$"):
        return
    try:
        compiled(source)
    except TemplateFault:
        return
    for chain in sorted(names_read(source)):
        problem = _wrong(chain, roots, steps)
        if problem is not None:
            yield flaw(path, problem)


def _wrong(chain: tuple[str, ...], roots: Collection[str], steps: Kept) -> str | None:
    root, *rest = chain
    if root not in roots:
        return f"nothing is called '{root}' here{did_you_mean(root, roots)}; allowed: {names(sorted(roots))}"
    if root == "sale" and rest and rest[0] not in SALE:
        hint = did_you_mean(rest[0], SALE) or f" (of what the agent filled in: sale.fields.{rest[0]})"
        return f"a sale has no '{rest[0]}'{hint}; allowed: {names(sorted(SALE))}"
    if root != "steps" or not rest:
        return None
    step, kept = rest[0], rest[1:]
    if step not in steps:
        have = names(sorted(steps)) if steps else "none, it is the first one"
        return f"no step before this one is called '{step}'{did_you_mean(step, steps)}; allowed: {have}"
    if kept and kept[0] not in steps[step]:
        have = names(sorted(steps[step])) if steps[step] else f"nothing: give step '{step}' a `do.keep`"
        return f"step '{step}' keeps no '{kept[0]}'{did_you_mean(kept[0], steps[step])}; allowed: {have}"
    return None
