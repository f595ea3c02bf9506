"""Indexes and pages that cost the loader less; labels ranked by their source."""

from pathlib import Path

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make them anew; on a large store that takes as long as two indexes take."""
    op.execute(Path(__file__).with_suffix(".sql").read_text("utf-8"))


def downgrade() -> None:
    """As they were."""
    op.execute("DROP INDEX ringfence.ix_transactions_card_id, ringfence.ix_transactions_account_id")
    for key in ("card_id", "account_id"):
        op.create_index(f"ix_transactions_{key}", "transactions", [key, "event_time"], schema="ringfence")
    op.execute("ALTER TABLE ringfence.payment_months RESET (fillfactor)")
    op.execute("DROP TABLE ringfence.label_order")
    op.execute("ALTER TABLE ringfence.known_labels DROP COLUMN event_time, DROP COLUMN place")
