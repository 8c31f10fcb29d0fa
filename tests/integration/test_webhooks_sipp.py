"""A company's receiver beside a running campaign: whatever it does, each event reaches it, signed, in order for each
contact, and the calls do not wait for it. The receiver's own log is compared with the store's journal."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.rig.floor import Floor
from benchmarks.rig.process import until
from benchmarks.rig.scenario import CarrierSettings
from benchmarks.thirdparty.parties import ThirdParties
from benchmarks.thirdparty.receiver import broken, log_of
from benchmarks.webhooks import KINDS, SECRET, journal

pytestmark = [pytest.mark.peer, pytest.mark.parallel]

BEHAVIOUR = CarrierSettings(
    answer=60, busy=20, not_found=10, unavailable_503=0, temporarily_480=5, ring=(0.05, 0.2), hold=(0.3, 0.6)
)
ENV = {"RECEIVER_SECRET": SECRET}
HOOK = """
[webhooks.crm]
url = "http://127.0.0.1:{port}/hook"
secret_env = "RECEIVER_SECRET"
events = {kinds}
allow_private = true
timeout = "600ms"
pause = "100ms"
pause_most = 1
"""


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[ThirdParties]:
    """One request in four goes wrong: 503, closed before or after the work, silence before or after the work."""
    faults = {"error": 0.1, "reset": 0.04, "lost": 0.06, "hang": 0.05, "hang_seconds": 3.0}
    with ThirdParties(tmp_path / "parties", faults, kinds=["receiver"], env=ENV) as parties:
        yield parties


def make(make_floor: Callable[..., Floor], extra: str, behaviour: CarrierSettings = BEHAVIOUR) -> Floor:
    return make_floor(
        contacts=60, agents=6, behaviour=behaviour, calls_per_second=20.0, mode="power", calls_per_agent=2.0,
        ring_floor=0.5, ring_timeout=1.0, extra=extra,
    )  # fmt: skip


def hook(parties: ThirdParties) -> str:
    return HOOK.format(port=parties.ports["receiver"], kinds=json.dumps(list(KINDS)))


def all_delivered(floor: Floor, parties: ThirdParties) -> None:
    def nothing_missed() -> bool:
        return not broken(journal(floor.store.path), log_of(parties.log("receiver"))).get("missed")

    until(nothing_missed, 60.0, "every event is delivered")
    assert broken(journal(floor.store.path), log_of(parties.log("receiver"))) == {}


def test_every_event_of_a_campaign_reaches_a_receiver_that_fails(
    make_floor: Callable[..., Floor], receiver: ThirdParties
) -> None:
    floor = make(make_floor, hook(receiver))
    daemon = floor.start_daemon(ENV)
    daemon.wait_healthy()
    floor.start_people(hangup=0.3, think=0.2, talk=0.4)
    floor.wait_done(60.0)
    all_delivered(floor, receiver)
    rows = log_of(receiver.log("receiver"))
    seen = Counter(row["event"] for row in rows)
    assert seen["fault"] > 10, "it did fail"
    assert seen["repeated"] > 0, "an answer that was lost: the event came again"
    told = Counter(kind for kind in (row.get("kind") for row in rows if row["event"] == "taken"))
    assert told["outcome"] == len(floor.store.attempts()) == 60
    assert told["disposition"] == len(floor.acknowledged())
    page = daemon.metrics()
    assert 'dialer_webhook_requests_total{result="delivered",webhook="crm"}' in page
    assert 'dialer_webhook_requests_total{result="failed",webhook="crm"}' in page
    assert SECRET not in daemon.process.log.read_text()


def test_a_webhook_that_comes_with_a_reload_and_a_daemon_that_is_killed(
    make_floor: Callable[..., Floor], receiver: ThirdParties
) -> None:
    """Told of what happens from the reload on; what was under way when the dialer died comes after its next start."""
    # only the dialer and its agents end calls: nobody hangs up on a daemon that is dead
    floor = make(make_floor, "", replace(BEHAVIOUR, hold=(300.0, 300.0)))
    floor.start_daemon(ENV).wait_healthy()
    floor.start_people(hangup=1.0, think=0.2, talk=0.4)
    floor.wait_calls(5, 30.0)
    floor.change(extra=hook(receiver))
    assert floor.daemon is not None
    assert "webhooks.crm" in floor.daemon.post("/api/v1/reload")["changed"]
    log = receiver.log("receiver")
    until(lambda: any(row["event"] == "taken" for row in log_of(log)), 30.0, "it is told")
    floor.daemon.kill()
    floor.start_daemon(ENV).wait_healthy()
    floor.wait_done(60.0, ("ready", "leased"), crashed=True)
    all_delivered(floor, receiver)
