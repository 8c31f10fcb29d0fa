"""Contacts whose every usable number begins with none of the prefixes that the campaign's trunks may be given."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from sqlalchemy import Connection, Text, cast, exists, false, func, literal, or_, select

from dispositions import schema
from dispositions.work import RETRY_KIND

_n, _ready, _w = schema.number.c, schema.ready.c, schema.waiting.c


def counts(
    connection: Connection, campaign_id: int, at: float, prefixes: Collection[str]
) -> Counter[tuple[int, str, bool]]:
    """(zones, kind, whether it waited) -> contacts that could be claimed at `at` (epoch seconds) and yet no trunk may
    carry; empty at once when a prefix lets every number through (`+`). Ready contacts have the kind of retries.

    Reads the numbers of every such contact: for a person who asks, not for a loop.
    """
    found: Counter[tuple[int, str, bool]] = Counter()
    bare = [prefix.lstrip("+") for prefix in prefixes]
    if "" in bare:
        return found
    digits = cast(_n.digits, Text)
    fits = or_(false(), *(digits.startswith(prefix) for prefix in bare))
    for table, columns, due in (
        (schema.ready, [_ready.zone_id, literal(RETRY_KIND).label("kind")], _ready.campaign_id == campaign_id),
        (schema.waiting, [_w.zone_id, _w.kind], (_w.campaign_id == campaign_id) & (_w.due_at <= at)),
    ):
        carried = exists().where(_n.contact_id == table.c.contact_id, _n.status == "ok", fits)
        query = select(*columns, func.count().label("contacts")).select_from(table).where(due, ~carried)
        for row in connection.execute(query.group_by(*columns)):
            found[row.zone_id, row.kind, table is schema.waiting] += row.contacts
    return found
