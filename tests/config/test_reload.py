"""What a reload would change."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dialer.config.load import Config
from dialer.config.reload import difference, taken_live

Loaded = Callable[[str], Config]


def test_nothing_changes_when_a_default_is_written_down(loaded: Loaded, good: str) -> None:
    old = loaded(good)
    new = loaded(good.replace('"+34"]\n', '"+34"]\nlines = 30\n', 1) + "[log]\n")
    assert difference(old, new).changes == ()


def test_keys_that_changed(loaded: Loaded, good: str) -> None:
    old = loaded(good)
    new = loaded(
        good.replace("5080", "5081").replace("sold =", "bought =").replace('"none"', '"none"\npacing.patience = 3', 1)
        + '[agents.eva]\nphone = "sip:eva@127.0.0.1:5071"\n'
    )
    change = difference(old, new)
    assert [(c.key, c.kind) for c in change.changes] == [
        ("agents.eva", "added"),
        ("campaigns.promo.dispositions.bought", "added"),
        ("campaigns.promo.dispositions.sold", "removed"),
        ("campaigns.promo.pacing.patience", "changed"),
        ("trunks.main.address", "changed"),
    ]
    assert change.needs_restart == ()
    assert change.touches("campaigns", "promo", "pacing")
    assert change.touches("agents", "eva", "phone")
    assert not change.touches("store")


def test_what_is_opened_once_stays(loaded: Loaded, good: str) -> None:
    old = loaded(good)
    new = loaded(
        good + '[store]\nurl = "sqlite:///x.db"\ncommit_interval = 0.03\n[sip]\nlisten = "127.0.0.1:5099"\n'
        'user_agent = "x"\n[media]\nport_min = 30000\nport_max = 30999\n[http]\nlisten = "127.0.0.1:9000"\n'
    )
    change = difference(old, new)
    assert set(change.needs_restart) == {
        "store.url", "store.commit_interval", "sip.listen", "sip.user_agent", "media.port_min", "media.port_max",
        "http.listen",
    }  # fmt: skip
    assert change.live == ()
    taken = taken_live(old, new).file
    assert taken.store == old.file.store
    assert taken.sip.listen == old.file.sip.listen
    assert taken.media == old.file.media
    assert taken.http.listen == old.file.http.listen
    assert difference(old, taken_live(old, new)).needs_restart == ()


def test_webhooks_and_how_long_changes_are_kept_are_taken_live(loaded: Loaded, good: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret")
    (tmp_path / "secret").chmod(0o600)
    old = loaded(good)
    new = loaded(
        good + '[http]\nkeep_changes = "9d"\n[webhooks.crm]\nurl = "https://crm.example/"\nsecret_file = "secret"\n'
    )
    change = difference(old, new)
    assert change.needs_restart == ()
    assert change.live == ("http.keep_changes", "webhooks.crm")
    assert taken_live(old, new).file.webhooks.keys() == {"crm"}
