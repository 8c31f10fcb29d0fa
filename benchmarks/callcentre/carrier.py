"""A simulated carrier: `python -m benchmarks.callcentre.carrier --listen 127.0.0.1:0 --seed 7 --log carrier.jsonl`.

Real SIP and RTP over UDP. Each `--listen` is one trunk; all reach the same people. The first line on standard output is
JSON: `{"event": "listening", "addresses": [...]}`. Its log is the only source for what was really placed and answered:

    invite     an INVITE that opens a call (not its repetitions): call_id, number, attempt, trunk, fate
    ringing, answered (200 sent), ack, cancel (we sent 487), rejected (status),
    bye        by: dialer | customer; heard: RTP packets from the dialer's side
    impatient (the person hung up because of silence), fault (a breach of SIP's rules by the dialer)
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
from dataclasses import dataclass, fields
from pathlib import Path

from . import message
from .audio import Line, Studio
from .behaviour import Fate, Population, Range, Shares
from .call import Call
from .ending import Ending
from .journal import Journal
from .phone import Phone


@dataclass(slots=True, eq=False)
class _Customer:
    """The person (or machine) at the other end of one call."""

    call: Call
    phone: Phone
    fate: Fate
    line: Line | None = None
    timer: asyncio.TimerHandle | None = None
    connected: bool = False


class Carrier:
    """Owns the trunks' phones and the people behind them. `speed` divides every duration but `retry_after`."""

    def __init__(
        self, population: Population, journal: Journal, studio: Studio, *, speed: float, retry_after: int, lines: int
    ) -> None:
        self._population = population
        self._journal = journal
        self._studio = studio
        self._speed = speed
        self._retry_after = retry_after
        self._lines = lines
        self._attempts: dict[str, dict[str, int]] = {}
        self._customers: dict[Call, _Customer] = {}
        self.phones: dict[str, Phone] = {}

    @property
    def calls_up(self) -> int:
        """Calls that are neither refused nor ended."""
        return len(self._customers)

    # -- phone.Owner --------------------------------------------------------------------------------------------------

    def on_invite(self, call: Call) -> None:
        """A call begins: decide its fate by number and attempt; attempts are counted by Call-ID."""
        phone = self._phone_of(call)
        seen = self._attempts.setdefault(call.number, {})
        attempt = seen.setdefault(call.call_id, len(seen) + 1)
        congested = self._population.congested(call.number, attempt, phone.name) or len(self._customers) >= self._lines
        fate = self._population.fate(call.number, attempt)
        self._note("invite", call, attempt=attempt, trunk=phone.name, fate="congestion" if congested else fate.kind)
        customer = _Customer(call, phone, fate)
        self._customers[call] = customer
        if congested:
            self._reject(customer, 503)
        elif fate.kind == "invalid":
            self._after(customer, fate.delay, self._reject, 404)
        else:
            self._after(customer, fate.delay, self._ring)

    def on_cancel(self, call: Call) -> None:
        """The dialer gave up while ringing."""
        self._note("cancel", call)
        self._let_go(call)

    def on_ack(self, call: Call) -> None:
        """The call stands, or a refusal was taken."""
        self._note("ack", call, state=call.state)
        customer = self._customers.get(call)
        if customer is None or call.state != "confirmed":
            return
        self.on_media(call)
        if customer.connected:
            return
        if self._studio.enabled:
            self._after(customer, customer.fate.impatience, self._give_up)
        else:
            self._heard(customer)  # without audio nobody can tell silence: the talk begins at the answer

    def on_media(self, call: Call) -> None:
        """The dialer's description changed: audio goes there from now on."""
        customer = self._customers.get(call)
        if customer is not None and customer.line is not None and call.offer is not None and call.state == "confirmed":
            self._studio.aim(customer.line, call.offer.sends_to, call.offer.payload)

    def on_end(self, call: Call, by: str) -> None:
        """BYE, from either side."""
        customer = self._customers.get(call)
        heard = customer.line.packets_heard() if customer is not None and customer.line is not None else 0
        self._note("bye", call, by="dialer" if by == "remote" else "customer", heard=heard, reinvites=call.reinvites)
        self._let_go(call)

    # -- the people ---------------------------------------------------------------------------------------------------

    def _ring(self, customer: _Customer) -> None:
        fate = customer.fate
        if fate.kind in ("busy", "unreachable"):
            self._reject(customer, 486 if fate.kind == "busy" else 480)
            return
        customer.phone.ring(customer.call)
        self._note("ringing", customer.call)
        if fate.kind != "no_answer":
            self._after(customer, fate.ring, self._answer)
        else:
            self._after(customer, 180.0, self._reject, 480)  # RFC 3261 16.6: a proxy waits 3 minutes at most

    def _answer(self, customer: _Customer) -> None:
        customer.line = self._studio.open_line(customer.fate.voice, lambda: self._heard(customer))
        customer.call.media_port = customer.line.port
        customer.phone.answer(customer.call)
        self._note("answered", customer.call)

    def _heard(self, customer: _Customer) -> None:
        """The first sound: from now on the talk runs."""
        if not customer.connected:
            customer.connected = True
            self._after(customer, customer.fate.talk, self._hang_up)

    def _give_up(self, customer: _Customer) -> None:
        self._note("impatient", customer.call)
        self._hang_up(customer)

    def _hang_up(self, customer: _Customer) -> None:
        customer.phone.hang_up(customer.call)

    def _reject(self, customer: _Customer, status: int) -> None:
        headers = [("Retry-After", str(self._retry_after))] if status == 503 and self._retry_after else []
        customer.phone.reject(customer.call, status, headers)
        self._note("rejected", customer.call, status=status)
        self._let_go(customer.call)

    def _after(self, customer: _Customer, seconds: float, action: object, *arguments: object) -> None:
        if customer.timer is not None:
            customer.timer.cancel()
        customer.timer = asyncio.get_running_loop().call_later(seconds / self._speed, action, customer, *arguments)  # type: ignore[arg-type]

    def _let_go(self, call: Call) -> None:
        customer = self._customers.pop(call, None)
        if customer is not None:
            if customer.timer is not None:
                customer.timer.cancel()
            if customer.line is not None:
                self._studio.close_line(customer.line)

    def _phone_of(self, call: Call) -> Phone:
        return next(phone for phone in self.phones.values() if (call.call_id, call.local_tag) in phone.calls)

    def _note(self, event: str, call: Call, **more: object) -> None:
        self._journal.write(event, call_id=call.call_id, number=call.number, **more)


def parse_range(text: str) -> Range:
    """'2,6' or '2' as a range of seconds; raises ValueError."""
    parts = [float(part) for part in text.split(",")]
    low, high = parts[0], parts[-1]
    if len(parts) > 2 or not 0 <= low <= high < float("inf"):
        raise ValueError(text)
    return low, high


def parse_listen(text: str) -> tuple[str, int]:
    """'127.0.0.1:0' as host and port; raises ValueError."""
    host, _, port = text.rpartition(":")
    if message.address_of(f"sip:{host}:1") is None or not 0 <= int(port) <= 65535:
        raise ValueError(text)
    return host, int(port)


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="carrier", description="A simulated carrier with the people behind it: real SIP and RTP."
    )
    parser.add_argument(
        "--listen",
        type=parse_listen,
        action="append",
        metavar="HOST:PORT",
        help="IPv4 address of one trunk; may be repeated; port 0: a free one",
    )
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--speed", type=float, default=1.0, help="divides every duration")
    parser.add_argument("--log", type=Path, help="JSON lines, one per event")
    parser.add_argument(
        "--rtp", choices=("none", "sparse", "full"), default="full", help="5 or 50 packets a second from each customer"
    )
    parser.add_argument("--loss", type=float, default=0.0, help="share of SIP datagrams dropped each way")
    parser.add_argument("--retry-after", type=int, default=1, help="seconds in a 503")
    parser.add_argument("--lines", type=int, default=100000, help="calls at once before 503")
    parser.add_argument("--ring", type=parse_range, metavar="MIN,MAX", help="seconds from 180 to the answer, uniform")
    parser.add_argument(
        "--talk", type=parse_range, metavar="MIN,MAX", help="talk seconds, uniform, instead of the real ones"
    )
    for share in fields(Shares):
        parser.add_argument(
            f"--{share.name}", type=float, default=share.default, help="share (of numbers for --invalid)"
        )
    return parser


async def run(options: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM."""
    shares = Shares(**{share.name: getattr(options, share.name) for share in fields(Shares)})
    population = Population(options.seed, shares, options.ring, options.talk)
    rng = random.Random(f"{options.seed}/carrier")
    loop = asyncio.get_running_loop()
    ending = Ending(loop)
    listens = options.listen or [("127.0.0.1", 0)]
    with Journal(options.log) as journal:
        studio = Studio(listens[0][0], options.rtp, rng)
        carrier = Carrier(
            population, journal, studio, speed=options.speed, retry_after=options.retry_after, lines=options.lines
        )
        for index, listen in enumerate(listens):
            phone = Phone(carrier, journal, rng, name=f"trunk{index + 1}", loss=options.loss)
            await loop.create_datagram_endpoint(lambda phone=phone: phone, local_addr=listen)  # type: ignore[misc]
            carrier.phones[phone.name] = phone
        studio.start()
        addresses = [f"{phone.address[0]}:{phone.address[1]}" for phone in carrier.phones.values()]
        journal.write("listening", addresses=addresses, seed=options.seed, speed=options.speed)
        print(json.dumps({"event": "listening", "addresses": addresses}), flush=True)
        await ending.stop.wait()
        journal.write(
            "closed", calls_up=carrier.calls_up, faults=sum(phone.faults for phone in carrier.phones.values())
        )
        for phone in carrier.phones.values():
            phone.close()
        await studio.close()
    return ending.code("carrier")


def main() -> int:
    """Entry point of `python -m benchmarks.callcentre.carrier`."""
    parser = arguments()
    options = parser.parse_args()
    if not options.speed > 0:
        parser.error("--speed must be above 0")
    try:
        return asyncio.run(run(options))
    except (ValueError, OSError) as error:
        print(f"carrier: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
