"""Writes a campaign's files: the TOML and the CSV that a run starts from.

The numbers are +1 AAA 555 01NN, which no telephone company assigns to anybody: 100 in each of many area codes; beyond
them 555 02NN to 09NN, of an exchange that has no subscribers. All peers are on loopback.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

AREA_CODES = (
    201, 202, 203, 205, 206, 207, 208, 209, 210, 212, 213, 214, 215, 216, 217, 218, 219, 224, 225, 228, 229, 231, 234,
    239, 240, 248, 251, 252, 253, 254, 256, 260, 262, 267, 269, 270, 276, 281, 301, 302, 303, 304, 305, 307, 308, 309,
    310, 312, 313, 314, 315, 316, 317, 318, 319, 320, 321, 323, 325, 330, 334, 336, 337, 339, 347, 351, 352, 360, 361,
    386, 401, 402, 404, 405, 406, 407, 408, 409, 410, 412, 413, 414, 415, 417, 419, 423, 424, 425, 432, 434, 435, 440,
)  # fmt: skip
CODES = ("satisfied", "callback", "own_callback", "sale", "not_interested", "do_not_call", "wrong_number", "machine")


def numbers(count: int) -> list[str]:
    """`count` different E.164 numbers that are nobody's. Raises ValueError beyond what there are."""
    block = 100 * len(AREA_CODES)
    if count > 9 * block:
        raise ValueError(f"there are only {9 * block} such numbers")
    return [f"+1{AREA_CODES[index % block // 100]}5550{1 + index // block}{index % 100:02d}" for index in range(count)]


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignSettings:
    """What varies between runs. Durations in seconds; `trunks` is name -> (address, whether it is a reserve)."""

    contacts: int
    agents: int
    agent_phones: str
    trunks: dict[str, tuple[str, bool]]
    sip_port: int
    http_port: int
    media_ports: tuple[int, int]
    calls_per_second: float = 20.0
    lines: int = 200
    mode: str = "predictive"
    calls_per_agent: float = 2.0
    abandon_cap: float = 0.5
    patience: float = 2.0
    ring_floor: float = 1.0
    ring_timeout: float = 4.0
    redial_delay: float = 3600.0
    options_interval: float = 1.0
    wrap_up_max: float = 60.0
    mqtt_port: int | None = None
    message: str | None = None
    log_level: str = "info"
    transport: str = "udp"
    sip_extra: str = ""
    store_url: str = "sqlite:///dialer.db"
    extra: str = field(default="", compare=False)

    @property
    def agent_names(self) -> list[str]:
        """The agents, in order."""
        return [f"agent{index}" for index in range(1, self.agents + 1)]


def write(folder: Path, settings: CampaignSettings) -> Path:
    """Write FOLDER/campaign.toml and FOLDER/contacts.csv; returns the former's path."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [f"{number},Person {index},R{index:06d}" for index, number in enumerate(numbers(settings.contacts))]
    (folder / "contacts.csv").write_text("number,name,reference\n" + "\n".join(rows) + "\n")
    path = folder / "campaign.toml"
    path.write_text(_toml(settings))
    return path


def _toml(settings: CampaignSettings) -> str:
    trunks = "".join(
        f'[trunks.{name}]\naddress = "{address}"\nlines = {settings.lines}\n'
        f'calls_per_second = {settings.calls_per_second}\nprefixes = ["+1"]\nprice = {0.02 if reserve else 0.01}\n'
        f'transport = "{settings.transport}"\n'
        f"reserve = {str(reserve).lower()}\noptions_interval = {settings.options_interval}\nretry_after = 1\n\n"
        for name, (address, reserve) in settings.trunks.items()
    )
    agents = "".join(
        f'[agents.{name}]\nphone = "sip:{name}@{settings.agent_phones};transport={settings.transport}"\n'
        for name in settings.agent_names
    )
    week = "\n".join(
        f'{day} = [{{ start = "00:00", end = "24:00" }}]' for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    )
    mqtt = f"[mqtt]\nport = {settings.mqtt_port}\n\n" if settings.mqtt_port else ""
    message = f'message = "{settings.message}"\n' if settings.message else ""
    power = f"calls_per_agent = {settings.calls_per_agent}\n" if settings.mode == "power" else ""
    return f"""[store]
url = "{settings.store_url}"

[sip]
listen = "127.0.0.1:{settings.sip_port}"
{settings.sip_extra}

[media]
port_min = {settings.media_ports[0]}
port_max = {settings.media_ports[1]}

[http]
listen = "127.0.0.1:{settings.http_port}"

[log]
level = "{settings.log_level}"
format = "json"

{mqtt}{trunks}{agents}
[lists.people]
path = "contacts.csv"
region = "US"
validity = "possible"
columns = {{ number = ["number"], name = "name", id = "reference" }}

[campaigns.main]
lists = ["people"]
trunks = [{", ".join(f'"{name}"' for name in settings.trunks)}]
caller_id = "+12125550199"
caller_name = "Example Ltd"
jurisdiction = "none"
redial_delay = {settings.redial_delay}
abandoned_redial_delay = {settings.redial_delay}
wrap_up_max = {settings.wrap_up_max}
{message}
[campaigns.main.schedule]
timezone = "UTC"
[campaigns.main.schedule.hours]
{week}

[campaigns.main.pacing]
mode = "{settings.mode}"
{power}abandon_cap = {settings.abandon_cap}
patience = {settings.patience}
ring_floor = {settings.ring_floor}
ring_timeout = {settings.ring_timeout}

[campaigns.main.outcomes]
busy = {{ next = "retry", after = "1h" }}
no_answer = {{ next = "retry", after = "2h" }}

[campaigns.main.dispositions]
satisfied = {{ next = "done" }}
not_interested = {{ next = "done" }}
callback = {{ next = "callback", after = "1d" }}
own_callback = {{ next = "callback", after = "1d", personal = true }}
sale = {{ next = "sale" }}
do_not_call = {{ next = "do_not_call" }}
wrong_number = {{ next = "bad_number" }}
machine = {{ next = "retry", after = "4h", person = false }}
{settings.extra}"""
