"""The real daemon as a process, and its HTTP door."""

from __future__ import annotations

import http.client
import json
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.rig.process import Process

ROOT = Path(__file__).resolve().parents[2]
READY_SECONDS = 30.0


class Refused(RuntimeError):
    """The daemon answered with an error; `status` is HTTP's."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__(f"HTTP {status}: {body}")
        self.status = status
        self.body = body


class Daemon:
    """`python daemon.py campaign.toml` (or `program` instead) in the campaign's folder; logs in FOLDER/daemon.log."""

    def __init__(
        self, config: Path, http_port: int, program: Sequence[str] = (), env: dict[str, str] | None = None
    ) -> None:
        """Start it. `program` replaces `daemon.py`, e.g. a wrapper that kills itself."""
        self.folder = config.parent
        self.url = f"http://127.0.0.1:{http_port}"
        self._token: str | None = None
        command = [sys.executable, *(program or [str(ROOT / "daemon.py")]), str(config)]
        self.process = Process(command, self.folder / "daemon.log", env)

    def wait_healthy(self, seconds: float = READY_SECONDS) -> float:
        """Wait until /healthz says yes; the seconds it took."""
        return self.process.wait_ready(self.healthy, seconds, f"{self.url}/healthz answers")

    def healthy(self) -> bool:
        """Whether /healthz answers 200 now."""
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=2) as answer:
                return bool(answer.status == 200)
        except (OSError, http.client.HTTPException):
            return False

    @property
    def token(self) -> str:
        """The supervisor's token, from the file that the daemon makes beside its store."""
        if self._token is None:
            self._token = (self.folder / "api-token").read_text().strip()
        return self._token

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None, timeout: float = 30.0) -> Any:
        """The JSON answer. Raises Refused for an error answer, OSError when nobody answers."""
        request = urllib.request.Request(
            self.url + path,
            data=json.dumps(body).encode() if body is not None else None,
            method=method,
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise Refused(error.code, error.read().decode(errors="replace")) from None

    def status(self) -> dict[str, Any]:
        """GET /api/v1/status."""
        answer: dict[str, Any] = self.ask("GET", "/api/v1/status")
        return answer

    def post(self, path: str, **body: Any) -> Any:
        """POST a command's fields."""
        return self.ask("POST", path, body)

    def login(self, agent: str, campaign: str = "main") -> Any:
        """Log an agent in; returns once the phone has answered."""
        return self.post(f"/api/v1/agents/{agent}/login", campaign=campaign)

    def metrics(self) -> str:
        """The text of /metrics."""
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=10) as answer:
            text: str = answer.read().decode()
            return text

    def log(self) -> list[dict[str, Any]]:
        """The structured log's records so far; lines that are not JSON come back as {"raw": line}."""
        records: list[dict[str, Any]] = []
        for line in self.process.log.read_text(errors="replace").splitlines():
            try:
                record = json.loads(line)
            except ValueError:
                record = line
            records.append(record if isinstance(record, dict) else {"raw": line})
        return records

    def kill(self) -> int:
        """SIGKILL, as a power cut would; the exit code."""
        return self.process.stop(signal.SIGKILL)

    def stop(self, seconds: float = 30.0) -> int:
        """SIGTERM: the ordered shutdown; the exit code."""
        return self.process.stop(signal.SIGTERM, seconds)
