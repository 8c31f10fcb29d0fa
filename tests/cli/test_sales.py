"""`dialer sales` without a dialer: read from the store; moves need one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dialer.config.build import build_campaigns
from dialer.config.load import load
from dispositions import NewAttempt, Outcome, Store, sale
from dispositions.sale import SaleMove, SaleStep

Dialer = Callable[..., Any]
NOON = 1_750_694_400.0


@pytest.fixture
def sold(dialer: Dialer, nobody: Path) -> int:
    """One sale, turned back after its payment."""
    dialer("import", nobody)
    config = load(nobody, outside=False)
    store = Store(config.file.store.url)
    for campaign in build_campaigns(config).values():
        store.register(campaign.policy)
    with store.write() as tx:
        (claim, *_) = tx.claim("promo", 1, NOON, NOON + 60)
        tx.start_attempts([NewAttempt("a1", claim.contact_id, claim.number, "call-1")], NOON)
        tx.update_attempt("a1", connected_at=NOON, agent="ana")
        tx.finish_attempt("a1", Outcome.ANSWERED, NOON + 1)
        key = tx.dispose("a1", "sold", "ana", NOON + 2, fields={"product": "fibre\x1b[2J"}).sale_id
    assert key is not None
    with store.write() as tx:
        sale.claim(tx, 1, NOON + 3)
        paid = SaleStep("do", "payment", 0, "rejected", "insufficient funds", {}, 2, 1.5, NOON + 5)
        sale.advance(tx, key, 1, 1, paid, SaleMove.TURN_BACK, NOON + 5, reason="insufficient funds")
        sale.advance(tx, key, 1, 1, None, SaleMove.REFUSED, NOON + 6)
    store.close()
    return key


def test_list_and_show(dialer: Dialer, nobody: Path, sold: int) -> None:
    said = dialer("sales", "list", nobody, "--state", "rejected", "--campaign", "promo")
    assert said.code == 0
    assert "insufficient funds" in said.out
    assert "4 s" in said.out
    (card,) = dialer("sales", "list", nobody, "--json").json["sales"]
    assert (card["sale"], card["state"], card["agent"]) == (sold, "rejected", "ana")
    assert dialer("sales", "list", nobody, "--state", "done", "--json").json == {"sales": []}
    said = dialer("sales", "show", nobody, sold)
    assert "payment" in said.out
    assert "\x1b" not in said.out, "what an agent typed does not move the terminal's cursor"
    (step,) = dialer("sales", "show", nobody, sold, "--json").json["steps"]
    assert (step["step"], step["result"], step["tries"], step["seconds"]) == ("payment", "rejected", 2, 1.5)


def test_mistakes_are_one_line(dialer: Dialer, nobody: Path, sold: int) -> None:
    for arguments, says in (
        (("show", nobody, sold + 1), f"there is no sale {sold + 1}"),
        (("retry", nobody, sold), "no dialer runs"),
        (("cancel", nobody, sold), "no dialer runs"),
    ):
        said = dialer("sales", *arguments)
        assert said.code == 1
        assert len(said.err.splitlines()) == 1
        assert says in said.err
