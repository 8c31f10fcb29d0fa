"""REGISTER as client (RFC 3261 10.2): challenge, refresh, fail-over, back-off, sign-off."""

from __future__ import annotations

from typing import Any

import pytest

from dialer.sip import (
    BadDestination,
    Credentials,
    Endpoint,
    EndpointConfig,
    Registered,
    UnknownRegistration,
    Unregistered,
    UnsafeHeader,
    WrongState,
)

ONE, TWO = ("192.0.2.11", 5060), ("192.0.2.12", 5060)
AOR, REGISTRAR = "sip:trunk@carrier.example", "sip:carrier.example"
EMPTY = {"legs": 0, "clients": 0, "servers": 0, "accepted": 0, "asked": 0, "timers": 0}


class Trunk:
    """An endpoint that registers, and registrars written by hand."""

    def __init__(self, destinations: Any = (ONE,), **options: Any) -> None:
        self.endpoint = Endpoint(EndpointConfig("192.0.2.1", 5060), seed=b"x")
        self.now = 0.0
        self.id = self.endpoint.register(REGISTRAR, AOR, destinations, 0.0, **options)
        [(self.request, self.to)] = self.endpoint.datagrams_to_send()

    def fields(self) -> dict[str, str]:
        lines = self.request.decode().split("\r\n")[1:]
        return {name: value for name, _, value in (line.partition(": ") for line in lines) if name}

    def reply(self, status: str, lines: str = "") -> None:
        """The registrar answers the latest request; what we send upon that becomes the latest."""
        fields = self.fields()
        data = (
            f"SIP/2.0 {status}\r\nVia: {fields['Via']}\r\nFrom: {fields['From']}\r\nTo: {fields['To']};tag=r\r\n"
            f"Call-ID: {fields['Call-ID']}\r\nCSeq: {fields['CSeq']}\r\n{lines}Content-Length: 0\r\n\r\n"
        )
        self.endpoint.receive(data.encode(), self.to, self.now)
        self.take()

    def take(self) -> list[Any]:
        sent = self.endpoint.datagrams_to_send()
        if sent:
            [(self.request, self.to)] = sent
        return sent

    def wait(self, seconds: float) -> int:
        """Let time pass; how many requests were sent meanwhile."""
        end, count = self.now + seconds, 0
        while (at := self.endpoint.next_timer()) is not None and at <= end:
            self.now = at
            self.endpoint.handle_timer(at)
            count += len(self.take())
        self.now = end
        return count

    def events(self) -> list[Any]:
        taken = []
        while (event := self.endpoint.next_event()) is not None:
            taken.append(event)
        return taken


def test_rfc3261_10_2_the_request_and_22_1_its_challenge() -> None:
    trunk = Trunk(credentials=Credentials("trunk", "secret"))
    first = trunk.fields()
    assert trunk.request.startswith(b"REGISTER sip:carrier.example SIP/2.0\r\n")
    assert (first["To"], first["Contact"], first["Expires"]) == (f"<{AOR}>", "<sip:dialer@192.0.2.1:5060>", "600")
    trunk.reply("401 Unauthorized", 'WWW-Authenticate: Digest realm="c", nonce="n", algorithm=SHA-256, qop="auth"\r\n')
    second = trunk.fields()
    assert second["CSeq"] == "2 REGISTER"
    assert (second["Call-ID"], second["From"]) == (first["Call-ID"], first["From"])
    assert "algorithm=SHA-256" in second["Authorization"]
    trunk.reply(
        "200 OK", "Contact: <sip:other@x>;expires=9, <sip:dialer@192.0.2.1:5060>;expires=120\r\nExpires: 600\r\n"
    )
    assert trunk.events() == [Registered(trunk.id, 120, ONE)]


def test_rfc3261_10_2_4_it_is_refreshed_in_time_with_the_known_nonce() -> None:
    trunk = Trunk(credentials=Credentials("trunk", "secret"))
    trunk.reply("401 Unauthorized", 'WWW-Authenticate: Digest realm="c", nonce="n", qop="auth"\r\n')
    trunk.reply("200 OK", "Expires: 100\r\n")
    assert trunk.wait(79.9) == 0
    assert trunk.wait(0.2) == 1
    assert trunk.fields()["CSeq"] == "3 REGISTER"
    assert "nc=00000002" in trunk.fields()["Authorization"]
    trunk.reply("401 Unauthorized", 'WWW-Authenticate: Digest realm="c", nonce="m", stale=true\r\n')
    trunk.reply("200 OK", "Expires: 100\r\n")
    assert trunk.events() == [Registered(trunk.id, 100, ONE)] * 2


def test_rfc3261_10_2_8_423_names_the_shortest_time() -> None:
    trunk = Trunk(expires=60)
    trunk.reply("423 Interval Too Brief", "Min-Expires: 3600\r\n")
    assert trunk.fields()["Expires"] == "3600"
    trunk.reply("200 OK")
    assert trunk.events() == [Registered(trunk.id, 3600, ONE)]


def test_a_registrar_that_is_silent_or_overloaded_hands_over_to_the_next() -> None:
    trunk = Trunk((ONE, TWO))
    assert trunk.to == ONE
    trunk.wait(32.0)
    assert trunk.to == TWO
    trunk.reply("503 Service Unavailable", "Retry-After: 300\r\n")
    [failed] = trunk.events()
    assert (failed.status, failed.retry_in) == (503, 300.0)
    assert trunk.wait(299.0) == 0
    assert trunk.wait(1.0) == 1
    assert trunk.to == ONE
    trunk.reply("200 OK")
    assert trunk.events() == [Registered(trunk.id, 600, ONE)]


def test_rfc5626_4_5_the_pause_doubles_and_wrong_credentials_do_not_hammer() -> None:
    trunk = Trunk((ONE, TWO), credentials=Credentials("trunk", "wrong"))
    pauses = []
    for _ in range(12):
        for _ in range(2):
            trunk.reply("403 Forbidden")
        [failed] = trunk.events()
        pauses.append(failed.retry_in)
        assert trunk.wait(failed.retry_in) == 1
    for number, pause in enumerate(pauses):
        longest = min(30.0 * 2**number, 1800.0)
        assert longest / 2 <= pause <= longest


@pytest.mark.parametrize("end", ["registered", "trying", "pausing"])
def test_rfc3261_10_2_2_signing_off_from_any_state_leaves_nothing(end: str) -> None:
    trunk = Trunk()
    if end == "registered":
        trunk.reply("200 OK")
    elif end == "pausing":
        trunk.reply("403 Forbidden")
    trunk.events()
    trunk.endpoint.unregister(trunk.id, trunk.now)
    trunk.take()
    if end != "pausing":
        assert trunk.fields()["Expires"] == "0"
        with pytest.raises(WrongState):
            trunk.endpoint.unregister(trunk.id, trunk.now)
        trunk.reply("200 OK")
    assert trunk.events() == [Unregistered(trunk.id)]
    trunk.wait(100.0)
    assert trunk.endpoint.pending == EMPTY
    with pytest.raises(UnknownRegistration):
        trunk.endpoint.unregister(trunk.id, trunk.now)


def test_wrong_registrations_are_refused() -> None:
    endpoint = Endpoint(EndpointConfig("192.0.2.1", 5060), seed=b"x")
    for error, registrar, aor, where, expires in (
        (UnsafeHeader, "sip:a\r\nb", AOR, [ONE], 60),
        (UnsafeHeader, REGISTRAR, "nobody", [ONE], 60),
        (BadDestination, REGISTRAR, AOR, [], 60),
        (BadDestination, REGISTRAR, AOR, [("carrier.example", 5060)], 60),
        (WrongState, REGISTRAR, AOR, [ONE], 0),
    ):
        with pytest.raises(error):
            endpoint.register(registrar, aor, where, 0.0, expires=expires)
    assert endpoint.pending == EMPTY
