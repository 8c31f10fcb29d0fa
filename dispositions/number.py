"""Telephone numbers: E.164 by default region, typed, with every time zone that they may lie in.

The reference is the `phonenumbers` package (Google's metadata). A number is kept as its E.164 digits in one integer: no
country code begins with 0, so nothing is lost, and it is what the do-not-call sets hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib import import_module
from typing import Any, Literal, NamedTuple

from dispositions.errors import NumberError

Validity = Literal["valid", "possible"]
"""`valid`: assigned by the numbering plan. `possible`: the right length is enough, for ranges kept for tests and
fiction."""

REASONS = ("empty", "not_a_number", "not_possible", "not_valid", "premium", "no_zone")
_LONGEST = 64  # characters; E.164 has 15 digits, and people write signs and extensions around them


class Number(NamedTuple):
    """A number that may be dialed. `digits`: E.164 without the plus. `zones`: IANA names, sorted. `kind`: `mobile`,
    `fixed`, `either`, `voip`, `toll_free`, `other`. `region`: two letters, or empty. (No dataclass, as making one of
    those took a quarter of the time in which a number is read.)"""

    digits: int
    zones: tuple[str, ...]
    kind: str
    region: str

    @property
    def e164(self) -> str:
        """With the plus."""
        return f"+{self.digits}"


def digits_of(number: str | int) -> int:
    """The integer of an E.164 text (`+` optional). Raises `NumberError`; the region plays no part."""
    if isinstance(number, int):
        return number
    text = number.strip().removeprefix("+")
    if not text.isascii() or not text.isdigit() or not 5 <= len(text) <= 15 or text[0] == "0":
        raise NumberError("not_a_number", number[:_LONGEST])
    return int(text)


def normalise(
    text: str,
    region: str | None = None,
    *,
    validity: Validity = "valid",
    zone: str | None = None,
    default_zone: str | None = None,
    reference: bool = False,
) -> Number:
    """The number that `text` means, read as dialed in `region` unless it begins with + . `zone` is the list's own
    word and wins over what the numbering plan says; `default_zone` is for numbers without a known zone (satellite,
    non-geographic). `reference`: leave the accelerator out. Raises `NumberError` with one of `REASONS`."""
    text = text.strip()
    if text.endswith(".0") and text[:-2].removeprefix("+").isdecimal():
        # spreadsheets and pandas make 612345678.0 of a number in a column with gaps: the zero is no digit of it, and
        # read as one it makes somebody else's number
        text = text[:-2]
    if not text:
        raise NumberError("empty", text)
    if len(text) > _LONGEST:
        raise NumberError("not_a_number", text[:_LONGEST])
    fast = None if reference else _accelerator()
    if fast is not None:
        try:
            return _read(fast, text, region, validity, zone, default_zone)
        except NumberError:
            pass  # its tables may be of another month: what it refuses, the reference decides
    import phonenumbers  # 0.1 s and 20 MB: only where numbers are read

    return _read(phonenumbers, text, region, validity, zone, default_zone)


def is_region(name: str) -> bool:
    """Whether numbers can be read as dialed there: two capital letters of ISO 3166."""
    import phonenumbers

    return name in phonenumbers.SUPPORTED_REGIONS


@lru_cache(maxsize=1)
def _accelerator() -> Any:
    """`rphonenumbers`, the same functions in Rust, ten times as fast, when it is installed
    (pip install 'predictive-dialer[accelerator]')."""
    try:
        return import_module("rphonenumbers")
    except ModuleNotFoundError:
        return None


def _read(
    plan: Any, text: str, region: str | None, validity: Validity, zone: str | None, default_zone: str | None
) -> Number:
    """`normalise` by the numbering plan of one package."""
    try:
        parsed = plan.parse(text, region)
    except plan.NumberParseException as error:
        raise NumberError("not_a_number", text) from error
    plan_type = plan.number_type(parsed)
    kind = _kinds().get(plan_type, "other")
    if kind == "unknown" and not plan.is_possible_number(parsed):  # what has a type is valid, hence possible
        raise NumberError("not_possible", text)
    if kind == "premium":
        raise NumberError("premium", text)
    if validity == "valid" and kind == "unknown":
        raise NumberError("not_valid", text)
    country = None if kind == "unknown" else _region(plan, parsed)
    if country is None and not plan.region_codes_for_country_code(parsed.country_code or 0):
        raise NumberError("not_valid", text)
    e164 = f"{parsed.country_code}{plan.national_significant_number(parsed)}"
    digits = int(e164)
    zones = (zone,) if zone else _zones(parsed, plan_type, e164)
    if not zones:
        if default_zone is None:
            raise NumberError("no_zone", text)
        zones = (default_zone,)
    return Number(digits, zones, "other" if kind == "unknown" else kind, country or "")


@lru_cache(maxsize=1)
def _kinds() -> dict[int, str]:
    from phonenumbers import PhoneNumberType as Kind

    return {
        Kind.FIXED_LINE: "fixed",
        Kind.MOBILE: "mobile",
        Kind.FIXED_LINE_OR_MOBILE: "either",
        Kind.TOLL_FREE: "toll_free",
        Kind.PREMIUM_RATE: "premium",
        Kind.SHARED_COST: "premium",
        Kind.VOIP: "voip",
        Kind.UNKNOWN: "unknown",
    }


_MOST_ZONES = 100_000
_ZONES: dict[tuple[int, int, str], tuple[str, ...]] = {}
_NANP_REGIONS: dict[int, str | None] = {}


def _zones(parsed: Any, kind: int, e164: str) -> tuple[str, ...]:
    """What `phonenumbers.timezone.time_zones_for_number` says, without typing the number a second time."""
    key = parsed.country_code, kind, e164[: _prefix_lengths().get(e164[:1], 0)]
    known = _ZONES.get(key)
    return known if known is not None else _find_zones(parsed, key)


def _find_zones(parsed: Any, key: tuple[int, int, str]) -> tuple[str, ...]:
    from phonenumbers import PhoneNumberType, is_number_type_geographical, timezone

    country_code, kind, _ = key
    # A number of unknown type is looked up by its prefix alone: ranges for tests are not assigned.
    geographical = kind == PhoneNumberType.UNKNOWN or is_number_type_geographical(kind, country_code)
    look_up = timezone.time_zones_for_geographical_number if geographical else timezone.time_zones_for_number
    if len(_ZONES) >= _MOST_ZONES:
        _ZONES.clear()
    known = _ZONES[key] = _known_zones(tuple(look_up(parsed)))
    return known


@lru_cache(maxsize=1)
def _prefix_lengths() -> dict[str, int]:
    """First digit of an E.164 number -> so many of its first digits decide its zones, at most."""
    from phonenumbers.tzdata import TIMEZONE_DATA

    longest: dict[str, int] = {}
    for prefix in TIMEZONE_DATA:
        longest[prefix[0]] = max(longest.get(prefix[0], 0), len(prefix))
    return longest


@lru_cache(maxsize=4096)
def _known_zones(names: tuple[str, ...]) -> tuple[str, ...]:
    from phonenumbers.timezone import UNKNOWN_TIMEZONE

    return tuple(sorted(name for name in names if name != UNKNOWN_TIMEZONE))


def _region(plan: Any, parsed: Any) -> str | None:
    """The region of a number whose type is known, hence valid. Country code 1 has 25 regions, told by area code."""
    if parsed.country_code != 1:
        found: str | None = plan.region_code_for_number(parsed)
        return found
    area = parsed.national_number // 10_000_000
    if area not in _NANP_REGIONS:
        _NANP_REGIONS[area] = plan.region_code_for_number(parsed)
    return _NANP_REGIONS[area]


def parse_zones(text: str) -> tuple[str, ...]:
    """The zones of their stored form, `A|B`."""
    return tuple(text.split("|"))


def store_zones(zones: Sequence[str]) -> str:
    """The stored form of a set of zones."""
    return "|".join(sorted(set(zones)))
