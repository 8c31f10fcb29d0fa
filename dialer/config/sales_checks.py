"""What the keys of `[sales]` do not show one by one: who is named, what belongs to which kind, templates that hold."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from dialer.config.positions import KeyPath
from dialer.config.sales_names import sales_names
from dialer.config.sales_tables import ActionTable, ConnectorTable, SalesTable
from dialer.config.wording import Problem, did_you_mean, flaw, names

if TYPE_CHECKING:
    from dialer.config.checks import Known
    from dialer.config.model import ConfigFile

_CALL = re.compile(r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")
_PARAMETER = re.compile(r"(?<![:\w]):([A-Za-z_]\w*)")
_HEADER = re.compile(r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")
_SENDER = re.compile(r"^(?:[^<>@]*<[^<>@\s]+@[^<>@\s]+>|[^<>@\s]+@[^<>@\s]+)$")
_GAP = re.compile(r"\{\{|\{%|\{#")
_SCHEMES = {
    "http": ("http", "https"),
    "sms": ("http", "https"),
    "smtp": ("smtp", "smtps", "smtp+starttls"),
}
#: kind -> keys of an action that belong to it; the first ones are needed.
_NEEDED = {"http": (), "sms": ("to", "text"), "smtp": ("to", "subject", "text"), "sql": ("statement",), "python": ()}
_OWN = {
    "http": {"method", "path", "headers", "body"},
    "sms": {"to", "text", "headers"},
    "smtp": {"to", "subject", "text"},
    "sql": {"statement", "values"},
    "python": {"values"},
}
_COMMON = {"verdict", "accepted", "rejected", "unknown", "reason", "keep", "timeout"}
_CONNECTOR_OWN = {
    "http": {"url", "username", "headers", "method", "key_header"},
    "sms": {"url", "username", "headers", "method", "key_header", "body", "sender"},
    "smtp": {"url", "username", "sender"},
    "sql": {"url", "username"},
    "python": {"call"},
}
_CONNECTOR_COMMON = {
    "kind", "secret_env", "secret_file", "timeout", "tries", "pause", "pause_most", "breaker_failures", "breaker_rest",
    "at_once",
}  # fmt: skip


def sales(config: ConfigFile, known: Known) -> Iterator[Problem]:
    """Everything about `[sales]`."""
    table = config.sales
    if table is None:
        return
    yield from _allow(table)
    for name, connector in table.connectors.items():
        yield from _connector(("sales", "connectors", name), connector, table)
    seen: set[str] = set()
    for index, step in enumerate(table.steps):
        path: KeyPath = ("sales", "steps", index)
        if step.name in seen:
            yield flaw((*path, "name"), f"another step is called '{step.name}'; allowed: a name of its own")
        seen.add(step.name)
        for place, campaign in enumerate(step.campaigns):
            if campaign not in known.names["campaigns"]:
                text = f"there is no campaign '{campaign}'{did_you_mean(campaign, known.names['campaigns'])}"
                yield flaw((*path, "campaigns", place), text, needs=(("campaigns",),))
        yield from _actions(path, step.connector, {"do": step.do, "undo": step.undo, "status": step.status}, table)
    for index, notice in enumerate(table.notices):
        path = ("sales", "notices", index)
        if notice.name in seen:
            text = f"a step or another notice is called '{notice.name}'; allowed: a name of its own"
            yield flaw((*path, "name"), text)
        seen.add(notice.name)
        yield from _actions(path, notice.connector, {"do": notice.do}, table)
    yield from sales_names(table)


def _allow(table: SalesTable) -> Iterator[Problem]:
    from dialer.egress import Egress

    for index, entry in enumerate(table.allow):
        try:
            Egress([entry])
        except ValueError as error:
            yield flaw(("sales", "allow", index), f"{error}; allowed: '10.1.0.0/16', '192.0.2.7', 'crm.internal'")


def _connector(path: KeyPath, table: ConnectorTable, sales_table: SalesTable) -> Iterator[Problem]:
    kind = table.kind
    for key in sorted(table.model_fields_set - _CONNECTOR_COMMON - _CONNECTOR_OWN[kind]):
        yield flaw((*path, key), f"has no meaning for kind '{kind}'", on_key=True)
    if table.secret_env and table.secret_file:
        yield flaw((*path, "secret_file"), "secret_env names it already; allowed: one of the two")
    if table.pause > table.pause_most:
        yield flaw((*path, "pause"), f"longer than pause_most, which is {table.pause_most:g} s")
    if kind == "python":
        if table.call is None or not _CALL.match(table.call):
            yield flaw((*path, "call") if table.call else path, "call: 'package.module:function' is needed")
        return
    if table.url is None:
        yield flaw(path, f"url is needed for kind '{kind}'")
        return
    yield from _url((*path, "url"), table, sales_table)
    if kind == "sms" and table.body is None:
        yield flaw(path, "body is needed for kind 'sms'")
    if kind == "smtp" and table.sender is None:
        yield flaw(path, "sender is needed for kind 'smtp'")
    if kind == "smtp" and table.sender is not None and not _SENDER.match(table.sender):
        yield flaw((*path, "sender"), "no e-mail address; allowed: 'Tickets <tickets@example.com>'")
    if kind in ("http", "sms"):
        yield from _headers((*path, "headers"), table.headers)
        yield from _template((*path, "body"), table.body)
        if not _HEADER.match(table.key_header):
            yield flaw((*path, "key_header"), "not the name of a header; allowed: letters, digits and '-'")


def _url(path: KeyPath, table: ConnectorTable, sales_table: SalesTable) -> Iterator[Problem]:
    assert table.url is not None
    schemes = _SCHEMES.get(table.kind)
    try:
        parts = urlsplit(_GAP.split(table.url)[0])
        host, password, _ = parts.hostname or "", parts.password, parts.port
    except ValueError:
        yield flaw(path, "not a URL; allowed: 'https://HOST/PATH'")
        return
    if password:
        yield flaw(path, "holds a password; allowed: secret_env or secret_file beside it")
        return
    if schemes is None:
        yield from _sql_url(path, table.url)
        return
    if parts.scheme not in schemes or not host:
        wanted = " or ".join(f"{scheme}://HOST" for scheme in schemes)
        yield flaw(path, f"no {table.kind} URL with a fixed host; allowed: {wanted}")
        return
    yield from _template(path, table.url)
    yield from _reachable(path, host, sales_table)


def _sql_url(path: KeyPath, url: str) -> Iterator[Problem]:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        make_url(url)
    except (ArgumentError, ValueError):
        yield flaw(path, "not a database URL; allowed: 'postgresql+psycopg://user@host/name', 'sqlite:////path.db'")


def _reachable(path: KeyPath, host: str, table: SalesTable) -> Iterator[Problem]:
    from dialer.egress import AddressRefused, Egress

    try:
        Egress(table.allow).check_literal(host)
    except AddressRefused as refused:
        yield flaw(path, f"{refused} in [sales]", needs=(("sales", "allow"),))
    except ValueError:
        return  # an entry of `allow` is reported already


def _actions(
    path: KeyPath, connector: str, actions: dict[str, ActionTable | None], table: SalesTable
) -> Iterator[Problem]:
    target = table.connectors.get(connector)
    if target is None:
        have = names(list(table.connectors))
        text = f"there is no connector '{connector}'{did_you_mean(connector, table.connectors)}; allowed: {have}"
        yield flaw((*path, "connector"), text, needs=(("sales", "connectors"),))
        return
    for word, action in actions.items():
        if action is not None:
            yield from _action((*path, word), action, target.kind)


def _action(path: KeyPath, action: ActionTable, kind: str) -> Iterator[Problem]:
    allowed = _OWN[kind] | _COMMON
    for key in sorted(action.model_fields_set - allowed):
        yield flaw((*path, key), f"has no meaning for a connector of kind '{kind}'", on_key=True)
    for key in _NEEDED[kind]:
        if getattr(action, key) is None:
            yield flaw(path, f"{key} is needed for a connector of kind '{kind}'")
    if action.unknown and path[-1] != "status":
        yield flaw((*path, "unknown"), "only `status` can say that; allowed: leave it out", on_key=True)
    if action.verdict is None and action.model_fields_set & {"accepted", "rejected", "unknown"}:
        yield flaw(path, "accepted, rejected and unknown need a verdict to be compared with")
    both = (set(action.accepted) & set(action.rejected)) | (set(action.unknown) & {*action.accepted, *action.rejected})
    if action.verdict is not None and both:
        yield flaw((*path, "accepted"), f"'{sorted(both)[0]}' cannot mean two things")
    for key in ("path", "body", "to", "subject", "text"):
        yield from _template((*path, key), getattr(action, key))
    for key in ("verdict", "reason"):
        yield from _looked_up((*path, key), getattr(action, key))
    yield from _headers((*path, "headers"), action.headers)
    for name, source in action.values.items():
        yield from _template((*path, "values", name), source)
    for name, source in action.keep.items():
        yield from _looked_up((*path, "keep", name), source)
    if kind == "sql" and action.statement is not None:
        yield from _statement((*path, "statement"), action)


def _statement(path: KeyPath, action: ActionTable) -> Iterator[Problem]:
    assert action.statement is not None
    if _GAP.search(action.statement):
        yield flaw(path, "is no template: a value put into SQL text could change the statement; allowed: :name")
    unknown = sorted(set(_PARAMETER.findall(action.statement)) - {*action.values, "key"})
    if unknown:
        yield flaw(path, f":{unknown[0]} is not among `values`; allowed: {names(sorted({*action.values, 'key'}))}")


def _headers(path: KeyPath, headers: dict[str, str]) -> Iterator[Problem]:
    for name, source in headers.items():
        if not _HEADER.match(name):
            yield flaw((*path, name), "not the name of a header; allowed: letters, digits and '-'", on_key=True)
        yield from _template((*path, name), source)


def _looked_up(path: KeyPath, source: str | None) -> Iterator[Problem]:
    if source is None or not source.startswith("$"):
        yield from _template(path, source)
        return
    from dialer.sales.answer import PathFault, parse_path

    try:
        parse_path(source)
    except PathFault as fault:
        yield flaw(path, f"{fault}; allowed: '$.name', '$.list[0].name', or a template")


def _template(path: KeyPath, source: str | None) -> Iterator[Problem]:
    if not source or not _GAP.search(source):
        return
    from dialer.template import TemplateFault, compiled

    try:
        compiled(source)
    except TemplateFault as fault:
        yield flaw(path, f"the template does not hold: {fault}")
