"""Two softphones, one as the customer and one as the agent: each hears the other's tone through the dialer's call."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.rig.baresip import Baresip
from benchmarks.rig.campaign import numbers
from benchmarks.rig.floor import Floor
from benchmarks.rig.process import until
from benchmarks.rig.scenario import CarrierSettings
from benchmarks.rig.tones import seconds_of_tone

pytestmark = pytest.mark.peer

CUSTOMER_HERTZ, AGENT_HERTZ = 440.0, 1250.0
TALK = 3.0  # seconds, in real time: audio cannot be hurried
HEARD = 0.6 * TALK  # what must have arrived of the other's tone


@pytest.fixture
def phones(tmp_path: Path, need: Callable[[str], str]) -> Iterator[tuple[Baresip, Baresip]]:
    """The customer's phone and the agent's."""
    need("baresip")
    customer = Baresip(tmp_path / "customer", numbers(1)[0], CUSTOMER_HERTZ)
    agent = Baresip(tmp_path / "agent", "agent1", AGENT_HERTZ)
    yield customer, agent
    customer.stop()
    agent.stop()


def test_each_hears_the_other(phones: tuple[Baresip, Baresip], make_floor: Callable[..., Floor]) -> None:
    """The tone of each side is in the recording of the other, and not in its own."""
    customer, agent = phones
    floor = make_floor(
        contacts=1,
        agents=1,
        behaviour=CarrierSettings(),
        carrier_address=customer.address,
        agent_phones=agent.address,
        mode="progressive",
    )
    daemon = floor.start_daemon()
    daemon.wait_healthy()
    daemon.login("agent1")

    def state() -> str:
        return str(daemon.status()["agents"][0]["state"])

    until(lambda: state() == "talking", 10.0, "the agent talks")
    time.sleep(TALK)
    daemon.post("/api/v1/agents/agent1/hangup")
    until(lambda: state() == "wrap_up", 5.0, "the agent is in wrap-up")
    daemon.post("/api/v1/agents/agent1/dispose", code="satisfied")
    assert daemon.stop() == 0
    agent_heard, customer_heard = agent.heard(), customer.heard()
    assert agent_heard
    assert customer_heard
    assert sum(seconds_of_tone(path, CUSTOMER_HERTZ) for path in agent_heard) >= HEARD
    assert sum(seconds_of_tone(path, AGENT_HERTZ) for path in customer_heard) >= HEARD
    assert sum(seconds_of_tone(path, AGENT_HERTZ) for path in agent_heard) == 0.0
    assert sum(seconds_of_tone(path, CUSTOMER_HERTZ) for path in customer_heard) == 0.0
