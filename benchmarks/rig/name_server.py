"""A name server for one test: real DNS over UDP on a free port of loopback, answers from a table.

Used inside the test's process (a thread of its own); the code under test asks it as it would ask any.
"""

from __future__ import annotations

import socket
import threading
from collections import Counter
from types import TracebackType

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

__all__ = ["NameServer"]

_SIZE = 4096


class NameServer:
    """`records`: (name, type) -> texts, such as `("_sip._udp.carrier.test", "SRV"): ["1 1 5060 a.carrier.test."]`.
    It may be changed while the server runs. A name that is in it with no type at all does not exist. `asked` counts
    questions; while `silent` nothing is answered.
    """

    def __init__(self, records: dict[tuple[str, str], list[str]], ttl: int = 60) -> None:
        self.records = records
        self.ttl = ttl
        self.silent = False
        self.asked: Counter[tuple[str, str]] = Counter()
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.bind(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, name="name server", daemon=True)

    @property
    def address(self) -> tuple[str, int]:
        """Where to ask."""
        host, port = self._sock.getsockname()
        return host, port

    def __enter__(self) -> NameServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sock.sendto(b"", self.address)  # an empty datagram ends it
        self._thread.join()
        self._sock.close()

    def _serve(self) -> None:
        while True:
            data, client = self._sock.recvfrom(_SIZE)
            if not data:
                return
            try:
                question = dns.message.from_wire(data)
            except dns.exception.DNSException:
                continue
            reply = self._reply(question)
            if not self.silent:
                self._sock.sendto(reply.to_wire(), client)

    def _reply(self, question: dns.message.Message) -> dns.message.Message:
        reply = dns.message.make_response(question)
        reply.flags |= dns.flags.AA | dns.flags.RA
        wanted = question.question[0]
        name, kind = wanted.name.to_text(omit_final_dot=True).lower(), dns.rdatatype.to_text(wanted.rdtype)
        self.asked[name, kind] += 1
        texts = self.records.get((name, kind))
        if texts:
            reply.answer.append(dns.rrset.from_text(wanted.name, self.ttl, "IN", kind, *texts))
        elif not any(known == name for known, _ in self.records):
            reply.set_rcode(dns.rcode.NXDOMAIN)
        return reply
