"""Memory of standing calls: `python -m benchmarks.sip.standing --calls 10000`.

Our caller places them against SIPp's uas, one process each, and reads its own resident size when all are up, when the
transactions of the set-up have gone (64*T1 = 32 s later), and after all have been hung up.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.sip.__main__ import HOST, uas
from dialer.sip import Answered, Ended, Event, Failed, sdp
from dialer.udp import UdpEndpoint

RATE = 500.0
SETTLED = 34.0
"""seconds until the last transaction of a set-up is gone: 64*T1 and a little"""


def resident() -> int:
    """Resident bytes of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def measure(port: int, calls: int) -> dict[str, Any]:
    """Kilobytes a call: fresh, settled, and left over after the end."""
    up: list[str] = []
    over = failed = 0

    def heard(event: Event) -> None:
        nonlocal over, failed
        if isinstance(event, Answered):
            up.append(event.leg)
        elif isinstance(event, Failed):
            failed += 1
        elif isinstance(event, Ended):
            over += 1

    udp = UdpEndpoint.open(HOST, 0, heard, max_legs=calls + 1_000)
    offer = sdp.audio(HOST, 40_000)

    async def place(count: int) -> None:
        began, before, placed = time.monotonic(), len(up), 0
        while len(up) - before + failed < count:
            due = min(count, int((time.monotonic() - began) * RATE) + 1)
            for _ in range(due - placed):
                plan = udp.plan_invite(
                    f"sip:service@{HOST}:{port}", from_uri=f"sip:bench@{HOST}", destination=(HOST, port), sdp=offer
                )
                udp.invite(plan)
            placed = due
            await asyncio.sleep(0.005)

    def size() -> int:
        gc.collect()
        return resident()

    await place(200)  # what is allocated once
    empty = size()
    await place(calls)
    fresh = size()
    await asyncio.sleep(SETTLED)
    settled = size()
    ending = list(up)
    for start in range(0, len(ending), 50):
        for leg in ending[start : start + 50]:
            udp.bye(leg)
        await asyncio.sleep(0.05)
    await asyncio.sleep(SETTLED)
    left, pending = size(), udp.endpoint.pending
    udp.close()
    return {
        "calls": calls,
        "failed": failed,
        "ended": over,
        "fresh_kb_per_call": (fresh - empty) / calls / 1024,
        "settled_kb_per_call": (settled - empty) / calls / 1024,
        "resident_after_mb": (left - empty) / 2**20,
        "left_behind": pending,
    }


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=10_000, help="standing at once")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    sipp = shutil.which("sipp")
    if sipp is None:
        print("sipp is not installed: apt-get install --no-install-recommends sip-tester", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as name, uas(sipp, Path(name)) as port:
        found = asyncio.run(measure(port, options.calls))
    if options.json:
        print(json.dumps(found, indent=1))
    else:
        print(f"{found['calls']} standing calls ({found['failed']} failed, {found['ended']} ended)")
        print(f"fresh    {found['fresh_kb_per_call']:6.2f} KB a call, with the transactions of its set-up")
        print(f"settled  {found['settled_kb_per_call']:6.2f} KB a call")
        print(f"after    {found['resident_after_mb']:+.1f} MB; left behind: {found['left_behind']}")
    return 1 if found["failed"] or any(found["left_behind"].values()) else 0


if __name__ == "__main__":
    sys.exit(main())
