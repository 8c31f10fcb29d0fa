"""The first schema. Later revisions change tables with `op`; this one makes them as they were at 0001."""

from alembic import op

from dispositions.schema import metadata

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make every table that is not there."""
    metadata.create_all(op.get_bind())
