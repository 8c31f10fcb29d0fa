"""Dialogs (RFC 3261 12): who talks to whom, along which route, and under which numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from dialer.sip.core import Core
from dialer.sip.errors import MalformedMessage
from dialer.sip.flow import Destination, Flow, destination_from, transport_of
from dialer.sip.grammar import split_list, tag_of, uri_of
from dialer.sip.made import made
from dialer.sip.message import Message, Response
from dialer.sip.wire import RequestHead

__all__ = ["Dialog", "DialogState"]

_ROOM_FOR_CRASH = 1000
"""A dialog that was saved at its start may have sent more requests since; CSeq need only rise (RFC 3261 12.2.1.1)."""


class DialogState(NamedTuple):
    """A dialog as a value, enough to send a BYE in it after a restart. URIs are bare; `route_set` holds Route values
    in order.
    """

    call_id: str
    local_uri: str
    local_tag: str
    remote_uri: str
    remote_tag: str
    remote_target: str
    route_set: tuple[str, ...]
    local_cseq: int
    destination: Destination

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; holds no secret."""
        return {
            "kind": "dialog",
            "call_id": self.call_id,
            "local_uri": self.local_uri,
            "local_tag": self.local_tag,
            "remote_uri": self.remote_uri,
            "remote_tag": self.remote_tag,
            "remote_target": self.remote_target,
            "route_set": list(self.route_set),
            "local_cseq": self.local_cseq,
            "destination": list(self.destination),
        }

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> DialogState:
        """What `to_dict` wrote. Raises KeyError, TypeError or ValueError if it is something else."""
        return cls(
            call_id=str(saved["call_id"]),
            local_uri=str(saved["local_uri"]),
            local_tag=str(saved["local_tag"]),
            remote_uri=str(saved["remote_uri"]),
            remote_tag=str(saved["remote_tag"]),
            remote_target=str(saved["remote_target"]),
            route_set=tuple(str(route) for route in saved["route_set"]),
            local_cseq=int(saved["local_cseq"]),
            destination=destination_from(saved["destination"]),
        )


def record_route(message: Message) -> tuple[str, ...]:
    """The Record-Route values in their order in the message. Raises `MalformedMessage`."""
    values = message.fields.get("record-route")
    if not values:
        return ()
    return tuple(route for value in values for route in split_list(value))


def state_of(
    head: RequestHead, from_uri: str, to_uri: str, response: Response, destination: Destination
) -> DialogState:
    """The dialog that a 1xx or 2xx to our INVITE makes, as a value (RFC 3261 12.1.2). Raises `MalformedMessage`."""
    fields = response.fields
    contact = fields.get("contact")
    return made(
        DialogState,
        (
            head.call_id,
            from_uri,
            head.from_.rpartition(";tag=")[2],  # we wrote it
            to_uri,
            response.to_tag or tag_of(response.first("to") or "") or "",
            uri_of(contact[0]) if contact and contact[0] else head.uri,
            record_route(response)[::-1] if "record-route" in fields else (),
            head.cseq,
            destination,
        ),
    )


class Dialog:
    """A live dialog. Requests in it come from `head`, which counts CSeq up.

    `stem`: the branch of the INVITE, given to the first dialog that it made and to no other: method and CSeq behind it
    make a branch as unique as a hash of its own (RFC 3261 8.1.1.7), and cost none.
    """

    __slots__ = (
        "call_id", "core", "destination", "first_hop", "local", "local_cseq", "local_tag", "local_uri",
        "remote", "remote_cseq", "remote_tag", "remote_uri", "routes", "stem", "target", "via",
    )  # fmt: skip

    def __init__(
        self, core: Core, state: DialogState, local: str | None = None, via: str | None = None, stem: str = ""
    ) -> None:
        self.core = core
        self.stem = stem
        self.call_id = state.call_id
        self.local_uri = state.local_uri
        self.local_tag = state.local_tag
        self.remote_uri = state.remote_uri
        self.remote_tag = state.remote_tag
        self.local = local or f"<{state.local_uri}>;tag={state.local_tag}"
        self.remote = f"<{state.remote_uri}>;tag={state.remote_tag}" if state.remote_tag else f"<{state.remote_uri}>"
        self.target = state.remote_target
        self.routes = state.route_set
        self.local_cseq = state.local_cseq
        self.remote_cseq = -1
        self.first_hop = state.destination
        self.via = via or core.local(state.destination).via
        self.destination = there = state.destination
        # Nearly every peer is its own Contact, as plain as can be, and what stands in it leads where we are already.
        target = self.target
        plain = target[:4] == "sip:" and "?" not in target and target.endswith(f"@{there[0]}:{there[1]}")
        if not plain or state.route_set or isinstance(there, Flow):
            self._aim()

    @classmethod
    def from_response(
        cls, core: Core, head: RequestHead, from_uri: str, to_uri: str, response: Response, destination: Destination
    ) -> Dialog:
        """The dialog that a 1xx or 2xx to our INVITE makes (RFC 3261 12.1.2). Raises `MalformedMessage`."""
        return cls(core, state_of(head, from_uri, to_uri, response, destination), head.from_, head.via)

    def state(self) -> DialogState:
        """The dialog as a value."""
        return DialogState(
            self.call_id,
            self.local_uri,
            self.local_tag,
            self.remote_uri,
            self.remote_tag,
            self.target,
            self.routes,
            self.local_cseq,
            self.first_hop,
        )

    def skip_ahead(self) -> None:
        """Where nobody counted, as after a restart: use numbers that the peer has certainly not seen."""
        self.local_cseq += _ROOM_FOR_CRASH

    def refresh(self, message: Message) -> None:
        """Target refresh (RFC 3261 12.2.1.2, 12.2.2): the peer's Contact may move. A broken Contact changes nothing."""
        contact = message.first("contact")
        if contact is None:
            return
        try:
            target = uri_of(contact)
        except MalformedMessage:
            self.core.drops["bad_contact"] += 1
            return
        if target != self.target:
            self.target = target
            self._aim()

    def _aim(self) -> None:
        before = self.destination
        core, first_hop = self.core, self.first_hop
        if self.routes:
            there = core.where(uri_of(self.routes[0]), first_hop)
        else:
            there = core.where(self.target, first_hop)
            if there != first_hop and core.bound_at(first_hop):
                there = first_hop
        if there == before:
            return
        self.destination = there
        if transport_of(there) != transport_of(before):
            self.via = self.core.local(there).via

    def head(self, method: str, cseq: int | None = None) -> RequestHead:
        """The next request in this dialog (RFC 3261 12.2.1.1); ACK passes the `cseq` of its INVITE."""
        if cseq is None:
            self.local_cseq += 1
            cseq = self.local_cseq
        uri, lines = self.target, ""
        if self.routes:
            routes = self.routes
            first = uri_of(routes[0])
            if ";lr" not in first.lower():  # a strict router: its URI takes the place of the target, which goes last
                uri = first.partition("?")[0]
                routes = (*routes[1:], f"<{self.target}>")
            lines = "".join(f"Route: {route}\r\n" for route in routes)
        if self.stem:
            branch = f"{self.stem}.{method}{cseq}"
        else:
            branch = self.core.branch(self.call_id, self.local_tag, cseq, method, self.remote_tag)
        return RequestHead(uri, self.via, branch, lines, self.local, self.remote, self.call_id, cseq)
