"""Addresses that may be connected to on somebody's behalf."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialer.egress import AddressRefused, AddressUnknown, Egress

PRIVATE = [
    "127.0.0.1", "127.8.9.10", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1",
    "192.0.2.1", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fd00::1", "ff02::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::", "64:ff9b::a9fe:a9fe",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_refused(address: str) -> None:
    assert not Egress().permits(address)
    with pytest.raises(AddressRefused, match="allow"):
        Egress().check_literal(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111"])
def test_public_ones_are_not(address: str) -> None:
    assert Egress().permits(address)
    Egress().check_literal(address)


def test_what_the_config_allows() -> None:
    egress = Egress(["10.1.0.0/16", "127.0.0.1", "crm.internal"])
    assert egress.permits("10.1.2.3")
    assert egress.permits("127.0.0.1")
    assert not egress.permits("10.2.0.1")
    assert not egress.permits("127.0.0.2")
    assert egress.permits("192.168.7.7", "CRM.internal.")
    assert not egress.permits("192.168.7.7", "other.internal")
    egress.check_literal("localhost")
    with pytest.raises(AddressRefused):
        Egress().check_literal("localhost")


@pytest.mark.parametrize("entry", ["10.1.0.0/8", "300.1.1.1/9", "a b", "", "http://x"])
def test_an_entry_that_is_none(entry: str) -> None:
    with pytest.raises(ValueError):
        Egress([entry])


def test_one_private_address_among_public_ones_is_enough() -> None:
    with pytest.raises(AddressRefused):
        Egress().choose("x.example", ["8.8.8.8", "10.0.0.1"])
    assert Egress().choose("x.example", ["8.8.8.8", "1.1.1.1"]) == "8.8.8.8"
    with pytest.raises(AddressUnknown):
        Egress().choose("x.example", [])


def test_names_are_looked_at_when_they_are_resolved() -> None:
    with pytest.raises(AddressRefused):
        asyncio.run(Egress().resolve("localhost", 80))
    assert asyncio.run(Egress(["127.0.0.0/8", "::1"]).resolve("127.0.0.1", 80)) == "127.0.0.1"
    with pytest.raises(AddressUnknown):
        asyncio.run(Egress().resolve("no-such-name.invalid", 80))


@given(st.integers(0, 2**32 - 1))
def test_writing_an_address_as_ipv6_changes_nothing(number: int) -> None:
    import ipaddress

    plain = ipaddress.IPv4Address(number)
    assert Egress().permits(f"::ffff:{plain}") == Egress().permits(str(plain))
