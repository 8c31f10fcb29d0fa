"""The endpoint: bytes and a time go in; bytes, events and the next timer come out.

No sockets, no clock, no asyncio. `receive` raises for nothing that the network can bring; what it cannot use it
answers, or drops and counts in `drops`. Commands raise `SipError` when they make no sense, and change nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dialer.sip.config import Credentials, EndpointConfig
from dialer.sip.core import Core, Tap
from dialer.sip.destination import check_plan, checked_caller, checked_destination
from dialer.sip.dialog import DialogState
from dialer.sip.errors import (
    BadDestination,
    TooManyLegs,
    UnknownLeg,
    UnknownRegistration,
    WrongState,
)
from dialer.sip.events import Event
from dialer.sip.farewell import nobody
from dialer.sip.flow import Destination, Flow
from dialer.sip.incoming import IncomingLeg
from dialer.sip.kind import CLASSES, OWN_KINDS, RESPONSE, kind_of
from dialer.sip.leg import Leg
from dialer.sip.made import made
from dialer.sip.orphan import end_saved
from dialer.sip.outgoing import OutgoingLeg
from dialer.sip.ping import Ping
from dialer.sip.plan import InvitePlan
from dialer.sip.receiver import Receiver
from dialer.sip.register import Registration
from dialer.sip.wire import checked_headers, checked_uri, checked_value

__all__ = ["Endpoint"]


_ROOM_FOR_CHALLENGES = 8
"""CSeq numbers that one INVITE may use up by being challenged (proxies and servers, each with a stale nonce)."""


class Endpoint:
    """One SIP user agent on one UDP address, and over TCP and TLS as `EndpointConfig` says.

    `seed` makes tags, branches and Call-IDs repeatable (tests); without it they come from the system. A leg's id is
    its Call-ID. Times are monotonic seconds. After `receive`, a command or `handle_timer`: send `datagrams_to_send()`,
    take `next_event()` until None, and arm one timer for `next_timer()`. `outbox`, `events` and `timers` are for
    adapters that look whether there is something before they ask.
    """

    __slots__ = ("_core", "_legs", "_registrations", "events", "outbox", "receive", "timers")
    receive: Callable[[bytes, Destination, float], None]
    """`receive(data, addr, now)`: one datagram from an address, or one message (see `Framer`) from a flow. Never raises
    for its content."""

    def __init__(self, config: EndpointConfig, seed: bytes | None = None) -> None:
        self._core = Core(config, seed)
        self._legs: dict[str, Leg] = {}
        self._registrations: dict[str, Registration] = {}
        self.receive = Receiver(self._core, self._legs).receive
        self.outbox, self.events, self.timers = self._core.outbox, self._core.events, self._core.timers

    # The five of every sans-IO endpoint

    def connection_lost(self, flow: Flow, now: float, *, established: bool = True) -> None:
        """The connection to `flow` is gone, or (`established` false) could not be had.

        A request without any response goes once over a new connection; what then is unanswered fails, counted as
        `transaction_without_connection`. Responses that are still due go where Via says (RFC 3261 18.2.2). Dialogs
        live on: their next request opens a new connection.
        """
        for transaction in self._core.flows.pop(flow, ()):
            transaction.connection_lost(established, now)

    def datagrams_to_send(self) -> list[tuple[bytes, Destination]]:
        """What is to be sent since the last call, in order, each with its destination."""
        core = self._core
        out = core.outbox[:]
        core.outbox.clear()
        for data, _ in out:
            if (first := data[0]) == RESPONSE:
                core.replies[kind_of(data)] += 1
            else:
                core.sent[first] += 1
        if core.tap is not None:
            for data, addr in out:
                core.tap(True, data, addr)
        return out

    def next_timer(self) -> float | None:
        """When `handle_timer` is due, or None."""
        return self._core.timers.next()

    def handle_timer(self, now: float) -> None:
        """Do what is due at `now`. Early and needless calls do nothing."""
        self._core.timers.run(now)

    def next_event(self) -> Event | None:
        """The oldest event not yet taken, or None."""
        events = self._core.events
        return events.popleft() if events else None

    def watch(self, tap: Tap | None) -> None:
        """Show every message that comes and goes to `tap`, which must not raise; None ends it. Costs nothing else."""
        self._core.tap = tap

    # What there is

    @property
    def sent_by(self) -> str:
        """`host:port` that Via and Contact show over UDP."""
        return self._core.sent_by

    @property
    def drops(self) -> Counter[str]:
        """How many messages (and hopes) were given up, by reason."""
        return self._core.drops

    @property
    def messages(self) -> Counter[tuple[str, str]]:
        """How many messages came and went: by `in` or `out` and `kind_of`."""
        core = self._core
        came = core.requests + Counter(dict(zip(CLASSES, core.responses, strict=True)))
        went = core.replies + Counter({kind: core.sent[letter] for letter, kind in OWN_KINDS.items()})
        return Counter({(way, kind): n for way, counts in (("in", came), ("out", went)) for kind, n in counts.items()})

    @property
    def legs(self) -> int:
        """Live legs."""
        return len(self._legs)

    @property
    def pending(self) -> dict[str, int]:
        """Sizes of what is kept. For leak tests and metrics."""
        core = self._core
        return {
            "legs": len(self._legs),
            "clients": len(core.clients),
            "servers": len(core.servers),
            "accepted": len(core.accepted),
            "asked": len(core.asked),
            "timers": len(core.timers),
        }

    def has(self, leg: str) -> bool:
        """True if the leg is live."""
        return leg in self._legs

    def heard(self, leg: str) -> bool:
        """False while an INVITE of ours has had no response at all, not even a 100. Raises `UnknownLeg`."""
        return self._leg(leg).state not in ("calling", "held")

    def offered(self, leg: str) -> bool:
        """An offer of the peer's waits for our answer, its event perhaps not taken yet. Raises `UnknownLeg`."""
        return self._leg(leg).offered is not None

    def dialog(self, leg: str) -> DialogState:
        """The leg's dialog: confirmed, or early after a provisional response with a tag. Raises `UnknownLeg` and
        `WrongState`.
        """
        return self._leg(leg).dialog_state()

    def _leg(self, leg: str) -> Leg:
        found = self._legs.get(leg)
        if found is None:
            raise UnknownLeg(f"no live leg {leg!r}")
        return found

    # Calls that we place

    def plan_invite(
        self,
        to_uri: str,
        *,
        from_uri: str,
        destination: Destination,
        sdp: bytes | None = None,
        from_display: str | None = None,
        headers: Sequence[tuple[str, str]] = (),
        credentials: Credentials | None = None,
        large_over_tcp: bool = False,
    ) -> InvitePlan:
        """An INVITE with its identity, to be stored before `invite` sends it. Changes nothing. Raises
        `UnsafeHeader` and `BadDestination`.
        """
        if headers:
            checked_headers(headers)
        if from_display is not None:
            checked_value(from_display)
        if credentials is not None:
            checked_value(credentials.username)
        core = self._core
        call_id, from_tag, branch = core.identity()
        local = core.places.get(destination) if to_uri[:4] == "sip:" else None
        if local is None:
            destination = checked_destination(core, destination, to_uri)
            local = core.local(destination)
        return made(
            InvitePlan,
            (
                call_id,
                from_tag,
                1,
                checked_uri(to_uri),
                from_uri if from_uri in core.callers else checked_caller(core, from_uri),
                from_display,
                to_uri,
                destination,
                local.sent_by,
                tuple((name, value) for name, value in headers) if headers else (),
                credentials is not None,
                large_over_tcp,
                sdp,
                credentials,
                branch,
            ),
        )

    def retarget(
        self,
        plan: InvitePlan,
        destination: Destination,
        to_uri: str,
        *,
        credentials: Credentials | None = None,
        large_over_tcp: bool = False,
    ) -> InvitePlan:
        """The plan for the next trunk after `Failed`: same Call-ID and From tag, higher CSeq, so a new branch (RFC 3263
        4.3).

        The old trunk's credentials do not go along: pass those of the new one. Raises `UnsafeHeader` and
        `BadDestination`.
        """
        return plan._replace(
            cseq=plan.cseq + (_ROOM_FOR_CHALLENGES if plan.authenticates or self._core.config.session_expires else 1),
            request_uri=checked_uri(to_uri),
            to_uri=to_uri,
            destination=checked_destination(self._core, destination, to_uri),
            sent_by=self._core.local(destination).sent_by,
            large_over_tcp=large_over_tcp,
            authenticates=credentials is not None,
            credentials=credentials,
        )

    def invite(
        self,
        plan: InvitePlan,
        now: float,
        *,
        sdp: bytes | None = None,
        credentials: Credentials | None = None,
        hold_ack: bool = False,
    ) -> str:
        """Send the INVITE of a plan; returns the leg's id, which is `plan.call_id`. `sdp` and `credentials` default
        to the plan's. `hold_ack`: the ACK of its 2xx waits for `acknowledge` or the dialog's next request.
        Raises `WrongState` if the plan's leg is live, `TooManyLegs`, `UnsafeHeader` (a plan that was tampered with).
        """
        if plan.call_id in self._legs:
            raise WrongState(f"leg {plan.call_id} is live already")
        if len(self._legs) >= self._core.config.max_legs:
            raise TooManyLegs(f"{len(self._legs)} legs are live")
        if not plan.branch:
            check_plan(self._core, plan)
        credentials = credentials or plan.credentials
        digest = self._core.digest(credentials) if credentials else self._core.anonymous
        OutgoingLeg(self._core, self._legs, plan, plan.sdp if sdp is None else sdp, digest, now, hold_ack)
        return plan.call_id

    def cancel(self, leg: str, now: float, reason: str | None = None) -> None:
        """Give up a call that is not answered; the CANCEL waits for a provisional response. `Failed` or a crossed
        `Answered` follows.

        `reason` is a Reason header's value, such as `SIP;cause=487`. Raises `UnknownLeg`, `WrongState`, `UnsafeHeader`.
        """
        found = self._leg(leg)
        if not isinstance(found, OutgoingLeg):
            raise WrongState(f"leg {leg} is incoming; reject it")
        found.cancel(now, reason)

    def acknowledge(self, leg: str, sdp: bytes | None, now: float) -> None:
        """The answer to a 2xx's offer, None: the ACK that `hold_ack` held. Raises `UnknownLeg`, `WrongState`."""
        found = self._leg(leg)
        if not isinstance(found, OutgoingLeg):
            raise WrongState(f"leg {leg} is incoming")
        found.acknowledge(sdp, now)

    # Calls that come

    def ring(self, leg: str, now: float) -> None:
        """180 to an incoming call. Raises `UnknownLeg`, `WrongState`."""
        found = self._leg(leg)
        if not isinstance(found, IncomingLeg):
            raise WrongState(f"leg {leg} is outgoing")
        found.ring(now)

    def answer(self, leg: str, sdp: bytes, now: float) -> None:
        """200 to an incoming INVITE, or to a remote re-INVITE or UPDATE (`Offered`). Raises `UnknownLeg`,
        `WrongState`.
        """
        self._leg(leg).answer(sdp, now)

    def reject(self, leg: str, status: int, now: float) -> None:
        """A final status of 300 to 699 to an incoming INVITE or to a remote offer. Raises `UnknownLeg`,
        `WrongState`.
        """
        if not 300 <= status <= 699:
            raise WrongState(f"{status} is no refusal")
        self._leg(leg).refuse(status, now)

    # Inside the dialog

    def reinvite(self, leg: str, sdp: bytes, now: float) -> None:
        """Offer a new session; `Reinvited`, `ReinviteFailed` or `Ended` follows. Glare is handled inside. Raises
        `UnknownLeg`, `WrongState`.
        """
        self._leg(leg).reinvite(sdp, now)

    def bye(self, leg: str, now: float, reason: str | None = None) -> None:
        """Hang up an answered call; `Ended` follows when the BYE is answered or given up. Raises `UnknownLeg`,
        `WrongState`, `UnsafeHeader`.
        """
        (self._legs.get(leg) or self._leg(leg)).bye(now, reason)

    # Besides calls

    def options(self, uri: str, destination: Destination, now: float) -> str:
        """Ask a peer whether it lives; returns the id that `OptionsAnswered` or `OptionsFailed` names. Raises
        `UnsafeHeader`.
        """
        destination = checked_destination(self._core, destination, uri)
        return Ping(self._core, checked_uri(uri), destination, now).id

    def register(
        self,
        registrar: str,
        aor: str,
        destinations: Sequence[Destination],
        now: float,
        *,
        expires: int = 600,
        credentials: Credentials | None = None,
    ) -> str:
        """Sign on for an address of record and stay signed on; returns the id that `Registered`, `RegistrationFailed`
        and `Unregistered` name.

        `destinations` are tried in order; `expires` is in seconds. Raises `UnsafeHeader`, `BadDestination`, and
        `WrongState` for an `expires` below 1.
        """
        if expires < 1:
            raise WrongState("a registration of no time is none")
        if not destinations:
            raise BadDestination("no registrar to register with")
        if credentials is not None:
            checked_value(credentials.username)
        where = [checked_destination(self._core, destination, registrar) for destination in destinations]
        digest = self._core.digest(credentials)
        registrar, aor = checked_uri(registrar), checked_uri(aor)
        return Registration(self._core, self._registrations, registrar, aor, where, expires, digest, now).id

    def unregister(self, registration: str, now: float) -> None:
        """Sign off. Raises `UnknownRegistration`, and `WrongState` the second time."""
        found = self._registrations.get(registration)
        if found is None:
            raise UnknownRegistration(f"no registration {registration!r}")
        if found.state == "leaving":
            raise WrongState(f"registration {registration} is leaving already")
        found.unregister(now)

    def end_orphan(
        self,
        saved: Mapping[str, Any],
        now: float,
        *,
        credentials: Credentials | None = None,
        on_end: Callable[[bool], None] = nobody,
    ) -> None:
        """End what an earlier process left, from `InvitePlan.to_dict` or `DialogState.to_dict`; no events follow.
        `on_end` is told once: true when the far end has given a final response to all of it, false when something
        stayed without (within 64*T1).

        A plan: CANCEL for its INVITE, and for the next CSeq if the trunk authenticates (its INVITE was sent twice);
        a 2xx that comes nevertheless gets ACK + BYE. A dialog: BYE. Raises `BadSavedState` if `saved` is neither.
        """
        end_saved(self._core, saved, self._core.digest(credentials), now, on_end)
