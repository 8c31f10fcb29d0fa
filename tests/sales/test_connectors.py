"""Connectors against real sockets: what goes out, what comes back, and what every kind of failure is called."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.thirdparty.services import Gateway, Reservations
from dialer.config.sales_tables import ActionTable, ConnectorTable
from dialer.egress import Egress
from dialer.sales.answer import Verdict
from dialer.sales.connector import Impossible, NoAnswer, NotSent, PythonConnector, Request, SqlConnector
from dialer.sales.http import HttpConnector
from dialer.sales.smtp import SmtpConnector

SALE = {"sale": {"id": 7, "fields": {"card": "41", "email": "a@example.com\r\nBcc: all@example.com", "host": "evil"}}}
LOCAL = Egress(["127.0.0.1"])
Serve = Callable[..., None]


def asked(key: str = "ident-7-1/payment", timeout: float = 2.0, **action: Any) -> Request:
    return Request(ActionTable(**action), key, SALE, timeout)


def http(port: int, egress: Egress = LOCAL, secret: str | None = "s3cret", **table: Any) -> HttpConnector:
    given = {"kind": "http", "url": f"http://127.0.0.1:{port}", **table}
    return HttpConnector(ConnectorTable(**given), secret, egress)


def test_the_key_makes_a_second_try_no_second_charge(serving: Serve) -> None:
    async def test(served: Any) -> None:
        gateway = http(served.port)
        request = asked(path="/charges", body='{"amount": 5, "card": {{ sale.fields.card | tojson }}}')
        first, second = await gateway.ask(request), await gateway.ask(request)
        assert first.values["json"] == second.values["json"]
        assert first.default is Verdict.ACCEPTED
        assert [event["event"] for event in served.events] == ["charged", "charge_repeated"]
        await gateway.close()

    serving(Gateway, test)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [("reset", NoAnswer), ("lost", NoAnswer), ("hang", NoAnswer), ("error", Verdict.UNCLEAR)],
)
def test_what_each_fault_is_called(serving: Serve, fault: str, expected: Any) -> None:
    async def test(served: Any) -> None:
        gateway = http(served.port)
        request = asked(path="/charges", body='{"amount": 5}', timeout=0.3 if fault == "hang" else 10.0)
        if expected is Verdict.UNCLEAR:
            assert (await gateway.ask(request)).default is Verdict.UNCLEAR
        else:
            with pytest.raises(expected):
                await gateway.ask(request)
        await gateway.close()

    serving(Gateway, test, **{fault: 1.0}, hang_seconds=1.0)


def test_a_closed_port_means_that_nothing_was_sent() -> None:
    async def test() -> None:
        with pytest.raises(NotSent):
            await http(9).ask(asked(path="/x"))

    asyncio.run(test())


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_private_addresses_are_refused_when_connecting(serving: Serve, host: str) -> None:
    async def test(served: Any) -> None:
        connector = http(served.port, Egress(), url=f"http://{host}:{served.port}")
        with pytest.raises(Impossible, match="private"):
            await connector.ask(asked(path="/charges", body="{}"))
        assert not served._log.read_text()

    serving(Gateway, test)


def test_no_template_changes_the_host(serving: Serve) -> None:
    async def test(served: Any) -> None:
        for url, path in (
            (f"http://127.0.0.1:{served.port}", "{{ '@' }}169.254.169.254/x"),
            ("http://127.0.0.1", ".{{ sale.fields.host }}.example/"),
        ):
            with pytest.raises(Impossible, match="host"):
                await http(served.port, url=url).ask(asked(path=path))

    serving(Gateway, test)


def test_line_breaks_never_leave_in_a_header(serving: Serve) -> None:
    async def test(served: Any) -> None:
        connector = http(served.port, headers={"X-Mail": "{{ sale.fields.email }}", "X-Auth": "Bearer {{ secret }}"})
        answer = await connector.ask(asked(path="/reservations/R1/check"))
        assert answer.values["json"]["state"] == "held"
        await connector.close()

    serving(Reservations, test)


def test_statuses_without_a_verdict(serving: Serve) -> None:
    async def test(served: Any) -> None:
        gateway = http(served.port)
        declined = await gateway.ask(asked(path="/charges", body='{"card": "x0002"}'))
        assert (declined.default, declined.values["status"]) == (Verdict.REJECTED, 402)
        nobody = await gateway.ask(asked("ident-8-1/payment", path="/charges/status"))
        assert nobody.default is Verdict.UNKNOWN
        await gateway.close()

    serving(Gateway, test)


def test_a_text_message_goes_out_by_the_connectors_body(serving: Serve) -> None:
    class Texts:
        def __init__(self, log: Any) -> None:
            self.log = log

        def answer(self, method: str, path: str, key: str, body: Any) -> tuple[int, dict[str, Any]]:
            self.log("texted", key=key, **body)
            return 200, {}

    async def test(served: Any) -> None:
        body = '{"from": {{ sender | tojson }}, "number": {{ to | tojson }}, "words": {{ text | tojson }}}'
        connector = http(served.port, kind="sms", body=body, sender="Tickets")
        await connector.ask(asked(to="+34600000001", text="Hello {{ sale.id }}"))
        assert served.events[0]["words"] == "Hello 7"
        assert (served.events[0]["number"], served.events[0]["from"]) == ("+34600000001", "Tickets")
        await connector.close()

    serving(Texts, test)


def test_mail_carries_the_key_and_nobody_is_added(serving: Serve) -> None:
    async def test(served: Any) -> None:
        table = ConnectorTable(kind="smtp", url=f"smtp://127.0.0.1:{served.port}", sender="T <t@example.com>")
        request = asked(to="b@example.com", subject="Hi {{ sale.fields.email }}", text="Text\n.\nmore")
        answer = await SmtpConnector(table, None, LOCAL).ask(request)
        assert answer.default is Verdict.ACCEPTED
        (mail,) = served.events
        assert mail["to"] == ["b@example.com"]
        assert mail["message_id"] == "<ident-7-1.payment@example.com>"
        with pytest.raises(Impossible):
            await SmtpConnector(table, None, LOCAL).ask(asked(to="", subject="x", text="y"))
        with pytest.raises(Impossible, match="private"):
            await SmtpConnector(table, None, Egress()).ask(request)

    serving(None, test)


@pytest.mark.parametrize(("fault", "expected"), [("error", Verdict.UNCLEAR), ("lost", NoAnswer)])
def test_what_mails_faults_are_called(serving: Serve, fault: str, expected: Any) -> None:
    async def test(served: Any) -> None:
        table = ConnectorTable(kind="smtp", url=f"smtp://127.0.0.1:{served.port}", sender="t@example.com")
        connector = SmtpConnector(table, None, LOCAL)
        request = asked(to="b@example.com", subject="s", text="t", timeout=1.0)
        if expected is Verdict.UNCLEAR:
            assert (await connector.ask(request)).default is Verdict.UNCLEAR
        else:
            with pytest.raises(expected):
                await connector.ask(request)

    serving(None, test, **{fault: 1.0})


def test_sql_binds_whatever_it_is_given(tmp_path: Path) -> None:
    async def test() -> None:
        table = ConnectorTable(kind="sql", url=f"sqlite:///{tmp_path / 'crm.db'}")
        connector = SqlConnector(table, None, Egress())
        await connector.ask(asked(statement="CREATE TABLE sold (k TEXT PRIMARY KEY, mail TEXT)"))
        nasty = "'); DROP TABLE sold; --"
        given = {"statement": "INSERT INTO sold VALUES (:key, :mail) ON CONFLICT DO NOTHING", "values": {"mail": nasty}}
        for _ in range(2):
            await connector.ask(asked(**given))
        answer = await connector.ask(asked(statement="SELECT k, mail FROM sold"))
        assert answer.values["rows"] == [{"k": "ident-7-1/payment", "mail": nasty}]
        assert answer.values["json"]["row"]["mail"] == nasty
        with pytest.raises(Impossible):
            await connector.ask(asked(statement="SELECT :missing"))
        await connector.close()

    asyncio.run(test())


def booked(sale: dict[str, Any], key: str, values: dict[str, str]) -> dict[str, Any]:
    return {"id": sale["id"], "key": key, **values}


async def slow(sale: dict[str, Any], key: str, values: dict[str, str]) -> dict[str, Any]:
    await asyncio.Event().wait()
    return {}


def test_a_python_function_is_a_connector(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys
    import types

    module = types.ModuleType("our_crm")
    module.booked, module.slow, module.broken = booked, slow, lambda *_: 1 / 0  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "our_crm", module)

    async def test() -> None:
        connector = PythonConnector(ConnectorTable(kind="python", call="our_crm:booked"))
        answer = await connector.ask(asked(values={"card": "{{ sale.fields.card }}"}))
        assert answer.values["json"] == {"id": 7, "key": "ident-7-1/payment", "card": "41"}
        with pytest.raises(NoAnswer):
            await PythonConnector(ConnectorTable(kind="python", call="our_crm:slow")).ask(asked(timeout=0.05))
        with pytest.raises(Impossible, match="ZeroDivisionError"):
            await PythonConnector(ConnectorTable(kind="python", call="our_crm:broken")).ask(asked())

    asyncio.run(test())
    with pytest.raises(Impossible):
        PythonConnector(ConnectorTable(kind="python", call="our_crm:nothing"))
