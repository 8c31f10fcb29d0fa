"""Numbers: normalised, typed, placed."""

from __future__ import annotations

import random

import pytest

from dispositions import Number, NumberError, normalise
from dispositions.number import digits_of, parse_zones, store_zones


@pytest.mark.parametrize(
    ("text", "region", "digits", "kind", "zones"),
    [
        ("(212) 555-0123", "US", 12125550123, "either", ("America/New_York",)),
        ("+1 808 555 0100", None, 18085550100, "either", ("Pacific/Honolulu",)),
        ("020 7946 0018", "GB", 442079460018, "fixed", ("Europe/London",)),
        ("0034 911 23 45 67", "ES", 34911234567, "fixed", ("Europe/Madrid",)),
        ("+34 922 12 34 56", None, 34922123456, "fixed", ("Atlantic/Canary",)),
        ("612345678", "ES", 34612345678, "mobile", None),
        ("612345678.0", "ES", 34612345678, "mobile", None),  # a number column with gaps, out of pandas
        ("+34612345678.0", None, 34612345678, "mobile", None),
    ],
)
def test_good_numbers(text: str, region: str | None, digits: int, kind: str, zones: tuple[str, ...] | None) -> None:
    number = normalise(text, region)
    assert (number.digits, number.kind, number.e164) == (digits, kind, f"+{digits}")
    assert zones is None or number.zones == zones


def test_an_ambiguous_number_lies_in_all_its_zones() -> None:
    assert {"Atlantic/Canary", "Europe/Madrid"} <= set(normalise("+34612345678").zones)
    assert len(normalise("+18005550123").zones) > 5
    assert normalise("+18005550123", zone="America/Denver").zones == ("America/Denver",)


@pytest.mark.parametrize(
    ("text", "region", "reason"),
    [
        ("", "US", "empty"),
        ("hello", "US", "not_a_number"),
        ("555-0123", None, "not_a_number"),
        ("61234567.0", "ES", "not_possible"),  # not 612345670, whoever that is
        ("12", "US", "not_possible"),
        ("+1 212 555 012345", None, "not_possible"),
        ("900 234 5678", "US", "premium"),
        ("0909 879 0123", "GB", "premium"),
        ("+1 999 234 5678", None, "not_valid"),
        ("+999 123 456 789", None, "not_a_number"),
        ("2" * 500, "US", "not_a_number"),
        ("'; DROP TABLE contact", "US", "not_a_number"),
    ],
)
def test_refused_with_a_reason(text: str, region: str | None, reason: str) -> None:
    with pytest.raises(NumberError) as refusal:
        normalise(text, region)
    assert refusal.value.reason == reason


def test_numbers_for_fiction() -> None:
    """The sample list's range: +1 NPA 555 0100-0199, kept for fiction in every area code, and valid by the plan."""
    import phonenumbers

    codes = [npa for npa in range(200, 1000) if _served(phonenumbers, npa)]
    assert len(codes) >= 50
    numbers = [normalise(f"+1{npa}5550{n:03d}") for npa in codes[:60] for n in range(100, 200)]
    assert len({number.digits for number in numbers}) >= 5000
    # a range that the plan has not assigned at all is let through only when the list says so
    with pytest.raises(NumberError):
        normalise("+44 1632 960123", validity="valid")
    assert normalise("+44 1632 960123", validity="possible", default_zone="Europe/London").digits == 441632960123


def _served(phonenumbers: object, npa: int) -> bool:
    try:
        return normalise(f"+1{npa}5550100").region == "US"
    except NumberError:
        return False


def test_zones_and_regions_agree_with_the_reference() -> None:
    """The short cuts of `normalise` say what the package's own slower functions say, in every country."""
    import phonenumbers
    from phonenumbers import timezone

    checked = 0
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        for kind in (0, 1, 3, 6):
            example = phonenumbers.example_number_for_type(region, kind)
            if example is None:
                continue
            text = f"+{example.country_code}{phonenumbers.national_significant_number(example)}"
            number = normalise(text, default_zone="UTC")
            zones = set(timezone.time_zones_for_number(example)) - {timezone.UNKNOWN_TIMEZONE}
            assert set(number.zones) == (zones or {"UTC"}), text
            assert number.region == phonenumbers.region_code_for_number(example), text
            checked += 1
    assert checked > 600


def test_the_accelerator_reads_what_the_reference_reads() -> None:
    """Spoilt examples of every region: the same digits; its tables may be of another month, but for a few numbers."""
    pytest.importorskip("rphonenumbers", reason="pip install 'predictive-dialer[accelerator]'")
    import phonenumbers

    chance, read, other = random.Random(7), 0, []
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        example = phonenumbers.example_number(region)
        for _ in range(12):
            text = list(phonenumbers.format_number(example, chance.choice((0, 1, 2))))
            for place in chance.sample(range(len(text)), 2):
                text[place] = str(chance.randrange(10)) if text[place].isdigit() else text[place]
            fast, slow = (_told("".join(text), region, reference=reference) for reference in (False, True))
            if slow is not None:
                assert fast is not None, "what it refuses, the reference decides"
                assert fast.digits == slow.digits
                read += 1
            if fast != slow:
                other.append((text, fast, slow))
    assert read > 1_500
    assert len(other) < 0.01 * read, other[:5]


def _told(text: str, region: str, *, reference: bool) -> Number | None:
    try:
        return normalise(text, region, default_zone="UTC", reference=reference)
    except NumberError:
        return None


def test_digits() -> None:
    assert digits_of("+12125550100") == digits_of("12125550100") == digits_of(12125550100) == 12125550100
    for bad in ("", "+", "0123456", "+1212555010x", "1234", "1" * 16, "²²²²²²"):
        with pytest.raises(NumberError):
            digits_of(bad)


def test_zones_round_trip() -> None:
    assert parse_zones(store_zones(("B/b", "A/a", "B/b"))) == ("A/a", "B/b")


def test_every_reason_has_words_for_people() -> None:
    from dispositions.number import REASONS

    for reason in REASONS:
        problem = NumberError(reason, "12").problem
        assert "_" not in problem
        assert problem.startswith(("is ", "has ", "costs "))
