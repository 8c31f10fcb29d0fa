"""A courier with the real ledger and sender, as a process of its own that tests kill: `sending.py STORE URL SECRET`."""

from __future__ import annotations

import asyncio
import sys
import time

from dialer.config.door_tables import WebhookTable
from dialer.ledger import Ledger
from dialer.webhooks import Courier
from dialer.webhooks.sender import HttpSender
from dispositions import CampaignPolicy, Store


async def main(path: str, url: str, secret: str) -> None:
    """Until it is killed."""
    store = Store(path)
    store.register(CampaignPolicy("c", region="US"))
    ledger = Ledger(
        store, interval=0.0, on_refused=lambda error: None, on_locked=lambda text: None, on_restored=lambda: None
    )
    writing = asyncio.create_task(ledger.run())
    table = WebhookTable(
        url=url, events=["contact_changed"], secret_env="S", allow_private=True, at_once=4, pause=0.02, pause_most=0.1
    )
    courier = Courier("crm", table, HttpSender(table, secret), ledger, time.time)
    sys.stdout.write("up\n")
    sys.stdout.flush()
    while not writing.done():
        result = await courier.round()
        await asyncio.sleep(min(0.02, result.next_in))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))
