"""Transactions on the wire (RFC 3261 17, RFC 6026): who repeats what, when, and until when."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.rig.by_hand import response
from dialer.sip import Endpoint, EndpointConfig, Failed, OptionsAnswered, OptionsFailed, sdp
from dialer.sip.errors import UndefinedTransition
from dialer.sip.incoming import IncomingLeg
from dialer.sip.outgoing import OutgoingLeg
from dialer.sip.register import Registration
from dialer.sip.server_transaction import InviteServer, PlainServer
from dialer.sip.tables import MACHINES, step
from dialer.sip.transaction import InviteClient, PlainClient

A, B = ("192.0.2.1", 5060), ("192.0.2.2", 5060)
OFFER = sdp.audio("192.0.2.1", 4000)


def invited(headers: Any = ()) -> tuple[Endpoint, str, bytes]:
    endpoint = Endpoint(EndpointConfig(*A), seed=b"x")
    plan = endpoint.plan_invite(
        "sip:1@192.0.2.2", from_uri="sip:d@192.0.2.1", destination=B, sdp=OFFER, headers=headers
    )
    leg = endpoint.invite(plan, 0.0)
    [(request, to)] = endpoint.datagrams_to_send()
    assert to == B
    return endpoint, leg, request


def fire_all(endpoint: Endpoint, until: float) -> list[tuple[float, bytes]]:
    """Run the timers up to a time; what was sent, and when."""
    sent = []
    while (at := endpoint.next_timer()) is not None and at <= until:
        endpoint.handle_timer(at)
        sent += [(at, data) for data, _ in endpoint.datagrams_to_send()]
    endpoint.handle_timer(until)  # what only waits to be forgotten may be asked for half a second late
    sent += [(until, data) for data, _ in endpoint.datagrams_to_send()]
    return sent


def events(endpoint: Endpoint) -> list[Any]:
    taken = []
    while (event := endpoint.next_event()) is not None:
        taken.append(event)
    return taken


def test_rfc3261_17_1_1_2_timer_a_doubles_and_timer_b_ends_it() -> None:
    endpoint, leg, request = invited()
    sent = fire_all(endpoint, 100.0)
    assert [at for at, _ in sent] == [0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    assert all(data == request for _, data in sent)
    assert events(endpoint) == [Failed(leg, 408, "No response", kind="timeout")]
    assert endpoint.pending == {"legs": 0, "clients": 0, "servers": 0, "accepted": 0, "asked": 0, "timers": 0}


def test_rfc3261_17_1_1_2_a_provisional_stops_timers_a_and_b_for_ever() -> None:
    endpoint, leg, request = invited()
    endpoint.receive(response(request, "180 Ringing"), B, 0.1)
    assert fire_all(endpoint, 10_000.0) == []
    assert endpoint.has(leg)


def test_rfc3261_17_1_1_3_each_repeated_final_gets_the_same_ack() -> None:
    endpoint, leg, request = invited()
    busy = response(request, "486 Busy Here", lines='Reason: Q.850;cause=17;text="busy"\r\nRetry-After: 30 (lunch)\r\n')
    endpoint.receive(busy, B, 0.1)
    [(ack, to)] = endpoint.datagrams_to_send()
    assert to == B
    assert ack.startswith(b"ACK sip:1@192.0.2.2 SIP/2.0\r\n")
    via = next(line for line in request.split(b"\r\n") if line.startswith(b"Via"))
    assert via in ack
    assert b";tag=t\r\n" in ack
    assert b"CSeq: 1 ACK" in ack
    endpoint.receive(busy, B, 0.6)
    assert endpoint.datagrams_to_send() == [(ack, B)]
    assert events(endpoint) == [Failed(leg, 486, "Busy Here", 30.0, 17, "response")]
    assert endpoint.pending["clients"] == 1
    fire_all(endpoint, 40.0)
    assert endpoint.pending["clients"] == 0  # timer D


def test_rfc3261_17_1_2_2_timers_e_and_f_of_options() -> None:
    endpoint = Endpoint(EndpointConfig(*A), seed=b"x")
    ping = endpoint.options("sip:192.0.2.2", B, 0.0)
    endpoint.datagrams_to_send()
    sent = fire_all(endpoint, 100.0)
    assert [at for at, _ in sent] == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert events(endpoint) == [OptionsFailed(ping)]


def test_rfc3261_17_1_2_2_a_provisional_slows_timer_e_to_t2() -> None:
    endpoint = Endpoint(EndpointConfig(*A), seed=b"x")
    ping = endpoint.options("sip:192.0.2.2", B, 0.0)
    [(request, _)] = endpoint.datagrams_to_send()
    endpoint.receive(response(request, "100 Trying"), B, 0.2)
    assert [at for at, _ in fire_all(endpoint, 10.0)] == [4.2, 8.2]
    endpoint.receive(response(request, "200 OK"), B, 10.5)
    assert events(endpoint) == [OptionsAnswered(ping, 200, 10.5)]
    assert fire_all(endpoint, 15.4) == []
    assert endpoint.pending["clients"] == 1  # timer K absorbs late copies
    fire_all(endpoint, 16.0)
    assert endpoint.pending["clients"] == 0


def incoming(endpoint: Endpoint, method: str = "INVITE", branch: str = "z9hG4bKpeer", lines: str = "") -> bytes:
    request = (
        f"{method} sip:dialer@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2:5060;rport;branch={branch}\r\n"
        f"Max-Forwards: 70\r\n"
        f"From: <sip:p@192.0.2.2>;tag=peer\r\nTo: <sip:dialer@192.0.2.1>\r\nCall-ID: from-peer\r\nCSeq: 7 {method}\r\n"
        f"Contact: <sip:p@192.0.2.2:5060>\r\n{lines}Content-Length: 0\r\n\r\n"
    ).encode()
    endpoint.receive(request, B, 0.0)
    return request


def test_rfc3261_17_2_1_a_repeated_invite_repeats_the_last_provisional() -> None:
    endpoint = Endpoint(EndpointConfig(*A), seed=b"x")
    request = incoming(endpoint)
    endpoint.ring("from-peer", 0.1)
    trying, ringing = (data for data, _ in endpoint.datagrams_to_send())
    assert trying.startswith(b"SIP/2.0 100 ")
    endpoint.receive(request, B, 0.5)
    assert endpoint.datagrams_to_send() == [(ringing, B)]
    assert len(events(endpoint)) == 1


def test_rfc3261_17_2_1_timers_g_and_h_repeat_a_refusal_until_the_ack() -> None:
    endpoint = Endpoint(EndpointConfig(*A), seed=b"x")
    request = incoming(endpoint)
    endpoint.reject("from-peer", 486, 0.0)
    endpoint.datagrams_to_send()
    assert [at for at, _ in fire_all(endpoint, 9.0)] == [0.5, 1.5, 3.5, 7.5]
    ack = request.replace(b"INVITE sip", b"ACK sip").replace(b"7 INVITE", b"7 ACK")
    endpoint.receive(ack, B, 9.0)
    assert fire_all(endpoint, 13.9) == []
    assert endpoint.pending["servers"] == 1  # timer I absorbs more ACKs
    fire_all(endpoint, 14.0)
    assert endpoint.pending == {"legs": 0, "clients": 0, "servers": 0, "accepted": 0, "asked": 0, "timers": 0}


def test_rfc3261_17_2_1_timer_h_gives_up_without_ack() -> None:
    endpoint = Endpoint(EndpointConfig(*A), seed=b"x")
    incoming(endpoint)
    endpoint.reject("from-peer", 486, 0.0)
    endpoint.datagrams_to_send()
    assert len(fire_all(endpoint, 100.0)) == 10
    assert endpoint.pending == {"legs": 0, "clients": 0, "servers": 0, "accepted": 0, "asked": 0, "timers": 0}


def test_rfc3261_13_3_1_4_a_2xx_that_is_never_acknowledged_ends_in_bye() -> None:
    endpoint = Endpoint(EndpointConfig(*A), seed=b"x")
    incoming(endpoint)
    endpoint.answer("from-peer", OFFER, 0.0)
    endpoint.datagrams_to_send()
    events(endpoint)
    sent = fire_all(endpoint, 32.0)
    assert [at for at, data in sent if data.startswith(b"SIP/2.0 200")] == [
        0.5,
        1.5,
        3.5,
        7.5,
        11.5,
        15.5,
        19.5,
        23.5,
        27.5,
        31.5,
    ]
    assert [(at, data[:3]) for at, data in sent if not data.startswith(b"SIP")] == [(32.0, b"BYE")]
    [event] = events(endpoint)
    assert (event.leg, event.by) == ("from-peer", "timeout")


def test_rfc6026_7_1_a_repeated_invite_in_accepted_is_absorbed() -> None:
    endpoint = Endpoint(EndpointConfig(*A), seed=b"x")
    request = incoming(endpoint)
    endpoint.answer("from-peer", OFFER, 0.0)
    endpoint.datagrams_to_send()
    endpoint.receive(request, B, 0.1)
    assert endpoint.datagrams_to_send() == []
    assert endpoint.legs == 1


def test_rfc3261_17_2_2_timer_j_repeats_the_answer_for_64_t1() -> None:
    endpoint = Endpoint(EndpointConfig(*A), seed=b"x")
    request = incoming(endpoint, "OPTIONS")
    [(answer, _)] = endpoint.datagrams_to_send()
    assert answer.startswith(b"SIP/2.0 200 OK")
    assert b"\r\nAllow: INVITE, " in answer
    endpoint.receive(request, B, 31.9)
    assert endpoint.datagrams_to_send() == [(answer, B)]
    fire_all(endpoint, 32.0)
    assert endpoint.pending["servers"] == 0


def test_rfc3261_18_2_2_and_rfc3581_where_responses_go() -> None:
    endpoint = Endpoint(EndpointConfig(*A), seed=b"x")
    via = "SIP/2.0/UDP host.example:5070{};branch=z9hG4bK{}"
    for number, (rport, port) in enumerate(((";rport", 41000), ("", 5070))):
        request = (
            f"OPTIONS sip:d@192.0.2.1 SIP/2.0\r\nVia: {via.format(rport, number)}\r\n"
            f"Via: SIP/2.0/TCP far;branch=z9hG4bKfar\r\nFrom: <sip:p@host.example>;tag=1\r\n"
            f"To: <sip:d@192.0.2.1>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n\r\n"
        )
        endpoint.receive(request.encode(), ("198.51.100.7", 41000), 0.0)
        [(answer, to)] = endpoint.datagrams_to_send()
        assert to == ("198.51.100.7", port)
        stamped = via.format(";rport=41000" if rport else "", number) + ";received=198.51.100.7"
        assert f"\r\nVia: {stamped}\r\nVia: SIP/2.0/TCP far;branch=z9hG4bKfar\r\n".encode() in answer


def test_rfc3261_17_1_3_a_response_must_match_in_branch_method_call_and_number() -> None:
    endpoint, leg, request = invited()
    good = response(request, "200 OK", body=OFFER, lines="Content-Type: application/sdp\r\n")
    bad = [
        good.replace(b"branch=z9hG4bK", b"branch=z9hG4bKx"),
        good.replace(b"CSeq: 1 INVITE", b"CSeq: 1 BYE"),
        good.replace(b"CSeq: 1 INVITE", b"CSeq: 2 INVITE"),
        good.replace(leg.encode(), b"other"),
        good.replace(b"\r\nFrom", b"\r\nVia: SIP/2.0/UDP 192.0.2.66\r\nFrom"),
        good.replace(b"tag=t", b'tag="t'),
    ]
    for data in bad:
        assert data != good
        endpoint.receive(data, B, 0.1)
    assert events(endpoint) == []
    assert endpoint.datagrams_to_send() == []
    assert sum(endpoint.drops.values()) == len(bad)
    endpoint.receive(good, B, 0.2)
    assert type(events(endpoint)[0]).__name__ == "Answered"


@pytest.mark.parametrize("machine", MACHINES)
def test_tables_lead_only_to_states_that_exist(machine: str) -> None:
    start, table = MACHINES[machine]
    assert start in table
    targets = {target for row in table.values() for target, _ in row.values()}
    assert targets <= set(table)
    assert targets | {start, "incoming"} >= set(table)


@pytest.mark.parametrize(
    ("machine", "brought"),
    [
        ("INVITE client transaction", ("1xx", "2xx", "final")),
        ("non-INVITE client transaction", ("1xx", "2xx", "final")),
        ("INVITE server transaction", ("request", "ack")),
        ("non-INVITE server transaction", ("request",)),
    ],
)
def test_tables_know_in_every_state_what_the_network_may_bring(machine: str, brought: tuple[str, ...]) -> None:
    for state, row in MACHINES[machine][1].items():
        if state != "terminated":
            assert set(brought) <= set(row)


@pytest.mark.parametrize(
    ("machine", "classes"),
    [
        ("INVITE client transaction", [InviteClient]),
        ("non-INVITE client transaction", [PlainClient]),
        ("INVITE server transaction", [InviteServer]),
        ("non-INVITE server transaction", [PlainServer]),
        ("leg", [OutgoingLeg, IncomingLeg]),
        ("session", [OutgoingLeg, IncomingLeg]),
        ("registration", [Registration]),
    ],
)
def test_every_action_in_a_table_is_a_method(machine: str, classes: list[type]) -> None:
    for row in MACHINES[machine][1].values():
        for _, actions in row.values():
            for action in actions:
                assert any(callable(getattr(kind, action, None)) for kind in classes), action


def test_a_missing_key_is_an_error_with_a_name() -> None:
    with pytest.raises(UndefinedTransition, match="no transition for 'A' in state 'proceeding'"):
        step(MACHINES["INVITE client transaction"][1], "proceeding", "A")
