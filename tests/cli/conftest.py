"""The command line in this process, a config that holds, and a stand-in for a running dialer's API."""

from __future__ import annotations

import io
import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from dialer.cli.group import run

TOKEN = "a-token-for-tests-only"

CONFIG = """\
[trunks.main]
address = "127.0.0.1:{sip}"
prefixes = ["+44"]

[agents.ana]
phone = "sip:ana@127.0.0.1:5070"

[lists.spring]
path = "spring.csv"
region = "GB"
validity = "possible"

[campaigns.promo]
lists = ["spring"]
trunks = ["main"]
caller_id = "+441632960000"
jurisdiction = "none"

[campaigns.promo.dispositions]
sold = {{ next = "sale" }}

[http]
listen = "127.0.0.1:{http}"
token_file = "token"
"""

LIST = "number,name\n07700 900101,Ada\n07700 900102,Ben\n07700 900102,Ben again\n12,nobody\n"


@dataclass(frozen=True, slots=True)
class Said:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Dialer = Callable[..., Said]


@pytest.fixture
def dialer(monkeypatch: pytest.MonkeyPatch) -> Dialer:
    """Runs `dialer ARGUMENTS` in this process."""
    monkeypatch.delenv("COLUMNS", raising=False)  # pytest's workers have one; a pipe has no width

    def call(*arguments: object, stdin: bytes = b"") -> Said:
        out, err = io.StringIO(), io.StringIO()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with redirect_stdout(out), redirect_stderr(err):
            code = run([str(argument) for argument in arguments])
        return Said(code, out.getvalue(), err.getvalue())

    return call


@dataclass(slots=True)
class Api:
    """A stand-in for the API: answers from `answers` (route -> status and body) and keeps what it was asked."""

    port: int = 0
    answers: dict[str, tuple[int, Any]] = field(default_factory=dict)
    asked: list[tuple[str, str, Any]] = field(default_factory=list)

    def handler(self) -> type[BaseHTTPRequestHandler]:
        api = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                body = json.loads(self.rfile.read(length)) if length else None
                api.asked.append((self.command, self.path, body))
                if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                    status: int = 401
                    answer: Any = {"error": {"code": "unauthorized", "message": "this token is nobody's"}}
                else:
                    route = body["command"] if isinstance(body, dict) else self.path
                    status, answer = api.answers.get(route, (200, {}))
                data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = _answer  # noqa: N815 (the base names them so)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base's word)
                """Say nothing."""

        return Handler


@pytest.fixture
def api() -> Iterator[Api]:
    """The stand-in, listening."""
    api = Api()
    server = ThreadingHTTPServer(("127.0.0.1", 0), api.handler())
    api.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield api
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def config(tmp_path: Path, api: Api) -> Path:
    """A config whose API is the stand-in, with its list and token."""
    (tmp_path / "spring.csv").write_text(LIST, encoding="utf-8")
    token = tmp_path / "token"
    token.write_text(TOKEN + "\n", encoding="ascii")
    token.chmod(0o600)
    path = tmp_path / "c.toml"
    path.write_text(CONFIG.format(sip=9, http=api.port), encoding="utf-8")
    return path


@pytest.fixture
def nobody(config: Path) -> Path:
    """The same config where no dialer listens."""
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    text = config.read_text(encoding="utf-8").split("[http]")[0]
    config.write_text(f'{text}[http]\nlisten = "127.0.0.1:{port}"\n', encoding="utf-8")
    return config
