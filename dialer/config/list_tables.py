"""Contact lists, do-not-call files and opening hours in the config file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from dialer.config.kinds import Clock, Date, Path, Region, Table, Text


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
    validity: Literal["valid", "possible"] = Field(
        default="valid", description="possible also lets through ranges kept for tests and fiction"
    )


class DoNotCallTable(Table):
    """A do-not-call file: one number per line, or a CSV column."""

    path: Path = Field(description="the file, relative to this config file")
    region: Region = Field(description="ISO country of numbers written without +")
    column: Text | None = Field(default=None, description="the column of a CSV file; none: one number per line")


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
