"""HTTP on the wire: bounds that httptools does not have, and what keeps a connection."""

from __future__ import annotations

import asyncio
from typing import Any

from dialer.web.protocol import HEAD

READY = b"POST /api/v1/agents/ana/ready HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 0\r\n\r\n"


def test_a_head_that_grows_without_end_is_cut_off(serving: Any, run: Any) -> None:
    """One header, never finished: the parser hands nothing on, so its bytes are counted as they come."""

    async def test() -> None:
        async with serving() as site:
            reader, writer = await asyncio.open_connection(*site.server.address)
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\nA: ")
            reading = asyncio.create_task(reader.read())
            sent = 0
            while not reading.done():
                writer.write(b"a" * 1000)
                sent += 1000
                await asyncio.sleep(0)
            try:
                answer = await reading
            except ConnectionError:  # it was closed while we still sent
                answer = b""
            assert answer == b"" or answer.startswith(b"HTTP/1.1 400")
            assert sent < 100 * HEAD
            writer.transport.abort()

    run(test)


def test_many_headers_are_too_much_and_a_long_one_is_not(serving: Any, run: Any) -> None:
    async def ask(site: Any, head: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(*site.server.address)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + head + b"\r\n")
        answer = await reader.read()
        writer.close()
        return answer

    async def test() -> None:
        async with serving() as site:
            assert (await ask(site, b"A: b\r\n" * HEAD)).startswith(b"HTTP/1.1 400")
            assert (await ask(site, b"Cookie: " + b"c" * (HEAD // 2) + b"\r\n")).startswith(b"HTTP/1.1 200")

    run(test)


def test_a_connection_serves_more_than_one_head_in_all(serving: Any, run: Any, boss: str) -> None:
    """The bound is of one request; some of these come together (pipelined), and one in two parts."""
    request = READY % boss.encode()
    count = HEAD // len(request) * 2

    async def test() -> None:
        async with serving() as site:
            reader, writer = await asyncio.open_connection(*site.server.address)
            for index in range(count):
                writer.write(request[:-1] if index == 5 else request)
                if index == 5:
                    await asyncio.sleep(0.01)
                    writer.write(request[-1:])
                if index % 3 == 0:
                    await asyncio.sleep(0)
            for _ in range(count):
                head = await reader.readuntil(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 200")
                assert await reader.readuntil(b"\n") == b'{"done":"ready"}\n'
            assert len(site.desk.asked) == count
            writer.close()

    run(test)
