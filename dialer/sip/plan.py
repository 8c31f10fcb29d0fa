"""An INVITE before it leaves: the value that is stored on disk first, so that a crash leaves no call without a name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Self

from dialer.sip.config import Credentials
from dialer.sip.flow import Destination, destination_from
from dialer.sip.made import made

__all__ = ["InvitePlan"]


class _Fields(NamedTuple):
    call_id: str
    from_tag: str
    cseq: int
    request_uri: str
    from_uri: str
    from_display: str | None
    to_uri: str
    destination: Destination
    sent_by: str
    headers: tuple[tuple[str, str], ...] = ()
    authenticates: bool = False
    large_over_tcp: bool = False
    sdp: bytes | None = None
    credentials: Credentials | None = None
    branch: str = ""


_SHOWN = _Fields._fields.index("sdp")
"""So many fields are in `repr`: neither a body nor credentials belong into a log."""


class InvitePlan(_Fields):
    """Everything that identifies one INVITE on the wire; its branches follow from it (`Core.branch`).

    `sdp` and `credentials` are there for `Endpoint.invite` and stay out of `to_dict`: a restart needs neither, and
    secrets
    are not written down. `sent_by` is `host:port` of the Via, which a CANCEL from another socket must repeat (RFC
    3261 9.1). `large_over_tcp`: an INVITE that is too long for a datagram goes over TCP (RFC 3261 18.1.1). `branch`:
    of the INVITE, if `Endpoint.plan_invite` made the plan; one made in any other way (from the disk, by `_replace`, by
    this constructor) has none, and is looked at before it is sent. It is no part of what plans are compared by.
    """

    __slots__ = ()

    def __new__(
        cls,
        call_id: str,
        from_tag: str,
        cseq: int,
        request_uri: str,
        from_uri: str,
        from_display: str | None,
        to_uri: str,
        destination: Destination,
        sent_by: str,
        headers: tuple[tuple[str, str], ...] = (),
        authenticates: bool = False,
        large_over_tcp: bool = False,
        sdp: bytes | None = None,
        credentials: Credentials | None = None,
    ) -> Self:
        return cls._make(
            (
                call_id, from_tag, cseq, request_uri, from_uri, from_display, to_uri, destination, sent_by, headers,
                authenticates, large_over_tcp, sdp, credentials, "",
            )
        )  # fmt: skip

    @classmethod
    def _make(cls, iterable: Iterable[Any]) -> Self:  # type: ignore[override]  # each NamedTuple has a type variable of its own
        """What `_replace` and `copy.replace` end in as well."""
        return made(cls, (*super()._make(iterable)[:-1], ""))

    def __getnewargs__(self) -> tuple[Any, ...]:
        return self[:-1]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, InvitePlan) and self[:-1] == other[:-1]

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self[:-1])

    def __repr__(self) -> str:
        shown = zip(self._fields[:_SHOWN], self, strict=False)
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in shown)})"

    def to_dict(self) -> dict[str, Any]:
        """JSON-able, without session description and secrets."""
        return {
            "kind": "plan",
            "call_id": self.call_id,
            "from_tag": self.from_tag,
            "cseq": self.cseq,
            "request_uri": self.request_uri,
            "from_uri": self.from_uri,
            "from_display": self.from_display,
            "to_uri": self.to_uri,
            "destination": list(self.destination),
            "sent_by": self.sent_by,
            "headers": [list(pair) for pair in self.headers],
            "authenticates": self.authenticates,
            "large_over_tcp": self.large_over_tcp,
        }

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> InvitePlan:
        """What `to_dict` wrote. Raises KeyError, TypeError or ValueError if it is something else."""
        return cls(
            call_id=str(saved["call_id"]),
            from_tag=str(saved["from_tag"]),
            cseq=int(saved["cseq"]),
            request_uri=str(saved["request_uri"]),
            from_uri=str(saved["from_uri"]),
            from_display=None if saved["from_display"] is None else str(saved["from_display"]),
            to_uri=str(saved["to_uri"]),
            destination=destination_from(saved["destination"]),
            sent_by=str(saved["sent_by"]),
            headers=tuple((str(name), str(value)) for name, value in saved["headers"]),
            authenticates=bool(saved["authenticates"]),
            large_over_tcp=bool(saved.get("large_over_tcp", False)),
        )
