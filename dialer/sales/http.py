"""Connectors that speak HTTP: any third party's API, and text messages."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx2

from dialer.config.sales_tables import ConnectorTable
from dialer.egress import AddressRefused, AddressUnknown, Egress
from dialer.pinned import PinnedTransport
from dialer.retry_after import retry_after
from dialer.sales.answer import Answer, Verdict
from dialer.sales.connector import Impossible, NoAnswer, NotSent, Request, filled, filled_line

#: Bytes of an answer that are read.
MOST_ANSWER = 1_000_000
#: Statuses that ask for another try although they are below 500.
_AGAIN = frozenset({408, 409, 421, 423, 425, 429})


class HttpConnector:
    """`http` and `sms`: a request made of templates; the status decides unless the action has a verdict of its own.
    `clock`: epoch seconds, for a date in Retry-After."""

    def __init__(
        self, table: ConnectorTable, secret: str | None, egress: Egress, clock: Callable[[], float] = time.time
    ) -> None:
        assert table.url is not None  # checked at load
        self._table, self._clock = table, clock
        self._secret = secret
        self._host = urlsplit(table.url.partition("{{")[0]).hostname
        limits = httpx2.Limits(max_connections=table.at_once, max_keepalive_connections=table.at_once)
        # trust_env off: a proxy or a .netrc from the environment must see nothing of this
        self._client = httpx2.AsyncClient(
            transport=PinnedTransport(egress, limits), trust_env=False, follow_redirects=False
        )

    async def ask(self, request: Request) -> Answer:
        values = {**request.values, "secret": self._secret or "", "key": request.key}
        if self._table.kind == "sms":
            for name in ("to", "text"):
                values[name] = filled(getattr(request.action, name) or "", values)
            values["sender"] = self._table.sender or ""
        url = filled_line(self._table.url or "", values) + filled_line(request.action.path, values)
        if urlsplit(url).hostname != self._host:
            raise Impossible("the URL's host is not the connector's: a template changed it")
        headers = {name: filled_line(source, values) for name, source in self._headers(request).items()}
        headers[self._table.key_header] = request.key
        source = self._table.body if self._table.kind == "sms" else request.action.body
        body = None if source is None else filled(source, values).encode()
        if body is not None and not any(name.lower() == "content-type" for name in headers):
            headers["Content-Type"] = "application/json"
        auth = (self._table.username, self._secret or "") if self._table.username is not None else None
        try:
            async with self._client.stream(
                request.action.method or self._table.method, url, headers=headers, content=body, auth=auth,
                timeout=httpx2.Timeout(request.timeout),
            ) as response:  # fmt: skip
                content = await _read(response)
                return _answer(response, content, self._clock())
        except AddressRefused as error:
            raise Impossible(str(error)) from None
        except (AddressUnknown, httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
            raise NotSent(f"no connection: {type(error).__name__}") from None
        except httpx2.TimeoutException:
            raise NoAnswer(f"no answer within {request.timeout:g} s") from None
        except httpx2.TransportError as error:
            raise NoAnswer(f"the connection broke: {type(error).__name__}") from None
        except (httpx2.InvalidURL, UnicodeError, ValueError) as error:
            raise Impossible(f"not a request: {type(error).__name__}") from None

    def _headers(self, request: Request) -> Mapping[str, str]:
        return {**self._table.headers, **request.action.headers}

    async def close(self) -> None:
        await self._client.aclose()


async def _read(response: httpx2.Response) -> bytes:
    parts, left = [], MOST_ANSWER
    async for part in response.aiter_bytes():
        left -= len(part)
        if left < 0:
            raise NoAnswer(f"an answer of more than {MOST_ANSWER} bytes")
        parts.append(part)
    return b"".join(parts)


def _answer(response: httpx2.Response, content: bytes, now: float) -> Answer:
    status = response.status_code
    text = content.decode(response.encoding or "utf-8", "replace")
    values: dict[str, Any] = {"status": status, "text": text, "headers": dict(response.headers), "json": None}
    if "json" in response.headers.get("content-type", ""):
        try:
            values["json"] = response_json(text)
        except ValueError:
            return Answer(values, Verdict.UNCLEAR, f"status {status}, and the body is no JSON")
    if 200 <= status < 300:
        return Answer(values, Verdict.ACCEPTED)
    if status >= 500 or status in _AGAIN or status < 200:
        wait = retry_after(response.headers.get("retry-after"), now)
        return Answer(values, Verdict.UNCLEAR, f"status {status}", wait)
    if status == 404:
        return Answer(values, Verdict.UNKNOWN, "status 404")
    return Answer(values, Verdict.REJECTED, f"status {status}")


def response_json(text: str) -> Any:
    """The document. Raises ValueError, also for one that is nested too deeply."""
    import json

    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
