"""The condition of a campaign: whether it may dial now, and if not, why. Asked when a call is decided, and again when
its INVITE is about to leave: a commit lies between, and a locked store may keep that waiting for as long as it likes.
"""

from __future__ import annotations

from dialer.campaign import Campaign, CampaignState
from dialer.services import Services
from dispositions import Claim

#: What was decided longer ago than this answers a question of yesterday: it is undone, and the pacer is asked again,
#: seconds.
STALE = 1.0

#: Why an INVITE that was about to leave did not, as it is counted -> in words.
BARRIERS = {
    "do_not_call_at_invite": "do not call",
    "stale_at_invite": "decided too long ago",
    "stopped_at_invite": "the campaign stopped",
    "closed_at_invite": "outside the calling hours",
}


def stale(since: float, now: float) -> bool:
    """Whether what was decided at `since` must be decided anew at `now` (both monotonic seconds)."""
    return now - since > STALE


def condition(campaign: Campaign, services: Services, now: float) -> tuple[CampaignState, str]:
    """The campaign's state at `now` (monotonic seconds) as far as its list does not matter, and the reason in words."""
    if campaign.draining:
        return CampaignState.DRAINING, "calls in progress end, no new ones are placed"
    if campaign.paused:
        return CampaignState.PAUSED, "paused by command: dialer resume goes on"
    if not campaign.somebody_at_work():
        away = campaign.elsewhere()
        if away and campaign.dialable_contacts == 0:
            return CampaignState.NO_CONTACTS, f"nothing to dial now: its agents ({away}) serve other campaigns"
        if away:
            return CampaignState.NO_AGENTS, f"its agents ({away}) serve other campaigns now"
        return CampaignState.NO_AGENTS, "no agent is logged in and off break"
    if services.ledger.locked:
        return CampaignState.STOPPED, "the store is locked: no call is placed until it is back"
    if not services.media.alive:
        return CampaignState.STOPPED, "the media process is gone: no call is placed until it is back"
    if not any(trunk.well(now) for trunk in campaign.trunks):
        return CampaignState.NO_TRUNK, "no trunk takes calls: " + "; ".join(
            f"{t.name} {t.why_not(now)}" for t in campaign.trunks
        )
    return CampaignState.RUNNING, ""


def is_open(campaign: Campaign, services: Services, claim: Claim) -> bool:
    """Whether now is within the calling hours of the number claimed."""
    return campaign.policy.rules.is_open(claim.zones, services.clock.at())


def must_not_leave(campaign: Campaign, services: Services, claim: Claim, decided: float | None) -> str | None:
    """Why the INVITE for `claim`, on disk and about to leave, must not: the word that it is counted under; None when
    it may. `decided`: since when it waited for that (monotonic seconds); None where an agent waits for just this call.
    """
    now = services.clock.now()
    if services.ledger.store.is_do_not_call(claim.number, campaign.name):
        return "do_not_call_at_invite"
    if decided is not None and stale(decided, now):
        return "stale_at_invite"
    # a trunk that rests since is the fail-over's matter
    if condition(campaign, services, now)[0] not in (CampaignState.RUNNING, CampaignState.NO_TRUNK):
        return "stopped_at_invite"
    return None if is_open(campaign, services, claim) else "closed_at_invite"


def own_lines(campaign: Campaign) -> int | None:
    """Calls that the campaign's own `max_lines` leaves room for; None when it has no such limit."""
    limit = campaign.table.pacing.max_lines
    return None if limit is None else max(0, limit - len(campaign.calls))
