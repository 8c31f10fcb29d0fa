"""Bad input at every door x every class of error: one clear line each, no traceback, nothing lost, and work goes on.

The rooms' own tests go deeper into each door; here the real programs are at the other end, and no cell of the table may
be empty.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks.rig.floor import Floor
from benchmarks.rig.mosquitto import Mosquitto
from benchmarks.rig.process import until
from benchmarks.rig.scenario import CarrierSettings

pytestmark = [pytest.mark.peer, pytest.mark.parallel]

ROOT = Path(__file__).resolve().parents[2]
DOORS = ("flag", "config", "csv", "http", "mqtt", "sip")
CLASSES = ("missing", "malformed", "wrong type", "out of range", "too large", "hostile", "unauthenticated")
MEGABYTES = 3_000_000
COMMAND_TOKEN = "rig-command-token"
LONGEST_LINE = 700


@dataclass(frozen=True)
class Answer:
    """What came back: lines for people, and the door's own status (exit code, HTTP status, SIP status; 0: none)."""

    lines: list[str] = field(default_factory=list)
    status: int = 0


@dataclass(frozen=True)
class Running:
    """A daemon at work with all its doors open."""

    floor: Floor
    broker: Mosquitto


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, need: Callable[[str], str]) -> Iterator[Running]:
    """One daemon for all cells; it must be as well at the end as it was at the beginning."""
    need("sipp")
    need("mosquitto")
    folder = tmp_path_factory.mktemp("doors")
    broker = Mosquitto(folder / "broker")
    floor = Floor(folder / "floor", contacts=20, agents=2, behaviour=CarrierSettings(), mqtt_port=broker.port)
    floor.config.write_text(
        floor.config.read_text().replace("[mqtt]\n", '[mqtt]\ncommand_token_env = "RIG_COMMAND_TOKEN"\n')
    )
    daemon = floor.start_daemon(env={"RIG_COMMAND_TOKEN": COMMAND_TOKEN})
    daemon.wait_healthy()
    yield Running(floor, broker)
    assert daemon.process.code is None, daemon.process.tail()
    assert floor.store.unfinished() == 20
    assert daemon.stop() == 0
    assert [record for record in daemon.log() if "raw" in record] == []
    floor.close()
    broker.stop()


def one_clear_line(answer: Answer) -> None:
    """At least one line, none a traceback, none endless, none that could forge another."""
    assert answer.lines
    for line in answer.lines:
        assert "Traceback" not in line
        assert len(line) <= LONGEST_LINE, line[:200]
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", line), repr(line[:200])


def program(*arguments: str, cwd: Path) -> Answer:
    """Run one of our programs; its lines on standard error, or on output when there is nothing."""
    run = subprocess.run(
        [sys.executable, *arguments], cwd=cwd, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT), "RIG_COMMAND_TOKEN": COMMAND_TOKEN}, check=False,
    )  # fmt: skip
    return Answer([line for line in (run.stderr or run.stdout).splitlines() if line.strip()], run.returncode)


# -- flags ------------------------------------------------------------------------------------------------------------

FLAGS: dict[str, tuple[list[str], str]] = {
    "missing": (["status"], "CONFIG"),
    "malformed": (["check", "{config}", "--no-such-flag"], "no-such-flag"),
    "wrong type": (["demo", "--agents", "many"], "many"),
    "out of range": (["demo", "--agents", "0"], "0"),
    "too large": (["demo", "--agents", "9" * 60], "9999"),
    "hostile": (["contact", "{config}", "+1\r\nX-Forged: yes\x1b[31m"], "number|contact"),
    "unauthenticated": (["status", "{config}", "--token-file", "{wrong_token}"], "token"),
}


def at_flag(case: str, running: Running, tmp_path: Path) -> None:
    arguments, says = FLAGS[case]
    (tmp_path / "wrong").write_text("not-the-token\n")
    (tmp_path / "wrong").chmod(0o600)
    filled = [text.format(config=running.floor.config, wrong_token=tmp_path / "wrong") for text in arguments]
    answer = program("-m", "dialer", *filled, cwd=tmp_path)
    one_clear_line(answer)
    assert answer.status not in (0, -1)
    assert re.search(says, " ".join(answer.lines))


# -- the config file --------------------------------------------------------------------------------------------------

CONFIGS: dict[str, tuple[str, str, str]] = {
    # what stands in the good file, what takes its place, what the line must speak of
    "missing": ('caller_id = "+12125550199"\n', "", "caller_id"),
    "malformed": ("[store]\n", "[store\n", ""),
    "wrong type": ("lines = 200", 'lines = "many"', "lines"),
    "out of range": ("calls_per_second = 20.0", "calls_per_second = -1.0", "calls_per_second"),
    "too large": ("[store]\n", "# " + "x" * MEGABYTES * 4 + "\n[store]\n", ""),
    "hostile": ('caller_name = "Example Ltd"', 'caller_name = "A\\r\\nX-Forged: yes"', "caller_name"),
    "unauthenticated": (
        "retry_after = 1\n",
        'retry_after = 1\nusername = "u"\npassword_env = "NOT_SET_1"\n',
        "NOT_SET_1",
    ),
}


def at_config(case: str, running: Running, tmp_path: Path) -> None:
    good, bad, says = CONFIGS[case]
    text = running.floor.config.read_text()
    assert good in text
    path = tmp_path / "bad.toml"
    path.write_text(text.replace(good, bad, 1))
    (tmp_path / "contacts.csv").write_text("number,name,reference\n+12015550100,A,R1\n")
    answer = program(str(ROOT / "daemon.py"), str(path), cwd=tmp_path)
    one_clear_line(answer)
    assert answer.status == 2
    assert says in " ".join(answer.lines)
    assert re.search(r"bad\.toml(:\d+:\d+)?: ", answer.lines[0])


# -- a contact list ---------------------------------------------------------------------------------------------------

GOOD_ROW = "+12015550101,Ada,R1\n"
LISTS: dict[str, tuple[bytes | None, str, int]] = {
    # the file's bytes (None: a folder stands in its place), what is said, good rows that must arrive
    "missing": (b"telephone,name,reference\n+12015550101,Ada,R1\n", "number", 0),
    "malformed": (f'number,name,reference\n{GOOD_ROW}"+12015550102,unclosed,R2\n'.encode(), "", 1),
    "wrong type": (f"number,name,reference\nabc,B,R2\n{GOOD_ROW}".encode(), "", 1),
    "out of range": (f"number,name,reference\n+{'9' * 40},B,R2\n{GOOD_ROW}".encode(), "", 1),
    "too large": (f"number,name,reference\n+12015550102,{'x' * MEGABYTES},R2\n{GOOD_ROW}".encode(), "", 1),
    "hostile": (f"number,name,reference\n=cmd|'/C calc'!A0,\x00\x1b[31m,R2\n{GOOD_ROW}".encode(), "", 1),
    "unauthenticated": (None, "contacts.csv", 0),
}


def at_csv(case: str, running: Running, tmp_path: Path) -> None:
    content, says, arrive = LISTS[case]
    (tmp_path / "campaign.toml").write_text(running.floor.config.read_text())
    path = tmp_path / "contacts.csv"
    if content is None:
        path.mkdir()  # as unreadable as a file can be to root
    else:
        path.write_bytes(content)
    answer = program("-m", "dialer", "import", "campaign.toml", cwd=tmp_path)
    one_clear_line(answer)
    assert says in " ".join(answer.lines)
    if arrive:
        state = program("-m", "dialer", "contact", "campaign.toml", "+12015550101", cwd=tmp_path)
        assert "Traceback" not in " ".join(state.lines)
        rejects = list(tmp_path.glob("*.rejects.csv"))
        assert rejects
        assert len(rejects[0].read_text(errors="replace").splitlines()) >= 2
    else:
        assert answer.status != 0


# -- HTTP -------------------------------------------------------------------------------------------------------------

CONTACTS = "/api/v1/campaigns/main/contacts"
REQUESTS: dict[str, tuple[str, bytes, int]] = {
    # path, body, HTTP status
    "missing": ("/api/v1/agents/agent1/dispose", b"{}", 422),
    "malformed": ("/api/v1/agents/agent1/dispose", b'{"code": ', 400),
    "wrong type": ("/api/v1/agents/agent1/dispose", b'{"code": 7}', 422),
    "out of range": (CONTACTS, b'{"contacts": []}', 422),
    "too large": (CONTACTS, b'{"contacts": [' + b'{"number": "+12015550100"},' * 100_000 + b"{}]}", 413),
    "hostile": ("/api/v1/agents/agent1/break", json.dumps({"reason": "a\r\nX-Forged: yes"}).encode(), 422),
    "unauthenticated": ("/api/v1/agents/agent1/ready", b"{}", 401),
}


def at_http(case: str, running: Running, tmp_path: Path) -> None:
    path, body, status = REQUESTS[case]
    daemon = running.floor.daemon
    assert daemon is not None
    token = "not-the-token" if case == "unauthenticated" else daemon.token
    request = urllib.request.Request(
        daemon.url + path,
        data=body,
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(request, timeout=20)
    error = json.loads(refusal.value.read())["error"]
    assert refusal.value.code == status, error
    one_clear_line(Answer([error["message"]]))


# -- MQTT -------------------------------------------------------------------------------------------------------------

MESSAGES: dict[str, tuple[str, dict[str, object] | bytes, str]] = {
    # command, fields (or bytes), code of the answer
    "missing": ("dispose", {"agent": "agent1"}, "invalid"),
    "malformed": ("dispose", b'{"correlation": "c1", ', "malformed"),
    "wrong type": ("dispose", {"agent": "agent1", "code": 7}, "invalid"),
    "out of range": ("add_contacts", {"campaign": "main", "contacts": []}, "invalid"),
    "too large": ("do_not_call", {"numbers": ["+12015550100"] * 100_000}, "too_large"),
    "hostile": ("break", {"agent": "agent1", "reason": "a\r\nX-Forged: yes"}, "invalid"),
    "unauthenticated": ("ready", {"agent": "agent1", "token": "wrong"}, "unauthorized"),
}


def at_mqtt(case: str, running: Running, tmp_path: Path) -> None:
    command, fields, code = MESSAGES[case]
    answers: list[dict[str, dict[str, str]]] = []
    ready = threading.Event()
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id=f"bad-{case.replace(' ', '-')}")
    client.on_message = lambda *given: answers.append(json.loads(given[2].payload))
    client.on_subscribe = lambda *given: ready.set()

    def connected(client: paho.Client, *rest: object) -> None:
        client.subscribe("dialer/answer/#", qos=1)

    client.on_connect = connected
    client.connect("127.0.0.1", running.broker.port)
    client.loop_start()
    try:
        assert ready.wait(10.0)
        payload = (
            fields
            if isinstance(fields, bytes)
            else json.dumps({"token": COMMAND_TOKEN, "correlation": "c1", **fields}).encode()
        )
        client.publish(f"dialer/command/{command}", payload, qos=1)
        until(lambda: bool(answers), 10.0, "an answer")
    finally:
        client.loop_stop()
        client.disconnect()
    assert answers[0]["error"]["code"] == code
    one_clear_line(Answer([answers[0]["error"]["message"]]))


# -- SIP --------------------------------------------------------------------------------------------------------------

INVITE = (
    "INVITE sip:dialer@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK{case}\r\n"
    "Max-Forwards: 70\r\nFrom: <sip:stranger@127.0.0.1>;tag=1\r\nTo: <sip:dialer@127.0.0.1>\r\n"
    "Call-ID: bad-{case}\r\nCSeq: 1 INVITE\r\n"
    "Contact: <sip:stranger@127.0.0.1:{port}>\r\nContent-Length: 0\r\n\r\n"
)
DATAGRAMS: dict[str, tuple[Callable[[str], str], bool]] = {
    # what is done to a good INVITE, whether a refusal must come (else it is dropped, counted)
    "missing": (lambda good: re.sub(r"Call-ID: [^\r]*\r\n", "", good), False),
    "malformed": (lambda good: "\x01\x02 not SIP at all\r\n\r\n", False),
    "wrong type": (lambda good: good.replace("CSeq: 1 INVITE", "CSeq: one INVITE"), False),
    "out of range": (lambda good: good.replace("Content-Length: 0", "Content-Length: -5"), True),
    "too large": (lambda good: good.replace("Max-Forwards", "X-Long: " + "x" * 60_000 + "\r\nMax-Forwards"), True),
    "hostile": (lambda good: good.replace("tag=1", 'tag=1\nX-Forged: "yes\x00'), False),
    "unauthenticated": (lambda good: good, True),
}


def at_sip(case: str, running: Running, tmp_path: Path) -> None:
    change, refused = DATAGRAMS[case]
    daemon = running.floor.daemon
    assert daemon is not None

    def drops() -> int:
        return sum(daemon.status()["sip"]["drops"].values())

    before = drops()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(5.0)
        good = INVITE.format(port=sock.getsockname()[1], case=case.replace(" ", ""))
        sock.sendto(change(good).encode("latin-1"), ("127.0.0.1", running.floor.settings.sip_port))
        if refused:
            status = 0
            while status < 200:
                status = int(sock.recv(65535).split(b" ", 2)[1])
            assert 400 <= status < 700
    if not refused:
        until(lambda: drops() > before, 5.0, "the drop is counted")
    assert daemon.status()["campaigns"]["main"]["lines"] == 0


# -- the table --------------------------------------------------------------------------------------------------------

TRY: dict[str, tuple[dict[str, object], Callable[[str, Running, Path], None]]] = {
    "flag": (dict(FLAGS), at_flag),
    "config": (dict(CONFIGS), at_config),
    "csv": (dict(LISTS), at_csv),
    "http": (dict(REQUESTS), at_http),
    "mqtt": (dict(MESSAGES), at_mqtt),
    "sip": (dict(DATAGRAMS), at_sip),
}


def test_no_cell_is_empty() -> None:
    """Every door has a case of every class, and no door or class is unknown to the table."""
    cells = {(door, case) for door, (cases, _) in TRY.items() for case in cases}
    assert cells == set(product(DOORS, CLASSES))


@pytest.mark.parametrize("case", CLASSES)
@pytest.mark.parametrize("door", DOORS)
def test_bad_input(door: str, case: str, running: Running, tmp_path: Path) -> None:
    """One cell; afterwards the daemon still answers."""
    TRY[door][1](case, running, tmp_path)
    assert running.floor.daemon is not None
    running.floor.daemon.wait_healthy()
