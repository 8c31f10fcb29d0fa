"""Mutated messages and random histories into an endpoint with live dialogs: nothing is raised, nothing unsafe leaves,
live calls stand.
"""

from __future__ import annotations

import random
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dialer.sip import Endpoint, EndpointConfig, SipError, sdp

A, B = ("192.0.2.1", 5060), ("192.0.2.2", 5060)
OFFER, ANSWER = sdp.audio("192.0.2.1", 4000), sdp.audio("192.0.2.2", 5000)
SPICES = [
    b"\r\n", b"\n", b"\r", b"\x00", b"\xff\xfe", b" ", b"\t", b";", b",", b":", b"<", b">", b'"', b"\\", b"=", b"@",
    b"%00", b"-1",
    b"99999999999999999999", b"tag=", b";tag=x", b";branch=z9hG4bK", b"SIP/2.0", b"INVITE", b"CANCEL", b"ACK", b"BYE",
    b"sip:", b"[::1]",
    b"\r\nVia: ", b"\r\nContent-Length: 9", b"\r\nRequire: x", b"\r\nRecord-Route: <x>", b"\r\nContact: *",
    b"\r\n\r\n", b"\r\n ", b"()", b"\xe2\x82\xac",
]  # fmt: skip
HOSTILE = [
    b"", b"*", b"<>", b"<sip:>", b"<sip:a@192.0.2.9>, <sip:b@192.0.2.9>", b"sip:a@192.0.2.9;tag=x", b"<sip:192.0.2.9>",
    b"<sip:192.0.2.9;lr>, <", b'"x', b"0", b"1 INVITE", b"2147483648 BYE", b"4294967296", b"90;refresher=uac",
    b"100rel",
]  # fmt: skip
"""Well-formed enough to get past the first look."""


def traffic(make_link: Any, salt: bytes = b"") -> list[bytes]:
    """Every kind of message that two endpoints exchange; another salt makes other calls."""
    link = make_link(salt=salt)
    leg = link.confirmed()
    kept = []
    link.eat = lambda source, data: kept.append(data)
    for one, other in ((link.a, link.b), (link.b, link.a)):
        one.reinvite(leg, OFFER, link.now)
        link.run(0.1)
        other.answer(leg, ANSWER, link.now)
        link.run(0.1)
    second = link.call()
    link.run(0.1)
    link.b.ring(second, link.now)
    link.run(0.1)
    link.a.cancel(second, link.now)
    link.run(0.1)
    link.a.options("sip:192.0.2.2", B, link.now)
    link.run(0.1)
    third = link.call()
    link.run(0.1)
    link.b.reject(third, 486, link.now)
    link.a.bye(leg, link.now)
    link.run()
    return kept


def mutate(rng: random.Random, data: bytes, others: list[bytes]) -> bytes:
    if rng.random() < 0.3:  # one header says something else, and all else is right
        lines = data.split(b"\r\n")
        line = rng.randrange(1, len(lines))
        lines[line] = lines[line].partition(b":")[0] + b": " + rng.choice(HOSTILE)
        return b"\r\n".join(lines)
    out = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(out) + 1)
        draw = rng.randrange(8)
        if draw == 0:
            del out[at : at + rng.randint(1, 40)]
        elif draw == 1:
            out[at:at] = rng.choice(SPICES)
        elif draw == 2 and at < len(out):
            out[at] = rng.randrange(256)
        elif draw == 3:
            out[at : at + 10] = rng.choice(SPICES)
        elif draw == 4:
            out[at:] = b""
        elif draw == 5:
            other = rng.choice(others)
            out[at:] = other[rng.randrange(len(other)) :]
        elif draw == 6:
            lines = bytes(out).split(b"\r\n")
            line = lines.pop(rng.randrange(len(lines)))
            for _ in range(rng.choice((0, 2, 300))):
                lines.insert(rng.randrange(len(lines) + 1), line)
            out = bytearray(b"\r\n".join(lines))
        else:
            out[at:at] = bytes(out[:at]) * rng.randint(0, 2)
        if len(out) > 70_000:
            del out[70_000:]
    return bytes(out)


def clean(data: bytes) -> bool:
    head = data.partition(b"\r\n\r\n")[0]
    return head.count(b"\n") == head.count(b"\r") == head.count(b"\r\n")


def live(make_link: Any) -> tuple[Any, list[str]]:
    link = make_link(max_server_transactions=2000)
    legs = [link.confirmed() for _ in range(3)]
    legs.append(link.call())
    link.run(0.1)
    link.b.ring(legs[-1], link.now)
    link.run(0.1)
    return link, legs


def hammer(make_link: Any, seed: int, count: int) -> None:
    rng = random.Random(seed)
    pool = traffic(make_link)
    link, legs = live(make_link)
    # What fits the live calls is the best to mutate: their own messages, too.
    pool += [data for _, data in link.sent] + [
        data.replace(pool_id(pool[0]), leg.encode()) for data in pool[:20] for leg in legs
    ]
    for number in range(count):
        end = rng.choice((link.a, link.b))
        message = rng.choice(pool)
        if number % 4 == 0:  # a call that nobody knows yet
            message = message.replace(pool_id(message), b"call-%d" % number).replace(b"z9hG4bK", b"z9hG4bK%d" % number)
        end.receive(mutate(rng, message, pool), rng.choice((A, B, ("198.51.100.1", 1))), link.now)
        if number % 16 == 0:
            link.now += rng.random() * 0.2
            link.a.handle_timer(link.now)
            link.b.handle_timer(link.now)
        for side in (link.a, link.b):
            assert all(clean(data) for data, _ in side.datagrams_to_send())
            while side.next_event() is not None:
                pass
    for side in (link.a, link.b):
        assert side.pending["servers"] <= 2001
        assert side.pending["timers"] < 20_000
        assert len(side.drops) < 200  # reasons are a closed set, not made of what was received
    drain(link)


def drain(link: Any) -> None:
    """Every call is ended, by silence at last: nothing may be left of all that came."""
    for side in (link.a, link.b):
        for leg in list(side._legs):
            for end, more in ((side.cancel, ()), (side.bye, ()), (side.reject, (480,))):
                with suppress(SipError):
                    end(leg, *more, link.now)
                    break
        until = link.now + 400
        while (at := side.next_timer()) is not None and at < until:
            side.handle_timer(at)
            side.datagrams_to_send()
        while side.next_event() is not None:
            pass
        assert not any(side.pending.values()), side.pending


def pool_id(data: bytes) -> bytes:
    return data.partition(b"Call-ID: ")[2].partition(b"\r\n")[0]


@pytest.mark.parametrize("seed", range(4))
def test_100000_mutated_messages_leave_the_endpoint_standing(make_link: Any, seed: int) -> None:
    hammer(make_link, seed, 25_000)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100, 120))
def test_a_million_mutated_messages(make_link: Any, seed: int) -> None:
    hammer(make_link, seed, 50_000)


def test_strangers_cannot_disturb_live_calls(make_link: Any) -> None:
    """Mutations of traffic that is not the calls' own: the calls are still there and still work."""
    rng = random.Random(5)
    pool = traffic(make_link, b"strangers")
    link, legs = live(make_link)
    for _ in range(3_000):
        link.a.receive(mutate(rng, rng.choice(pool), pool), ("198.51.100.1", 5060), link.now)
        link.a.datagrams_to_send()
    while link.a.next_event() is not None:
        pass
    for leg in legs[:3]:
        link.a.reinvite(leg, OFFER, link.now)
        link.run(0.1)
        link.b.answer(leg, ANSWER, link.now)
        link.run(0.1)
    assert [type(event).__name__ for event in link.events[A] if event.leg in legs].count("Reinvited") == 3


@settings(max_examples=1_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=400))
def test_any_bytes(data: bytes) -> None:
    endpoint = Endpoint(EndpointConfig(*A), seed=b"x")
    endpoint.receive(data, B, 0.0)
    assert sum(endpoint.drops.values()) == 1
    assert endpoint.datagrams_to_send() == []


NAMES = [
    "Via",
    "From",
    "To",
    "Call-ID",
    "CSeq",
    "Contact",
    "Route",
    "Record-Route",
    "Require",
    "Content-Type",
    "Accept",
    "Max-Forwards",
]
VALUES = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=60)
REQUEST = {
    "Via": "SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKa", "From": "<sip:a@b>;tag=1", "To": "<sip:c@d>", "Call-ID": "x",
    "CSeq": "1 INVITE",
    "Contact": "<sip:a@192.0.2.2>",
}  # fmt: skip


@settings(max_examples=2_000, deadline=None)
@given(
    st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=3),
    st.sampled_from(["INVITE", "BYE", "OPTIONS", "ACK", "CANCEL", "X"]),
)
def test_any_header_values(values: dict[str, str], method: str) -> None:
    endpoint = Endpoint(EndpointConfig(*A), seed=b"x")
    fields = {**REQUEST, "CSeq": f"1 {method}", **values}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    endpoint.receive(f"{method} sip:c@d SIP/2.0\r\n{head}\r\n".encode(), B, 0.0)
    sent = endpoint.datagrams_to_send()
    assert all(clean(data) for data, _ in sent)
    assert len(sent) <= 1


COMMANDS = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 3), st.floats(0, 40)), max_size=40)


def history(make_link: Any, steps: list[tuple[int, int, float]], seed: int = 0) -> None:
    """Any commands in any order on both ends of a lossy link: typed refusals only, and everything ends."""
    link = make_link(random.Random(seed), loss=0.15)
    legs: list[str] = []
    for what, which, seconds in steps:
        leg = legs[which % len(legs)] if legs else "none"
        one = (link.a, link.b)[which % 2]
        try:
            if what == 0 and len(legs) < 4:
                legs.append(link.call())
            elif what == 1:
                one.ring(leg, link.now)
            elif what == 2:
                one.answer(leg, ANSWER, link.now)
            elif what == 3:
                one.reject(leg, 486, link.now)
            elif what == 4:
                one.cancel(leg, link.now)
            elif what == 5:
                one.bye(leg, link.now)
            elif what in (6, 7):
                one.reinvite(leg, OFFER, link.now)
            elif what == 8:
                one.options("sip:x@192.0.2.2", B, link.now)
            elif what == 9:
                one.acknowledge(leg, OFFER, link.now)
            elif what == 10:
                one.end_orphan(one.dialog(leg).to_dict(), link.now)
            elif what == 11:
                link.run(seconds)
            else:
                link.run(seconds / 100)
        except SipError:
            pass  # typed, and a refused command changes nothing: what follows shows it
        link.collect()
    for _ in range(20):
        for one in (link.a, link.b):
            for leg in legs:
                for command in (one.cancel, one.bye, lambda leg, now, one=one: one.reject(leg, 480, now)):
                    try:
                        command(leg, link.now)
                    except SipError:
                        continue
        link.run(40)
    link.run()
    assert (
        link.a.pending
        == link.b.pending
        == {"legs": 0, "clients": 0, "servers": 0, "accepted": 0, "asked": 0, "timers": 0}
    )
    ended = [event.leg for event in link.events[A] if type(event).__name__ in ("Failed", "Ended")]
    assert sorted(ended) == sorted(legs)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(COMMANDS, st.integers(0, 1_000))
def test_any_history_of_commands(make_link: Any, steps: list[tuple[int, int, float]], seed: int) -> None:
    history(make_link, steps, seed)


def histories(make_link: Any, seed: int, count: int) -> None:
    """Many of them without the care that hypothesis takes; a failing one names its seed."""
    for number in range(count):
        rng = random.Random(seed * 1_000_000 + number)
        steps = [(rng.randrange(13), rng.randrange(8), rng.random() * 40.0) for _ in range(rng.randrange(1, 30))]
        try:
            history(make_link, steps, number % 1_000)
        except BaseException as error:
            error.add_note(f"history {number} of seed {seed}")
            raise


@pytest.mark.parametrize("seed", range(4))
def test_10000_histories_of_commands(make_link: Any, seed: int) -> None:
    histories(make_link, seed, 2_500)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100, 120))
def test_100000_histories_of_commands(make_link: Any, seed: int) -> None:
    histories(make_link, seed, 5_000)
