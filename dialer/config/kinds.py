"""The kinds of values in the config file: durations, names, numbers, addresses, and the table they stand in."""

from __future__ import annotations

import datetime
import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

_UNIT = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"^([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|h|d|)$")


def _duration(value: Any) -> Any:
    if isinstance(value, str):
        match = _DURATION.match(value.strip())
        if match is None:
            raise ValueError("a duration is a number of seconds or a string such as '90s', '15m', '3h', '2d'")
        return float(match.group(1)) * _UNIT[match.group(2)]
    if isinstance(value, bool):
        raise ValueError("a duration is a number of seconds or a string such as '90s', '15m', '3h', '2d'")
    return value


LONGEST = 10 * 366 * 86400.0


def _in_ten_years(value: float) -> float:
    if not 0.0 <= value <= LONGEST:
        raise ValueError("a duration is from 0 seconds to ten years")
    return value


Duration = Annotated[
    float,
    # Not ge and le: pydantic would let these loosen a key's own, tighter limits.
    AfterValidator(_in_ten_years),
    # schema.py makes of this mark what a TOML file may hold: a number, or a string with a unit.
    Field(json_schema_extra={"duration": True}),
    BeforeValidator(_duration),
]


def _no_controls(value: str) -> str:
    if any(ord(c) < 32 or ord(c) == 127 for c in value):
        raise ValueError("control characters are not allowed")
    return value


def _clock(value: Any) -> Any:
    # TOML has times of its own: 09:00:00 without quotes means the same.
    if isinstance(value, datetime.time) and not (value.second or value.microsecond or value.tzinfo):
        return value.strftime("%H:%M")
    return value


def _date(value: Any) -> Any:
    # datetime is a date, too: only a plain TOML date is meant.
    return value.isoformat() if type(value) is datetime.date else value


def _real_date(value: str) -> str:
    try:
        datetime.date.fromisoformat(value)
    except ValueError:
        raise ValueError("there is no such day in the calendar") from None
    return value


def _port(value: str) -> str:
    if int(value.rpartition(":")[2]) > 65535:
        raise ValueError("a port is at most 65535")
    return value


def _any_port(value: str) -> str:
    return _port(value) if value.rpartition("]")[2].count(":") == 1 else value


def _no_nul(value: str) -> str:
    if any((ord(c) < 32 and c not in "\n\t") or ord(c) == 127 for c in value):
        raise ValueError("control characters other than line breaks and tabs are not allowed")
    return value


_NAME = r"^[A-Za-z0-9_.-]+$"
_CODE = r"^[a-z0-9][a-z0-9_.-]{0,39}$"
_CLOCK = r"^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$"
_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_PREFIX = r"^\+[0-9]{0,14}$"
_NUMBER = r"^\+?[0-9]{2,15}$"
_ADDRESS = r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(:[0-9]{1,5})?$"
_HOST_PORT = r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+):[0-9]{1,5}$"
HOST = r"^[A-Za-z0-9.:\[\]_-]+$"
_SIP_URI = r"^sips?:[^\s<>\"\r\n]+$"
_ENV = r"^[A-Za-z_][A-Za-z0-9_]*$"
_REGION = r"^[A-Z]{2}$"
PREPEND = r"^[+0-9*#]*$"
TOPIC = r"^[^+#\x00-\x1f]+$"
SIP_USER = r"^[A-Za-z0-9_.!~*'()&=+$,;?/-]+$"
IDENTITY = r"^(caller_id|\+?[0-9]{2,15})$"
STATUS = r"^[3-6][0-9]{2}$"
CAUSE = r"^([1-9]|[1-9][0-9]|1[01][0-9]|12[0-7])$"

#: What each pattern means, in words for error messages and for docs/config.md.
PATTERN_WORDS: dict[str, str] = {
    _DURATION.pattern: "a number of seconds or a string such as '90s', '15m', '3h', '2d'",
    _NAME: "a name of letters, digits, '_', '.' and '-'",
    _CODE: "a code of small letters, digits, '_', '.' and '-', at most 40",
    _CLOCK: "a time as 'HH:MM', '00:00' to '24:00'",
    _DATE: "a date as 'YYYY-MM-DD'",
    _PREFIX: "a number's beginning as '+' and up to 14 digits, e.g. '+34'",
    _NUMBER: "2 to 15 digits, with or without a leading '+'",
    _ADDRESS: "'host:port', or a name alone, which SRV records lead on, e.g. 'sip.carrier.example'",
    _HOST_PORT: "'host:port', e.g. '192.0.2.10:5060'",
    HOST: "a host name or address",
    _SIP_URI: "a SIP address, e.g. 'sip:ana@192.0.2.7:5060'",
    _ENV: "the name of an environment variable",
    _REGION: "two capital letters of an ISO country, e.g. 'ES'",
    PREPEND: "digits, '+', '*' and '#'",
    TOPIC: "a topic without '+' and '#'",
    SIP_USER: "the user part of a SIP address",
    IDENTITY: "'caller_id', or 2 to 15 digits, with or without a leading '+'",
    STATUS: "a final SIP status, 300 to 699",
    CAUSE: "a Q.850 cause, 1 to 127",
}

PATH_LENGTH = 4096

Name = Annotated[str, Field(min_length=1, max_length=64, pattern=_NAME)]
Code = Annotated[str, Field(pattern=_CODE)]
Text = Annotated[str, Field(max_length=500), AfterValidator(_no_controls)]
Template = Annotated[str, Field(max_length=20_000), AfterValidator(_no_nul)]
Path = Annotated[str, Field(min_length=1, max_length=PATH_LENGTH), AfterValidator(_no_controls)]
Clock = Annotated[str, Field(pattern=_CLOCK), BeforeValidator(_clock)]
Date = Annotated[str, Field(pattern=_DATE), AfterValidator(_real_date), BeforeValidator(_date)]
Prefix = Annotated[str, Field(pattern=_PREFIX)]
Number = Annotated[str, Field(pattern=_NUMBER)]
Region = Annotated[str, Field(pattern=_REGION)]
HostPort = Annotated[str, Field(min_length=3, max_length=260, pattern=_HOST_PORT), AfterValidator(_port)]
Address = Annotated[str, Field(min_length=1, max_length=260, pattern=_ADDRESS), AfterValidator(_any_port)]
SipUri = Annotated[str, Field(max_length=300, pattern=_SIP_URI), AfterValidator(_no_controls)]
EnvName = Annotated[str, Field(pattern=_ENV)]


class Table(BaseModel):
    """A TOML table: unknown keys are errors."""

    # Strict: "30" is not 30, and 1 is not true; a manager is told instead of guessed at.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
