"""The real daemon, killed by its own hand at a named point: `python faulty_daemon.py POINT PASSAGE daemon-arguments...`

Points are `before:X` and `after:X`, where X is one of

    commit-OPERATION   a commit of the store whose transaction holds that operation of `WriteTransaction`
    send-MESSAGE       a SIP message to a peer: INVITE, re-INVITE, ACK, CANCEL, BYE, or a response such as 200-BYE
    send-agent-INVITE  the call to an agent's phone

Wrapped from outside: the product has no hook for this. At the PASSAGE-th time the process sends itself SIGKILL, as a
power cut would, and nothing of it runs on. With $FAULT_VICTIM in the environment, the process id of a PostgreSQL
server, that server dies there instead, once, and this process goes on. With $FAULT_LOG, every point that was passed is
written there once: with `list` as POINT, that shows which there are.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.rig.process import kill_family  # noqa: E402

_LINE = re.compile(rb"^(?:SIP/2\.0 (\d{3})|([A-Z]+) (\S+))")
_CSEQ = re.compile(rb"^CSeq:\s*\d+\s+([A-Z]+)", re.MULTILINE | re.IGNORECASE)
_TO_TAG = re.compile(rb"^(?:To|t):[^\r\n]*;tag=", re.MULTILINE | re.IGNORECASE)


class FaultPoint:
    """Counts passages, and dies at the right one."""

    def __init__(self, name: str, passage: int) -> None:
        self.name, self.passage = name, passage
        self.passed: Counter[str] = Counter()
        self._log = os.environ.get("FAULT_LOG")
        self._victim = os.environ.get("FAULT_VICTIM")
        self._lock = threading.Lock()

    def __call__(self, point: str) -> None:
        """The process is at `point` now."""
        with self._lock:
            self._pass(point)

    def _pass(self, point: str) -> None:
        self.passed[point] += 1
        if self._log and self.passed[point] == 1:
            with open(self._log, "a") as file:
                file.write(point + "\n")
        if point == self.name and self.passed[point] >= self.passage:
            if self._victim is None:
                os.kill(os.getpid(), signal.SIGKILL)
                threading.Event().wait()  # not one instruction more in this thread
            elif self.passed[point] == self.passage:
                kill_family(int(self._victim))


def message_name(data: bytes) -> str:
    """What is sent, in the words of the table of points."""
    line, cseq = _LINE.match(data), _CSEQ.search(data)
    if line is None:
        return "other"
    if line[1] is not None:
        return f"{line[1].decode()}-{cseq[1].decode() if cseq else 'other'}"
    method = line[2].decode()
    if method == "INVITE" and _TO_TAG.search(data):
        return "re-INVITE"
    if method == "INVITE" and b"sip:agent" in line[3]:
        return "agent-INVITE"
    return method


def wrap_commits(point: FaultPoint) -> None:
    """Put points around every commit of a write transaction, named by the operations in it."""
    from sqlalchemy.engine.default import DefaultDialect

    from dispositions.transaction import WriteTransaction

    here = threading.local()

    def recording(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            here.operations = {*getattr(here, "operations", ()), name.removesuffix("s")}
            return method(self, *args, **kwargs)

        return call

    for name in (
        "add_contacts", "enter_candidates", "add_do_not_call", "claim", "claim_contact", "release", "start_attempts",
        "update_attempt", "update_attempts", "finish_attempt", "finish_attempts", "dispose", "dispose_attempts",
        "recover", "outbox_add", "outbox_done", "save_state",
    ):  # fmt: skip
        setattr(WriteTransaction, name, recording(name, getattr(WriteTransaction, name)))
    commit: Callable[[Any, Any], None] = DefaultDialect.do_commit

    def do_commit(self: Any, connection: Any) -> None:
        operations = sorted(getattr(here, "operations", ()))
        here.operations = set()
        for operation in operations:
            point(f"before:commit-{operation}")
        commit(self, connection)
        for operation in operations:
            point(f"after:commit-{operation}")

    DefaultDialect.do_commit = do_commit  # type: ignore[method-assign]


def wrap_sends(point: FaultPoint) -> None:
    """Put points around every datagram that leaves by SIP, over the bound socket or one that is connected.

    A far end has its connected socket from the second datagram on, so that points lie on both.
    """
    import dialer.udp
    from dialer import peer_sockets

    def told(send: Callable[..., int]) -> Callable[..., int]:
        def call(data: bytes, *address: Any) -> int:
            name = message_name(data)
            point(f"before:send-{name}")
            sent = send(data, *address)
            point(f"after:send-{name}")
            return sent

        return call

    class Told:
        """The socket, telling the points what passes."""

        def __init__(self, sock: Any) -> None:
            self._sock = sock
            self.sendto = told(sock.sendto)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._sock, name)

    class ToldSends(dict[Any, Callable[..., int]]):
        """The ways over connected sockets, likewise."""

        def __setitem__(self, destination: Any, send: Callable[..., int]) -> None:
            super().__setitem__(destination, told(send))

    class ToldPeers(peer_sockets.PeerSockets):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            self.sends = ToldSends()

    bound = dialer.udp.bound_socket
    dialer.udp.bound_socket = lambda *args, **kwargs: Told(bound(*args, **kwargs))  # type: ignore[assignment]
    dialer.udp.PeerSockets = ToldPeers  # type: ignore[misc]
    peer_sockets._BUSY = 1


def main(arguments: list[str]) -> None:
    """Wrap, then be the daemon."""
    name, passage, *rest = arguments
    point = FaultPoint(name, int(passage))
    wrap_commits(point)
    wrap_sends(point)
    import daemon

    sys.argv = ["daemon.py", *rest]
    sys.exit(daemon.main(rest))


if __name__ == "__main__":
    main(sys.argv[1:])
