"""HTTP to somebody else's address: connected to the very address that was looked at (`dialer.egress`)."""

from __future__ import annotations

import httpx2

from dialer.egress import Egress


class PinnedTransport(httpx2.AsyncHTTPTransport):
    """Connects to the address that was looked at, whatever the name says a moment later. Raises AddressRefused,
    AddressUnknown."""

    def __init__(self, egress: Egress, limits: httpx2.Limits) -> None:
        super().__init__(limits=limits, retries=0)
        self._egress = egress

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        url = request.url
        port = url.port or (443 if url.scheme == "https" else 80)
        address = await self._egress.resolve(url.host, port)
        request.extensions = {**request.extensions, "sni_hostname": url.host}
        request.url = url.copy_with(host=address)  # the Host header and the certificate's name stay
        return await super().handle_async_request(request)
