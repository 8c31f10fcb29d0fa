"""DNS answers about trunks are renewed in their time, and kept when they cannot be."""

from __future__ import annotations

import asyncio
from collections import Counter

from benchmarks.rig.name_server import NameServer
from dialer.assembly import place_of_trunk
from dialer.clock import Clock
from dialer.config.sip_tables import TrunkTable
from dialer.locate import Locator
from dialer.target_keeper import AFTER_FAILURE, TargetKeeper
from dialer.targets import Targets
from dialer.trunk import Trunk


def test_a_trunk_follows_its_name() -> None:
    async def scene() -> None:
        with NameServer({("carrier.test", "A"): ["192.0.2.1"]}, ttl=60) as server:
            table = TrunkTable(address="carrier.test:5060", prefixes=["+34"])
            located = await Locator([server.address]).locate(place_of_trunk("main", table))
            trunk = Trunk("main", table, located.first)
            trunk.targets = Targets(located)
            trunk.targets.failed(("192.0.2.7", 5060), 0.0, 1e6)
            counters: Counter[str] = Counter()

            def keeper_with_an_empty_cache() -> None:
                keeper._locator = Locator([server.address])

            keeper = TargetKeeper({"main": trunk}, Locator([server.address]), Clock(), counters)
            await keeper.renew(0.0)
            server.records["carrier.test", "A"] = ["192.0.2.2"]
            await keeper.renew(59.0)
            assert trunk.target(59.0) == ("192.0.2.1", 5060)
            keeper_with_an_empty_cache()
            await keeper.renew(60.0)
            assert trunk.target(60.0) == ("192.0.2.2", 5060)
            assert trunk.targets.resting  # who rests is not forgotten
            del server.records["carrier.test", "A"]
            keeper_with_an_empty_cache()
            await keeper.renew(120.0)
            assert trunk.target(120.0) == ("192.0.2.2", 5060)
            assert counters == {"trunk_not_located": 1}
            server.records["carrier.test", "A"] = ["192.0.2.3"]
            await keeper.renew(121.0 + AFTER_FAILURE - 2.0)
            assert trunk.target(149.0) == ("192.0.2.2", 5060)
            keeper_with_an_empty_cache()
            await keeper.renew(120.0 + AFTER_FAILURE)
            assert trunk.target(150.0) == ("192.0.2.3", 5060)

    asyncio.run(scene())
