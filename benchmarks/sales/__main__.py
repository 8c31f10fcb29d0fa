"""Sales under load: `python -m benchmarks.sales --rate 5 --seconds 60`.

Sales come at a steady rate while third parties (processes of their own, real HTTP and SMTP) fail: 5 % of all requests,
and 1 % hang for half a minute. Printed: pick-up (queue to start) and duration (queue to end), p50 and p99, CPU of the
sale process for a sale, backlog; and what the third parties' logs say: charged twice, issued unpaid, never ended.

With `--calls 10` a whole dialer runs beside it, every call answered and joined to an agent, and answer-to-agent is
measured in turns without and with sales: `--pairs` phases of `--seconds` of each.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from benchmarks.rig import phases
from benchmarks.sales.alone import alone
from benchmarks.sales.beside import beside_calls


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sales", description="sales under load, with faulty third parties"
    )
    parser.add_argument("--rate", type=float, default=5.0, help="sales per second")
    parser.add_argument("--seconds", type=float, default=60.0, help="of the run, or of a phase with --calls")
    parser.add_argument("--calls", type=float, default=0.0, help="calls per second of a dialer beside it")
    parser.add_argument("--pairs", type=int, default=8, help="phases without, and as many with sales; with --calls")
    parser.add_argument(
        "--first", action="store_true", help="calls and sales before whatever else this machine does; root only"
    )
    parser.add_argument("--keep", type=Path, help="folder for the run's files; default: a temporary one")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        if options.calls > 0:
            found = beside_calls(
                options.rate, options.seconds, options.calls, options.pairs, folder, first=options.first
            )
        else:
            found = alone(options.rate, options.seconds, folder)
    if options.json:
        print(json.dumps(found, indent=2))
        return
    print(f"sales {found['sales']}, {found['rate']:.1f}/s; ends {found['states']}")
    for words, name in (("pick-up", "pick_up"), ("duration", "took")):
        p50, p99, most = (found[f"{name}_{key}"] for key in ("p50", "p99", "max"))
        print(f"{words:<9} p50 {p50:6.2f} s   p99 {p99:6.2f} s   max {most:.2f} s")
    print(f"CPU {1000 * found['cpu_seconds_a_sale']:.0f} ms a sale")
    if "answer_to_agent" in found:
        phases.show(found["answer_to_agent"], "sales")
    else:
        print(f"most waiting {found['most_waiting']}; under way at the end {found['under_way_at_the_end']}")
    print(f"broken promises, by the third parties' own logs: {found['broken'] or 'none'}")


if __name__ == "__main__":
    main()
