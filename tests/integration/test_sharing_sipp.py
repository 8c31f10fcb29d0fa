"""Two campaigns that share agents, against SIPp: one list runs dry and its agents go on in the other; no call is lost
or doubled, and neither campaign abandons more than its cap bears.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from scipy.stats import binom

from benchmarks.rig.campaign import numbers
from benchmarks.rig.floor import Floor
from benchmarks.rig.process import until
from benchmarks.rig.scenario import CarrierSettings
from tests.integration.test_campaign_sipp import check_books, check_floor_at_rest, check_people

pytestmark = [pytest.mark.peer, pytest.mark.parallel]

FIRST, ALL = 50, 250
CAP = 0.1
SECOND = """
[lists.more]
path = "more.csv"
region = "US"
validity = "possible"
columns = { number = ["number"], name = "name", id = "reference" }

[sharing]
dwell = 2

[campaigns.second]
lists = ["more"]
trunks = ["carrier"]
caller_id = "+12125550199"
jurisdiction = "none"
wrap_up_max = 60
codes = ["usual"]

[campaigns.second.schedule]
timezone = "UTC"
[campaigns.second.schedule.hours]
WEEK

[campaigns.second.pacing]
abandon_cap = CAP
patience = 2
ring_floor = 1
ring_timeout = 4

[codes.usual]
satisfied = { next = "done" }
not_interested = { next = "done" }
callback = { next = "callback", after = "1d" }
own_callback = { next = "callback", after = "1d", personal = true }
sale = { next = "sale" }
do_not_call = { next = "do_not_call" }
wrong_number = { next = "bad_number" }
machine = { next = "retry", after = "4h", person = false }
"""
WEEK = "\n".join(
    f'{day} = [{{ start = "00:00", end = "24:00" }}]' for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
)


def test_agents_of_a_dry_list_go_on_in_the_other_campaign(make_floor: Callable[..., Floor]) -> None:
    behaviour = CarrierSettings(answer=50, busy=15, not_found=8, unavailable_503=0, temporarily_480=7, hold=(0.8, 1.6))
    extra = SECOND.replace("WEEK", WEEK).replace("CAP", str(CAP))
    floor = make_floor(contacts=FIRST, agents=8, behaviour=behaviour, ring_timeout=4.0, abandon_cap=CAP, extra=extra)
    more = numbers(ALL)[FIRST:]
    rows = [f"{number},Person {index},S{index:06d}" for index, number in enumerate(more)]
    (floor.folder / "more.csv").write_text("number,name,reference\n" + "\n".join(rows) + "\n")
    first = floor.listed()
    floor.listed = lambda: [*first, *more]  # type: ignore[method-assign]

    daemon = floor.start_daemon()
    daemon.wait_healthy()
    floor.start_people(campaign="")
    until(lambda: all(a["state"] != "logged_out" for a in daemon.status()["agents"]), 30.0, "everybody has logged in")
    came = {agent["agent"]: agent["campaign"] for agent in daemon.status()["agents"]}
    for move in reversed([record for record in daemon.log() if record.get("event") == "agent_moved"]):
        came[move["agent"]] = move["from_campaign"]  # moved while others were still logging in
    begun = Counter(came.values())
    assert {tuple(agent["serves"]) for agent in daemon.status()["agents"]} == {("main", "second")}
    assert min(begun["main"], begun["second"]) >= 2, begun
    floor.wait_done(150.0)

    check_books(floor)
    check_people(floor)
    check_floor_at_rest(floor)
    moves = [record for record in daemon.log() if record.get("event") == "agent_moved"]
    assert Counter(move["cause"] for move in moves)["closed"] >= 1, moves
    assert all({"worth_there", "worth_here"} <= move["why"].keys() for move in moves)
    status = daemon.status()["campaigns"]
    for name, campaign in status.items():
        found = campaign["abandonment"]
        most = binom.ppf(1 - 1e-6, found["answered"], CAP)
        assert found["abandoned"] <= most, (name, found)
    # whoever began in the campaign that ran dry has talked for the other one
    talked = Counter(record["agent"] for record in floor.acknowledged())
    assert len(talked) == floor.settings.agents
    second = status["second"]
    assert second["connected"] > 0.6 * sum(campaign["connected"] for campaign in status.values())
    assert daemon.stop() == 0
    faults = [record for record in daemon.log() if record.get("level") in ("error", "critical") or "raw" in record]
    assert faults == []
