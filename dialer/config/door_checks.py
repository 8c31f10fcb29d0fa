"""What the keys of `[tokens.NAME]` and `[webhooks.NAME]` do not show one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from dialer.config.positions import KeyPath
from dialer.config.wording import Problem, did_you_mean, flaw, names
from dialer.egress import AddressRefused, Egress

if TYPE_CHECKING:
    from dialer.config.checks import Known
    from dialer.config.door_tables import WebhookTable
    from dialer.config.model import ConfigFile

#: What changes are kept for while somebody may ask for them and the file does not say.
KEEP_CHANGES = 7 * 86400.0
#: An Egress for what `allow_private` allows.
ANYWHERE = ("0.0.0.0/0", "::/0")


def kept_changes(config: ConfigFile) -> float:
    """Seconds that changes of tasks are kept; 0: none are written down."""
    if config.http.keep_changes is not None:
        return config.http.keep_changes
    return KEEP_CHANGES if config.webhooks or config.tokens else 0.0


def door_keys(config: ConfigFile, known: Known) -> Iterator[Problem]:
    """Projects' tokens and webhooks: campaigns that exist, one secret each, URLs that may be asked."""
    for name, token in config.tokens.items():
        path: KeyPath = ("tokens", name)
        yield from _campaigns(path, token.campaigns, known)
        yield from _secret(path, "token", token.token_env, token.token_file)
    kept = kept_changes(config)
    for name, hook in config.webhooks.items():
        path = ("webhooks", name)
        yield from _campaigns(path, hook.campaigns, known)
        yield from _secret(path, "secret", hook.secret_env, hook.secret_file)
        yield from _url((*path, "url"), hook)
        if hook.give_up_after > kept:
            text = f"changes are kept for {kept:g} s only (http.keep_changes); allowed: no longer than that"
            yield flaw((*path, "give_up_after"), text, needs=(("http", "keep_changes"),))


def _campaigns(path: KeyPath, wanted: Sequence[str], known: Known) -> Iterator[Problem]:
    have = known.names["campaigns"]
    for index, campaign in enumerate(wanted):
        if campaign not in have:
            text = f"there is no campaign '{campaign}'{did_you_mean(campaign, have)}; allowed: {names(sorted(have))}"
            yield flaw((*path, "campaigns", index), text, needs=(("campaigns",),))


def _secret(path: KeyPath, word: str, env: str | None, file: str | None) -> Iterator[Problem]:
    if env is None and file is None:
        keys = ((*path, f"{word}_env"), (*path, f"{word}_file"))
        yield flaw(path, f"no {word}; set {word}_env or {word}_file", on_key=True, needs=keys)
    if env is not None and file is not None:
        yield flaw((*path, f"{word}_file"), f"{word}_env is set, too; allowed: one of them", on_key=True)


def _url(path: KeyPath, hook: WebhookTable) -> Iterator[Problem]:
    try:
        parts = urlsplit(hook.url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        parts, host = urlsplit(""), None
    if parts.scheme not in ("https", "http") or not host or " " in hook.url or parts.fragment:
        yield flaw(path, "not a URL that can be asked; allowed: 'https://HOST/PATH'")
        return
    if parts.username is not None or parts.password is not None:
        yield flaw(path, "holds a password; allowed: none, the signature says who asks")
    if parts.scheme == "http" and not hook.allow_private:
        text = "people's numbers would cross the network readable; allowed: https://, or allow_private = true"
        yield flaw(path, text, needs=((*path[:-1], "allow_private"),))
        return
    try:
        Egress(ANYWHERE if hook.allow_private else ()).check_literal(host)
    except AddressRefused:
        text = f"{host[:100]} is a private address; allowed: a public one, or allow_private = true"
        yield flaw(path, text, needs=((*path[:-1], "allow_private"),))
