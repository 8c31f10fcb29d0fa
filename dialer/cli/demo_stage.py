"""The processes of a demonstration: carrier, agents and the daemon, each real, started and ended in order.

The carrier and the agents are commands of `benchmarks.callcentre`: they are run, never imported.
"""

from __future__ import annotations

import ctypes
import json
import os
import random
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from dialer.cli.output import Failure

TOKEN_VARIABLE: Final = "DIALER_TOKEN"
#: Seconds until a process must have said where it listens.
START_TIMEOUT: Final = 20.0
#: Seconds that the daemon may take to end in order; the other processes get a part of it.
STOP_TIMEOUT: Final = 20.0
_PR_SET_PDEATHSIG: Final = 1


@dataclass(frozen=True, slots=True)
class Scene:
    """What is to be shown."""

    agents: int
    speed: float
    seed: int
    mode: str
    rtp: str
    rows: int = 0


@dataclass(slots=True)
class Actor:
    """One process and the file that its words go to."""

    name: str
    process: subprocess.Popen[str]
    words: Path

    def last_words(self) -> str:
        """The last line that it wrote to standard error, or its exit code."""
        lines = self.words.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1][:300] if lines else f"exit code {self.process.poll()}"


@dataclass(slots=True)
class Stage:
    """A folder with everything that a run leaves: logs, config, list, store."""

    folder: Path
    scene: Scene
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    http: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    actors: dict[str, Actor] = field(default_factory=dict)

    @property
    def carrier_log(self) -> Path:
        """The carrier's own log."""
        return self.folder / "carrier.jsonl"

    @property
    def base(self) -> str:
        """The daemon's API."""
        return f"http://{self.http}"

    def open(self) -> None:
        """Start everything. Raises Failure; `close` is due then, too."""
        scene = self.scene
        self.http = f"127.0.0.1:{free_port()}"
        with_sales = find_spec("dbos") is not None and find_spec("aiosmtplib") is not None
        if with_sales:
            self._start("parties", [sys.executable, "-m", "benchmarks.thirdparty", "all", "--log", str(self.folder)])
        common = ["--seed", str(scene.seed), "--speed", f"{scene.speed:g}", "--rtp", scene.rtp]
        self._start(
            "carrier", _callcentre("carrier"), "--listen", "127.0.0.1:0", "--listen", "127.0.0.1:0", *common,
            "--log", str(self.carrier_log),
        )  # fmt: skip
        self._start(
            "agents", _callcentre("agents"), "--agents", str(scene.agents), "--api", self.base, *common,
            "--campaign", "demo", "--token-env", TOKEN_VARIABLE, "--log", str(self.folder / "agents.jsonl"),
        )  # fmt: skip
        trunks = [word for address in self._listening("carrier")["addresses"] for word in ("--trunk", address)]
        low, high = free_ports(max(64, scene.agents * 24))
        parties = ["--parties", json.dumps(self._listening("parties"))] if with_sales else []
        self.facts = self._ask(
            [
                *_callcentre("campaign"), "--dir", str(self.folder), *trunks,
                "--phones", self._listening("agents")["address"], "--http", self.http,
                "--agents", str(scene.agents), "--speed", f"{scene.speed:g}", "--mode", scene.mode,
                "--rows", str(scene.rows), "--media-ports", f"{low},{high}", *parties,
            ]
        )  # fmt: skip
        self._start("daemon", [sys.executable, "-m", "dialer", "run", self.facts["config"]])

    def check(self) -> None:
        """Raises Failure when one of the processes has ended by itself."""
        for actor in self.actors.values():
            if actor.process.poll() is not None:
                raise Failure(f"the {actor.name} has ended: {actor.last_words()}", code="actor_ended")

    def close(self) -> dict[str, int]:
        """End the daemon first, in order, then the others; exit codes by name. Idempotent."""
        codes = {}
        for name in ("daemon", "agents", "carrier", "parties"):
            actor = self.actors.get(name)
            if actor is not None:
                codes[name] = _end(actor.process, name == "daemon")
        return codes

    def _start(self, name: str, command: Sequence[str], *arguments: str) -> None:
        words = self.folder / f"{name}.log"
        with words.open("a", encoding="utf-8") as errors:
            process = subprocess.Popen(
                [*command, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if name != "daemon" else errors,
                stderr=errors,
                text=True,
                env=os.environ | {TOKEN_VARIABLE: self.token},
                start_new_session=True,  # a Ctrl-C in the terminal is ours alone: we end the others in order
                preexec_fn=_die_with_parent,
            )
        self.actors[name] = Actor(name, process, words)

    def _listening(self, name: str) -> dict[str, Any]:
        """The first line of a process: where it listens."""
        actor = self.actors[name]
        assert actor.process.stdout is not None
        line = actor.process.stdout.readline()
        if not line:
            actor.process.wait(START_TIMEOUT)
            raise Failure(f"the {name} did not start: {actor.last_words()}", code="actor_ended")
        result: dict[str, Any] = json.loads(line)
        return result

    def _ask(self, command: Sequence[str]) -> dict[str, Any]:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=START_TIMEOUT, check=False)
        if answer.returncode != 0:
            raise Failure((answer.stderr.strip().splitlines() or ["the demonstration campaign cannot be written"])[-1])
        result: dict[str, Any] = json.loads(answer.stdout)
        return result


def _callcentre(module: str) -> list[str]:
    return [sys.executable, "-m", f"benchmarks.callcentre.{module}"]


def _end(process: subprocess.Popen[str], gently: bool) -> int:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_TIMEOUT / 2 if gently else STOP_TIMEOUT / 4)
        except subprocess.TimeoutExpired:
            if gently:  # a second signal: end talks at once
                process.send_signal(signal.SIGTERM)
            else:
                process.kill()
            try:
                process.wait(STOP_TIMEOUT / 2)
            except subprocess.TimeoutExpired:
                process.kill()
    if process.stdout is not None:
        process.stdout.close()
    return process.wait()


def _die_with_parent() -> None:
    """In the child: end when the demonstration is killed (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def free_port() -> int:
    """A TCP port of loopback that nobody uses now, below those that the system gives out by itself: who asks for one of
    these again and again before anybody listens there may meet itself. Raises Failure.
    """
    for port in random.sample(range(10000, 19000), 200):
        with socket.socket() as sock:
            try:
                sock.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise Failure("no free TCP port between 10000 and 19000 on 127.0.0.1", code="no_ports")


def free_ports(count: int) -> tuple[int, int]:
    """First and last of `count` neighbouring UDP ports of loopback that nobody uses now. Raises Failure."""
    lows = range(20000, 32000 - count, count)
    for low in random.sample(lows, len(lows)):  # two that start at the same instant shall not find the same ones
        if all(_udp_free(port) for port in range(low, low + count)):
            return low, low + count - 1
    raise Failure("no free UDP ports for audio between 20000 and 32000 on 127.0.0.1", code="no_ports")


def _udp_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
