"""The simulated people against the real web routes and a scripted dialer behind them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from benchmarks.callcentre.journal import Journal, read
from benchmarks.callcentre.people import Habits, People
from dialer.commands import Command, CommandError
from dialer.events import AgentChanged, EventStream
from dialer.metrics import Metrics
from dialer.web.app import create_app
from dialer.web.server import WebServer
from dialer.web.tokens import Tokens

TOKEN = "a-token-long-enough-for-this"


class Dialer:
    """Takes commands and tells the agents' states; `calls` talks, then it is done."""

    def __init__(self, stream: EventStream, calls: int) -> None:
        self.stream = stream
        self.left = calls
        self.commands: list[Command] = []
        self.states: dict[str, str] = {}
        self.done = asyncio.Event()
        self.refuse_logins = 0

    def move(self, agent: str, state: str, call: str | None = None) -> None:
        before, self.states[agent] = self.states.get(agent, "logged_out"), state
        self.stream.publish(
            AgentChanged(at=0.0, campaign="demo", agent=agent, previous=before, state=state, reason=None, call=call)
        )

    async def handle(self, command: Command) -> dict[str, Any]:
        self.commands.append(command)
        agent = getattr(command, "agent", "")
        if command.command == "login":
            if self.refuse_logins:
                self.refuse_logins -= 1
                raise CommandError("unavailable", "the phone does not answer")
            self.move(agent, "available")
            self.talk(agent)
        elif (command.command == "dispose" and command.ready) or command.command == "ready":
            self.move(agent, "available")
            self.talk(agent)
        elif command.command == "break":
            self.move(agent, "break")
        elif command.command == "hangup":
            self.move(agent, "wrap_up", "call-1")
        return {}

    def talk(self, agent: str) -> None:
        if self.left == 0:
            self.done.set()
            return
        self.left -= 1
        self.move(agent, "talking", "call-1")
        asyncio.get_running_loop().call_later(0.15, self.over, agent)

    def over(self, agent: str) -> None:
        if self.states[agent] == "talking":
            self.move(agent, "wrap_up", "call-1")


class Ear:
    """Hears always the same voice."""

    def __init__(self, voice: str) -> None:
        self.voice = voice

    def listen(self, agent: str) -> tuple[str, int]:
        return self.voice, 10

    def forget(self, agent: str) -> None:
        """Nothing is kept."""


@pytest.fixture
def work(log: Path) -> Callable[..., tuple[Dialer, list[dict[str, Any]]]]:
    def run(voice: str, calls: int = 6, refuse: int = 0, **habits: float) -> tuple[Dialer, list[dict[str, Any]]]:
        async def scene() -> Dialer:
            stream = EventStream()
            dialer = Dialer(stream, calls)
            dialer.refuse_logins = refuse
            server = WebServer(create_app(dialer, Metrics(), Tokens(TOKEN), stream), "127.0.0.1", 0)
            await server.start()
            with Journal(log) as journal:
                people = People(
                    ["ana", "bea"], "http://{}:{}".format(*server.address), TOKEN, "demo", Ear(voice), journal,
                    seed=1, speed=100.0, audible=True, habits=Habits(**habits),  # type: ignore[arg-type]
                )  # fmt: skip
                task = asyncio.create_task(people.run())
                await asyncio.wait_for(dialer.done.wait(), 20)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            await server.stop()
            return dialer

        dialer = asyncio.run(scene())
        return dialer, list(read(log))

    return run


def codes(dialer: Dialer) -> list[str]:
    return [command.code for command in dialer.commands if command.command == "dispose"]


@pytest.mark.parametrize(
    ("voice", "code"),
    [("buyer", "sale"), ("do_not_call", "do_not_call"), ("machine", "machine"), ("wrong_person", "wrong_number")],
)
def test_what_is_heard_decides_the_code(work: Any, voice: str, code: str) -> None:
    dialer, log = work(voice)
    assert len(codes(dialer)) >= 5
    assert set(codes(dialer)) == {code}
    assert {command.agent for command in dialer.commands} == {"ana", "bea"}
    assert {event["status"] for event in log if event["event"] == "coded"} == {200}


def test_agents_hang_up_on_machines_and_not_on_people(work: Any) -> None:
    machine, _ = work("machine")
    assert any(command.command == "hangup" for command in machine.commands)
    person, _ = work("person")
    assert not any(command.command == "hangup" for command in person.commands)


def test_a_callback_has_its_time_and_a_sale_its_fields(work: Any) -> None:
    dialer, _ = work("person", calls=24)
    called = [command for command in dialer.commands if command.command == "dispose" and command.code == "callback"]
    assert called
    for command in called:
        ahead = (command.callback_at - datetime.now(UTC)).total_seconds()
        assert -20 < ahead < 6, "200 to 600 s, divided by the time factor"
    sold, _ = work("buyer")
    assert all("product" in command.fields for command in sold.commands if command.command == "dispose")


def test_a_break_is_taken_after_the_code_and_ended(work: Any) -> None:
    dialer, _ = work("person", break_share=1.0, break_mean=1.0)
    mine = [command for command in dialer.commands if command.agent == "ana"]
    words = [command.command for command in mine]
    place = words.index("break")
    assert words[place - 1] == "dispose"
    assert mine[place - 1].ready is False
    assert words[place + 1] == "ready"


def test_a_refused_login_is_tried_again(work: Any) -> None:
    dialer, log = work("person", refuse=3)
    assert [command.command for command in dialer.commands].count("login") >= 5
    assert sum(event["event"] == "api_refused" for event in log) == 3


def test_the_token_is_in_no_log(work: Any, log: Path) -> None:
    work("person", refuse=1)
    assert TOKEN not in log.read_text()
