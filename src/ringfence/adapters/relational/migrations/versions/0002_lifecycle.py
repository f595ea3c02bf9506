"""What became of payments, and the codes of labels."""

from pathlib import Path

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add them."""
    op.execute(Path(__file__).with_suffix(".sql").read_text("utf-8"))


def downgrade() -> None:
    """Take them away."""
    op.execute("DROP VIEW IF EXISTS ringfence.payment_lives; DROP TABLE ringfence.lifecycle")
    op.execute("ALTER TABLE ringfence.labels DROP COLUMN reason_code")
