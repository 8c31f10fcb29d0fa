"""The agents' phones: they answer at once, follow re-INVITEs, and hear who speaks."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

from benchmarks.callcentre import message
from benchmarks.callcentre.agents import Desks, agent_names
from benchmarks.callcentre.audio import Studio
from benchmarks.callcentre.journal import Journal, read


def test_names_sort_in_order() -> None:
    assert agent_names("agent", 3) == ["agent01", "agent02", "agent03"]
    names = agent_names("a", 120)
    assert names == sorted(names)


def test_a_desk_answers_follows_and_hears(line: Any, log: Path, offer: str) -> None:
    async def scene() -> list[tuple[str, int]]:
        heard = []
        with Journal(log) as journal:
            studio = Studio("127.0.0.1", "full", random.Random(1))
            desks = Desks(["ana"], journal, studio)
            phone, caller = await line(desks, journal)
            desks.phone = phone
            studio.start()
            customer, prompt = studio.open_line("buyer"), studio.open_line("agent")
            caller.send("INVITE", user="nobody", call_id="n", body=offer)
            await caller.next(404)
            caller.send("INVITE", user="ana", body=offer)
            answer = await caller.next(200)
            tag, target = message.tag_of(answer.one("to")), message.uri_of(answer.one("contact"))
            caller.send("ACK", user="ana", to_tag=tag, uri=target)
            caller.send("INVITE", user="ana", call_id="second", body=offer)
            await caller.next(486)
            heard.append(desks.listen("ana"))
            caller.send(
                "INVITE", user="ana", to_tag=tag, uri=target, cseq=2, body=offer.replace("40000", str(customer.port))
            )
            moved = await caller.next(200)
            caller.send("ACK", user="ana", to_tag=tag, uri=target, cseq=2)
            port = int(moved.body.split(b"m=audio ")[1].split()[0])
            studio.aim(customer, ("127.0.0.1", port), 0)
            while desks.listen("ana")[1] < 3 or not customer.heard:
                await asyncio.sleep(0.005)
            heard.append((desks.listen("ana")[0], next(iter(customer.heard.values())).voice))
            # the customer is gone; the dialer sends something else: the customer's voice still counts
            studio.aim(customer, None, 0)
            prompt.sock.sendto(b"\x80\x00" + bytes(170), ("127.0.0.1", port))
            while len(desks._lines["ana"].heard) < 2:
                await asyncio.sleep(0.005)
            heard.append(desks.listen("ana"))
            for item in desks._lines["ana"].heard.values():
                item.last -= 1.0
            desks.forget("ana")
            heard.append(desks.listen("ana"))
            desks.hang_up_all()
            caller.reply(await caller.next("BYE"))
            phone.close()
            caller.transport.close()
            await studio.close()
        return heard

    silence, both, after, new = asyncio.run(scene())
    assert silence == ("", 0)
    assert both == ("buyer", "agent")
    assert after[0] == "buyer"
    assert new == ("", 0)
    assert [event["event"] for event in read(log)] == ["leg_up", "leg_down"]
