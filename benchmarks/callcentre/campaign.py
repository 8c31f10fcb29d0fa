"""Writes the demonstration campaign: `python -m benchmarks.callcentre.campaign --dir DIR --trunk HOST:PORT ...`.

The config file is one that a manager could have written; nothing in it is for simulations but `time_scale`. Prints
one JSON object: where the files are, and what a judge must know (`redial_delay` in real seconds, `numbers`, ...).
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import shutil
import sys
from pathlib import Path
from string import Template

from benchmarks.thirdparty.config import sales_table

from .agents import agent_names
from .behaviour import DATA

REDIAL_DELAY = 180.0
ABANDON_CAP = 0.03
FILE = Template("""\
# The demonstration campaign. Every duration is as in real life; time_scale divides them all alike.
time_scale = $speed

[store]
url = "sqlite:///dialer.db"

[sip]
listen = "127.0.0.1:0"

[media]
port_min = $media_min
port_max = $media_max

[http]
listen = "$http"
token_env = "DIALER_TOKEN"

[trunks.main]
address = "$trunk"
lines = $lines
calls_per_second = $cps
prefixes = ["+1"]
price = 0.01

[trunks.reserve]
address = "$reserve_trunk"
lines = $lines
calls_per_second = $cps
prefixes = ["+1"]
price = 0.02
reserve = true

$agents
[lists.customers]
path = "contacts.csv"
region = "US"
validity = "possible"   # 555-01xx is kept for fiction
columns = { number = ["number"], id = "id", name = "name" }

[do_not_call.house]
path = "do_not_call.txt"
region = "US"

[campaigns.demo]
lists = ["customers"]
trunks = ["main", "reserve"]
caller_id = "+12025550100"
caller_name = "Example Bank"
jurisdiction = "none"   # a demonstration runs at any hour; real campaigns name their country's rules
redial_delay = "3m"
max_attempts = 5
wrap_up_max = "2m"

[campaigns.demo.pacing]
mode = "$mode"
${power}abandon_cap = $cap
patience = "2s"
ring_floor = "15s"
ring_timeout = "25s"

[campaigns.demo.outcomes]
busy = { next = "retry", after = "3m", attempts = 3 }
no_answer = { next = "retry", after = "6m", attempts = 3 }
abandoned = { next = "retry", after = "72h" }
invalid = { next = "bad_number" }

[campaigns.demo.dispositions]
sale = { next = "sale", label = "Sold" }
callback = { next = "callback", after = "1h", label = "Asks to be called back" }
not_interested = { next = "done", label = "Not interested" }
do_not_call = { next = "do_not_call", label = "Never call again" }
wrong_number = { next = "bad_number", person = false, label = "Someone else answers" }
machine = { next = "retry", after = "10m", attempts = 2, person = false, label = "Answering machine" }

[campaigns.demo.queues]
sale_fields = ["product"]
""")
AGENT = Template("""\
[agents.$name]
phone = "sip:$name@$phones"
""")


def usable(text: str) -> str | None:
    """A North American number as E.164, or None: the judge's own reading, apart from the product's."""
    if re.search(r"[A-Za-z]", text):
        return None
    digits = re.sub(r"\D", "", text)
    if len(digits) == 10:
        digits = "1" + digits
    return f"+{digits}" if len(digits) == 11 and digits[0] == "1" else None


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="campaign", description="Write the demonstration campaign into a folder.")
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument(
        "--trunk", action="append", required=True, metavar="HOST:PORT", help="the carrier; a second one is the reserve"
    )
    parser.add_argument("--phones", required=True, metavar="HOST:PORT", help="where the agents' phones listen")
    parser.add_argument("--http", required=True, metavar="HOST:PORT")
    parser.add_argument("--agents", type=int, default=12)
    parser.add_argument("--prefix", default="agent")
    parser.add_argument("--speed", type=float, default=10.0)
    parser.add_argument("--mode", default="predictive")
    parser.add_argument("--rows", type=int, default=0, help="only the first rows of the list")
    parser.add_argument("--parties", metavar="JSON", help="ports of the third parties: sales are carried through")
    parser.add_argument("--media-ports", default="20000,20999", metavar="MIN,MAX")
    return parser


def write(options: argparse.Namespace) -> dict[str, object]:
    """Write campaign.toml, contacts.csv and do_not_call.txt; what the caller needs to know. Raises OSError."""
    folder: Path = options.dir
    folder.mkdir(parents=True, exist_ok=True)
    lines = max(10, options.agents * 5)
    media_min, media_max = options.media_ports.split(",")
    config = FILE.substitute(
        speed=options.speed,
        http=options.http,
        trunk=options.trunk[0],
        reserve_trunk=options.trunk[-1],
        lines=lines,
        cps=max(20, options.agents * 2),
        agents="\n".join(
            AGENT.substitute(name=name, phones=options.phones) for name in agent_names(options.prefix, options.agents)
        ),
        mode=options.mode,
        power="calls_per_agent = 1.5\n" if options.mode == "power" else "",
        cap=ABANDON_CAP,
        media_min=int(media_min),
        media_max=int(media_max),
    )
    if options.parties:
        config += sales_table(json.loads(options.parties))
    (folder / "campaign.toml").write_text(config, encoding="utf-8")
    shutil.copy(DATA / "do_not_call.txt", folder / "do_not_call.txt")
    with (DATA / "contacts.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    rows = rows[: options.rows + 1] if options.rows else rows
    with (folder / "contacts.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
    column = rows[0].index("number")
    numbers = [usable(row[column]) for row in rows[1:]]
    forbidden = (DATA / "do_not_call.txt").read_text(encoding="utf-8").split()
    return {
        "config": str(folder / "campaign.toml"),
        "store": f"sqlite:///{folder / 'dialer.db'}",
        "campaign": "demo",
        "redial_delay": REDIAL_DELAY / options.speed,
        "abandon_cap": ABANDON_CAP,
        "lines": lines,
        "funnel": {
            "rows in the file": len(rows) - 1,
            "usable numbers": sum(number is not None for number in numbers),
            "without duplicates": len(set(numbers) - {None}),
        },
        "numbers": sorted({number for number in numbers if number}),
        "do_not_call": forbidden,
    }


def main() -> int:
    """Entry point of `python -m benchmarks.callcentre.campaign`."""
    options = arguments().parse_args()
    try:
        print(json.dumps(write(options)))
    except (OSError, ValueError) as error:
        print(f"campaign: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
