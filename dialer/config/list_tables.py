"""Contact lists, do-not-call files and opening hours in the config file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from dialer.config.kinds import Clock, Date, EnvName, Name, Path, Region, Table, Text

Basis = Literal[
    "consent", "contract", "legal_obligation", "vital_interests", "public_task", "legitimate_interest", "request"
]


class ColumnsTable(Table):
    """Which CSV column holds what. Columns not named here are kept as fields."""

    number: list[Text] = Field(
        default_factory=lambda: ["number"],
        min_length=1,
        description='phone number columns, tried in this order; default: ["number"]',
    )
    id: Text | None = Field(default=None, description="the company's own key of the contact")
    name: Text | None = Field(default=None, description="column of the contact's name")
    timezone: Text | None = Field(default=None, description="column of an IANA time zone; it beats the number's own")
    priority: Text | None = Field(default=None, description="column of a whole number; higher is called first")
    language: Text | None = Field(default=None, description="column of the contact's language")
    basis: Text | None = Field(
        default=None, description="column of the lawful basis: consent, legitimate_interest, contract, ..."
    )
    consent_at: Text | None = Field(default=None, description="column of the date on which consent was given")
    consent_source: Text | None = Field(default=None, description="column that says where the consent comes from")
    consent_until: Text | None = Field(default=None, description="column of the date on which consent expires")


class FieldTable(Table):
    """The type of one of a list's custom fields. A row with a value that does not fit is refused, with the reason."""

    type: Literal["text", "number", "date", "bool", "choice"] = Field(description="what the field holds")
    choices: list[Text] = Field(default_factory=list, description="choice: the values allowed, in any capitals")
    min: float | None = Field(default=None, description="number: not less")
    max: float | None = Field(default=None, description="number: not more")
    day_first: bool = Field(default=True, description="date: 03/04/2026 is the 3rd of April; 2026-04-03 always is")
    required: bool = Field(default=False, description="a row without it is refused")


class ConsentTable(Table):
    """The lawful basis of a list's rows that name none in their own columns."""

    basis: Basis = Field(description="the ground on which these people may be called")
    at: Date | None = Field(default=None, description="when consent was given; needed for consent")
    source: Text | None = Field(default=None, description="where it comes from, for whoever must prove it")
    until: Date | None = Field(default=None, description="when it expires")


class DatabaseTable(Table):
    """A company database that the list is kept in step with, both ways: `dialer list sync`."""

    url_env: EnvName = Field(description="environment variable with its SQLAlchemy URL (it holds a password)")
    table: Text = Field(description="the table with the contacts")
    key: Text = Field(description="its column with the company's own key of the contact")
    changed_column: Text = Field(description="its column that grows with every change: a time or a number")
    columns: ColumnsTable = Field(
        default_factory=ColumnsTable, description="which column holds what, as in a CSV; `id` is the key"
    )
    results_table: Text = Field(
        default="dialer_results", description="table that outcomes and corrections are written to; made if missing"
    )


class ListTable(Table):
    """A contact list: a CSV file, imported at start and by `dialer import`."""

    path: Path | None = Field(
        default=None, description="the CSV file, relative to this config file; none: filled through the API"
    )
    region: Region = Field(description="ISO country of numbers written without +")
    columns: ColumnsTable = Field(default_factory=ColumnsTable, description="which column holds what")
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = Field(
        default=None, description="default: found by looking"
    )
    encoding: Text | None = Field(default=None, description="default: found by looking")
    rejects: Path | None = Field(default=None, description="where refused rows go; default: PATH.rejects.csv")
    weight: float | None = Field(
        default=None,
        ge=0.01,
        le=1000,
        description="its share of the calls among the campaign's lists; default: 1 where another list has one, else priority decides",
    )
    fields: dict[Name, FieldTable] = Field(default_factory=dict, description="types of custom fields, by name")
    consent: ConsentTable | None = Field(default=None, description="lawful basis of rows that name none")
    database: DatabaseTable | None = Field(default=None, description="a company database kept in step with")
    validity: Literal["valid", "possible"] = Field(
        default="valid", description="possible also lets through ranges kept for tests and fiction"
    )


class DoNotCallTable(Table):
    """A do-not-call file: one number per line, or a CSV column."""

    path: Path = Field(description="the file, relative to this config file")
    region: Region = Field(description="ISO country of numbers written without +")
    column: Text | None = Field(default=None, description="the column of a CSV file; none: one number per line")
    replaces: bool = Field(
        default=False,
        description="the file is the whole register: numbers that it lost are taken off the list when it is read again",
    )


class HoursTable(Table):
    """An opening time of a weekday."""

    start: Clock = Field(description="from this time on")
    end: Clock = Field(description='until this time; midnight is "24:00"')


Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class ScheduleTable(Table):
    """When the campaign may dial, in the contact's own zones, inside what the jurisdiction allows."""

    timezone: Text | None = Field(
        default=None, description="zone of contacts whose number has none; default: the jurisdiction's"
    )
    hours: dict[Weekday, list[HoursTable]] | None = Field(
        default=None, description="default: what the jurisdiction allows"
    )
    closed: list[Date] = Field(default_factory=list, description="further closed dates")
    open_at: Date | None = Field(default=None, description="first day of the campaign")
    close_at: Date | None = Field(default=None, description="last day of the campaign")
