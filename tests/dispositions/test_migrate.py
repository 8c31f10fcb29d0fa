"""A store of an older version is brought up to date with its contacts where they stand."""

from __future__ import annotations

from sqlalchemy import MetaData, inspect

from dispositions import CampaignPolicy, Store, schema
from dispositions.migrate import migrate
from dispositions.work import SLOT


def test_the_schema_is_what_the_migrations_make(store: Store) -> None:
    found = inspect(store.engine)
    for table in schema.metadata.sorted_tables:
        assert {column["name"] for column in found.get_columns(table.name)} == {c.name for c in table.columns}


def test_lists_get_their_ranges_of_ranks(url: str, noon: float) -> None:
    store = Store(url)
    migrate(store.engine, "0001")
    old = MetaData()
    old.reflect(store.engine)
    with store.engine.begin() as run:
        run.execute(old.tables["campaign"].insert(), {"id": 1, "name": "c"})
        run.execute(old.tables["zone"].insert(), {"id": 1, "names": "America/New_York"})
        run.execute(old.tables["campaign_zone"].insert(), {"campaign_id": 1, "zone_id": 1})
        run.execute(old.tables["counter"].insert(), {"name": "contact", "value": 3})
        for n, name in enumerate(("one", "two", "two"), 1):
            run.execute(
                old.tables["contact"].insert(),
                {
                    "id": n, "campaign_id": 1, "list": name, "number": 12125550100 + n, "numbers": 1, "zone_id": 1,
                    "priority": 0, "attempts": 0, "progress": "{}", "fields": "{}", "added_at": noon,
                },
            )  # fmt: skip
        run.execute(
            old.tables["ready"].insert(),
            [{"campaign_id": 1, "zone_id": 1, "rank": 25_000_000, "contact_id": n} for n in (1, 2)],
        )
        waiting = {"contact_id": 3, "campaign_id": 1, "kind": "retry", "due_at": noon, "rank": 15_000_000, "zone_id": 1}
        run.execute(old.tables["waiting"].insert(), waiting)
    store.migrate()
    store.check_schema()
    with store.engine.connect() as run:
        ranks = dict(run.exec_driver_sql("SELECT contact_id, rank FROM ready").all())  # type: ignore[arg-type]
        assert ranks == {1: 25_000_000, 2: SLOT + 25_000_000}
        assert run.exec_driver_sql("SELECT rank FROM waiting").scalar() == SLOT + 15_000_000
    store.register(CampaignPolicy("c", region="US"))
    with store.write() as tx:
        assert len(tx.claim("c", 5, noon + 1, noon + 60)) == 3
    with store.read() as view:
        assert view.accounted("c") == []
    store.close()
