"""The config is read again while calls are in progress."""

from __future__ import annotations


def rewrite(floor, *changes, agents=None):
    text = floor.config_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    floor.write_config(text)


def test_a_new_agent_may_log_in(stage):
    async def play(floor):
        await floor.talking(0)
        floor.names.append("berta")
        floor.write_config()
        await floor.do("reload")
        assert (await floor.do("login", "berta"))["state"] == "available"
        assert floor.agent(0).state.value == "talking"
        await floor.do("hangup", 0)

    stage(play)


def test_an_agent_who_is_taken_out_is_logged_out_after_the_call(stage):
    async def play(floor):
        await floor.log_in(1)
        await floor.talking(0)
        kept = floor.names
        floor.names = kept[1:]
        floor.write_config()
        floor.names = kept
        await floor.do("reload")
        assert floor.agent(0).state.value == "talking"
        await floor.do("hangup", 0)
        await floor.do("dispose", 0, code="no_interest")
        assert floor.agent(0).state.value == "logged_out"
        assert (await floor.refused("login", 0)).code in ("forbidden", "unknown_agent")

    stage(play, agents=2)


def test_changed_pacing(stage):
    async def play(floor):
        pacer = floor.unit.campaign.pacemaker.pacer
        await floor.talking(0)
        rewrite(
            floor,
            ('mode = "progressive"', 'mode = "power"\n    calls_per_agent = 3.0'),
            ("patience = 1.5", "patience = 30"),
        )
        await floor.do("reload")
        assert floor.unit.campaign.pacemaker.pacer is not pacer
        assert floor.unit.campaign.pacemaker.pacer.config.mode == "power"
        assert floor.unit.campaign.table.pacing.patience == 3.0
        await floor.do("hangup", 0)
        await floor.do("dispose", 0, code="no_interest")
        await floor.until(lambda: len(floor.carrier.lines) == 4)
        await floor.until(lambda: [c.state.value for c in floor.calls].count("waiting") == 2)
        for line in floor.carrier.up():
            floor.carrier.hang_up(line)

    stage(play, numbers=4)


def test_from_dialing_by_itself_to_manual_and_back_during_a_call(stage, party):
    async def play(floor):
        await floor.talking(0)
        rewrite(floor, ('mode = "progressive"', 'mode = "manual"'))
        await floor.do("reload")
        await floor.do("hangup", 0)
        await floor.do("dispose", 0, code="no_interest")
        await floor.do("dial", 0, number=party.number(1))
        await floor.talking(0)
        rewrite(floor)
        await floor.do("reload")
        await floor.do("hangup", 0)
        await floor.do("dispose", 0, code="no_interest")
        await floor.talking(0)
        await floor.do("hangup", 0)
        await floor.do("dispose", 0, code="no_interest")

    stage(play, numbers=3)


def test_changed_codes(stage):
    async def play(floor):
        await floor.talking(0)
        await floor.do("hangup", 0)
        assert (await floor.refused("dispose", 0, code="maybe")).code == "unknown_code"
        rewrite(floor, ("no_interest =", "maybe ="))
        await floor.do("reload")
        assert (await floor.do("dispose", 0, code="maybe"))["contact_state"] == "done"

    stage(play)


def test_a_bad_file_changes_nothing(stage):
    async def play(floor):
        before = floor.unit.campaign.table
        rewrite(floor, ('mode = "progressive"', 'mode = "breakneck"'), ("patience = ", "patients = "))
        error = await floor.refused("reload")
        assert error.code == "invalid"
        assert "campaign.toml" in error.message
        assert "\n" not in error.message
        assert len(error.details) == 2
        assert floor.unit.campaign.table is before
        assert floor.named("alert", alert="config_rejected")
        await floor.talking(0)
        await floor.do("hangup", 0)

    stage(play)


def test_a_locked_store_changes_nothing(stage):
    import sqlite3

    async def play(floor):
        # a new campaign needs a row in the store
        other = '\n[lists.autumn]\nregion = "ES"\n' + floor.campaign_text("other", "autumn")
        floor.write_config(floor.config_text().replace("patience = 1.5", "patience = 30") + other)
        connection = sqlite3.connect(floor.folder / "dialer.db", isolation_level=None)
        connection.execute("BEGIN EXCLUSIVE")
        error = await floor.refused("reload")
        connection.execute("ROLLBACK")
        connection.close()
        assert error.code == "invalid"
        assert floor.unit.campaign.table.pacing.patience == 0.15
        await floor.do("reload")
        assert floor.unit.campaign.table.pacing.patience == 3.0
        assert "other" in floor.engine.units

    stage(play, numbers=0)


def test_a_campaign_that_is_taken_out_ends(stage):
    async def play(floor):
        for agent in (0, 1):
            await floor.do("login", agent, campaign="promo")
        floor.dial()
        await floor.talking(0)
        rewrite(floor, ("campaigns.promo", "campaigns.other"))
        await floor.do("reload")
        assert floor.agent(1).state.value == "logged_out"
        assert floor.unit.campaign.draining
        assert "other" in floor.engine.units
        await floor.do("hangup", 0)
        await floor.do("dispose", 0, code="no_interest")
        assert floor.agent(0).state.value == "logged_out"
        assert (await floor.do("login", 1))["campaign"] == "other"

    stage(play, agents=2, log_in=False, dial=False)


def test_a_refusal_by_the_store_leaves_no_policy_half_taken(stage):
    import sqlite3

    async def play(floor):
        other = '\n[lists.autumn]\nregion = "ES"\n' + floor.campaign_text("other", "autumn")
        before = floor.store.policy("promo")
        floor.write_config(floor.config_text().replace("no_interest =", "maybe =") + other)
        connection = sqlite3.connect(floor.folder / "dialer.db", isolation_level=None)
        connection.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON campaign WHEN NEW.name = 'other' "
            "BEGIN SELECT RAISE(ABORT, 'no room'); END"
        )
        assert (await floor.refused("reload")).code == "invalid"
        assert floor.store.policy("promo") is before
        connection.execute("DROP TRIGGER refuse")
        connection.close()
        await floor.do("reload")
        assert "maybe" in floor.store.policy("promo").table.codes
        assert floor.store.campaign_id("other") != floor.store.campaign_id("promo")

    stage(play, numbers=0)


def test_of_two_reloads_at_once_the_newer_file_is_taken(stage, monkeypatch):
    import asyncio

    from dialer import reload

    async def play(floor):
        reading, go_on = asyncio.Event(), asyncio.Event()

        async def slowly(*_):
            reading.set()
            await go_on.wait()

        monkeypatch.setattr(reload, "import_lists", slowly)
        rewrite(floor, ("patience = 1.5", "patience = 20"))
        first = asyncio.create_task(floor.do("reload"))
        await reading.wait()
        rewrite(floor, ("patience = 1.5", "patience = 30"))
        second = asyncio.create_task(floor.do("reload"))
        await asyncio.sleep(0)
        go_on.set()
        await asyncio.gather(first, second)
        assert floor.unit.campaign.table.pacing.patience == 3.0
        assert floor.reloader.config.file.campaigns["promo"].pacing.patience == 30.0

    stage(play, numbers=0)


def test_a_list_that_cannot_be_opened_keeps_nothing_else_back(stage, monkeypatch):
    from dialer import reload

    async def play(floor):
        async def broken(*_):
            raise OSError("the disk is gone")

        taken = []
        floor.reloader.on_taken = taken.append
        monkeypatch.setattr(reload, "import_lists", broken)
        rewrite(floor, ("patience = 1.5", "patience = 30"))
        await floor.do("reload")
        assert len(taken) == 1
        assert floor.named("alert", alert="list_not_read")
        assert floor.named("alert", alert="config_ok")

    stage(play, numbers=0)


def test_no_reload_while_the_engine_ends(stage):
    async def play(floor):
        await floor.engine.drain(0.0)
        assert (await floor.refused("reload")).code == "unavailable"
        assert floor.unit.campaign.draining

    stage(play, numbers=0)


def test_a_trunk_that_is_watched_no_more_is_up(stage):
    async def play(floor):
        trunk = floor.engine.trunks["main"]
        floor.carrier.answers_options = False
        await floor.until(lambda: not trunk.up)
        rewrite(floor, ("options_interval = 0.5", "options_interval = 0"))
        await floor.do("reload")
        assert trunk.up
        assert trunk.ping is None
        assert floor.named("trunk", reason="unwatched", up=True)
        await floor.talking()
        await floor.do("hangup", 0)

    stage(play, trunks={"main": "options_interval = 0.5"}, quiet=("options_lost",))


def test_a_trunk_that_rests_is_tried_again(stage):
    async def play(floor):
        floor.trunks["main"].rest(floor.clock.now(), 200.0)
        floor.dial()
        await floor.until(lambda: floor.unit.campaign.state.value == "no_trunk")
        await floor.do("reload")
        await floor.talking(0)
        await floor.do("hangup", 0)

    stage(play, dial=False)
