"""Who a call says that it comes from (RFC 3261 8.1.1.3, RFC 3323, RFC 3325)."""

from __future__ import annotations

import pytest

from dialer.caller_id import ANONYMOUS, NOBODY, caller_id
from dialer.config.campaign_tables import CampaignTable
from dialer.config.sip_tables import TrunkTable
from dialer.sip import Endpoint, EndpointConfig, UnsafeHeader

HOST = "192.0.2.1:5060"
SPAIN = {"prefix": "+34", "number": "+34911111111"}
MADRID = {"prefix": "+3491", "number": "+34912222222", "name": "Madrid office"}


def campaign(**keys):
    base = {
        "lists": ["spring"], "trunks": ["main"], "caller_id": "+441632960000", "caller_name": "Example Ltd",
        "jurisdiction": "none", "dispositions": {"sold": {"next": "sale"}},
    }  # fmt: skip
    return CampaignTable.model_validate({**base, **keys})


def trunk(**keys):
    return TrunkTable(address="192.0.2.9:5060", prefixes=["+"], **keys)


@pytest.mark.parametrize(
    ("number", "shown", "name"),
    [
        ("+34600000000", "+34911111111", "Example Ltd"),
        ("+34915550000", "+34912222222", "Madrid office"),
        ("+15550100000", "+441632960000", "Example Ltd"),
    ],
)
def test_the_longest_prefix_of_the_called_number_decides(number, shown, name):
    found = caller_id(campaign(caller_ids=[SPAIN, MADRID]), trunk(), number, HOST)
    assert (found.from_uri, found.display, found.headers) == (f"sip:{shown}@{HOST}", name, ())


def test_rfc3325_9_1_the_asserted_identity_is_the_one_shown_or_the_trunks_own():
    table = campaign(caller_ids=[MADRID])
    own = caller_id(table, trunk(asserted_identity="caller_id", domain="carrier.example"), "+34915550000", HOST)
    assert own.headers == (("P-Asserted-Identity", '"Madrid office" <sip:+34912222222@carrier.example>'),)
    fixed = caller_id(campaign(caller_name=None), trunk(asserted_identity="+441632961111"), "+34915550000", HOST)
    assert fixed.headers == (("P-Asserted-Identity", f"<sip:+441632961111@{HOST}>"),)


def test_rfc3323_4_1_1_3_private_the_carrier_knows_and_the_person_called_does_not():
    found = caller_id(campaign(privacy="id"), trunk(asserted_identity="caller_id"), "+34600000000", HOST)
    assert (found.from_uri, found.display) == (NOBODY, ANONYMOUS)
    assert found.headers == (
        ("P-Asserted-Identity", f'"Example Ltd" <sip:+441632960000@{HOST}>'),
        ("Privacy", "id"),
    )


def test_quotes_stay_inside_and_line_ends_never_leave():
    table = campaign(caller_name='Say "hi" \\ <sip:evil@203.0.113.9>')
    found = caller_id(table, trunk(asserted_identity="caller_id"), "+34600000000", HOST)
    endpoint = Endpoint(EndpointConfig("192.0.2.1", 5060), seed=b"x")
    plan = endpoint.plan_invite(
        "sip:1@192.0.2.9", from_uri=found.from_uri, destination=("192.0.2.9", 5060), from_display=found.display,
        headers=found.headers,
    )  # fmt: skip
    endpoint.invite(plan, 0.0)
    ((data, _),) = endpoint.datagrams_to_send()
    name = '"Say \\"hi\\" \\\\ <sip:evil@203.0.113.9>"'
    assert f"\r\nFrom: {name} <sip:+441632960000@{HOST}>;tag=" in data.decode()
    assert f"\r\nP-Asserted-Identity: {name} <sip:+441632960000@{HOST}>\r\n" in data.decode()


@pytest.mark.parametrize("bad", ["a\r\nX: y", "a\nb", "a\x00b", "a\x7fb"])
def test_a_name_with_control_characters_is_no_config_and_no_header(bad):
    with pytest.raises(ValueError, match="control characters"):
        campaign(caller_name=bad)
    spoilt = campaign().model_copy(update={"caller_name": bad})
    with pytest.raises(UnsafeHeader):
        caller_id(spoilt, trunk(asserted_identity="caller_id"), "+34600000000", HOST)
