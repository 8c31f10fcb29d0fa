"""Talking to a running dialer: where its API listens, which token opens it, and one line for whatever goes wrong."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import quote

import click

from dialer.cli.output import Failure, fail_line
from dialer.config.errors import ConfigErrors
from dialer.config.reach import Reach, reach
from dialer.config.secret import Secret, SecretError, read_secret, secret_from_file
from dialer.config.store_url import address_path, token_path

if TYPE_CHECKING:
    import httpx2

TIMEOUT = 15.0
#: A log-in returns once the agent's phone has answered.
LOGIN_TIMEOUT = 60.0


class Daemon:
    """The API of the dialer that runs the config at `path`. Raises Failure, or ConfigErrors when there is no such file.

    The dialer runs on while its file has mistakes, and is commanded as well: of the file only its address and token are
    of use, and one line on standard error says what was ignored. Where none runs, the mistakes are raised. `judge`:
    that line is left out, for the dialer reads the file itself and says what is wrong.
    """

    def __init__(self, path: str, token_file: str | None = None, *, judge: bool = False) -> None:
        found = reach(Path(path))
        self.path = path
        self.base = f"http://{_address(path, found)}"
        self._token = _token(path, found, token_file)
        self._ignored, self._judge = found.ignored, judge
        self.form = found.form

    def command(self, command: str, *, timeout: float = TIMEOUT, **arguments: Any) -> dict[str, Any]:
        """Carry out a command of `dialer/commands.py`; arguments that are None are left out."""
        body = {"command": command, **{key: value for key, value in arguments.items() if value is not None}}
        return self._call("POST", "/api/v1/command", body, timeout)

    def status(self) -> dict[str, Any]:
        """The snapshot of campaigns, agents, trunks and queues."""
        return self._call("GET", "/api/v1/status", None, TIMEOUT)

    def contact(self, number: str) -> dict[str, Any]:
        """A number's history, state, and why it is or is not dialable."""
        return self._call("GET", f"/api/v1/contacts/{quote(number, safe='')}", None, TIMEOUT)

    def lines(self, route: str, query: Mapping[str, str]) -> Iterator[str]:
        """The lines of an answer that has no end, as they come, empty ones included; ends when the dialer does."""
        with (
            self._client(None) as client,
            client.stream("GET", self.base + route, params=dict(query), headers=self._headers()) as answer,
        ):
            if answer.status_code != 200:
                self._result(answer.status_code, answer.read())
            self._own_up()
            yield from answer.iter_lines()

    def _headers(self) -> dict[str, str]:
        return {} if self._token is None else {"Authorization": f"Bearer {self._token.reveal()}"}

    @contextmanager
    def _client(self, timeout: float | None) -> Iterator[httpx2.Client]:
        """A client whose troubles become Failures. `timeout`: seconds for an answer; None: it may take for ever."""
        import httpx2

        try:
            # trust_env off: a proxy from the environment must not see the token.
            with httpx2.Client(timeout=httpx2.Timeout(timeout, connect=TIMEOUT), trust_env=False) as client:
                yield client
        except httpx2.ConnectError:
            self._not_running()
        except httpx2.TimeoutException:
            raise Failure(f"the dialer at {self.base} did not answer within {timeout:g} s", code="timeout") from None
        except httpx2.HTTPError as error:
            raise Failure(f"the dialer at {self.base} cannot be reached: {error}", code="unreachable") from None

    def _call(self, method: str, route: str, body: dict[str, Any] | None, timeout: float) -> dict[str, Any]:
        with self._client(timeout) as client:
            answer = client.request(method, self.base + route, json=body, headers=self._headers())
        self._own_up()
        return self._result(answer.status_code, answer.content)

    def _own_up(self) -> None:
        """Say once that the file has mistakes which this command passed over."""
        ignored, self._ignored = self._ignored, ()
        if ignored and not self._judge:
            more = f" (and {len(ignored) - 1} more: see dialer check)" if len(ignored) > 1 else ""
            fail_line(f"ignored, the running dialer is asked all the same: {ignored[0]}{more}")

    def _not_running(self) -> NoReturn:
        if self._ignored:
            raise ConfigErrors(self._ignored) from None
        raise Failure(
            f"no dialer runs at {self.base}; start it with: dialer run {self.path}", code="not_running"
        ) from None

    def _result(self, status: int, content: bytes) -> dict[str, Any]:
        import json

        try:
            body = json.loads(content)
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise Failure(
                f"{self.base} answers {status} but not like a dialer; is it something else?", code="not_a_dialer"
            )
        error = body.get("error")
        if isinstance(error, dict):
            details = error.get("details")
            lines = [str(line) for line in details] if isinstance(details, list) else []
            code = str(error.get("code", "refused"))
            raise Failure(str(error.get("message", "refused")), code=code, details=lines)
        if status in (401, 403):
            raise Failure(self._token_wanted(), code="unauthenticated")
        if status >= 400:
            raise Failure(f"the dialer at {self.base} answers with status {status}", code="refused")
        result = body.get("result", body)
        return result if isinstance(result, dict) else {"result": result}

    def _token_wanted(self) -> str:
        missing = "refuses this token" if self._token is not None else "wants a token"
        return f"the dialer at {self.base} {missing}; give the right one with --token-file"


def _address(path: str, found: Reach) -> str:
    """Where the running daemon says that it listens; else where the config wants it to."""
    written = address_path(found.store_url, Path(path))
    listen = written.read_text(encoding="utf-8").strip() if written.is_file() else found.http.listen
    host, _, port = listen.rpartition(":")
    if port == "0":
        text = f"no dialer runs for {path}; start it with: dialer run {path}"
        raise Failure(text, code="not_running")
    if host in ("0.0.0.0", "[::]"):
        host = "127.0.0.1"
    return f"{host}:{port}"


def _token(path: str, found: Reach, token_file: str | None) -> Secret | None:
    """The token from --token-file, the config's keys, or the file that the daemon made beside its store."""
    http = found.http
    try:
        if token_file is not None:
            return secret_from_file(Path(token_file))
        named = read_secret(http.token_env, http.token_file, os.environ)
        if named is not None:
            return named
        made = token_path(found.store_url, Path(path))
        return secret_from_file(made) if made.exists() else None
    except SecretError as error:
        raise Failure(str(error), code="no_token") from None


def token_option(command: Any) -> Any:
    """Adds `--token-file` as the argument `token_file`."""
    return click.option(
        "--token-file",
        type=click.Path(path_type=str),
        help="File with the API token. Default: the config's, else the one beside the store.",
    )(command)
