"""Passwords and tokens: read from the environment or from a private file, and never shown by accident."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

MAX_SECRET_BYTES = 4096


def printable(text: str) -> str:
    """`text` with control characters written as escapes, so that nothing hostile breaks out of its line."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


class Secret:
    """A value that must not reach logs: `repr` and `str` hide it, `reveal` gives it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> tuple[type[Secret], tuple[str]]:
        raise TypeError("a secret is not pickled")


class SecretError(Exception):
    """A secret that cannot be had; the message is one line and says what to do."""


def _single_line(value: str, where: str) -> Secret:
    if not value:
        raise SecretError(f"{where} is empty")
    if len(value.encode("utf-8", "surrogatepass")) > MAX_SECRET_BYTES:
        raise SecretError(f"{where} holds more than {MAX_SECRET_BYTES} bytes; one line with the secret is allowed")
    # A CR or LF inside a password would end a SIP or HTTP header.
    if any(ord(c) < 32 or ord(c) == 127 for c in value):
        raise SecretError(f"{where} holds control characters; one line with the secret is allowed")
    return Secret(value)


def secret_from_env(name: str, environ: Mapping[str, str]) -> Secret:
    """The secret in the environment variable `name`; raises SecretError when it is unset or empty."""
    value = environ.get(name)
    if value is None:
        raise SecretError(f"the environment variable {name} is not set; set it to the secret before starting")
    return _single_line(value.strip(), f"the environment variable {name}")


def secret_from_file(path: Path) -> Secret:
    """The first and only line of a file that only its owner (and group) may read; raises SecretError."""
    shown = printable(str(path))
    try:
        with path.open("rb") as stream:
            status = os.fstat(stream.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise SecretError(f"the secret file {shown} is not a regular file")
            if status.st_mode & (stat.S_IROTH | stat.S_IWOTH):
                raise SecretError(f"the secret file {shown} is open to every user of this machine; chmod 600 {shown}")
            data = stream.read(MAX_SECRET_BYTES + 2)
    except FileNotFoundError:
        raise SecretError(f"the secret file {shown} does not exist") from None
    except IsADirectoryError:
        raise SecretError(f"the secret file {shown} is a directory") from None
    except OSError as error:
        raise SecretError(f"the secret file {shown} cannot be read: {error.strerror}") from None
    try:
        value = data.decode("utf-8").strip()
    except UnicodeDecodeError:
        raise SecretError(f"the secret file {shown} is not UTF-8 text") from None
    return _single_line(value, f"the secret file {shown}")


def read_secret(env: str | None, file: str | None, environ: Mapping[str, str]) -> Secret | None:
    """The secret named by a pair of `_env` and `_file` keys; None when neither is given. Raises SecretError."""
    if env is not None:
        return secret_from_env(env, environ)
    if file is not None:
        return secret_from_file(Path(file))
    return None
