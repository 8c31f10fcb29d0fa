"""RFC 3263 against a real name server on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from benchmarks.rig.name_server import NameServer
from dialer.locate import Located, Locator, Place, Target
from dialer.resolve import ResolveError
from dialer.sip import Flow

RECORDS = {
    ("_sip._udp.carrier.test", "SRV"): [
        "20 0 5062 c.carrier.test.", "10 60 5060 a.carrier.test.", "10 40 5061 b.carrier.test.",
    ],
    ("_sip._tcp.carrier.test", "SRV"): ["1 0 5070 b.carrier.test."],
    ("_sips._tcp.carrier.test", "SRV"): ["1 0 5071 b.carrier.test."],
    ("a.carrier.test", "A"): ["192.0.2.1", "192.0.2.2"],
    ("a.carrier.test", "AAAA"): ["2001:db8::1"],
    ("b.carrier.test", "A"): ["192.0.2.3"],
    ("c.carrier.test", "AAAA"): ["2001:db8::3"],
    ("plain.test", "A"): ["192.0.2.9"],
    ("_sip._udp.closed.test", "SRV"): ["0 0 0 ."],
    ("closed.test", "A"): ["192.0.2.8"],
    ("_sip._udp.broken.test", "SRV"): ["0 0 5060 nowhere.test."],
}  # fmt: skip


@pytest.fixture
def server() -> Iterator[NameServer]:
    with NameServer(dict(RECORDS)) as running:
        yield running


def locate(server: NameServer, place: Place) -> Located:
    return asyncio.run(Locator([server.address]).locate(place))


def test_rfc3263_4_2_srv_by_priority_with_ports_and_all_addresses(server: NameServer) -> None:
    found = locate(server, Place("carrier.test"))
    assert [target.priority for target in found.targets] == [10, 10, 20]
    by_weight = {target.weight: target.addresses for target in found.targets}
    assert set(by_weight[60][:2]) == {("192.0.2.1", 5060), ("192.0.2.2", 5060)}  # in the order that DNS gave
    assert by_weight[60][2:] == (("2001:db8::1", 5060),)  # IPv6 after them
    assert by_weight[40] == (("192.0.2.3", 5061),)
    assert found.targets[2].addresses == (("2001:db8::3", 5062),)
    assert found.seconds == 60.0


@pytest.mark.parametrize(("transport", "port"), [("tcp", 5070), ("tls", 5071)])
def test_rfc3263_4_1_each_transport_has_its_own_service(server: NameServer, transport: str, port: int) -> None:
    found = locate(server, Place("carrier.test", None, transport, "trunk"))
    assert found.first == Flow("192.0.2.3", port, transport, "trunk")


def test_rfc3263_4_2_a_port_or_an_address_skips_srv(server: NameServer) -> None:
    assert locate(server, Place("b.carrier.test", 5080)).first == ("192.0.2.3", 5080)
    assert locate(server, Place("192.0.2.77")) == Located((Target((("192.0.2.77", 5060),)),))
    assert locate(server, Place("2001:db8::7", None, "tls")).first == Flow("2001:db8::7", 5061, "tls")
    assert not [kind for _, kind in server.asked if kind == "SRV"]


def test_rfc3263_4_2_without_srv_the_name_itself_and_the_default_port(server: NameServer) -> None:
    assert locate(server, Place("plain.test")).first == ("192.0.2.9", 5060)
    assert locate(server, Place("plain.test", None, "tls")).first == Flow("192.0.2.9", 5061, "tls")


@pytest.mark.parametrize(
    ("name", "words"),
    [("closed.test", "no SIP server over UDP"), ("broken.test", "no SIP server"), ("unknown.test", "has no address")],
)
def test_what_leads_nowhere_says_so(server: NameServer, name: str, words: str) -> None:
    with pytest.raises(ResolveError, match=words):
        locate(server, Place(name))


def test_no_answer_at_all_says_so(server: NameServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dialer.locate._PATIENCE", 0.2)
    server.silent = True
    with pytest.raises(ResolveError, match="no name server answers"):
        locate(server, Place("carrier.test"))


def test_answers_are_kept_for_their_time(server: NameServer) -> None:
    async def scene() -> None:
        locator = Locator([server.address])
        for _ in range(3):
            await locator.locate(Place("carrier.test"))

    asyncio.run(scene())
    assert server.asked["_sip._udp.carrier.test", "SRV"] == 1
    assert server.asked["a.carrier.test", "A"] == 1


def test_without_name_servers_addresses_come_from_the_system() -> None:
    assert asyncio.run(Locator().locate(Place("localhost", 5070))).first == ("127.0.0.1", 5070)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("sip:ana@192.0.2.7", Place("192.0.2.7")),
        ("sip:ana@192.0.2.7:5070;transport=TCP", Place("192.0.2.7", 5070, "tcp")),
        ("sips:ana@phone.test;transport=tcp", Place("phone.test", None, "tls")),
        ("sip:ana@[2001:db8::1]:5080;ob;transport=tls?x=y", Place("2001:db8::1", 5080, "tls")),
        ("[2001:db8::1]", Place("2001:db8::1")),
        ("carrier.test", Place("carrier.test")),
        ("carrier.test:5070", Place("carrier.test", 5070)),
    ],
)
def test_places_of_uris(text: str, place: Place) -> None:
    assert Place.of_uri(text) == place


@pytest.mark.parametrize("text", ["sip:a@b;transport=sctp", "sip:", "a:0", "a:b", "a:70000", "sip:x@[::1]:x"])
def test_what_is_no_place(text: str) -> None:
    with pytest.raises(ValueError):
        Place.of_uri(text)
