"""What the `dialer list` commands share: the config's campaigns, and their store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

from dialer.cli.output import Failure
from dialer.cli.stores import opened
from dialer.config.build import BuiltCampaign, build_campaigns
from dialer.config.load import Config, load
from dialer.registers import put_compiled
from dispositions import Store


@contextmanager
def campaigns_of(config_path: str, wanted: str | None) -> Iterator[tuple[Config, Mapping[str, BuiltCampaign], Store]]:
    """The config, its campaigns (or the one that is wanted), and the store with all of them registered. Raises
    Failure."""
    config = load(config_path, outside=False)
    campaigns = build_campaigns(config)
    if wanted is not None and wanted not in campaigns:
        known = ", ".join(sorted(campaigns))
        raise Failure(f"{config_path} has no campaign {wanted!r}; it has {known}", code="unknown_campaign")
    with opened(config.file.store.url, (c.policy for c in campaigns.values())) as store:
        put_compiled(store, config.file.do_not_call)
        yield config, {n: c for n, c in campaigns.items() if wanted in (None, n)}, store


def instant(text: str | None) -> float | None:
    """A day or time given on the command line, in this machine's zone unless it names one, as epoch seconds. Raises
    Failure."""
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise Failure(f"{text!r} is no day; write it as 2026-03-31 or 2026-03-31T14:00", exit_code=2) from None
