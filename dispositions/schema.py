"""The tables. Why they are cut this way is told in `docs/design/store.md`.

Times are epoch seconds. Texts that hold JSON are plain TEXT, so that both databases take and give the same strings.
Booleans and enums are small integers and words, for the same reason.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
)

REVISION = "0004"
"""The alembic revision that this code expects in `dispositions_version`."""
VERSION_TABLE = "dispositions_version"

metadata = MetaData()
_Big = BigInteger().with_variant(Integer, "sqlite")

campaign = Table(
    "campaign",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
)

zone = Table(
    "zone",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("names", Text, nullable=False, unique=True),
)

campaign_zone = Table(
    "campaign_zone",
    metadata,
    Column("campaign_id", Integer, primary_key=True),
    Column("zone_id", Integer, primary_key=True),
    sqlite_with_rowid=False,
)

campaign_list = Table(
    "campaign_list",
    metadata,
    Column("campaign_id", Integer, primary_key=True),
    Column("list", Text, primary_key=True),
    Column("slot", Integer, nullable=False),  # its range of ranks: dispositions.work.SLOT
    sqlite_with_rowid=False,
)

counter = Table(
    "counter",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

contact = Table(
    "contact",
    metadata,
    Column("id", _Big, primary_key=True),
    Column("campaign_id", Integer, nullable=False),
    Column("list", Text, nullable=False),
    Column("external_id", Text),
    Column("number", BigInteger, nullable=False),  # the one to dial next
    Column("numbers", Integer, nullable=False),  # how many it has
    Column("zone_id", Integer, nullable=False),  # of that number
    Column("priority", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("progress", Text, nullable=False),  # JSON: dispositions.progress
    Column("callback_id", BigInteger),  # the open one
    Column("fields", Text, nullable=False),
    Column("added_at", Float, nullable=False),
    Index("contact_external", "campaign_id", "external_id", unique=True),
)

number = Table(
    "number",
    metadata,
    Column("campaign_id", Integer, primary_key=True),
    Column("digits", BigInteger, primary_key=True),
    Column("contact_id", BigInteger, nullable=False),
    Column("position", Integer, nullable=False),
    Column("zone_id", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("status", Text, nullable=False),  # ok | bad | do_not_call
    Column("invalid", Integer, nullable=False, server_default="0"),  # so often in a row
    Column("answered_at", Float),  # last
    Index("number_contact", "contact_id", "position"),
    sqlite_with_rowid=False,
)

consent = Table(
    "consent",
    metadata,
    Column("contact_id", _Big, primary_key=True),
    Column("campaign_id", Integer, nullable=False),
    Column("basis", Text, nullable=False),
    Column("given_at", Float),
    Column("source", Text),
    Column("expires_at", Float),
    Column("recorded_at", Float, nullable=False),
)

change = Table(
    "change",
    metadata,
    Column("id", _Big, primary_key=True),
    Column("campaign_id", Integer, nullable=False),
    Column("contact_id", BigInteger, nullable=False),
    Column("at", Float, nullable=False),
    Column("kind", Text, nullable=False),  # dispositions.changes.KINDS
    Column("who", Text, nullable=False),
    Column("subject", Text),  # the field, the number
    Column("old", Text),
    Column("new", Text),
    Index("change_contact", "contact_id", "at"),
    Index("change_at", "campaign_id", "at"),
    sqlite_autoincrement=True,
)

# --- where a contact stands: exactly one row in exactly one of these five -------------------------------------------

ready = Table(
    "ready",
    metadata,
    Column("campaign_id", Integer, primary_key=True),
    Column("zone_id", Integer, primary_key=True),
    Column("rank", BigInteger, primary_key=True),
    Column("contact_id", BigInteger, primary_key=True),
    sqlite_with_rowid=False,
)

lease = Table(
    "lease",
    metadata,
    Column("contact_id", _Big, primary_key=True),
    Column("campaign_id", Integer, nullable=False),
    Column("rank", BigInteger, nullable=False),
    Column("origin", Text, nullable=False),  # fresh | retry | shared | personal
    Column("until", Float, nullable=False),
    Column("attempt_id", Text),
    Column("sip", Text),  # JSON: what an in-dialog request needs
    Column("pending", Text),  # JSON: a disposition given while the call stood
    Index("lease_campaign", "campaign_id"),
)

waiting = Table(
    "waiting",
    metadata,
    Column("contact_id", _Big, primary_key=True),
    Column("campaign_id", Integer, nullable=False),
    Column("kind", Text, nullable=False),  # retry | shared | personal
    Column("due_at", Float, nullable=False),
    Column("rank", BigInteger, nullable=False),
    Column("zone_id", Integer, nullable=False),
    Index("waiting_due", "campaign_id", "kind", "due_at"),
)

review = Table(
    "review",
    metadata,
    Column("contact_id", _Big, primary_key=True),
    Column("campaign_id", Integer, nullable=False),
    Column("attempt_id", Text, nullable=False),
    Column("until", Float, nullable=False),
    Index("review_until", "campaign_id", "until"),
)

settled = Table(
    "settled",
    metadata,
    Column("contact_id", _Big, primary_key=True),
    Column("campaign_id", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("at", Float, nullable=False),
    Index("settled_state", "campaign_id", "state"),
)

# --- what happened and what was promised --------------------------------------------------------------------------

attempt = Table(
    "attempt",
    metadata,
    Column("id", Text, primary_key=True),
    Column("campaign_id", Integer, nullable=False),
    Column("contact_id", BigInteger, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("call_id", Text, nullable=False),
    Column("trunk", Text),
    Column("agent", Text),
    Column("started_at", Float, nullable=False),
    Column("ringing_at", Float),
    Column("answered_at", Float),
    Column("connected_at", Float),
    Column("ended_at", Float),
    Column("talk_seconds", Float),
    Column("outcome", Text),
    Column("cause", Text),
    Column("disposition", Text),
    Column("disposed_at", Float),
    Column("note", Text),
    Index("attempt_contact", "contact_id", "started_at"),
    Index("attempt_ended", "campaign_id", "ended_at", "outcome"),
    sqlite_with_rowid=False,
)

tally = Table(
    "tally",
    metadata,
    Column("campaign_id", Integer, primary_key=True),
    Column("hour", Integer, primary_key=True),  # of ended_at, epoch hours
    Column("outcome", Text, primary_key=True),
    Column("calls", Integer, nullable=False),
    sqlite_with_rowid=False,
)

callback = Table(
    "callback",
    metadata,
    Column("id", _Big, primary_key=True),
    Column("campaign_id", Integer, nullable=False),
    Column("contact_id", BigInteger, nullable=False),
    Column("attempt_id", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("personal", Integer, nullable=False),
    Column("due_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("state", Text, nullable=False),  # open | kept | missed | expired | withdrawn
    Column("note", Text),
    Column("created_at", Float, nullable=False),
    Column("closed_at", Float),
    Column("tried_at", Float),  # the call that was promised left
    Column("reminded_at", Float),
    Index("callback_open", "campaign_id", "state", "due_at"),
)

sale = Table(
    "sale",
    metadata,
    Column("id", _Big, primary_key=True),
    Column("attempt_id", Text, nullable=False, unique=True),
    Column("campaign_id", Integer, nullable=False),
    Column("contact_id", BigInteger, nullable=False),
    Column("agent", Text, nullable=False),
    Column("fields", Text, nullable=False),
    Column("state", Text, nullable=False),  # dispositions.sale.SaleState
    Column("queued_at", Float, nullable=False),
    Column("changed_at", Float, nullable=False),
    Column("run", Integer, nullable=False, server_default="0"),  # names the idempotency keys
    Column("starts", Integer, nullable=False, server_default="0"),  # names the workflow
    Column("resume", Text),  # undo: a retry goes on undoing the same run
    Column("asked", Text),  # cancel: at the next step
    Column("step", Text),  # where it is
    Column("reason", Text),
    Column("started_at", Float),
    Column("ended_at", Float),
    Index("sale_state", "campaign_id", "state", "queued_at"),
    Index("sale_queue", "state", "queued_at"),
)

sale_step = Table(
    "sale_step",
    metadata,
    Column("sale_id", BigInteger, primary_key=True),
    Column("run", Integer, primary_key=True),
    Column("phase", Text, primary_key=True),  # do | undo | tell
    Column("name", Text, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("result", Text, nullable=False),  # done | rejected | failed | skipped
    Column("reason", Text),
    Column("kept", Text, nullable=False),  # JSON: what later steps need of the answer
    Column("tries", Integer, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("at", Float, nullable=False),
    sqlite_with_rowid=False,
)

do_not_call = Table(
    "do_not_call",
    metadata,
    Column("digits", BigInteger, primary_key=True),
    Column("list", Text, primary_key=True),
    Column("source", Text, nullable=False),
    Column("at", Float, nullable=False),
    Column("serial", BigInteger, nullable=False, index=True),
    sqlite_with_rowid=False,
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", _Big, primary_key=True),
    Column("topic", Text, nullable=False),
    Column("payload", Text, nullable=False),
    Column("at", Float, nullable=False),
    sqlite_autoincrement=True,  # an id is never used again: a late outbox_done must not hit a new row
)

journal = Table(
    "journal",
    metadata,
    Column("serial", _Big, primary_key=True),  # in the order of commits: dispositions.journal
    Column("campaign_id", Integer, nullable=False),
    Column("contact_id", BigInteger, nullable=False),
    Column("at", Float, nullable=False),
    Column("kind", Text, nullable=False),  # dispositions.journal.KINDS
    Column("body", Text, nullable=False),
    Index("journal_campaign", "campaign_id", "serial"),
    Index("journal_contact", "contact_id", "serial"),
)

delivery = Table(  # what a webhook could not deliver at once; its cursor is past these
    "delivery",
    metadata,
    Column("webhook", Text, primary_key=True),
    Column("serial", BigInteger, primary_key=True),
    Column("contact_id", BigInteger, nullable=False),
    Column("at", Float, nullable=False),  # of the entry
    Column("tries", Integer, nullable=False),
    Column("next_at", Float, nullable=False),
    sqlite_with_rowid=False,
)

saved = Table(
    "saved",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
    sqlite_with_rowid=False,
)
