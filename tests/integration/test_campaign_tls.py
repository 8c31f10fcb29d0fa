"""A campaign of the real daemon through a trunk over TLS: Kamailio is the carrier's edge, with certificates of both
sides, and SIPp the exchange behind it. Requests of the carrier come back over TLS, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.rig.authority import Authority
from benchmarks.rig.floor import Floor
from benchmarks.rig.kamailio import Kamailio
from benchmarks.rig.ports import free_port
from benchmarks.rig.process import until
from benchmarks.rig.scenario import CarrierSettings, carrier
from benchmarks.rig.sipp import CallStory, Sipp

pytestmark = [pytest.mark.peer, pytest.mark.parallel]
HOST = "127.0.0.1"
NAME = "trunk.test"
CONFIG = Path(__file__).parent / "kamailio" / "edge.cfg"
BEHAVIOUR = CarrierSettings(answer=50, busy=35, not_found=5, unavailable_503=0, temporarily_480=5, hold=(0.3, 0.8))


@pytest.fixture
def exchange(tmp_path: Path, need: Callable[[str], str]) -> Iterator[Sipp]:
    """SIPp on UDP; it hands back the Record-Route that a proxy before it has left (RFC 3261 12.1.1), and in a 487 both
    Vias of the INVITE (8.2.6.2): with the proxy's alone, no 487 would find its way back to the dialer.
    """
    need("sipp")
    first = '<ereg regexp=".*" search_in="hdr" header="Via:" assign_to="via"/>\n'
    scenario = carrier(BEHAVIOUR).replace("[last_Call-ID:]\n", "[last_Record-Route:]\n[last_Call-ID:]\n")
    scenario = scenario.replace(first, first + first.replace('assign_to="via"', 'occurrence="2" assign_to="via2"'))
    scenario = scenario.replace("Via:[$via]\n", "Via:[$via]\nVia:[$via2]\n")
    sipp = Sipp("exchange", scenario, tmp_path)
    yield sipp
    sipp.stop()


@pytest.fixture
def edge(tmp_path: Path, kamailio_tls: str, exchange: Sipp) -> Iterator[tuple[int, Authority]]:
    """A running Kamailio before the exchange: its TLS port, and the authority that it trusts."""
    authority = Authority(tmp_path)
    shown = authority.issue("edge", f"DNS:{NAME}")
    port = free_port()
    values = {
        "TLS_PORT": port, "UDP_PORT": free_port(), "SHOWN": shown.certificate, "PRIVATE": shown.key,
        "AUTHORITY": authority.ca_file, "EXCHANGE_PORT": exchange.port,
    }  # fmt: skip
    with Kamailio(kamailio_tls, CONFIG, values, tmp_path):
        yield port, authority


def test_a_campaign_through_a_tls_trunk(
    make_floor: Callable[..., Floor], edge: tuple[int, Authority], exchange: Sipp
) -> None:
    port, authority = edge
    own = authority.issue("dialer", f"IP:{HOST}")
    listens = (
        f'listen_tls = "{HOST}:{free_port()}"\ncertificate_file = "{own.certificate}"\nkey_file = "{own.key}"\n'
        f'ca_file = "{authority.ca_file}"\nrequire_certificate = true'
    )
    floor = make_floor(
        contacts=40, agents=5, behaviour=BEHAVIOUR, carrier_address=f"{HOST}:{port}", sip_extra=listens,
        ring_timeout=3.0,
    )  # fmt: skip
    floor.carriers["exchange"] = exchange
    secure = f'transport = "tls"\nca_file = "{authority.ca_file}"\nserver_name = "{NAME}"\n'
    text = floor.config.read_text()
    trunk = text.index("[trunks.carrier]")  # the phones stay on UDP
    floor.config.write_text(text[:trunk] + text[trunk:].replace('transport = "udp"\n', secure, 1))

    daemon = floor.start_daemon()
    daemon.wait_healthy()
    floor.start_people()
    floor.wait_done(90.0)
    assert floor.lost() == []
    assert floor.doubled() == {}
    outcomes = Counter(row.outcome for row in floor.store.attempts())
    assert outcomes["answered"] > 10
    ends = [record for record in daemon.log() if record.get("event") == "call_ended"]
    assert max(record["ring_seconds"] or 0.0 for record in ends) < 25, "the 487 to a CANCEL found its way back"
    assert set(outcomes) >= {"answered", "busy"}
    assert "congestion" not in outcomes
    states = Counter(agent["state"] for agent in daemon.status()["agents"])
    assert states == {"available": 5}

    def hung_up() -> list[CallStory]:
        return [story for story in floor.calls() if "BYE_SENT" in story.events]

    # customers who hung up first were heard: their BYE came back through the edge, over TLS, and was answered
    until(lambda: all(story.over for story in hung_up()), 10.0, "the dialer has answered their BYE")
    assert daemon.stop() == 0
    faults = [record for record in daemon.log() if record.get("level") in ("error", "critical") or "raw" in record]
    assert faults == []
    assert exchange.errors() == []
    stories = floor.calls()
    assert len(stories) == len(floor.store.attempts())
    assert len(hung_up()) > 3
