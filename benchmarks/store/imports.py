"""Reading a list into the store: `python -m benchmarks.store.imports --rows 1000000`.

A CSV of different North American numbers with three further columns is imported once. CPU and wall time a row, and the
share of the CPU outside the reading of phone numbers, which is timed alone on the same numbers. `--reference` leaves
the accelerator out.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import tempfile
import time
from functools import partial
from pathlib import Path

from dispositions import CampaignPolicy, ListSpec, Store, listrows, number
from dispositions.importer import import_csv

AREAS = (201, 212, 305, 312, 415, 503, 617, 702, 808, 907, 480, 317, 602, 213, 646)
SAMPLE = 20_000


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--reference", action="store_true", help="phonenumbers alone, without the accelerator")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    read = partial(number.normalise, reference=given.reference)
    vars(listrows)["normalise"] = read
    chance = random.Random(1)
    texts = [f"+1{chance.choice(AREAS)}{chance.randrange(2_000_000, 9_999_999)}" for _ in range(given.rows)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "list.csv"
        with path.open("w") as file:
            file.write("number,name,city,amount\n")
            file.writelines(f"{text},Customer {n},Town {n % 1000},{n % 977}.50\n" for n, text in enumerate(texts))
        store = Store(Path(folder) / "bench.db")
        store.migrate()
        store.register(CampaignPolicy("bench", region="US"))
        for text in texts[:SAMPLE]:  # what is looked up once
            read(text, "US")
        cpu = time.process_time()
        for text in texts[:SAMPLE]:
            read(text, "US")
        reading = (time.process_time() - cpu) / SAMPLE
        cpu, wall = time.process_time(), time.perf_counter()
        report = import_csv(store, "bench", ListSpec("list", path, region="US"), 1_750_000_000.0)
        cpu, wall = (time.process_time() - cpu) / given.rows, (time.perf_counter() - wall) / given.rows
        store.close()
    result = {
        "rows": report.rows,
        "added": report.added,
        "rows_per_second": round(1 / wall),
        "rows_per_cpu_second": round(1 / cpu),
        "cpu_us_per_row": round(1e6 * cpu, 1),
        "reading_numbers_us": round(1e6 * reading, 1),
        "outside_percent": round(100 * (1 - reading / cpu), 1),
        "resident_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    print(json.dumps(result, indent=None if given.json else 1))


if __name__ == "__main__":
    main()
