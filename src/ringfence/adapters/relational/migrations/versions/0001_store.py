"""The first version of the relational store."""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make all tables."""
    op.execute(Path(__file__).with_suffix(".sql").read_text("utf-8"))


def downgrade() -> None:
    """Take the schema away, as `ringfence store drop` does."""
    op.execute("DROP SCHEMA ringfence CASCADE")
