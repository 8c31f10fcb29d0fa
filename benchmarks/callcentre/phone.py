"""A SIP user agent server on one UDP port: what a carrier's gateway or a desk phone does, and nothing more.

It answers INVITE, ACK, CANCEL, BYE, OPTIONS and re-INVITE (with an offer, or with the offer in the 200 and the answer
in the ACK), sends BYE, repeats what RFC 3261 17 says must be repeated, and notes every breach of the rules by the
other side as a `fault`.
The owner decides when to ring, answer, refuse and hang up.
"""

from __future__ import annotations

import asyncio
import random
from typing import cast

from . import message, sdp
from .call import CALL_STATES, REASONS, T1, T2, Call, Owner, Transaction
from .journal import Journal
from .message import MalformedMessage, Message


class Phone(asyncio.DatagramProtocol):
    """See the module. `loss` is the share of datagrams dropped each way, drawn from `rng`."""

    def __init__(
        self, owner: Owner, journal: Journal, rng: random.Random, *, name: str = "phone", loss: float = 0.0
    ) -> None:
        self._owner = owner
        self._journal = journal
        self._rng = rng
        self._loss = loss
        self.name = name
        self.address = ("", 0)
        self.faults = 0
        self.requests: dict[str, int] = {}
        self.calls: dict[tuple[str, str], Call] = {}
        self._by_branch: dict[str, Call] = {}
        self._replies: dict[tuple[str, str], bytes] = {}
        self._byes: dict[str, Call] = {}
        self._transport: asyncio.DatagramTransport | None = None

    # -- transport ----------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asyncio: the port is bound."""
        self._transport = cast(asyncio.DatagramTransport, transport)  # not a subclass before Python 3.12
        self.address = transport.get_extra_info("sockname")[:2]

    def datagram_received(self, data: bytes, source: tuple[str, int]) -> None:
        """Asyncio: a datagram came."""
        if self._loss and self._rng.random() < self._loss:
            return
        if not data.strip(b"\r\n\0 "):
            return  # RFC 5626 keep-alive
        try:
            received = message.parse(data, source[:2])
            if received.status:
                self._on_response(received)
            else:
                self._on_request(received)
        except (MalformedMessage, sdp.BadSdp) as error:
            self.fault("malformed", str(error), "")

    def error_received(self, exc: Exception) -> None:
        """Asyncio: an ICMP error; the timers deal with it."""

    def close(self) -> None:
        """Stop all timers and close the port."""
        for call in self.calls.values():
            for transaction in (call.final, call.bye):
                if transaction is not None:
                    transaction.stop()
        if self._transport is not None:
            self._transport.close()

    def fault(self, kind: str, detail: str, call_id: str) -> None:
        """Note a breach of the rules by the other side."""
        self.faults += 1
        self._journal.write("fault", kind=kind, detail=detail[:200], call_id=call_id, phone=self.name)

    def _send(self, data: bytes, target: tuple[str, int]) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if self._loss and self._rng.random() < self._loss:
            return
        self._transport.sendto(data, target)

    # -- requests -----------------------------------------------------------------------------------------------------

    def _on_request(self, request: Message) -> None:
        method = request.method
        number, cseq_method = request.cseq
        if cseq_method != method:
            raise MalformedMessage("CSeq method")
        branch = request.branch
        if not branch.startswith("z9hG4bK"):
            self.fault("branch", "no RFC 3261 branch", request.get("call-id"))
        if method == "ACK":
            self._on_ack(request, branch, number)
            return
        repeated = self._replies.get((branch, method))
        if repeated is not None:
            self._send(repeated, self._reply_address(request))
            return
        self.requests[method] = self.requests.get(method, 0) + 1
        if method == "INVITE":
            if message.tag_of(request.one("to")):
                self._on_reinvite(request, number)
            elif branch not in self._by_branch:  # else: repeated before our first answer
                self._on_invite(request, branch, number)
        elif method == "CANCEL":
            self._on_cancel(request, branch)
        elif method == "BYE":
            self._on_bye(request, number)
        elif method == "OPTIONS":
            self._reply(request, 200, [("Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS"), ("Accept", "application/sdp")])
        else:
            self._reply(request, 405, [("Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS")])

    def _on_invite(self, request: Message, branch: str, cseq: int) -> None:
        for name in ("max-forwards", "contact", "from", "call-id"):
            if name not in request.headers:
                self.fault("header", f"INVITE without {name}", request.get("call-id"))
        call = Call(
            invite=request,
            call_id=request.one("call-id"),
            local_tag=f"{self._rng.getrandbits(48):012x}",
            remote_tag=message.tag_of(request.one("from")),
            number=message.user_of(request.uri),
            target_uri=message.uri_of(request.get("contact")),
            route=request.listed("record-route"),
            remote_cseq=cseq,
            invite_cseq=cseq,
        )
        if request.body:
            try:
                call.offer = sdp.parse(request.body)
            except sdp.BadSdp as error:
                self.fault("sdp", str(error), call.call_id)
                self._reply(request, 488, [], tag=call.local_tag)
                return
        self._by_branch[branch] = call
        self.calls[call.call_id, call.local_tag] = call
        self._reply(request, 100, [])
        self._owner.on_invite(call)

    def _on_ack(self, request: Message, branch: str, cseq: int) -> None:
        key = (request.one("call-id"), message.tag_of(request.one("to")))
        call = self.calls.get(key)
        if call is None:
            return  # of a call long forgotten; an ACK is never answered
        if cseq != call.invite_cseq:
            if (branch, "INVITE") in self._replies:
                return  # of a re-INVITE that we refused (491, 500): nothing waits for it
            self.fault("ack_cseq", f"{cseq} for INVITE {call.invite_cseq}", call.call_id)
            return
        if call.state == "rejected" and branch != call.invite.branch:
            self.fault("ack_branch", "ACK to a failure needs the INVITE's branch (17.1.1.3)", call.call_id)
        if call.final is not None:
            call.final.stop()
            call.final = None
        first = cseq not in call.acked
        call.acked.add(cseq)
        call.pending = None
        if not self._step(call, "ack"):
            return
        if call.awaits_answer:
            call.awaits_answer = False
            if request.body:
                call.offer = sdp.parse(request.body)
                self._owner.on_media(call)
            else:
                self.fault("ack_answer", "an offer in a 200 needs its answer in the ACK (RFC 3264)", call.call_id)
        if first:
            self._owner.on_ack(call)
        if call.state == "ended":
            self._forget_later(call)

    def _on_reinvite(self, request: Message, cseq: int) -> None:
        call = self._dialog(request)
        if call is None:
            return
        if call.pending is not None or call.state == "answered":
            self._reply(request, 491, [])
            return
        if cseq <= call.remote_cseq:
            self.fault("cseq", f"{cseq} after {call.remote_cseq}", call.call_id)
            self._reply(request, 500, [])
            return
        if not self._step(call, "reinvite"):
            self._reply(request, 481, [])
            return
        call.remote_cseq = call.invite_cseq = cseq
        call.reinvites += 1
        if request.get("contact"):
            call.target_uri = message.uri_of(request.get("contact"))
        call.pending = request
        if request.body:
            call.offer = sdp.parse(request.body)
        self._final(call, request, self._answer_body(call, offered=bool(request.body)))
        if request.body:
            self._owner.on_media(call)

    def _on_cancel(self, request: Message, branch: str) -> None:
        call = self._by_branch.get(branch)
        if call is None:
            self.fault("cancel", "of an unknown INVITE", request.get("call-id"))
            self._reply(request, 481, [])
            return
        self._reply(request, 200, [], tag=call.local_tag)
        before = call.state
        if self._step(call, "cancel") and before in ("invited", "ringing"):
            self._refuse(call, 487, [])
            self._owner.on_cancel(call)

    def _on_bye(self, request: Message, cseq: int) -> None:
        call = self._dialog(request)
        if call is None:
            return
        if cseq <= call.remote_cseq:
            self.fault("cseq", f"BYE {cseq} after {call.remote_cseq}", call.call_id)
        call.remote_cseq = max(cseq, call.remote_cseq)
        if call.state == "ended":  # crossed our own BYE
            self._reply(request, 200, [])
            return
        if call.state == "answered":
            # A BYE from the caller before its ACK: RFC 3261 15 allows it only on a confirmed dialog
            if not self._loss:
                self.fault("bye_early", "BYE before ACK", call.call_id)
            call.state = "confirmed"
            if call.final is not None:
                call.final.stop()
        self._reply(request, 200, [])
        if self._step(call, "bye_in"):
            self._owner.on_end(call, "remote")
            self._forget_later(call)

    def _dialog(self, request: Message) -> Call | None:
        key = (request.one("call-id"), message.tag_of(request.one("to")))
        call = self.calls.get(key)
        if call is None:
            self._reply(request, 481, [])
            return None
        if message.tag_of(request.one("from")) != call.remote_tag:
            self.fault("from_tag", f"{request.method} with another From tag", call.call_id)
            self._reply(request, 481, [])
            return None
        if request.uri != self.contact_uri(call):
            self.fault("target", f"{request.method} not sent to our Contact: {request.uri}", call.call_id)
        return call

    # -- responses to our BYE -----------------------------------------------------------------------------------------

    def _on_response(self, response: Message) -> None:
        call = self._byes.get(response.branch)
        if call is not None and call.bye is not None and response.status >= 200:
            call.bye.stop()
            if response.status not in (200, 481):
                self.fault("bye_answer", str(response.status), call.call_id)
            del self._byes[response.branch]

    # -- commands -----------------------------------------------------------------------------------------------------

    def ring(self, call: Call, status: int = 180) -> None:
        """Send 180 (or 183 without early media)."""
        if self._step(call, "ring"):
            self._reply(call.invite, status, [("Contact", f"<{self.contact_uri(call)}>")], tag=call.local_tag)

    def answer(self, call: Call) -> None:
        """Send 200 with our description (an answer, or an offer when the INVITE had none), repeated until the ACK."""
        if self._step(call, "answer"):
            self._final(call, call.invite, self._answer_body(call, offered=call.offer is not None))

    def reject(self, call: Call, status: int, headers: list[tuple[str, str]] | None = None) -> None:
        """Refuse the call; repeated until the ACK."""
        if self._step(call, "reject"):
            self._refuse(call, status, headers or [])

    def hang_up(self, call: Call) -> None:
        """Send BYE on an answered call; on an ended one nothing happens."""
        if (call.state, "bye_out") not in CALL_STATES:
            return
        self._step(call, "bye_out")
        call.local_cseq += 1
        branch = f"z9hG4bK{self._rng.getrandbits(64):016x}"
        headers = [
            ("Via", f"SIP/2.0/UDP {self.address[0]}:{self.address[1]};rport;branch={branch}"),
            ("Max-Forwards", "70"),
            ("From", f"{call.invite.one('to')};tag={call.local_tag}"),
            ("To", call.invite.one("from")),
            ("Call-ID", call.call_id),
            ("CSeq", f"{call.local_cseq} BYE"),
            *(("Route", route) for route in call.route),
        ]
        data = message.build(f"BYE {call.target_uri} SIP/2.0", headers)
        hop = message.uri_of(call.route[0]) if call.route else call.target_uri
        call.bye = Transaction(data, message.address_of(hop) or call.invite.source)
        self._byes[branch] = call
        self._repeat(call, call.bye, "no answer to BYE")
        self._owner.on_end(call, "local")
        self._forget_later(call)

    def contact_uri(self, call: Call) -> str:
        """Our Contact in this call."""
        return f"sip:{call.number}@{self.address[0]}:{self.address[1]}"

    # -- sending ------------------------------------------------------------------------------------------------------

    def _step(self, call: Call, happening: str) -> bool:
        state = CALL_STATES.get((call.state, happening))
        if state is None:
            self.fault("state", f"{happening} in {call.state}", call.call_id)
            return False
        call.state = state
        return True

    def _answer_body(self, call: Call, *, offered: bool) -> bytes:
        call.sdp_version += 1
        call.awaits_answer = not offered
        if offered and call.offer is not None:
            return sdp.answer(call.number, call.sdp_version, self.address[0], call.media_port, call.offer)
        return sdp.offer(call.number, call.sdp_version, self.address[0], call.media_port)

    def _final(self, call: Call, request: Message, body: bytes) -> None:
        headers = [
            ("Contact", f"<{self.contact_uri(call)}>"),
            ("Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS"),
            ("Content-Type", "application/sdp"),
        ]
        data = self._reply(request, 200, headers, body, tag=call.local_tag)
        call.final = Transaction(data, self._reply_address(request))
        self._arm(call, call.final, "no ACK to 200")

    def _refuse(self, call: Call, status: int, headers: list[tuple[str, str]]) -> None:
        data = self._reply(call.invite, status, headers, tag=call.local_tag)
        call.final = Transaction(data, self._reply_address(call.invite))
        self._arm(call, call.final, "no ACK to refusal")

    def _repeat(self, call: Call, transaction: Transaction, failure: str) -> None:
        self._send(transaction.data, transaction.target)
        self._arm(call, transaction, failure)

    def _arm(self, call: Call, transaction: Transaction, failure: str) -> None:
        """Timers G and H, and their like for 2xx (13.3.1.4) and BYE (E, F)."""
        if transaction.spent >= 64 * T1:
            transaction.stop()
            self.fault("timeout", failure, call.call_id)
            if call.state == "answered":
                self.hang_up(call)
            elif call.state == "rejected":
                self._step(call, "no_ack")
                self._forget_later(call)
            return
        transaction.timer = asyncio.get_running_loop().call_later(
            transaction.interval, self._repeat, call, transaction, failure
        )
        transaction.spent += transaction.interval
        transaction.interval = min(transaction.interval * 2, T2)

    def _reply_address(self, request: Message) -> tuple[str, int]:
        """RFC 3581: the source when rport is asked for, else the sent-by port."""
        via = message.split_commas(request.one("via"))[0]
        if ";rport" in via:
            return request.source
        sent_by = message.address_of("sip:" + via.split()[-1].split(";")[0])
        return request.source[0], sent_by[1] if sent_by else request.source[1]

    def _reply(
        self, request: Message, status: int, headers: list[tuple[str, str]], body: bytes = b"", tag: str = ""
    ) -> bytes:
        vias = request.listed("via")
        if vias and ";rport" in vias[0] and ";rport=" not in vias[0]:
            host, port = request.source
            vias[0] = vias[0].replace(";rport", f";received={host};rport={port}", 1)
        to = request.one("to")
        if status > 100 and not message.tag_of(to):
            to = f"{to};tag={tag or format(self._rng.getrandbits(48), '012x')}"
        lines = [
            *(("Via", via) for via in vias),
            *(("Record-Route", route) for route in request.listed("record-route")),
            ("From", request.one("from")),
            ("To", to),
            ("Call-ID", request.one("call-id")),
            ("CSeq", request.one("cseq")),
            *headers,
        ]
        data = message.build(f"SIP/2.0 {status} {REASONS[status]}", lines, body)
        key = (request.branch, request.method)
        if key not in self._replies:
            asyncio.get_running_loop().call_later(64 * T1, self._replies.pop, key, None)
        self._replies[key] = data
        self._send(data, self._reply_address(request))
        return data

    def _forget_later(self, call: Call) -> None:
        """Keep the dialog for crossing requests and late ACKs, then let it go."""
        asyncio.get_running_loop().call_later(64 * T1, self._forget, call)

    def _forget(self, call: Call) -> None:
        self.calls.pop((call.call_id, call.local_tag), None)
        self._by_branch.pop(call.invite.branch, None)
