"""Where each received message belongs (RFC 3261 8.1.3, 8.2, 12.2.2, 17.1.3, 17.2.3)."""

from __future__ import annotations

from dialer.sip.core import AckKey, Core
from dialer.sip.errors import MalformedMessage
from dialer.sip.flow import Destination, Flow
from dialer.sip.grammar import Via, branch_of, name_addr, split_list, tag_of, via
from dialer.sip.incoming import IncomingLeg
from dialer.sip.kind import kind_of
from dialer.sip.leg import Leg
from dialer.sip.message import Request, Response, parse
from dialer.sip.orphan import end_stray
from dialer.sip.reply import ReplyHead
from dialer.sip.screen import Refusal, screen
from dialer.sip.server_transaction import InviteServer, PlainServer, ServerTransaction
from dialer.sip.transaction import ClientTransaction

__all__ = ["Receiver"]

_COOKIE = "z9hG4bK"
_NOTHING = ("",)


class Receiver:
    """Sorts messages to transactions, legs or the bin; every drop is counted."""

    __slots__ = ("core", "legs")

    def __init__(self, core: Core, legs: dict[str, Leg]) -> None:
        self.core = core
        self.legs = legs

    def receive(self, data: bytes, addr: Destination, now: float) -> None:
        """What `Endpoint.receive` is."""
        core = self.core
        if core.tap is not None:
            core.tap(False, data, addr)
        if not 4 < len(data) <= core.config.max_message and self._is_noise(data):
            core.requests[kind_of(data)] += 1
            return
        try:
            message = parse(data)
        except MalformedMessage as error:
            core.requests[kind_of(data)] += 1
            core.drops[error.args[0]] += 1
            return
        try:
            if isinstance(message, Response):
                core.responses[message.status // 100] += 1
                self._response(message, addr, now)
            else:
                core.requests[kind_of(data)] += 1
                self._request(message, addr, now)
        except MalformedMessage as error:
            core.drops[error.args[0]] += 1

    def _is_noise(self, data: bytes) -> bool:
        """What is too long or next to nothing; counted in `drops`."""
        if len(data) > self.core.config.max_message:
            self.core.drops["oversized"] += 1
            return True
        if len(data) <= 4 and not data.strip(b"\r\n\0"):
            self.core.drops["keep_alive"] += 1
            return True
        return False

    def _response(self, response: Response, addr: Destination, now: float) -> None:
        """To its transaction. Raises `MalformedMessage`, whose text is the reason to count."""
        fields = response.fields
        vias = fields.get("via")
        if response.fault is not None:
            raise MalformedMessage("faulty_response")
        if not vias or len(vias) > 1 or "," in vias[0]:
            raise MalformedMessage("response_not_for_us")  # RFC 3261 8.1.3.3
        # Nearly every response repeats our Via and CSeq as we wrote them; whatever else is read by the grammar.
        number, _, method = (fields.get("cseq") or _NOTHING)[0].partition(" ")
        transaction = self.core.clients.get((vias[0].partition(";branch=")[2].partition(";")[0], method))
        if transaction is None or number != str(transaction.head.cseq):
            transaction = self._transaction_of(response, vias[0], addr, now)
            if transaction is None:
                return
        head = transaction.head
        to = fields.get("to", ())
        if fields.get("call-id") != [head.call_id] or len(to) != 1:
            raise MalformedMessage("response_mismatch")
        if to[0] != head.to:  # in a dialog it is what we wrote
            response.to_tag = tag_of(to[0])  # raises now, before any state changes
        transaction.take(response, now)

    def _transaction_of(self, response: Response, top: str, addr: Destination, now: float) -> ClientTransaction | None:
        number, method = response.cseq
        transaction = self.core.clients.get((branch_of(top), method))
        if transaction is None:
            if method == "INVITE" and 200 <= response.status < 300:
                known = self._repeated(response, number) or end_stray(self.core, response, addr, now)
            else:  # over a connection nothing lingers for the 1xx that the final response overtook on its way
                known = response.status < 200 and isinstance(addr, Flow)
            if not known:
                self.core.drops["stray_response"] += 1
        elif number != transaction.head.cseq:
            raise MalformedMessage("response_mismatch")
        return transaction

    def _repeated(self, response: Response, number: int) -> bool:
        """A 2xx of a live call that is still repeated after 64*T1 gets its ACK, and no BYE."""
        leg = self.legs.get(response.first("call-id") or "")
        ours, theirs = tag_of(response.first("from") or ""), tag_of(response.first("to") or "")
        if leg is None or not _same_dialog(leg, ours, theirs):
            return False
        leg.acknowledge_again(number)
        return True

    def _request(self, request: Request, addr: Destination, now: float) -> None:
        """To its transaction or leg, or refused. Raises `MalformedMessage`, whose text is the reason to count."""
        try:
            top = via(split_list(request.fields["via"][0])[0])
        except KeyError:
            raise MalformedMessage("no_via") from None
        except MalformedMessage:
            if request.method != "ACK":
                self._refuse(
                    request, None, addr, (400, "Bad Request: via", "") if request.version_ok else (505, None, "")
                )
            self.core.drops["bad_via"] += 1
            return
        method = request.method
        key = _key(request, top, "INVITE" if method == "ACK" else method)
        known = self.core.servers.get(key)
        if known is not None and (method != "ACK" or known.state != "accepted"):
            known.fire("ack" if method == "ACK" else "request", now)
            return
        registrar = self.core.config.registrar if method == "REGISTER" else None
        refusal = screen(request, registrar is not None and registrar.serving)
        if refusal is None and registrar is not None:
            refusal = registrar.admit(self.core, request, addr, now)
        if method == "ACK":
            if refusal is not None:
                raise MalformedMessage("bad_ack")
            self._ack(request, now)
        elif refusal is not None:
            # a challenge is no refusal; which method is none of ours (REFER above all) is worth knowing
            if refusal[0] != 401:
                self.core.drops[f"refused_{method.lower() if refusal[0] == 405 else refusal[0]}"] += 1
            self._refuse(request, top, addr, refusal)
        elif len(self.core.servers) >= self.core.config.max_server_transactions:
            self.core.drops["too_many_transactions"] += 1
            self._refuse(request, top, addr, (503, None, "Retry-After: 5\r\n"))
        elif method == "CANCEL":
            self._cancel(request, top, addr, key, now)
        else:
            self._serve(request, top, addr, key, now)

    def _refuse(self, request: Request, top: Via | None, addr: Destination, refusal: Refusal) -> None:
        """Without a transaction: a repeated request is refused again, and nothing is kept of it (RFC 3261 8.2.7)."""
        status, reason, lines = refusal
        try:
            tag = "" if tag_of((request.fields.get("to") or [""])[0]) else self._stateless_tag(request, request.method)
        except MalformedMessage:
            tag = ""  # an unreadable To is echoed as it came
        head = ReplyHead(request, top, addr, tag)
        self.core.outbox.append((head.render(status, f"{lines}{self.core.server}", b"", reason), head.destination))

    def _stateless_tag(self, request: Request, method: str) -> str:
        # RFC 3261 8.2.7: the same tag for the same request each time.
        # No method has a space: whoever sees such tags learns nothing about the branch of an INVITE of ours.
        call_id, from_ = request.first("call-id") or "", request.first("from") or ""
        return self.core.branch(call_id, from_, 0, f"To tag {method}")[7:23]

    def _ack(self, request: Request, now: float) -> None:
        """The ACK of a 2xx of ours. It may come after the next INVITE (RFC 5407 3.1.4), after BYE, or twice because the
        2xx went twice: as long as that INVITE is remembered none of them is a stray. Nor is the ACK of a refusal that
        was said without a transaction, whose To tag is ours or the live dialog's (8.2.7).
        """
        key = _answer_acknowledged(request)
        answered = self.core.accepted.get(key)
        if answered is not None:
            answered.take_ack(request, now)
        elif key[1] != self._stateless_tag(request, "INVITE"):
            leg = self.legs.get(key[0])
            if leg is None or not _same_dialog(leg, key[1], key[2]):
                self.core.drops["stray_ack"] += 1

    def _cancel(self, request: Request, top: Via, addr: Destination, key: tuple[str, str, str], now: float) -> None:
        target = self.core.servers.get((key[0], key[1], "INVITE"))
        if not isinstance(target, InviteServer):
            self._refuse(request, top, addr, (481, None, ""))
            return
        head = ReplyHead(request, top, addr, target.head.tag)  # RFC 3261 9.2: the tag of the INVITE's own response
        PlainServer(self.core, "CANCEL", request.cseq[0], key, head).respond(200, now, self.core.server)
        leg = self.legs.get(request.fields["call-id"][0])
        if leg is not None and not target.answered:
            leg.on_cancel(target, now)

    def _serve(self, request: Request, top: Via, addr: Destination, key: tuple[str, str, str], now: float) -> None:
        core = self.core
        to_tag = name_addr(request.fields["to"][0]).tag
        leg = self.legs.get(request.fields["call-id"][0])
        if to_tag is None:
            self._outside(request, top, addr, key, leg, now)
            return
        transaction = self._transaction(request, top, addr, key, "")
        if leg is None or not _same_dialog(leg, to_tag, tag_of(request.fields["from"][0])):
            if leg is None or not leg.on_early_request(request, transaction, now):
                transaction.respond(481, now, core.server)
            return
        dialog = leg.the_dialog()
        number = request.cseq[0]
        if number <= dialog.remote_cseq:  # RFC 3261 12.2.2
            transaction.respond(500, now, core.server)
            return
        dialog.remote_cseq = number
        leg.on_request(request, transaction, now)

    def _transaction(
        self, request: Request, top: Via, addr: Destination, key: tuple[str, str, str], tag: str
    ) -> ServerTransaction:
        head = ReplyHead(request, top, addr, tag)
        if request.method == "INVITE":
            call_id, to_tag, from_tag, number = _answer_acknowledged(request)
            return InviteServer(self.core, number, key, head, (call_id, tag or to_tag, from_tag, number))
        return PlainServer(self.core, request.method, request.cseq[0], key, head)

    def _outside(
        self, request: Request, top: Via, addr: Destination, key: tuple[str, str, str], leg: Leg | None, now: float
    ) -> None:
        core = self.core
        if request.method == "INVITE":
            call_id, _, from_tag, number = _answer_acknowledged(request)
            if (call_id, from_tag, number) in core.asked:
                # RFC 3261 8.2.2.2: the same call on two ways; whatever became of it, it is not offered twice
                self._refuse(request, top, addr, (482, None, ""))
                return
        transaction = self._transaction(request, top, addr, key, core.text())
        if request.method == "OPTIONS":
            lines = f"{core.local(addr).contact_for(request.uri)}{core.allow}Accept: application/sdp\r\n{core.server}"
            transaction.respond(core.config.options_status, now, lines)
        elif request.method == "REGISTER" and core.config.registrar is not None:
            status, reason, lines = core.config.registrar.bind(core, request, addr, now)
            transaction.respond(status, now, lines + core.server, reason=reason)
        elif not isinstance(transaction, InviteServer):
            transaction.respond(481, now, core.server)  # BYE and UPDATE live in dialogs only
        elif leg is not None:
            transaction.respond(482, now, core.server)  # our own call come back; a leg's name is its Call-ID
        elif len(self.legs) >= core.config.max_legs:
            core.drops["too_many_legs"] += 1
            transaction.respond(503, now, f"Retry-After: 5\r\n{core.server}")
        else:
            try:
                IncomingLeg(core, self.legs, request, transaction, addr, now)
            except MalformedMessage:
                transaction.respond(400, now, core.server)
                raise


def _key(request: Request, top: Via, method: str) -> tuple[str, str, str]:
    branch = top.params.get("branch", "")
    if branch.startswith(_COOKIE) and branch != _COOKIE:
        return branch, top.sent_by, method
    # RFC 3261 17.2.3, for RFC 2543 peers: what a retransmission repeats. An ACK adds a To tag, so To is left out.
    fields = request.fields
    parts = [*(fields.get(name, [""])[0] for name in ("call-id", "from", "via")), request.first("cseq") or ""]
    parts[-1] = parts[-1].partition(" ")[0]
    return "\0".join(parts), request.uri, method


def _answer_acknowledged(request: Request) -> AckKey:
    """What an ACK says about the INVITE whose 2xx it acknowledges (RFC 3261 13.2.2.4)."""
    fields = request.fields
    to_tag, from_tag = tag_of(fields["to"][0]), tag_of(fields["from"][0])
    return fields["call-id"][0], to_tag or "", from_tag or "", request.cseq[0]


def _same_dialog(leg: Leg, ours: str | None, theirs: str | None) -> bool:
    dialog = leg.dialog
    return dialog is not None and ours == dialog.local_tag and (theirs or "") == dialog.remote_tag
