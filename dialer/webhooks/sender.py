"""One request of a webhook: signed, to a permitted address only, no redirects, everything bounded."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

import httpx2

from dialer.config.door_checks import ANYWHERE
from dialer.config.door_tables import WebhookTable
from dialer.doors import encode
from dialer.egress import AddressRefused, AddressUnknown, Egress
from dialer.pinned import PinnedTransport
from dialer.retry_after import WHOLE_SERVER, retry_after
from dialer.task_desk import change_card
from dialer.webhooks.signature import HEADER, sign
from dispositions.journal import Entry

ID_HEADER = "Dialer-Event-Id"
#: Bytes of an answer that are read; what it says is of no interest, only the connection's reuse.
MOST_ANSWER = 16_384


@dataclass(frozen=True, slots=True)
class Refusal:
    """Not taken. `reason`: a few words; `wait`: seconds after which the receiver wants to be asked again, where it says
    so; `all_wait`: it speaks for itself as a whole, not for this event."""

    reason: str
    wait: float | None = None
    all_wait: bool = False


class Sender(Protocol):
    """What the courier needs."""

    async def send(self, entry: Entry, at: float) -> Refusal | None:
        """None when it was taken."""
        ...


def event_id(entry: Entry) -> str:
    """The same for every try of an event, and never another event's."""
    return f"{entry.serial}-{int(entry.at * 1000)}"


def body_of(entry: Entry) -> bytes:
    """What is sent: a change as the API shows it, with its id."""
    return encode({"event_id": event_id(entry), **change_card(entry)})


class HttpSender:
    """Requests of one webhook. Close it at the end."""

    def __init__(self, table: WebhookTable, secret: str) -> None:
        self._table, self._secret = table, secret
        limits = httpx2.Limits(max_connections=table.at_once, max_keepalive_connections=table.at_once)
        egress = Egress(ANYWHERE if table.allow_private else ())
        # trust_env off: a proxy or a .netrc from the environment must see nothing of this
        self._client = httpx2.AsyncClient(
            transport=PinnedTransport(egress, limits), trust_env=False, follow_redirects=False, timeout=table.timeout
        )

    async def send(self, entry: Entry, at: float) -> Refusal | None:
        body = body_of(entry)
        headers = {
            "Content-Type": "application/json", "User-Agent": "predictive-dialer", ID_HEADER: event_id(entry),
            HEADER: sign(self._secret, int(at), body),
        }  # fmt: skip
        try:
            async with (
                asyncio.timeout(self._table.timeout),
                self._client.stream("POST", self._table.url, headers=headers, content=body) as response,
            ):
                if 200 <= response.status_code < 300:
                    await _drain(response)
                    return None
                wait = retry_after(response.headers.get("retry-after"), at)
                return Refusal(f"status {response.status_code}", wait, response.status_code in WHOLE_SERVER)
        except AddressRefused:
            return Refusal("a private address: set allow_private if it is meant")
        except TimeoutError:
            return Refusal(f"no answer within {self._table.timeout:g} s")
        except (AddressUnknown, httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            return Refusal(f"no answer: {type(error).__name__}")

    async def close(self) -> None:
        """No request is under way any more."""
        await self._client.aclose()


async def _drain(response: httpx2.Response) -> None:
    left = MOST_ANSWER
    async for part in response.aiter_raw():
        left -= len(part)
        if left < 0:
            return
