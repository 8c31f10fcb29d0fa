"""The store's URL: which file it means, how it may be shown, and what lies beside it."""

from __future__ import annotations

import re
from pathlib import Path

#: Made by the daemon at its first start, readable by its owner only, when the config names no token.
TOKEN_FILE = "api-token"
#: Beside the token: host:port of the API, written when `http.listen` asks for port 0.
ADDRESS_FILE = "api-address"

_RELATIVE = re.compile(r"^(sqlite(?:\+\w+)?):///(?!/)([^?]+)(\?.*)?$")
_ABSOLUTE = re.compile(r"^sqlite(?:\+\w+)?:///(/[^?]+)(?:\?.*)?$")
_PASSWORD = re.compile(r"(://[^:/@]*):.*@")


def resolve_store_url(url: str, directory: Path) -> str:
    """A SQLite URL with a relative file (three slashes) made absolute; any other URL as it is."""
    match = _RELATIVE.match(url)
    if match is None or match.group(2) == ":memory:":
        return url
    return f"{match.group(1)}:///{directory / match.group(2)}{match.group(3) or ''}"


def sqlite_file(url: str) -> Path | None:
    """The file of an absolute SQLite URL; None for a database that is no file."""
    match = _ABSOLUTE.match(url)
    return None if match is None else Path(match.group(1))


def shown_url(url: str) -> str:
    """The URL without its password, for messages."""
    return _PASSWORD.sub(r"\1:***@", url)


def make_store_directory(url: str) -> None:
    """The directory of a SQLite store, made if it is not there. Raises OSError."""
    file = sqlite_file(url)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)


def token_path(url: str, config_path: Path) -> Path:
    """Where the API token is kept when none is configured: beside the store, for a server's store beside the config."""
    file = sqlite_file(url)
    directory = config_path.absolute().parent if file is None else file.parent
    return directory / TOKEN_FILE


def address_path(url: str, config_path: Path) -> Path:
    """Where the running daemon writes the address of its API."""
    return token_path(url, config_path).with_name(ADDRESS_FILE)
