"""Reading a list into the store: `python -m benchmarks.store.imports --rows 1000000`.

A CSV of different North American numbers is imported once, cleaned and deduplicated: a plain list (number, name, city,
amount), or with `--rich` fifteen columns: the company's key, two numbers, time zone, priority, typed fields, language,
consent with date and source. Of the rows 2 % are no numbers and 3 % are there twice. `--apart` reads in a process of
its own, as `dialer import` and the daemon do; `--reference` leaves the accelerator out; `--database URL` names another
store.

Stated: rows a second by the clock and by CPU (of both processes), what of the CPU goes outside the reading of phone
numbers (timed alone on the same numbers), the same beside the calls of the `phonenumbers` library that say as much one
by one, and the memory of each process.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from benchmarks.rig.cores import yardstick
from dispositions import CampaignPolicy, FieldSpec, ListPolicy, ListSpec, NumberError, Store
from dispositions.ground import ConsentColumns
from dispositions.importer import import_csv
from dispositions.number import normalise

AREAS = (201, 212, 305, 312, 415, 503, 617, 702, 808, 907, 480, 317, 602, 213, 646)
ZONES = ("", "", "America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles")
RICH = "id,number,mobile,zone,priority,name,city,language,amount,born,plan,active,basis,consent_at,consent_source"
FIELDS = {
    "amount": FieldSpec("number", least=0, most=100_000),
    "born": FieldSpec("date"),
    "plan": FieldSpec("choice", choices=("gold", "silver", "blue")),
    "active": FieldSpec("bool"),
}
SAMPLE = 20_000


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
    import phonenumbers as plan
    from phonenumbers import timezone

    try:
        number = plan.parse(text, "US")
    except plan.NumberParseException:
        return
    if plan.is_possible_number(number) and plan.is_valid_number(number):
        plan.number_type(number)
        plan.region_code_for_number(number)
        timezone.time_zones_for_number(number)
        plan.format_number(number, plan.PhoneNumberFormat.E164)


def read_number(text: str, reference: bool) -> None:
    """As the import does it."""
    with suppress(NumberError):
        normalise(text, "US", default_zone="UTC", reference=reference)


def seconds_each(read: Callable[[str], None], texts: list[str]) -> float:
    """CPU of one, after what is looked up once."""
    for text in texts:
        read(text)
    began = time.process_time()
    for text in texts:
        read(text)
    return (time.process_time() - began) / len(texts)


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
        texts = list(numbers(SAMPLE, random.Random(2)))
        reading = seconds_each(lambda text: read_number(text, given.reference), texts)
        calls = seconds_each(by_calls, texts)
        if given.rich:  # half of the rows have a second number
            reading, calls = 1.5 * reading, 1.5 * calls
        before, wall = cpu(), time.perf_counter()
        report = import_csv(store, "bench", spec, 1_750_000_000.0, apart=given.apart)
        wall = (time.perf_counter() - wall) / given.rows
        used = (cpu() - before) / given.rows
        store.close()
    result = {
        "rows": report.rows,
        "added": report.added,
        "duplicates": report.duplicates,
        "rejected": report.rejected,
        "rows_per_second": round(1 / wall),
        "rows_per_cpu_second": round(1 / used),
        "cpu_us_per_row": round(1e6 * used, 1),
        "reading_numbers_us": round(1e6 * reading, 1),
        "outside_us": round(1e6 * (used - reading), 1),
        "outside_percent": round(100 * (1 - reading / used), 1),
        "library_calls_us": round(1e6 * calls, 1),
        "outside_percent_beside_library_calls": round(100 * (used - reading) / (used - reading + calls), 1),
        "resident_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "reader_resident_mb": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024,
        "yardstick_ms": round(yardstick(), 1),
    }
    print(json.dumps(result, indent=None if given.json else 1))


if __name__ == "__main__":
    main()
