"""Reading a list into the store: `python -m benchmarks.store.imports --rows 1000000`.

A CSV of different North American numbers is imported once, cleaned and deduplicated: a plain list (number, name, city,
amount), or with `--rich` fifteen columns: the company's key, two numbers, time zone, priority, typed fields, language,
consent with date and source. Of the rows 2 % are no numbers and 3 % are there twice. `--apart` reads in a process of
its own, as `dialer import` and the daemon do; `--reference` leaves the accelerator out; `--database URL` names another
store.

Stated: rows a second by the clock and by CPU (of both processes), the memory of each process, and, where one process
does it all, what of the CPU goes outside the reading of phone numbers. That is measured within the import: each batch
of numbers is timed where it is read, and every eighth is read again at once in two other ways whose time is taken off
the import's, so that all parts are of one clock. `numbers_us`: all that the import does to make a number of a cell.
`library_us`: of it the library's own functions, without our stripping, caching and keeping. `library_calls_us`: what
the `phonenumbers` package needs to say as much by its public functions, one after the other (valid or not, type,
region, time zones, E.164), of which the import saves some.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import phonenumbers
from phonenumbers import timezone

from benchmarks.rig.cores import yardstick
from dispositions import CampaignPolicy, FieldSpec, ListPolicy, ListSpec, Store, number
from dispositions.ground import ConsentColumns
from dispositions.importer import import_csv
from dispositions.listrows import RowReader
from dispositions.number import Number, _accelerator

AREAS = (201, 212, 305, 312, 415, 503, 617, 702, 808, 907, 480, 317, 602, 213, 646)
ZONES = ("", "", "America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles")
RICH = "id,number,mobile,zone,priority,name,city,language,amount,born,plan,active,basis,consent_at,consent_source"
FIELDS = {
    "amount": FieldSpec("number", least=0, most=100_000),
    "born": FieldSpec("date"),
    "plan": FieldSpec("choice", choices=("gold", "silver", "blue")),
    "active": FieldSpec("bool"),
}
SAMPLED = 8


def numbers(count: int, chance: random.Random) -> Iterator[str]:
    """So many, of which 2 % are none and 3 % are earlier ones again."""
    recent = ["+12125550100"]
    for _ in range(count):
        kind = chance.random()
        if kind < 0.02:
            yield f"12{chance.randrange(1000)}"
        elif kind < 0.05:
            yield chance.choice(recent)
        else:
            text = f"+1{chance.choice(AREAS)}{chance.randrange(2_000_000, 9_999_999)}"
            if len(recent) < 1_000:
                recent.append(text)
            else:
                recent[chance.randrange(1_000)] = text
            yield text


def write_plain(path: Path, rows: int) -> None:
    """The plain list."""
    with path.open("w") as file:
        file.write("number,name,city,amount\n")
        for n, text in enumerate(numbers(rows, random.Random(1))):
            file.write(f"{text},Customer {n},Town {n % 1000},{n % 977}.50\n")


def write_rich(path: Path, rows: int) -> None:
    """The rich list: every second row has a second number."""
    chance = random.Random(1)
    with path.open("w") as file:
        file.write(RICH + "\n")
        for n, text in enumerate(numbers(rows, chance)):
            mobile = f"+1{chance.choice(AREAS)}{chance.randrange(2_000_000, 9_999_999)}" if n % 2 else ""
            born = f"{1940 + n % 60}-{1 + n % 12:02d}-{1 + n % 28:02d}"
            given = f"2025-{1 + n % 12:02d}-{1 + n % 28:02d}"
            file.write(
                f'K{n},{text},{mobile},{chance.choice(ZONES)},{n % 5},"Doe, Customer {n}",Town {n % 1000},'
                f"{('en', 'es', 'fr')[n % 3]},{n % 977}.50,{born},{('gold', 'Silver', 'blue')[n % 3]},"
                f"{('yes', 'no')[n % 2]},consent,{given},web form {n % 20}\n"
            )


def by_calls(text: str) -> None:
    """What an import wants to know of a number, by the library's own calls one after the other."""
    try:
        number = phonenumbers.parse(text, "US")
    except phonenumbers.NumberParseException:
        return
    if phonenumbers.is_possible_number(number) and phonenumbers.is_valid_number(number):
        phonenumbers.number_type(number)
        phonenumbers.region_code_for_number(number)
        timezone.time_zones_for_number(number)
        phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def by_library(plan: Any, text: str) -> None:
    """The calls of the library of which the import makes up a number, alone."""
    try:
        number = plan.parse(text, "US")
    except plan.NumberParseException:
        return
    if plan.number_type(number) == phonenumbers.PhoneNumberType.UNKNOWN:
        plan.is_possible_number(number)
        return
    if number.country_code != 1:
        plan.region_code_for_number(number)
    plan.national_significant_number(number)


class Split:
    """The CPU of reading numbers, taken within the import. Seconds; `aside`: of what was measured beside it."""

    def __init__(self, reference: bool) -> None:
        self.numbers = self.zones = self.library = self.calls = self.aside = 0.0
        self._cells = self._sampled = self._batches = 0
        self._plan = phonenumbers if reference else _accelerator() or phonenumbers

    def watch(self) -> None:
        """Time all batches of this process from now on."""
        read = RowReader._read_numbers

        def timed(reader: RowReader, cells: Sequence[str], zones: Sequence[str | None]) -> list[Number | str]:
            began = time.process_time()
            found = read(reader, cells, zones)
            self.numbers += time.process_time() - began
            self._cells += len(cells)
            self._batches += 1
            if self._batches % SAMPLED == 0:
                self._sampled += len(cells)
                self._beside([cell.strip() for cell in cells if cell])
            return found

        find = number._find_zones

        def found_zones(parsed: Any, key: tuple[int, int, str]) -> tuple[str, ...]:
            """A look-up by the library, which the import makes once for each prefix."""
            began = time.process_time()
            zones = find(parsed, key)
            self.zones += time.process_time() - began
            return zones

        number._find_zones = found_zones
        RowReader._read_numbers = timed  # type: ignore[method-assign, assignment]

    def _beside(self, texts: list[str]) -> None:
        began = time.process_time()
        for text in texts:
            by_library(self._plan, text)
        between = time.process_time()
        for text in texts:
            by_calls(text)
        ended = time.process_time()
        self.library += between - began
        self.calls += ended - between
        self.aside += ended - began

    def shares(self, rows: int, used: float) -> dict[str, float]:
        """What to say of so many rows for which so many seconds of CPU were used (less what is `aside`)."""
        read = self._cells / max(1, self._sampled)  # times as many as were read again
        numbers, library, calls = self.numbers, self.zones + self.library * read, self.calls * read
        outside = used - numbers
        each = {"numbers": numbers, "outside": outside, "library": library, "library_calls": calls}
        percents = {
            "outside_percent": outside / used,
            "outside_library_percent": 1 - library / used,
            "outside_percent_beside_library_calls": outside / (outside + calls),
        }
        return {f"{name}_us": round(1e6 * value / rows, 1) for name, value in each.items()} | {
            name: round(100 * value, 1) for name, value in percents.items()
        }


def cpu() -> float:
    """Seconds of CPU of this process and of its children that have ended."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--rich", action="store_true", help="fifteen columns instead of four")
    parser.add_argument("--apart", action="store_true", help="read in a process of its own")
    parser.add_argument("--reference", action="store_true", help="phonenumbers alone, without the accelerator")
    parser.add_argument("--database", help="URL of another store; it must hold no campaign 'bench'")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "list.csv"
        (write_rich if given.rich else write_plain)(path, given.rows)
        spec = ListSpec("list", path, region="US", reference=given.reference)
        if given.rich:
            spec = ListSpec(
                "list", path, ("number", "mobile"), external_id="id", zone="zone", priority="priority", region="US",
                consent=ConsentColumns("basis", "consent_at", "consent_source"), reference=given.reference,
            )  # fmt: skip
        store = Store(given.database or Path(folder) / "bench.db")
        store.migrate()
        lists = {"list": ListPolicy(fields=FIELDS)} if given.rich else {}
        store.register(CampaignPolicy("bench", region="US", lists=lists))
        split = Split(given.reference)
        if not given.apart:
            split.watch()
        before, wall = cpu(), time.perf_counter()
        report = import_csv(store, "bench", spec, 1_750_000_000.0, apart=given.apart)
        wall = (time.perf_counter() - wall - split.aside) / given.rows
        used = cpu() - before - split.aside
        store.close()
    result = {
        "rows": report.rows,
        "added": report.added,
        "duplicates": report.duplicates,
        "rejected": report.rejected,
        "rows_per_second": round(1 / wall),
        "rows_per_cpu_second": round(given.rows / used),
        "cpu_us_per_row": round(1e6 * used / given.rows, 1),
        **({} if given.apart else split.shares(given.rows, used)),
        "resident_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "reader_resident_mb": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024,
        "yardstick_ms": round(yardstick(), 1),
    }
    print(json.dumps(result, indent=None if given.json else 1))


if __name__ == "__main__":
    main()
