"""docs/config.md from the model. A test holds the two together.

`python -m dialer.config.reference > docs/config.md`
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

from dialer.config.schema import DURATION_WORDS, Schema, allowed, json_schema, resolve

_HEAD = """\
# Config reference

Made from the schema by `python -m dialer.config.reference > docs/config.md`; do not edit. The guide is
[manager.md](manager.md), a complete example [examples/campaign.toml](../examples/campaign.toml).

Tables with NAME in their header may stand any number of times, each with a name of your own. A duration is a number of
seconds or a string such as "90s", "15m", "3h", "2d". Relative paths start at the file that they stand in. Secrets are
never in the file: `..._env` names an environment variable, `..._file` a file with `chmod 600`. Unknown keys are errors.
`dialer check FILE` shows every mistake with its line; `dialer schema` prints the JSON Schema for your editor.

A file may begin with `base = "other.toml"`: it then holds only what differs. Tables merge key by key; every other
value, lists too, replaces what the base had.
"""

#: The tables in the order in which a reader meets them. Header, and the definition in the schema.
_TABLES: tuple[tuple[str, str | None], ...] = (
    ("", None),
    ("trunks.NAME", "TrunkTable"),
    ("trunks.NAME.routes", "RouteTable"),
    ("trunks.NAME.registration", "RegistrationTable"),
    ("trunks.NAME.breaker", "BreakerTable"),
    ("trunks.NAME.causes", "CausesTable"),
    ("agents.NAME", "AgentTable"),
    ("lists.NAME", "ListTable"),
    ("lists.NAME.columns", "ColumnsTable"),
    ("lists.NAME.fields.FIELD", "FieldTable"),
    ("lists.NAME.consent", "ConsentTable"),
    ("lists.NAME.database", "DatabaseTable"),
    ("do_not_call.NAME", "DoNotCallTable"),
    ("campaigns.NAME", "CampaignTable"),
    ("campaigns.NAME.caller_ids", "CallerIdTable"),
    ("campaigns.NAME.schedule", "ScheduleTable"),
    ("campaigns.NAME.schedule.hours", "HoursTable"),
    ("campaigns.NAME.pacing", "PacingTable"),
    ("campaigns.NAME.outcomes.OUTCOME", "NextTable"),
    ("campaigns.NAME.dispositions.CODE", "NextTable"),
    ("codes.SET.CODE", "NextTable"),
    ("campaigns.NAME.consent", "CampaignConsentTable"),
    ("campaigns.NAME.queues", "QueuesTable"),
    ("campaigns.NAME.queues.callbacks", "CallbacksTable"),
    ("campaigns.NAME.sharing", "ShareTable"),
    ("sharing", "SharingTable"),
    ("store", "StoreTable"),
    ("sip", "SipTable"),
    ("media", "MediaTable"),
    ("http", "HttpTable"),
    ("tokens.NAME", "TokenTable"),
    ("webhooks.NAME", "WebhookTable"),
    ("mqtt", "MqttTable"),
    ("sales", "SalesTable"),
    ("sales.connectors.NAME", "ConnectorTable"),
    ("sales.steps", "StepTable"),
    ("sales.steps.do, .undo, .status", "ActionTable"),
    ("sales.notices", "NoticeTable"),
    ("log", "LogTable"),
)


def reference() -> str:
    """The whole page, Markdown."""
    schema = json_schema()
    missing = set(schema["$defs"]) - {definition for _, definition in _TABLES}
    if missing:
        raise ValueError(f"tables without a place in the reference: {', '.join(sorted(missing))}")
    parts = [_HEAD]
    shown: dict[str, str] = {}
    for header, definition in _TABLES:
        node = schema if definition is None else schema["$defs"][definition]
        title = f"## [{header}]" if header else "## At the top of the file"
        parts.append(title + "\n")
        if definition is not None and definition in shown:
            parts.append(f"The same keys as in [{shown[definition]}].\n")
            continue
        if definition is not None:
            shown[definition] = header
            parts.append(_sentence(node.get("description", "")) + "\n")
        parts.append("\n".join(_rows(node, schema.get("then", {}) if definition is None else node)) + "\n")
    return "\n".join(parts)


def _rows(node: Schema, requires: Schema) -> Iterator[str]:
    yield "| key | allowed | default | meaning |"
    yield "|---|---|---|---|"
    for key, value in node["properties"].items():
        default = _default(value) if key not in requires.get("required", ()) else "**needed**"
        described = resolve(value)
        meaning = value.get("description") or ("" if _is_table(described) else described.get("description", ""))
        kind = f"table [{key}]" if _is_table(described) else allowed(value).replace(DURATION_WORDS, "a duration")
        yield f"| `{key}` | {_cell(kind)} | {_cell(default)} | {_cell(_sentence(meaning))} |"


def _is_table(node: Schema) -> bool:
    return node.get("type") == "object"


def _default(node: Schema) -> str:
    if "default" not in node:
        return ""
    value: Any = node["default"]
    if node.get("x-unit") == "seconds":
        return _duration(value)
    return f"`{json.dumps(value, ensure_ascii=False)}`"


def _duration(seconds: float) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size and seconds % size == 0:
            return f'`"{seconds / size:g}{unit}"`'
    return f"`{seconds:g}`"


def _sentence(text: str) -> str:
    text = " ".join(text.split())
    return f"{text[:1].upper()}{text[1:]}" if text else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(reference())
