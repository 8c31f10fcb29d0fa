"""Digest vectors (RFC 2617 3.5, RFC 7616 3.9.1) and challenges as peers write them."""

from __future__ import annotations

from hashlib import md5, sha256

import pytest

from dialer.sip.digest import Challenge, digest_response, parse_challenge

NONCE = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
CNONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"


@pytest.mark.parametrize(
    ("algorithm", "expected"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_rfc7616_3_9_1(algorithm: str, expected: str) -> None:
    challenge = Challenge("http-auth@example.org", NONCE, algorithm, "auth", None, False, False)
    found = digest_response(challenge, "Mufasa", "Circle of Life", "GET", "/dir/index.html", "00000001", CNONCE, b"")
    assert found == expected


def test_rfc2617_3_5() -> None:
    challenge = Challenge("testrealm@host.com", "dcd98b7102dd2f0e8b11d0f600bfb0c093", "", "auth", None, False, False)
    found = digest_response(
        challenge, "Mufasa", "Circle Of Life", "GET", "/dir/index.html", "00000001", "0a4f113b", b""
    )
    assert found == "6629fae49393a05397450978507c4ef1"


@pytest.mark.parametrize(("algorithm", "hashed"), [("MD5-sess", md5), ("SHA-256-sess", sha256)])
@pytest.mark.parametrize("qop", ["", "auth", "auth-int"])
def test_rfc7616_3_4_2_sessions_and_integrity(algorithm: str, hashed: type, qop: str) -> None:
    challenge = Challenge("r", "n", algorithm, qop, None, False, False)

    def h(text: str) -> str:
        return str(hashed(text.encode()).hexdigest())

    secret = h(f"{h('u:r:p')}:n:c")
    action = h("INVITE:sip:x" + (f":{h('body')}" if qop == "auth-int" else ""))
    expected = h(f"{secret}:n:00000002:c:{qop}:{action}" if qop else f"{secret}:n:{action}")
    assert digest_response(challenge, "u", "p", "INVITE", "sip:x", "00000002", "c", b"body") == expected


def test_rfc7616_3_3_a_challenge_in_full() -> None:
    value = 'DIGEST  realm="a, \\"b\\"" ,nonce="n==",stale=True, qop="auth-int, auth",algorithm=sha-256'
    value += ',opaque="", charset=UTF-8'
    challenge = parse_challenge(value, proxy=True)
    assert challenge == Challenge('a, \\"b\\"', "n==", "sha-256", "auth", "", True, True)


@pytest.mark.parametrize(
    "value",
    [
        'Basic realm="x"',
        'Digest realm="x"',
        'Digest nonce="x"',
        'Digest realm="x", nonce="y", algorithm=SHA-512-256',
        'Digest realm="x", nonce="y", qop="future"',
        'Digest realm="x, nonce="y"',
        'Digest realm="x" nonce="y"',
        "Digest",
        "",
    ],
)
def test_rfc7616_3_3_what_we_do_not_know_is_ignored(value: str) -> None:
    assert parse_challenge(value, proxy=False) is None
