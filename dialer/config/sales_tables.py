"""How a sale is carried through, in the config file: third parties, steps, and what the customer is told."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from dialer.config.kinds import Code, Duration, EnvName, HostPort, Name, Path, Table, Template, Text

Field_ = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


class ConnectorTable(Table):
    """A third party, and how patiently it is spoken to."""

    kind: Literal["http", "sms", "smtp", "sql", "python"] = Field(
        description="http; sms: a text message by HTTP; smtp: e-mail; sql: a statement; python: a function"
    )
    url: Template | None = Field(
        default=None,
        description="http, sms: https://HOST/..., a template; smtp: smtp://HOST:PORT, smtps:// (TLS) or smtp+starttls://; sql: SQLAlchemy URL without password",
    )
    call: Text | None = Field(
        default=None, description="python: 'package.module:function', called as function(sale, key, values)"
    )
    username: Text | None = Field(default=None, description="smtp, sql: user name; http, sms: Basic authentication")
    secret_env: EnvName | None = Field(
        default=None,
        description="environment variable with the password or token: `{{ secret }}` in url, headers and body",
    )
    secret_file: Path | None = Field(default=None, description="file with the password or token")
    sender: Text | None = Field(default=None, description="smtp: From address; sms: `{{ sender }}` of the body")
    headers: dict[Text, Template] = Field(
        default_factory=dict, description="http, sms: headers of every request, templates"
    )
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = Field(
        default="POST", description="http, sms: unless the action says otherwise"
    )
    body: Template | None = Field(
        default=None, description="sms: body of the request; `{{ to }}`, `{{ text }}` and `{{ sender }}` are known"
    )
    key_header: Text = Field(default="Idempotency-Key", description="http, sms: header with the idempotency key")
    timeout: Duration = Field(default=10.0, gt=0, le=300.0, description="for one try, connecting included")
    tries: int = Field(default=8, ge=1, le=1000, description="at most so many, then the step has failed")
    pause: Duration = Field(
        default=0.5, gt=0, le=3600.0, description="before the second try; doubles, with some chance in it"
    )
    pause_most: Duration = Field(default=30.0, gt=0, le=86400.0, description="longest pause between two tries")
    breaker_failures: int = Field(
        default=8, ge=1, le=10000, description="failures in a row after which nobody is let through"
    )
    breaker_rest: Duration = Field(
        default=15.0, gt=0, le=3600.0, description="then one try is let through to see whether it works again"
    )
    at_once: int = Field(default=32, ge=1, le=1000, description="requests under way at once at most")


class ActionTable(Table):
    """What is asked of a connector, and what its answer means."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] | None = Field(
        default=None, description="http: default, the connector's"
    )
    path: Template = Field(
        default="", description="http: appended to the connector's url; a template, write {{ ... | urlencode }}"
    )
    headers: dict[Text, Template] = Field(
        default_factory=dict, description="http: headers beside the connector's, templates"
    )
    body: Template | None = Field(default=None, description="http: a template, write {{ ... | tojson }}")
    to: Template | None = Field(default=None, description="smtp, sms: recipient, a template")
    subject: Template | None = Field(default=None, description="smtp: a template")
    text: Template | None = Field(default=None, description="smtp, sms: a template")
    statement: Template | None = Field(
        default=None, description="sql: with :name for each of `values`, and :key; not a template"
    )
    values: dict[Field_, Template] = Field(
        default_factory=dict, description="sql: bound parameters; python: arguments; templates"
    )
    verdict: Template | None = Field(
        default=None,
        description="'$.path' into the answer's JSON (sql: `$.row.column`, `$.rowcount`), or a template that knows `status`, `json`; without one the HTTP status decides",
    )
    accepted: list[Text] = Field(default=["true", "ok"], description="verdicts that mean yes")
    rejected: list[Text] = Field(default=["false"], description="verdicts that mean no: the sale is turned back")
    unknown: list[Text] = Field(
        default_factory=list, description="`status` only: verdicts that mean 'never heard of it'"
    )
    reason: Template | None = Field(default=None, description="'$.path' or template: why not, for agent and customer")
    keep: dict[Field_, Template] = Field(
        default_factory=dict, description="'$.path' or template, by name: later steps read {{ steps.STEP.NAME }}"
    )
    timeout: Duration | None = Field(default=None, gt=0, le=300.0, description="for one try; default: the connector's")


class StepTable(Table):
    """One step of a sale."""

    name: Code = Field(description="its word in states, metrics and keys")
    connector: Name = Field(description="who is asked")
    do: ActionTable = Field(description="the step itself")
    undo: ActionTable | None = Field(default=None, description="what takes it back, e.g. a refund by the step's key")
    status: ActionTable | None = Field(
        default=None, description="asks by key what became of a try whose answer never came, before it is tried again"
    )
    required: bool = Field(default=True, description="false: when it finally fails the sale goes on")
    campaigns: list[Name] = Field(default_factory=list, description="only for sales of these; empty: all")
    patience: Duration = Field(
        default=1800.0, gt=0, le=604800.0, description="all tries together, waiting for the breaker included"
    )


class NoticeTable(Table):
    """What the customer, or anybody else, is told when a sale did not come about."""

    name: Code = Field(description="its word in the sale's record")
    connector: Name = Field(description="who carries it")
    on: list[Literal["rejected", "compensated", "cancelled"]] = Field(
        default=["rejected", "compensated"],
        description="ends that are told; templates know {{ state }} and {{ reason }}",
    )
    do: ActionTable = Field(description="the message")


class SalesTable(Table):
    """The pipeline that carries sales through, in a process of its own. Leave the table out to do without: sales then
    wait in their queue."""

    run: bool = Field(
        default=True,
        description="the dialer starts and watches the process; false: somebody runs `python -m dialer.sales FILE`",
    )
    database: Text | None = Field(
        default=None,
        description="SQLAlchemy URL of the pipeline's own records; default: sales.db beside the store, or the store's PostgreSQL",
    )
    poll: Duration = Field(default=1.0, ge=0.05, le=30.0, description="how often the queue is looked at")
    at_once: int = Field(default=200, ge=1, le=5000, description="sales under way at once at most")
    undo_patience: Duration = Field(
        default=86400.0,
        gt=0,
        le=2592000.0,
        description="how long undoing a step is tried before a person must see to it",
    )
    keep: Duration = Field(
        default=604800.0,
        gt=0,
        description="how long the pipeline keeps its records of an ended sale; the store keeps the outcome",
    )
    allow: list[Text] = Field(
        default_factory=list,
        description="private networks, addresses or names that connectors may reach, e.g. '10.1.0.0/16'",
    )
    metrics: HostPort | None = Field(
        default=None, description="only with run = false: where the process shows its metrics"
    )
    connectors: dict[Name, ConnectorTable] = Field(min_length=1, description="third parties, by name")
    steps: list[StepTable] = Field(min_length=1, description="in their order")
    notices: list[NoticeTable] = Field(default_factory=list, description="told when a sale did not come about")
