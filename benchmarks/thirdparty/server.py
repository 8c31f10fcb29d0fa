"""The network's side of a third party: HTTP/1.1 with keep-alive, or SMTP, and the faults that were asked for."""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from benchmarks.thirdparty.faults import Faults


class Service(Protocol):
    """What is behind the HTTP."""

    def answer(self, method: str, path: str, key: str, body: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        """(status, JSON)."""
        ...


class Journal:
    """One JSON a line, written at once: a test that kills others reads it."""

    def __init__(self, path: Path, service: str) -> None:
        self._file = path.open("a", buffering=1)
        self._service = service

    def __call__(self, event: str, **fields: Any) -> None:
        """Something was done."""
        self._file.write(json.dumps({"at": time.time(), "service": self._service, "event": event, **fields}) + "\n")


class HttpParty:
    """Serves one connection after another; `POST /faults` changes the faults."""

    def __init__(self, service: Service, log: Journal, faults: Faults, seed: int) -> None:
        self._service, self._log, self.faults = service, log, faults
        self._rng = random.Random(seed)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            while await self._request(reader, writer):
                continue
        except (asyncio.IncompleteReadError, ConnectionError, ValueError):
            pass  # the client has gone, or never spoke HTTP
        finally:
            writer.close()

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.split("\r\n")
        method, target, _ = first.split(" ", 2)
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        data = await reader.readexactly(int(headers.get("content-length", 0)))
        body = json.loads(data) if data else {}
        path = target.partition("?")[0]
        if path == "/faults":
            self.faults = self.faults.changed(body)
            return await self._reply(writer, 200, {})
        fault = self.faults.draw(self._rng)
        if fault in ("error", "reset"):
            self._log("fault", fault=fault)
            return fault == "error" and await self._reply(writer, 503, {"error": "down"})
        if fault == "hang_before":
            self._log("fault", fault=fault)
            await asyncio.sleep(self.faults.hang_seconds)
        elif fault == "slow":
            await asyncio.sleep(self._rng.uniform(0, self.faults.slow_seconds))
        status, answer = self._answer(method, path, headers, data, body)
        if fault in ("lost", "hang_after"):
            self._log("fault", fault=fault)
            if fault == "lost":
                return False
            await asyncio.sleep(self.faults.hang_seconds)
        return await self._reply(writer, status, answer)

    def _answer(
        self, method: str, path: str, headers: Mapping[str, str], data: bytes, body: Mapping[str, Any]
    ) -> tuple[int, dict[str, Any]]:
        return self._service.answer(method, path, headers.get("idempotency-key", ""), body)

    async def _reply(self, writer: asyncio.StreamWriter, status: int, answer: dict[str, Any]) -> bool:
        data = json.dumps(answer).encode()
        writer.write(
            f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n".encode()
            + data
        )
        await writer.drain()
        return True


class SmtpParty:
    """Takes every message and writes down who got it. Faults: `error` is 451, the others as they are named."""

    def __init__(self, log: Journal, faults: Faults, seed: int) -> None:
        self._log, self.faults = log, faults
        self._rng = random.Random(seed)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection (RFC 5321, what a client needs)."""

        def say(text: str) -> None:
            writer.write(f"{text}\r\n".encode())

        recipients: list[str] = []
        say("220 sink ready")
        try:
            while line := (await reader.readline()).decode("utf-8", "replace").strip():
                verb = line.upper()
                if verb.startswith("EHLO"):
                    say("250 sink")
                elif verb.startswith("RCPT TO:"):
                    recipients.append(line[8:].strip().split(" ")[0].strip("<>"))
                    say("250 ok")
                elif verb == "DATA":
                    say("354 go on")
                    data = (await reader.readuntil(b"\r\n.\r\n")).decode("utf-8", "replace")
                    if not await self._take(recipients, data, say):
                        return
                    recipients = []
                elif verb == "QUIT":
                    say("221 bye")
                    return
                else:
                    say("250 ok")
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client has gone
        finally:
            writer.close()

    async def _take(self, recipients: list[str], data: str, say: Any) -> bool:
        fault = self.faults.draw(self._rng)
        if fault != "none":
            self._log("fault", fault=fault)
        if fault in ("error", "reset"):
            say("451 not now")
            return fault == "error"
        if fault.startswith("hang"):
            await asyncio.sleep(self.faults.hang_seconds)
        found = {
            name: (re.search(rf"(?im)^{name}:\s*(.*)$", data) or ["", ""])[1].strip()
            for name in ("Message-ID", "Subject")
        }
        self._log("mailed", to=recipients, message_id=found["Message-ID"], subject=found["Subject"])
        if fault == "lost":
            return False
        say("250 taken")
        return True
