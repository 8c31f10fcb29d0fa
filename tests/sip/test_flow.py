"""Calls over connections (RFC 3261 17, 18): nothing is repeated, answers go back the way the question came, and a lost
connection is an event. Two endpoints, a clock moved by hand, no sockets.
"""

from __future__ import annotations

from typing import Any

import pytest

from dialer.sip import (
    Answered,
    BadDestination,
    DialogState,
    Ended,
    Endpoint,
    EndpointConfig,
    Failed,
    Flow,
    IncomingCall,
    InvitePlan,
    Offered,
    OptionsAnswered,
    OptionsFailed,
    Provisional,
    Reinvited,
    ReinviteFailed,
    sdp,
)

A, B = "192.0.2.1", "192.0.2.2"
OFFER, ANSWER = sdp.audio(A, 4000), sdp.audio(B, 5000)
EPHEMERAL = 40_000


class Stream:
    """`a` reaches `b` over one connection that it opens; each end sees the other as a flow. Bytes arrive at once."""

    def __init__(self, transport: str = "tcp", **settings: Any) -> None:
        ports = {"tcp_port": 5060, "tls_port": 5061}
        self.port = 5061 if transport == "tls" else 5060
        self.a = Endpoint(EndpointConfig(A, 5060, **ports, **settings), seed=b"a")
        self.b = Endpoint(EndpointConfig(B, 5060, **ports, **settings), seed=b"b")
        self.there = Flow(B, self.port, transport, "carrier")
        self.back = Flow(A, EPHEMERAL, transport)
        self.now = 100.0
        self.sent: list[tuple[str, bytes, Any]] = []
        self.events: dict[str, list[Any]] = {"a": [], "b": []}
        self.up = True

    def run(self) -> None:
        """Until nothing is on its way."""
        moved = True
        while moved:
            moved = False
            for name, end, other, source in (("a", self.a, self.b, self.back), ("b", self.b, self.a, self.there)):
                while (event := end.next_event()) is not None:
                    self.events[name].append(event)
                for data, destination in end.datagrams_to_send():
                    self.sent.append((name, data, destination))
                    moved = True
                    if self.up and isinstance(destination, Flow):
                        other.receive(data, source, self.now)

    def wait(self, seconds: float) -> None:
        """Let the timers of the next `seconds` fire."""
        until = self.now + seconds
        while True:
            due = [at for at in (self.a.next_timer(), self.b.next_timer()) if at is not None and at <= until]
            if not due:
                break
            self.now = max(self.now, min(due))
            self.a.handle_timer(self.now)
            self.b.handle_timer(self.now)
            self.run()
        self.now = until

    def take(self, name: str) -> list[Any]:
        taken, self.events[name] = self.events[name], []
        return taken

    def call(self, uri: str = f"sip:100@{B}") -> str:
        plan = self.a.plan_invite(uri, from_uri=f"sip:d@{A}", destination=self.there, sdp=OFFER)
        leg = self.a.invite(plan, self.now)
        self.run()
        return leg

    def confirmed(self, **call: str) -> str:
        leg = self.call(**call)
        self.b.ring(leg, self.now)
        self.b.answer(leg, ANSWER, self.now)
        self.run()
        kinds = [type(event) for event in self.take("a")]
        assert kinds == [Provisional, Answered]
        assert [type(event) for event in self.take("b")] == [IncomingCall]
        return leg

    def lines(self, name: str) -> list[str]:
        return [data.split(b"\r\n", 1)[0].decode() for who, data, _ in self.sent if who == name]


@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_a_call_over_a_connection_and_nothing_is_left(transport: str) -> None:
    link = Stream(transport)
    leg = link.confirmed()
    link.a.reinvite(leg, OFFER, link.now)
    link.run()
    assert [type(event) for event in link.take("b")] == [Offered]
    link.b.answer(leg, ANSWER, link.now)
    link.run()
    assert [type(event) for event in link.take("a")] == [Reinvited]
    link.b.bye(leg, link.now)
    link.run()
    assert link.take("a") == [Ended(leg, "remote")]
    assert link.take("b") == [Ended(leg, "local")]
    link.wait(64.0)
    assert (
        link.a.pending
        == link.b.pending
        == {"legs": 0, "clients": 0, "servers": 0, "accepted": 0, "asked": 0, "timers": 0}
    )
    assert not link.a.drops
    assert not link.b.drops
    assert not link.a._core.flows
    assert not link.b._core.flows
    token = transport.upper().encode()
    assert all(b"Via: SIP/2.0/" + token in data for _, data, _ in link.sent)
    assert all(destination.transport == transport for _, _, destination in link.sent)


def test_rfc3261_18_via_and_contact_name_the_transport() -> None:
    link = Stream("tcp")
    link.confirmed()
    assert f"Contact: <sip:dialer@{A}:5060;transport=tcp>".encode() in link.sent[0][1]
    assert any(f"Contact: <sip:dialer@{B}:5060;transport=tcp>".encode() in d for who, d, _ in link.sent if who == "b")


def test_rfc5923_tls_offers_its_connection_by_alias() -> None:
    link = Stream("tls")
    link.call()
    assert f"Via: SIP/2.0/TLS {A}:5061;rport;alias;branch=".encode() in link.sent[0][1]


def test_rfc3261_12_1_1_sips_gets_sips() -> None:
    link = Stream("tls")
    leg = link.confirmed(uri=f"sips:100@{B}")
    contact = f"Contact: <sips:dialer@{A}:5061>".encode()
    assert contact in link.sent[0][1]
    assert any(f"Contact: <sips:dialer@{B}:5061>".encode() in data for who, data, _ in link.sent if who == "b")
    link.b.bye(leg, link.now)
    link.run()
    assert link.sent[-2][2] == Flow(A, 5061, "tls")


def test_rfc3261_26_2_2_sips_never_goes_unprotected() -> None:
    link = Stream("tcp")
    for destination in (link.there, (B, 5060)):
        with pytest.raises(BadDestination, match="wants TLS"):
            link.a.plan_invite(f"sips:100@{B}", from_uri=f"sip:d@{A}", destination=destination)


def test_a_transport_that_the_endpoint_does_not_have_is_refused() -> None:
    bare = Endpoint(EndpointConfig(A, 5060))
    with pytest.raises(BadDestination, match="no tcp"):
        bare.options(f"sip:{B}", Flow(B, 5060, "tcp"), 0.0)


def test_rfc3261_17_1_1_2_no_timer_a_but_timer_b() -> None:
    link = Stream()
    link.up = False
    leg = link.call()
    link.wait(31.9)
    assert len(link.sent) == 1
    link.wait(0.2)
    assert link.take("a") == [Failed(leg, 408, "No response", kind="timeout")]


def test_rfc3261_17_1_2_2_no_timer_e_but_timer_f() -> None:
    link = Stream()
    link.up = False
    ping = link.a.options(f"sip:{B}", link.there, link.now)
    link.wait(33.0)
    assert len(link.sent) == 1
    assert link.take("a") == [OptionsFailed(ping)]


def test_rfc3261_17_timers_d_i_j_k_are_zero() -> None:
    link = Stream()
    link.a.options(f"sip:{B}", link.there, link.now)
    link.run()
    assert isinstance(link.take("a")[0], OptionsAnswered)
    leg = link.call()
    link.b.reject(leg, 486, link.now)
    link.run()
    link.wait(0.0)
    assert link.a.pending["clients"] == link.b.pending["servers"] == 0
    assert link.lines("a")[-1].startswith("ACK ")


def test_rfc3261_17_2_1_a_refusal_is_said_once_without_timer_g() -> None:
    link = Stream()
    leg = link.call()
    link.up = False  # its ACK never comes
    link.b.reject(leg, 486, link.now)
    link.run()
    link.wait(40.0)
    assert sum("486" in line for line in link.lines("b")) == 1
    assert link.b.pending["servers"] == 0  # timer H


def test_rfc3261_13_3_1_4_a_2xx_is_repeated_even_here() -> None:
    link = Stream()
    leg = link.call()
    link.up = False
    link.b.answer(leg, ANSWER, link.now)
    link.run()
    link.wait(3.6)
    assert sum("200" in line for line in link.lines("b")) == 4  # at 0, 0.5, 1.5 and 3.5 s


def test_a_lost_connection_carries_an_unanswered_request_over_to_a_new_one_once() -> None:
    link = Stream()
    link.up = False
    leg = link.call()
    invite = link.sent[0]
    link.a.connection_lost(link.there, link.now)
    link.run()
    assert link.sent == [invite, invite]
    link.a.connection_lost(link.there, link.now)
    link.run()
    assert link.take("a") == [Failed(leg, 503, "No connection", kind="transport")]
    assert link.a.drops == {"transaction_without_connection": 1}
    assert link.a.pending == {"legs": 0, "clients": 0, "servers": 0, "accepted": 0, "asked": 0, "timers": 0}


def test_rfc3261_8_1_3_1_no_connection_at_all_counts_as_503() -> None:
    link = Stream()
    link.up = False
    leg = link.call()
    ping = link.a.options(f"sip:{B}", link.there, link.now)
    link.a.connection_lost(link.there, link.now, established=False)
    link.run()
    assert link.take("a") == [Failed(leg, 503, "No connection", kind="transport"), OptionsFailed(ping)]
    assert len(link.sent) == 2


def test_a_call_that_rings_over_a_lost_connection_is_cancelled_over_a_new_one() -> None:
    link = Stream()
    leg = link.call()
    link.b.ring(leg, link.now)
    link.run()
    link.take("a")
    link.a.connection_lost(link.there, link.now)
    link.run()
    assert link.take("a") == [Failed(leg, 503, "No connection", kind="transport")]
    assert "CANCEL" in [line.split()[0] for line in link.lines("a")]
    assert link.take("b")[-1].kind == "cancelled"


def test_an_answer_after_the_loss_is_ended() -> None:
    link = Stream(branch_key=b"secret")
    leg = link.call()
    link.b.ring(leg, link.now)
    link.run()
    link.up = False
    link.a.connection_lost(link.there, link.now)
    link.run()
    link.up = True
    link.b.answer(leg, ANSWER, link.now)
    link.run()
    assert [line.split()[0] for line in link.lines("a")][-2:] == ["ACK", "BYE"]
    assert isinstance(link.take("b")[-1], Ended)


def test_dialogs_live_on_when_the_connection_is_lost() -> None:
    link = Stream()
    leg = link.confirmed()
    link.wait(64.0)
    link.a.connection_lost(link.there, link.now)
    link.b.connection_lost(link.back, link.now)
    link.run()
    assert link.take("a") == link.take("b") == []
    link.b.bye(leg, link.now)
    link.run()
    assert link.sent[-2][2] == Flow(A, 5060, "tcp")  # its Contact: a new connection
    assert link.take("a") == [Ended(leg, "remote")]


def test_a_reinvite_without_connection_fails_and_the_call_goes_on() -> None:
    link = Stream()
    leg = link.confirmed()
    link.up = False
    link.a.reinvite(leg, OFFER, link.now)
    link.run()
    flow = link.sent[-1][2]
    link.a.connection_lost(flow, link.now, established=False)
    link.run()
    assert link.take("a") == [ReinviteFailed(leg, 503)]
    link.up = True
    link.a.bye(leg, link.now)
    link.run()
    assert link.take("a") == [Ended(leg, "local")]


def test_rfc3261_18_2_2_responses_go_back_the_way_the_request_came_else_to_the_address_in_via() -> None:
    link = Stream()
    leg = link.call()
    assert {destination for who, _, destination in link.sent if who == "b"} == {link.back}
    link.b.connection_lost(link.back, link.now)
    link.b.ring(leg, link.now)
    link.run()
    assert link.sent[-1][2] == Flow(A, 5060, "tcp")
    link.b.connection_lost(Flow(A, 5060, "tcp"), link.now, established=False)
    link.b.reject(leg, 486, link.now)
    link.run()
    assert link.b.drops["response_without_connection"] == 1


def test_rfc3261_18_1_1_a_long_invite_goes_over_tcp_where_the_trunk_allows() -> None:
    for allowed in (False, True):
        link = Stream()
        plan = link.a.plan_invite(
            f"sip:100@{B}",
            from_uri=f"sip:d@{A}",
            destination=(B, 5060),
            sdp=OFFER,
            headers=[("X-Long", "x" * 1300)],
            large_over_tcp=allowed,
        )
        link.a.invite(plan, link.now)
        link.run()
        data, destination = link.sent[0][1:]
        assert destination == (Flow(B, 5060, "tcp") if allowed else (B, 5060))
        assert (b"Via: SIP/2.0/TCP" if allowed else b"Via: SIP/2.0/UDP") in data


def test_rfc3261_18_1_1_and_over_udp_after_all_where_there_is_no_tcp() -> None:
    link = Stream()
    link.up = False
    plan = link.a.plan_invite(
        f"sip:100@{B}",
        from_uri=f"sip:d@{A}",
        destination=(B, 5060),
        headers=[("X-Long", "x" * 1300)],
        large_over_tcp=True,
    )
    link.a.invite(plan, link.now)
    link.run()
    link.a.connection_lost(Flow(B, 5060, "tcp"), link.now, established=False)
    link.run()
    assert link.sent[-1][2] == (B, 5060)
    assert b"CSeq: 2 INVITE" in link.sent[-1][1]
    assert b"Via: SIP/2.0/UDP" in link.sent[-1][1]
    assert link.take("a") == []


@pytest.mark.parametrize("allowed", [True, False])
@pytest.mark.parametrize("there", [True, False], ids=["tcp there", "no tcp there"])
def test_rfc3261_18_1_1_a_long_reinvite_goes_over_tcp_where_the_trunk_allows(allowed: bool, there: bool) -> None:
    """Its Record-Route has made it long; without TCP there it goes as a datagram after all."""
    endpoint, far = Endpoint(EndpointConfig(A, 5060, tcp_port=5060), seed=b"a"), (B, 5060)
    plan = endpoint.plan_invite(f"sip:b@{B}", from_uri=f"sip:a@{A}", destination=far, sdp=OFFER, large_over_tcp=allowed)
    leg = endpoint.invite(plan, 0.0)

    def answer(request: bytes, more: str = "") -> None:
        lines = request.decode().split("\r\n")
        kept = [line for line in lines if line.startswith(("Via", "From", "Call-ID", "CSeq"))]
        to = next(line for line in lines if line.startswith("To")).partition(";tag=")[0]
        text = "SIP/2.0 200 OK\r\n" + "\r\n".join([*kept, f"{to};tag=t"]) + "\r\n"
        endpoint.receive(f"{text}Contact: <sip:b@{B}>\r\n{more}Content-Length: 0\r\n\r\n".encode(), far, 1.0)

    [(invite, where)] = endpoint.datagrams_to_send()
    assert where == far
    proxies = [f"Record-Route: <sip:192.0.2.{n};lr;x={'x' * 200}>\r\n" for n in range(50, 55)]
    answer(invite, "".join([*proxies, f"Record-Route: <sip:{B};lr>\r\n"]))
    [(ack, _)] = endpoint.datagrams_to_send()
    assert ack.startswith(b"ACK")
    endpoint.reinvite(leg, OFFER, 2.0)
    [(again, where)] = endpoint.datagrams_to_send()
    assert len(again) > 1300
    if allowed:
        assert where == Flow(B, 5060, "tcp")
        assert b"\r\nVia: SIP/2.0/TCP " in again
        if not there:
            endpoint.connection_lost(Flow(B, 5060, "tcp"), 2.1, established=False)
            [(again, where)] = endpoint.datagrams_to_send()
    if not allowed or not there:
        assert where == far
        assert b"\r\nVia: SIP/2.0/UDP " in again
    answer(again)
    taken = []
    while (event := endpoint.next_event()) is not None:
        taken.append(type(event))
    assert taken == [Answered, Reinvited]
    [(ack, _)] = endpoint.datagrams_to_send()
    assert ack.startswith(b"ACK")
    endpoint.bye(leg, 3.0)
    [(bye, _)] = endpoint.datagrams_to_send()
    answer(bye)
    endpoint.handle_timer(100.0)
    assert endpoint.pending == {"legs": 0, "clients": 0, "servers": 0, "accepted": 0, "asked": 0, "timers": 0}


def test_a_target_without_transport_stays_on_the_transport_of_the_first_hop() -> None:
    link = Stream("tls")
    core = link.a._core
    assert core.where("sip:x@192.0.2.9", link.there) == Flow("192.0.2.9", 5061, "tls", "carrier")
    assert core.where("sip:x@192.0.2.9:5070", link.there) == Flow("192.0.2.9", 5070, "tls", "carrier")
    assert core.where("sip:x@192.0.2.9;transport=TCP", link.there) == Flow("192.0.2.9", 5060, "tcp", "carrier")
    assert core.where("sip:x@192.0.2.9;transport=UDP", link.there) == ("192.0.2.9", 5060)
    assert core.where("sip:x@carrier.example", link.there) == link.there
    assert core.where("sip:x@192.0.2.9", (B, 5060)) == ("192.0.2.9", 5060)
    assert core.where("sips:x@192.0.2.9;transport=udp", (B, 5060)) == Flow("192.0.2.9", 5061, "tls")
    assert core.where("sip:[2001:db8::9];transport=tls", (B, 5060)) == Flow("2001:db8::9", 5061, "tls")
    udp_only = Endpoint(EndpointConfig(A, 5060))._core
    assert udp_only.where("sip:x@192.0.2.9;transport=tcp", (B, 5060)) == ("192.0.2.9", 5060)
    assert udp_only.where("sips:x@192.0.2.9", (B, 5060)) == (B, 5060)


def test_plans_and_dialogs_remember_their_flow() -> None:
    link = Stream("tls")
    plan = link.a.plan_invite(f"sip:100@{B}", from_uri=f"sip:d@{A}", destination=link.there)
    assert InvitePlan.from_dict(plan.to_dict()).destination == link.there
    assert plan.sent_by == f"{A}:5061"
    again = link.a.retarget(plan, (B, 5060), f"sip:100@{B}")
    assert (again.destination, again.sent_by) == ((B, 5060), f"{A}:5060")
    leg = link.confirmed()
    state = DialogState.from_dict(link.a.dialog(leg).to_dict())
    assert state.destination == link.there
    with pytest.raises(ValueError, match="no transport"):
        DialogState.from_dict({**state.to_dict(), "destination": [B, 5060, "sctp", ""]})


def test_end_orphan_goes_over_the_flow_of_the_plan() -> None:
    link = Stream("tls")
    plan = link.a.plan_invite(f"sip:100@{B}", from_uri=f"sip:d@{A}", destination=link.there, sdp=OFFER)
    leg = link.a.invite(plan, link.now)
    link.run()
    link.b.ring(leg, link.now)
    link.run()
    link.a = Endpoint(EndpointConfig(A, 5060, tcp_port=5060, tls_port=5061), seed=b"later")
    ends: list[bool] = []
    link.a.end_orphan(plan.to_dict(), link.now, on_end=ends.append)
    link.run()
    assert ends == [True]
    assert link.take("b")[-1].kind == "cancelled"
