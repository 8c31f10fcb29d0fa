"""The tables about the company's systems: whose token may do what, and where what happened is sent."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from dialer.config.kinds import Duration, EnvName, Name, Path, Table, Text

Right = Literal["read", "tasks", "agents", "control"]
Told = Literal[
    "outcome", "disposition", "callback", "sale", "sale_changed", "settled", "do_not_call", "contact_changed"
]


class TokenTable(Table):
    """A project's token: it sees and does what concerns its own campaigns, and nothing else."""

    token_env: EnvName | None = Field(default=None, description="environment variable with the token")
    token_file: Path | None = Field(default=None, description="file with the token")
    campaigns: list[Name] = Field(min_length=1, description="the project's campaigns")
    may: list[Right] = Field(
        default=["read"],
        min_length=1,
        description="read: status, contacts, tasks, changes, sales, events; tasks: add, correct, withdraw, do-not-call;"
        " agents: commands of agents who work in these campaigns only; control: pause, resume, sales",
    )


class WebhookTable(Table):
    """Where the company is told what happened, by HTTP POST, signed, until it has taken it."""

    url: Text = Field(description="https://HOST/PATH; http:// on private networks only")
    events: list[Told] = Field(
        default=["outcome", "disposition", "callback", "sale", "sale_changed", "do_not_call"],
        min_length=1,
        description="what it is told of",
    )
    campaigns: list[Name] = Field(default_factory=list, description="only of these; all when empty")
    secret_env: EnvName | None = Field(default=None, description="environment variable with the key of the signature")
    secret_file: Path | None = Field(default=None, description="file with the key of the signature")
    allow_private: bool = Field(default=False, description="the URL may be a private or loopback address")
    timeout: Duration = Field(default=10.0, gt=0, le=60.0, description="for one try, connecting included")
    at_once: int = Field(default=8, ge=1, le=64, description="requests under way at once at most, one per contact")
    pause: Duration = Field(default=1.0, gt=0, le=3600.0, description="before the second try; doubles")
    pause_most: Duration = Field(default=600.0, gt=0, le=86400.0, description="longest pause between two tries")
    give_up_after: Duration = Field(
        default=3 * 86400.0, gt=0, le=30 * 86400.0, description="an event that old is given up, with an alert"
    )
