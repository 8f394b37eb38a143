"""Claims on questions, what was spent, requests a minute, the ledger, and which storages' objects it took over."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "mpr_claim",
        sa.Column("family", sa.String(16), primary_key=True),
        sa.Column("name", sa.String(60), primary_key=True),
        sa.Column("owner", sa.String(32), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("until_ms", sa.BigInteger(), nullable=False),
        sa.Column("aspect", sa.Float(), nullable=False),
        sa.Column("thumbnail", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "mpr_spending",
        sa.Column("kind", sa.String(20), primary_key=True),
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("requests", sa.BigInteger(), nullable=False),
        sa.Column("micro_usd", sa.BigInteger(), nullable=False),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "mpr_request_rate",
        sa.Column("provider", sa.String(40), primary_key=True),
        sa.Column("minute", sa.BigInteger(), primary_key=True),
        sa.Column("requests", sa.Integer(), nullable=False),
    )
    op.create_table(
        "mpr_ledger",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("time_ms", sa.BigInteger(), nullable=False),
        sa.Column("timeline", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("crops", sa.Integer(), nullable=False),
        sa.Column("tokens_in", sa.BigInteger(), nullable=False),
        sa.Column("tokens_out", sa.BigInteger(), nullable=False),
        sa.Column("tokens_cached", sa.BigInteger(), nullable=False),
        sa.Column("micro_usd", sa.BigInteger(), nullable=False),
        sa.Column("milliseconds", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("run", sa.Text(), nullable=False),
    )
    op.create_table(
        "mpr_old_storage",
        sa.Column("url", sa.Text(), primary_key=True),
        sa.Column("listing", sa.String(64), nullable=False),
        sa.Column("time_ms", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_mpr_old_storage_listing", "mpr_old_storage", ["listing"])


def downgrade() -> None:
    """Drop the tables, with all that is in them."""
    for table in ("mpr_old_storage", "mpr_ledger", "mpr_request_rate", "mpr_spending", "mpr_claim"):
        op.drop_table(table)
