"""A registrar behind digest (RFC 3261 10.3, RFC 7616, RFC 8760): paired endpoints, and requests written by hand."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from typing import Any

import pytest

from dialer.sip import (
    Bound,
    Credentials,
    Destination,
    Endpoint,
    EndpointConfig,
    Flow,
    Registered,
    RegisterRefused,
    Registrar,
    RegistrationFailed,
    Unbound,
    Unregistered,
)
from dialer.sip.digest import digest_response, parse_challenge

PHONE, HERE = ("192.0.2.7", 5062), ("192.0.2.1", 5060)
AOR, SERVER = "sip:ana@192.0.2.1", "sip:192.0.2.1"


class Office:
    """The endpoint with the registrar, and phones that write their requests by hand."""

    def __init__(self, **settings: Any) -> None:
        self.registrar = Registrar("dialer", {"ana": "s3cret", "ben": "other"}, secret=b"k", **settings)
        self.endpoint = Endpoint(EndpointConfig(*HERE, registrar=self.registrar), seed=b"r")
        self.now, self.count = 100.0, 0

    def send(self, text: str, source: Any = PHONE) -> str:
        """Send one request; the answer."""
        self.endpoint.receive(text.encode(), source, self.now)
        sent = self.endpoint.datagrams_to_send()
        assert len(sent) == 1
        assert sent[0][1] == source
        return sent[0][0].decode()

    def request(self, lines: str = "", *, aor: str = AOR, cseq: int = 0, call_id: str = "c1") -> str:
        self.count += 1
        return (
            f"REGISTER {SERVER} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.7:5062;rport;branch=z9hG4bKx{self.count}\r\n"
            f"From: <{aor}>;tag=f\r\nTo: <{aor}>\r\nCall-ID: {call_id}\r\nCSeq: {cseq or self.count} REGISTER\r\n"
            f"{lines}Content-Length: 0\r\n\r\n"
        )

    def challenge(self, answer: str = "", algorithm: str = "SHA-256") -> Any:
        """The challenge of an answer, or a fresh one."""
        answer = answer or self.send(self.request())
        found = [parse_challenge(v, False) for v in re.findall(r"WWW-Authenticate: (.*)\r\n", answer)]
        return next(c for c in found if c is not None and c.algorithm == algorithm)

    def keys(self, challenge: Any, count: int = 1, user: str = "ana", password: str = "s3cret", **changes: str) -> str:
        """An Authorization line."""
        nc = f"{count:08x}"
        answer = digest_response(challenge, user, password, "REGISTER", SERVER, nc, "cn", b"")
        values = {
            "username": f'"{user}"', "realm": f'"{challenge.realm}"', "nonce": f'"{challenge.nonce}"',
            "uri": f'"{SERVER}"', "response": f'"{answer}"', "algorithm": challenge.algorithm, "cnonce": '"cn"',
             "qop": "auth", "nc": nc, **changes,
        }  # fmt: skip
        return "Authorization: Digest " + ", ".join(f"{k}={v}" for k, v in values.items() if v) + "\r\n"

    def register(self, lines: str, user: str = "ana", password: str = "s3cret", **more: Any) -> str:
        """An authenticated request; its answer."""
        aor = more.pop("aor", f"sip:{user}@192.0.2.1")
        keys = self.keys(self.challenge(), user=user, password=password)
        return self.send(self.request(keys + lines, aor=aor, **more))

    def wait(self, seconds: float) -> None:
        end = self.now + seconds
        while (at := self.endpoint.next_timer()) is not None and at <= end:
            self.now = at
            self.endpoint.handle_timer(at)
        self.now = end

    def events(self) -> list[Any]:
        taken = []
        while (event := self.endpoint.next_event()) is not None:
            taken.append(event)
        return taken


@pytest.fixture
def office() -> Office:
    return Office()


def status(answer: str) -> int:
    return int(answer.split()[1])


CONTACT = "Contact: <sip:ana@192.0.2.7:5062>\r\n"


@pytest.mark.parametrize("algorithm", ["SHA-256", "MD5"])
def test_rfc8760_both_algorithms_are_offered_the_stronger_first_and_both_are_taken(
    office: Office, algorithm: str
) -> None:
    answer = office.send(office.request(CONTACT))
    assert status(answer) == 401
    assert answer.index("SHA-256") < answer.index("MD5")
    answer = office.send(office.request(office.keys(office.challenge(answer, algorithm)) + CONTACT))
    assert status(answer) == 200
    assert "Contact: <sip:ana@192.0.2.7:5062>;expires=3600;q=1\r\n" in answer
    assert office.events() == [Bound("ana", "sip:ana@192.0.2.7:5062", PHONE, 3600.0, True)]
    assert office.registrar.reach("ana").destination == PHONE  # type: ignore[union-attr]


def test_a_phone_that_knows_md5_only_sees_nothing_else() -> None:
    office = Office(algorithms=["MD5"])
    answer = office.send(office.request(CONTACT))
    assert "SHA-256" not in answer
    challenge = office.challenge(answer, "MD5")
    assert status(office.send(office.request(office.keys(replace(challenge, algorithm="SHA-256")) + CONTACT))) == 400
    assert status(office.send(office.request(office.keys(challenge) + CONTACT))) == 200


def test_our_own_client_registers_refreshes_and_signs_off() -> None:
    registrar = Registrar("dialer", {"ana": "s3cret"}, max_expires=120)
    ends = {
        HERE: Endpoint(EndpointConfig(*HERE, registrar=registrar), seed=b"r"),
        PHONE: Endpoint(EndpointConfig(*PHONE), seed=b"p"),
    }
    phone, now = ends[PHONE], [0.0]
    events: dict[Any, list[Any]] = {HERE: [], PHONE: []}

    def run(seconds: float) -> None:
        end = now[0] + seconds
        while True:
            moved = True
            while moved:
                moved = False
                for here, endpoint in ends.items():
                    for data, there in endpoint.datagrams_to_send():
                        ends[there[:2]].receive(data, here, now[0])
                        moved = True
                    while (event := endpoint.next_event()) is not None:
                        events[here].append(event)
            times = [at for e in ends.values() if (at := e.next_timer()) is not None and at <= end]
            if not times:
                break
            now[0] = min(times)
            for endpoint in ends.values():
                endpoint.handle_timer(now[0])
        now[0] = end

    mine = phone.register(SERVER, AOR, [HERE], 0.0, expires=600, credentials=Credentials("ana", "s3cret"))
    run(300.0)
    assert [type(e) for e in events[PHONE]] == [Registered] * 4  # every 96 s: four fifths of what was granted
    assert [e.fresh for e in events[HERE]] == [True, False, False, False]
    phone.unregister(mine, now[0])
    run(40.0)
    assert isinstance(events[PHONE][-1], Unregistered)
    assert events[HERE][-1] == Unbound("ana", events[HERE][0].uri, "unregistered")
    wrong = phone.register(SERVER, AOR, [HERE], now[0], credentials=Credentials("ana", "wrong"))
    run(1.0)
    assert events[PHONE][-1] == RegistrationFailed(wrong, 401, events[PHONE][-1].retry_in)
    assert ends[HERE].pending["legs"] == 0


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"response": '"0"'}, 401),
        ({"response": '"\xe9"'}, 401),
        ({"username": '"nobody"'}, 401),
        ({"uri": '"sip:else"'}, 400),
        ({"qop": "auth-int"}, 400),
        ({"qop": ""}, 400),
        ({"nc": "1"}, 400),
        ({"cnonce": ""}, 400),
        ({"algorithm": "SHA-512-256"}, 400),
        ({"algorithm": "MD5-sess"}, 400),
        ({"username": f'"{"x" * 200}"'}, 400),
        ({"response": '"open'}, 400),
        ({"realm": '"else"'}, 401),
    ],
)
def test_rfc7616_what_proves_nothing_changes_nothing(office: Office, changes: dict[str, str], wanted: int) -> None:
    keys = office.keys(office.challenge(), **changes)
    answer = office.send(office.request(keys + CONTACT))
    assert status(answer) == wanted
    assert "stale" not in answer
    assert office.registrar.reach("ana") is None


def test_rfc7616_3_3_an_old_nonce_is_stale_and_the_right_password_comes_through(office: Office) -> None:
    challenge = office.challenge()
    office.wait(301.0)
    answer = office.send(office.request(office.keys(challenge) + CONTACT))
    assert status(answer) == 401
    assert answer.count("stale=true") == 2
    answer = office.send(office.request(office.keys(office.challenge(answer)) + CONTACT))
    assert status(answer) == 200


def test_an_old_nonce_with_a_wrong_password_is_wrong_not_stale(office: Office) -> None:
    challenge = office.challenge()
    office.wait(301.0)
    assert "stale" not in office.send(office.request(office.keys(challenge, password="guess") + CONTACT))


def test_rfc7616_3_4_5_a_nonce_count_is_good_once_and_rises(office: Office) -> None:
    challenge = office.challenge()
    assert status(office.send(office.request(office.keys(challenge, 1) + CONTACT))) == 200
    assert status(office.send(office.request(office.keys(challenge, 2) + CONTACT))) == 200
    for replayed in (1, 2):
        answer = office.send(office.request(office.keys(challenge, replayed) + "Contact: <sip:evil@203.0.113.9>\r\n"))
        assert status(answer) == 401
        assert "stale=true" in answer
    assert status(office.send(office.request(office.keys(challenge, 9) + CONTACT))) == 200
    assert len(office.registrar.bindings.of("ana")) == 1


def test_two_challenges_of_one_moment_do_not_share_a_nonce(office: Office) -> None:
    first, second = office.challenge(), office.challenge()
    assert first.nonce != second.nonce
    assert status(office.send(office.request(office.keys(first) + CONTACT))) == 200
    assert status(office.send(office.request(office.keys(second) + CONTACT))) == 200


@pytest.mark.parametrize("nonce", ["", "x", "1-1-1", "a-b-c-d", "\xe9-1-1", "1-1-" + "0" * 32])
def test_a_nonce_that_we_did_not_give_is_stale(office: Office, nonce: str) -> None:
    challenge = replace(office.challenge(), nonce=nonce)
    assert "stale=true" in office.send(office.request(office.keys(challenge) + CONTACT))


def test_a_repeated_request_gets_the_same_answer_and_changes_nothing(office: Office) -> None:
    request = office.request(office.keys(office.challenge()) + CONTACT)
    assert office.send(request) == office.send(request)
    assert len(office.events()) == 1


def test_rfc3261_10_3_4_nobody_registers_somebody_elses_address(office: Office) -> None:
    assert status(office.register(CONTACT, user="ben", password="other", aor=AOR)) == 403
    assert office.registrar.reach("ana") is None
    assert office.events() == [RegisterRefused("ben", PHONE, "other_user")]


def test_guessing_is_slowed_down_for_its_address_and_user_only(office: Office) -> None:
    for guess in range(5):
        assert status(office.register(CONTACT, password=f"guess{guess}")) == 401
    answer = office.register(CONTACT)  # even the right one
    assert status(answer) == 503
    assert "Retry-After: 6" in answer
    assert [e.why for e in office.events()] == ["credentials"] * 4 + ["held"]
    assert status(office.register("Contact: <sip:ben@192.0.2.8>\r\n", user="ben", password="other")) == 200
    keys = office.keys(office.challenge())
    assert status(office.send(office.request(keys + CONTACT), ("192.0.2.9", 5060))) == 200
    office.wait(61.0)
    assert status(office.register(CONTACT)) == 200


def test_guessing_many_users_from_one_address_is_held_too(office: Office) -> None:
    answers = [status(office.register(CONTACT, user=f"u{n}", aor=AOR)) for n in range(51)]
    assert answers == [401] * 50 + [503]


def test_a_flood_without_keys_leaves_nothing_behind(office: Office) -> None:
    before = office.endpoint.pending
    for _ in range(200):
        office.send(office.request(CONTACT))
    assert office.endpoint.pending == before
    assert office.endpoint.drops == {}


# Bindings


@pytest.mark.parametrize(
    ("lines", "granted"),
    [
        (CONTACT, 3600),
        (CONTACT + "Expires: 300\r\n", 300),
        ("Contact: <sip:ana@192.0.2.7:5062>;expires=90\r\nExpires: 300\r\n", 90),
        ("Contact: <sip:ana@192.0.2.7:5062>;expires=99999\r\n", 3600),
        ("Contact: <sip:ana@192.0.2.7:5062>;expires=soon\r\nExpires: 300\r\n", 300),
    ],
)
def test_rfc3261_10_3_7_the_time_granted(office: Office, lines: str, granted: int) -> None:
    assert f";expires={granted};q=1\r\n" in office.register(lines)
    office.wait(granted - 1.0)
    assert office.registrar.reach("ana") is not None
    office.events()
    office.wait(1.0)
    assert office.registrar.reach("ana") is None
    assert office.events() == [Unbound("ana", "sip:ana@192.0.2.7:5062", "expired")]


def test_rfc3261_10_3_7_too_brief_is_423_with_the_least(office: Office) -> None:
    answer = office.register(CONTACT + "Expires: 59\r\n")
    assert status(answer) == 423
    assert "Min-Expires: 60\r\n" in answer
    assert office.registrar.reach("ana") is None


def test_several_contacts_the_preferred_one_is_called(office: Office) -> None:
    answer = office.register("Contact: <sip:ana@192.0.2.7:1>;q=0.2, <sip:ana@192.0.2.7:2>;q=0.9\r\n")
    assert re.findall(r"Contact: <sip:ana@192.0.2.7:(\d)>", answer) == ["2", "1"]
    office.register("Contact: <sip:ana@192.0.2.7:3>\r\n", call_id="c2")
    assert office.registrar.reach("ana").uri == "sip:ana@192.0.2.7:3"  # type: ignore[union-attr]
    assert len(office.registrar.bindings.of("ana")) == 3


def test_without_contact_it_is_a_question(office: Office) -> None:
    office.register(CONTACT + "Expires: 300\r\n")
    office.wait(100.0)
    assert "Contact: <sip:ana@192.0.2.7:5062>;expires=200;q=1\r\n" in office.register("")


def test_expires_0_removes_one_and_star_removes_all(office: Office) -> None:
    office.register("Contact: <sip:a@192.0.2.7>, <sip:b@192.0.2.7>, <sip:c@192.0.2.7>\r\n")
    office.register("Contact: <sip:b@192.0.2.7>;expires=0\r\n")
    assert {b.uri for b in office.registrar.bindings.of("ana")} == {"sip:a@192.0.2.7", "sip:c@192.0.2.7"}
    assert status(office.register("Contact: *\r\nExpires: 0\r\n")) == 200
    assert office.registrar.reach("ana") is None
    assert [e.why for e in office.events() if isinstance(e, Unbound)] == ["unregistered"] * 3


@pytest.mark.parametrize(
    "lines",
    [
        "Contact: *\r\n",
        "Contact: *\r\nExpires: 60\r\n",
        "Contact: *\r\nContact: <sip:a@192.0.2.7>\r\nExpires: 0\r\n",
        "Contact: <tel:+34600000000>\r\n",
        "Contact: <sip:a@192.0.2.7>;q=2\r\n",
        f"Contact: <sip:{'a' * 500}@192.0.2.7>\r\n",
    ],
)
def test_what_makes_no_sense_is_400_and_changes_nothing(office: Office, lines: str) -> None:
    office.register(CONTACT)
    assert status(office.register(lines)) == 400
    assert [b.uri for b in office.registrar.bindings.of("ana")] == ["sip:ana@192.0.2.7:5062"]


def test_rfc3261_10_3_7_an_older_request_of_the_same_registration_comes_too_late(office: Office) -> None:
    assert status(office.register(CONTACT, cseq=50)) == 200
    assert status(office.register("Contact: *\r\nExpires: 0\r\n", cseq=49)) == 500
    assert office.registrar.reach("ana") is not None
    assert status(office.register("Contact: *\r\nExpires: 0\r\n", cseq=3, call_id="after a restart")) == 200
    assert office.registrar.reach("ana") is None


def test_so_many_contacts_are_one_too_many_all_or_nothing(office: Office) -> None:
    many = ", ".join(f"<sip:a{n}@192.0.2.7>" for n in range(6))
    assert status(office.register(f"Contact: {many}\r\n")) == 403
    assert office.registrar.reach("ana") is None


def test_other_accounts_end_the_bindings_of_who_is_gone_or_has_another_password(office: Office) -> None:
    office.register(CONTACT)
    office.register("Contact: <sip:ben@192.0.2.8>\r\n", user="ben", password="other", call_id="c2")
    gone = office.registrar.replace({"ana": "new", "ben": "other"})
    assert gone == [Unbound("ana", "sip:ana@192.0.2.7:5062", "withdrawn")]
    assert office.registrar.reach("ben") is not None
    assert status(office.register(CONTACT)) == 401
    assert status(office.register(CONTACT, password="new")) == 200


def test_a_phone_that_registers_over_tcp_is_called_over_its_connection() -> None:
    office, flow = Office(), Flow("192.0.2.7", 40000, "tcp")
    office.endpoint = Endpoint(EndpointConfig(*HERE, tcp_port=5060, registrar=office.registrar), seed=b"r")

    def over_tcp(text: str) -> str:
        return office.send(text.replace("SIP/2.0/UDP", "SIP/2.0/TCP"), flow)

    challenge = office.challenge(over_tcp(office.request()))
    contact = "Contact: <sip:ana@10.0.0.9:5062;transport=tcp>\r\n"
    assert status(over_tcp(office.request(office.keys(challenge) + contact))) == 200
    found = office.registrar.reach("ana")
    assert found is not None
    assert found.destination == flow
    plan = office.endpoint.plan_invite(found.uri, from_uri=SERVER, destination=found.destination)
    office.endpoint.invite(plan, office.now)
    ((data, where),) = office.endpoint.datagrams_to_send()
    assert where == flow
    assert data.startswith(b"INVITE sip:ana@10.0.0.9:5062;transport=tcp SIP/2.0\r\n")


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize("bound", [True, False], ids=["bound", "unbound"])
@pytest.mark.parametrize("routed", [True, False], ids=["routed", "direct"])
def test_rfc5626_5_3_requests_in_the_call_go_where_the_phone_registered_from(
    transport: str, bound: bool, routed: bool
) -> None:
    """Its Contact is an address behind its NAT. Not so for a phone that is not bound, nor with a Record-Route."""
    office = Office()
    office.endpoint = Endpoint(EndpointConfig(*HERE, tcp_port=5060, registrar=office.registrar), seed=b"r")
    there: Destination = ("192.0.2.7", 40000) if transport == "udp" else Flow("192.0.2.7", 40000, "tcp")
    contact = f"Contact: <sip:ana@10.0.0.9:5062;transport={transport}>\r\n"

    def send(text: str) -> str:
        return office.send(text.replace("SIP/2.0/UDP", f"SIP/2.0/{transport.upper()}"), there)

    if bound:
        assert status(send(office.request(office.keys(office.challenge(send(office.request()))) + contact))) == 200
    office.endpoint.datagrams_to_send()
    plan = office.endpoint.plan_invite(
        f"sip:ana@10.0.0.9:5062;transport={transport}", from_uri=SERVER, destination=there, sdp=b"v=0\r\n"
    )
    leg = office.endpoint.invite(plan, office.now)
    ((invite, _),) = office.endpoint.datagrams_to_send()
    kept = [line for line in invite.decode().split("\r\n") if line.startswith(("Via", "From", "Call-ID", "CSeq"))]
    to = next(line for line in invite.decode().split("\r\n") if line.startswith("To"))
    route = f"Record-Route: <sip:192.0.2.99;lr;transport={transport}>\r\n" if routed else ""
    answer = "SIP/2.0 200 OK\r\n" + "\r\n".join([*kept, f"{to};tag=t"]) + f"\r\n{contact}{route}"
    office.endpoint.receive(f"{answer}Content-Length: 0\r\n\r\n".encode(), there, office.now)
    office.endpoint.bye(leg, office.now)
    sent = office.endpoint.datagrams_to_send()
    assert [data.split()[0] for data, _ in sent] == [b"ACK", b"BYE"]
    assert all(data.split()[1].startswith(b"sip:ana@10.0.0.9:5062") for data, _ in sent)
    hosts = {where[0] for _, where in sent}
    assert hosts == ({"192.0.2.99"} if routed else {"192.0.2.7"} if bound else {"10.0.0.9"})


def test_where_nobody_is_bound_any_more_is_forgotten(office: Office) -> None:
    bindings = office.registrar.bindings
    assert status(office.register(CONTACT)) == 200
    where = office.registrar.reach("ana").destination  # type: ignore[union-attr]
    assert bindings.lead_to(where)
    assert status(office.register("Contact: <sip:ana@192.0.2.7:5099>\r\n", call_id="other")) == 200
    office.registrar.replace({})
    assert not bindings.lead_to(where)
    assert not bindings._sources


def test_without_accounts_register_is_not_allowed() -> None:
    office = Office()
    office.registrar.replace({})
    assert status(office.send(office.request(CONTACT))) == 405
    assert office.endpoint.drops["refused_register"] == 1


def test_refer_is_refused_and_counted_by_its_name(office: Office) -> None:
    refer = office.request("Refer-To: <sip:premium@203.0.113.9>\r\n").replace("REGISTER", "REFER")
    answer = office.send(refer)
    assert status(answer) == 405
    assert "REFER" not in re.search(r"Allow: (.*)\r\n", answer)[1]  # type: ignore[index]
    assert office.endpoint.drops["refused_refer"] == 1


def test_mutated_requests_raise_nothing_and_bind_nothing_for_strangers(office: Office) -> None:
    luck = random.Random(7)
    spices = [
        '"',
        "\\",
        ",",
        "=",
        ";",
        "*",
        "<",
        ">",
        "\x00",
        "\xff",
        "expires=",
        "Digest ",
        "nc=",
        " ",
        "\r\n ",
        "9" * 30,
    ]
    for _ in range(3000):
        good = luck.random() < 0.5
        keys = office.keys(office.challenge(), password="s3cret" if good else "guess", user="ben" if good else "ana")
        text = office.request(keys + CONTACT + "Expires: 300\r\n", aor="sip:ben@192.0.2.1")
        for _ in range(luck.randint(1, 3)):
            at = luck.randrange(len(text))
            text = text[:at] + luck.choice(spices) + text[at + luck.randint(0, 3) :]
        office.endpoint.receive(text.encode("latin-1"), (f"192.0.2.{luck.randrange(250)}", 5060), office.now)
        for data, _ in office.endpoint.datagrams_to_send():
            assert data.startswith(b"SIP/2.0 ")
            assert b"\n" not in data.replace(b"\r\n", b"")
        office.wait(1.0)
    assert office.registrar.reach("ana") is None
    assert len(office.registrar.bindings.of("ben")) <= office.registrar.max_contacts
