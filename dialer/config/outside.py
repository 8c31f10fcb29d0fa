"""What the config points at outside itself: files that must be there, secrets that must be had."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping

from dialer.config.errors import clip_start
from dialer.config.model import ConfigFile
from dialer.config.positions import KeyPath
from dialer.config.secret import Secret, SecretError, read_secret, secret_from_env
from dialer.config.transport_checks import certificates
from dialer.config.wording import Problem, clip, dotted, flaw

#: As the API asks for (dialer/web/tokens.py): a shorter one could be found by trying.
SHORTEST_TOKEN = 16


def missing_things(config: ConfigFile, environ: Mapping[str, str]) -> Iterator[Problem]:
    """Everything outside that a run of this config would miss."""
    yield from _secrets(config, environ)
    yield from _files(config)
    yield from _messages(config)
    yield from certificates(config)


def _secrets(config: ConfigFile, environ: Mapping[str, str]) -> Iterator[Problem]:
    wanted: list[tuple[KeyPath, str, str | None, str | None]] = [
        (("http",), "token", config.http.token_env, config.http.token_file)
    ]
    wanted += [(("agents", name), "token", a.token_env, a.token_file) for name, a in config.agents.items()]
    wanted += [(("agents", name), "password", a.password_env, a.password_file) for name, a in config.agents.items()]
    wanted += [(("trunks", name), "password", t.password_env, t.password_file) for name, t in config.trunks.items()]
    connectors = {} if config.sales is None else config.sales.connectors
    wanted += [(("tokens", name), "token", t.token_env, t.token_file) for name, t in config.tokens.items()]
    wanted += [(("webhooks", name), "secret", h.secret_env, h.secret_file) for name, h in config.webhooks.items()]
    wanted += [(("sales", "connectors", n), "secret", c.secret_env, c.secret_file) for n, c in connectors.items()]
    if config.mqtt is not None:
        wanted.append((("mqtt",), "password", config.mqtt.password_env, config.mqtt.password_file))
        if config.mqtt.command_token_env is not None:
            try:
                secret_from_env(config.mqtt.command_token_env, environ)
            except SecretError as error:
                yield Problem(("mqtt", "command_token_env"), f"mqtt.command_token_env: {error}")
    owners: dict[Secret, str] = {}
    for table, word, env, file in wanted:
        path = (*table, f"{word}_env" if env is not None else f"{word}_file")
        try:
            secret = read_secret(env, file, environ)
        except SecretError as error:
            yield flaw(path, str(error))
            continue
        if secret is None or word != "token":
            continue
        if len(secret.reveal()) < SHORTEST_TOKEN:
            yield flaw(path, f"the token is too short to be safe; allowed: {SHORTEST_TOKEN} characters or more")
        other = owners.setdefault(secret, dotted(table))
        if other != dotted(table):
            yield flaw(path, f"{other} has the same token; allowed: a token of its own")


def _files(config: ConfigFile) -> Iterator[Problem]:
    paths: list[tuple[KeyPath, str | None]] = [
        (("lists", name, "path"), table.path) for name, table in config.lists.items()
    ]
    paths += [(("do_not_call", name, "path"), table.path) for name, table in config.do_not_call.items()]
    for path, file in paths:
        wrong = None if file is None else unreadable(file)
        if wrong is not None:
            yield Problem(
                path, f"{dotted(path)}: {wrong}; allowed: a file that can be read, relative to the config file"
            )


def unreadable(file: str) -> str | None:
    """Why `file` cannot be read, in words; None when it can."""
    shown = clip_start(file)
    try:
        mode = os.stat(file).st_mode
    except FileNotFoundError:
        return f"no such file: {shown}"
    except (OSError, ValueError) as error:
        return f"{shown} cannot be read: {getattr(error, 'strerror', None) or 'not a file name'}"
    if stat.S_ISDIR(mode):
        return f"{shown} is a directory"
    if not stat.S_ISREG(mode):
        return f"{shown} is not a regular file"
    return None if os.access(file, os.R_OK) else f"{shown} may not be read by this user"


def _messages(config: ConfigFile) -> Iterator[Problem]:
    for name, campaign in config.campaigns.items():
        if campaign.message is None:
            continue
        path: KeyPath = ("campaigns", name, "message")
        wrong = unreadable(campaign.message) or _not_playable(campaign.message)
        if wrong is not None:
            yield Problem(
                path,
                f"{dotted(path)}: {wrong}; allowed: a WAV file (PCM of 8 or 16 bits, A-law or u-law)",
            )


def _not_playable(file: str) -> str | None:
    # Imported here: numpy comes with it, and most configs play the built-in message.
    from dialer.media.prompt import PromptError, load_prompt

    try:
        load_prompt(file)
    except PromptError as error:
        return (
            clip(str(error).removeprefix(f"{file}: "))
            if len(str(error)) > 400
            else str(error).removeprefix(f"{file}: ")
        )
    return None
