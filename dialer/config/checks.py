"""What no single key shows: references between tables, values that contradict each other, doors left open.

Every function looks at one concern and yields `Problem`s. They see the model only: no files, no environment
(that is `outside.py`). What concerns one campaign alone is in `campaign_checks.py`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from dialer.config.door_checks import door_keys
from dialer.config.jurisdiction import Limits
from dialer.config.model import ConfigFile
from dialer.config.positions import KeyPath
from dialer.config.sales_checks import sales
from dialer.config.sharing_checks import sharing
from dialer.config.sip_tables import REGISTER
from dialer.config.transport_checks import transports
from dialer.config.wording import Problem, did_you_mean, flaw, names


@dataclass(frozen=True, slots=True)
class Known:
    """What the file names, sound or not, and the jurisdictions that ship."""

    names: Mapping[str, frozenset[str]]
    jurisdictions: Mapping[str, Limits]


Check = Callable[[ConfigFile, Known], Iterator[Problem]]

#: The do-not-call list that binds every campaign (`CampaignPolicy.own_list`).
OWN_LIST = "own"

_KINDS = (("lists", "list"), ("trunks", "trunk"), ("agents", "agent"), ("do_not_call", "do-not-call list"))


def _reference(path: KeyPath, name: str, known: Iterable[str], kind: str, table: str) -> Iterator[Problem]:
    known = list(known)
    if name not in known:
        have = f"allowed: {names(known)}" if known else f"there is no [{table}.NAME] table"
        yield flaw(path, f"there is no {kind} '{name}'{did_you_mean(name, known)}; {have}", needs=((table,),))


def references(config: ConfigFile, known: Known) -> Iterator[Problem]:
    """Campaigns name lists, trunks, agents and do-not-call files; agents name campaigns."""
    for name, campaign in config.campaigns.items():
        for key, kind in _KINDS:
            wanted = getattr(campaign, key)
            if isinstance(wanted, str):
                continue
            for index, other in enumerate(wanted):
                path: KeyPath = ("campaigns", name, key, index)
                yield from _reference(path, other, known.names[key], kind, key)
                if other in wanted[:index]:
                    yield flaw(path, f"'{other}' is named twice; allowed: once")
        path = ("campaigns", name, "jurisdiction")
        yield from _reference(path, campaign.jurisdiction, known.jurisdictions, "jurisdiction", "jurisdictions")
        if campaign.agents == []:
            yield flaw(("campaigns", name, "agents"), "nobody may work here; allowed: agent names, or 'all'")
    for name, agent in config.agents.items():
        for index, other in enumerate(agent.campaigns):
            path = ("agents", name, "campaigns", index)
            yield from _reference(path, other, known.names["campaigns"], "campaign", "campaigns")


def clashes(config: ConfigFile, _: Known) -> Iterator[Problem]:
    """Two campaigns on one list would dial its people twice; two agents on one phone would both get its calls."""
    owner: dict[str, str] = {}
    for name, campaign in config.campaigns.items():
        for index, listed in enumerate(campaign.lists):
            first = owner.setdefault(listed, name)
            if first != name:
                yield flaw(
                    ("campaigns", name, "lists", index),
                    f"campaign '{first}' dials list '{listed}' already, so its people would be called twice;"
                    " allowed: a list of its own",
                )
    lowered: dict[str, str] = {}
    for name in config.campaigns:
        other = lowered.setdefault(name.lower(), name)
        if other != name:
            text = f"differs from campaign '{other}' only in capitals; allowed: names that cannot be confused"
            yield flaw(("campaigns", name), text, on_key=True)
    phones: dict[str, str] = {}
    for name, agent in config.agents.items():
        other = name if agent.phone == REGISTER else phones.setdefault(agent.phone.lower(), name)
        if other != name:
            yield flaw(("agents", name, "phone"), f"agent '{other}' has the same phone; allowed: a phone of its own")


def reserved(config: ConfigFile, _: Known) -> Iterator[Problem]:
    """Marks that agents and the API give are kept under a name of ours."""
    if OWN_LIST in config.do_not_call:
        text = "this name is kept for the marks of agents and the API; allowed: another name"
        yield flaw(("do_not_call", OWN_LIST), text, on_key=True)


def ports(config: ConfigFile, _: Known) -> Iterator[Problem]:
    """The range of RTP ports, and which address they are on."""
    media = config.media
    if media.port_min > media.port_max:
        text = f"got the number {media.port_min}; allowed: at most port_max, which is {media.port_max}"
        yield flaw(("media", "port_min"), text, needs=(("media", "port_max"),))
    try:
        ipaddress.ip_address(media.listen.strip("[]"))
    except ValueError:
        text = f"got the text {media.listen!r}; allowed: an IP address of this machine"
        yield flaw(("media", "listen"), text)


def trunks(config: ConfigFile, _: Known) -> Iterator[Problem]:
    """Routes within the prefixes; user names with passwords."""
    for name, trunk in config.trunks.items():
        for index, route in enumerate(trunk.routes):
            if not any(route.prefix.startswith(prefix) for prefix in trunk.prefixes):
                inside = f"allowed: beginning with {names(trunk.prefixes)}"
                text = f"'{route.prefix}' is outside this trunk's prefixes; {inside}"
                needs: tuple[KeyPath, ...] = (("trunks", name, "prefixes"),)
                yield flaw(("trunks", name, "routes", index, "prefix"), text, needs=needs)
        register = trunk.registration
        if register is not None and not (register.user or trunk.username):
            text = "nobody to register as; set user here, or the trunk's username"
            yield flaw(("trunks", name, "registration"), text, on_key=True, needs=(("trunks", name, "username"),))
        secret = trunk.password_env or trunk.password_file
        user: KeyPath = ("trunks", name, "username")
        if secret and not trunk.username:
            yield flaw(("trunks", name), "a password without a user name; set username", on_key=True, needs=(user,))
        if trunk.username and not secret:
            keys = (("trunks", name, "password_env"), ("trunks", name, "password_file"))
            text = "a user name without a password; set password_env or password_file"
            yield flaw(user, text, on_key=True, needs=keys)


def session_timer(config: ConfigFile, _: Known) -> Iterator[Problem]:
    """RFC 4028 5: no less than 90 seconds."""
    if 0 < config.sip.session_expires < 90:
        yield flaw(("sip", "session_expires"), f"got {config.sip.session_expires:g} s; allowed: 0, or from 90 s")


def registered_phones(config: ConfigFile, _: Known) -> Iterator[Problem]:
    """A phone that registers needs a password, and only such a phone."""
    for name, agent in config.agents.items():
        secret = agent.password_env or agent.password_file
        path: KeyPath = ("agents", name, "phone")
        if agent.phone == REGISTER and not secret:
            keys = (("agents", name, "password_env"), ("agents", name, "password_file"))
            yield flaw(path, "a phone that registers needs a password; set password_env or password_file", needs=keys)
        if agent.phone != REGISTER and secret:
            yield flaw(path, f"{agent.phone} does not register, so no password is asked for; allowed: 'register'")


def secrets(config: ConfigFile, _: Known) -> Iterator[Problem]:
    """A secret comes from one place."""
    tables: list[tuple[KeyPath, str | None, str | None, str]] = [
        (("http",), config.http.token_env, config.http.token_file, "token"),
        *((("agents", n), a.token_env, a.token_file, "token") for n, a in config.agents.items()),
        *((("agents", n), a.password_env, a.password_file, "password") for n, a in config.agents.items()),
        *((("trunks", n), t.password_env, t.password_file, "password") for n, t in config.trunks.items()),
    ]
    if config.mqtt is not None:
        tables.append((("mqtt",), config.mqtt.password_env, config.mqtt.password_file, "password"))
    for path, env, file, word in tables:
        if env is not None and file is not None:
            text = f"{word}_env is set, too; allowed: one of them"
            yield flaw((*path, f"{word}_file"), text, on_key=True)


def doors(config: ConfigFile, _: Known) -> Iterator[Problem]:
    """What is reachable from other machines needs a token, and MQTT TLS as well."""
    http, mqtt = config.http, config.mqtt
    if not is_loopback(http.listen.rpartition(":")[0]) and not (http.token_env or http.token_file):
        yield flaw(
            ("http", "listen"),
            f"{http.listen} can be reached from other machines, and the API shows people's numbers and controls the"
            " dialing; allowed: a loopback address such as '127.0.0.1:8080', or token_env or token_file beside it",
            needs=(("http", "token_env"), ("http", "token_file")),
        )
    if mqtt is None or is_loopback(mqtt.host):
        return
    if not mqtt.tls:
        text = (
            f"{mqtt.host} is another machine, and people's numbers would cross the network readable;"
            " allowed: tls = true beside it, or a broker on this machine"
        )
        yield flaw(("mqtt", "host"), text, needs=(("mqtt", "tls"),))
    if mqtt.commands and mqtt.command_token_env is None:
        text = (
            f"whoever may write to the broker {mqtt.host} could control the dialing;"
            " allowed: command_token_env beside it, or commands = false"
        )
        yield flaw(("mqtt", "host"), text, needs=(("mqtt", "command_token_env"), ("mqtt", "commands")))


def is_loopback(host: str) -> bool:
    """Whether `host` can only be this machine. A name other than localhost counts as another one."""
    bare = host.strip("[]").lower()
    if bare == "localhost":
        return True
    try:
        return ipaddress.ip_address(bare).is_loopback
    except ValueError:
        return False


CHECKS: tuple[Check, ...] = (
    references,
    clashes,
    reserved,
    ports,
    trunks,
    registered_phones,
    session_timer,
    transports,
    secrets,
    doors,
    sales,
    door_keys,
    sharing,
)
