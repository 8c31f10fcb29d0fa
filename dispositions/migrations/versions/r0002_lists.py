"""Lists that get cleaner: consent, changes with their history, a slot of the order for each list, what a number has
shown, and when a callback was kept. Frozen."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_SLOT = 100_000_000
"""Ranks of one list (`dispositions.work.SLOT`, as it was when this was written)."""


def upgrade() -> None:
    """Add the tables and columns; give each list of a campaign its own range of ranks."""
    big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "consent",
        sa.Column("contact_id", big, nullable=False),
        sa.Column("campaign_id", sa.Integer(), nullable=False),
        sa.Column("basis", sa.Text(), nullable=False),
        sa.Column("given_at", sa.Float(), nullable=True),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("expires_at", sa.Float(), nullable=True),
        sa.Column("recorded_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("contact_id"),
    )
    op.create_table(
        "change",
        sa.Column("id", big, nullable=False),
        sa.Column("campaign_id", sa.Integer(), nullable=False),
        sa.Column("contact_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("old", sa.Text(), nullable=True),
        sa.Column("new", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("change_contact", "change", ["contact_id", "at"], unique=False)
    op.create_index("change_at", "change", ["campaign_id", "at"], unique=False)
    op.create_table(
        "campaign_list",
        sa.Column("campaign_id", sa.Integer(), nullable=False),
        sa.Column("list", sa.Text(), nullable=False),
        sa.Column("slot", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("campaign_id", "list"),
        sqlite_with_rowid=False,
    )
    op.add_column("number", sa.Column("invalid", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("number", sa.Column("answered_at", sa.Float(), nullable=True))
    op.add_column("callback", sa.Column("tried_at", sa.Float(), nullable=True))
    op.add_column("callback", sa.Column("reminded_at", sa.Float(), nullable=True))
    _slots()


def _slots() -> None:
    run = op.get_bind()
    found = run.execute(
        sa.text("SELECT campaign_id, list, min(id) FROM contact GROUP BY campaign_id, list ORDER BY 1, 3")
    ).all()
    taken: dict[int, int] = {}
    for campaign_id, name, _ in found:
        slot = taken.get(campaign_id, 0)
        taken[campaign_id] = slot + 1
        given = {"campaign_id": campaign_id, "list": name, "slot": slot, "shift": slot * _SLOT}
        run.execute(
            sa.text("INSERT INTO campaign_list (campaign_id, list, slot) VALUES (:campaign_id, :list, :slot)"), given
        )
        if slot:
            for table in ("ready", "waiting", "lease"):
                run.execute(
                    sa.text(
                        f"UPDATE {table} SET rank = rank + :shift WHERE campaign_id = :campaign_id AND contact_id IN"
                        " (SELECT id FROM contact WHERE campaign_id = :campaign_id AND list = :list)"
                    ),
                    given,
                )
