"""The topics' grammar. docs/topics.md shows each with a payload."""

from __future__ import annotations

import re

from dialer.events import AgentChanged, CampaignChanged, Event, TrunkChanged

_UNSAFE = re.compile(r"[^A-Za-z0-9_.@:-]")
CORRELATION = re.compile(r"^[A-Za-z0-9_.-]{1,64}$")


def segment(name: str) -> str:
    """`name` as one level of a topic: `+`, `#`, `/`, blanks and controls as %XX, nothing as `-`."""
    return _UNSAFE.sub(lambda found: "".join(f"%{b:02X}" for b in found[0].encode("utf-8", "replace")), name) or "-"


def safe_topic(topic: str) -> str:
    """A relative topic whose levels are all publishable (MQTT 3.1.1 section 4.7.1: no wildcards in a publication)."""
    return "/".join(re.sub(r"[+#\x00-\x1f]", "_", level) for level in topic.split("/"))


def event_topic(event: Event) -> str:
    """`event/CAMPAIGN/NAME`, relative; `-` stands for no campaign."""
    return f"event/{segment(event.campaign)}/{event.name}"


def state_of(event: Event) -> tuple[str, dict[str, object]] | None:
    """(relative topic, payload) of the retained state that `event` changes; None when it changes none."""
    if isinstance(event, AgentChanged):
        return f"state/agent/{segment(event.agent)}", {
            "agent": event.agent,
            "campaign": event.campaign,
            "state": event.state,
            "reason": event.reason,
            "call": event.call,
            "since": event.at,
        }
    if isinstance(event, CampaignChanged):
        return f"state/campaign/{segment(event.campaign)}", {
            "campaign": event.campaign,
            "state": event.state,
            "reason": event.reason,
            "since": event.at,
        }
    if isinstance(event, TrunkChanged):
        return f"state/trunk/{segment(event.trunk)}", {
            "trunk": event.trunk,
            "up": event.up,
            "reason": event.reason,
            "breaker": event.breaker,
            "since": event.at,
        }
    return None
