"""Brands, their texts, pictures and airings, and the history of changes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "mpr_brand",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("source", sa.String(20), nullable=False),
        sa.Column("exclude", sa.JSON(), nullable=False),
        sa.Column("tags", sa.JSON(), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "mpr_brand_text",
        sa.Column("key", sa.String(400), primary_key=True),
        sa.Column("brand_id", sa.Integer(), sa.ForeignKey("mpr_brand.id"), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("is_name", sa.Boolean(), nullable=False),
        sa.Column("from_file", sa.Boolean(), nullable=False),
    )
    op.create_index("ix_mpr_brand_text_brand_id", "mpr_brand_text", ["brand_id"])
    op.create_index(
        "mpr_one_name",
        "mpr_brand_text",
        ["brand_id"],
        unique=True,
        sqlite_where=sa.text("is_name"),
        postgresql_where=sa.text("is_name"),
    )
    op.create_table(
        "mpr_picture",
        sa.Column("brand_id", sa.Integer(), sa.ForeignKey("mpr_brand.id"), primary_key=True),
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "mpr_airing",
        sa.Column("brand_id", sa.Integer(), sa.ForeignKey("mpr_brand.id"), primary_key=True),
        sa.Column("timeline", sa.String(200), primary_key=True),
        sa.Column("first_ms", sa.BigInteger(), nullable=False),
        sa.Column("last_ms", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "mpr_change",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("time_ms", sa.BigInteger(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("action", sa.String(20), nullable=False),
        sa.Column("brand_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_mpr_change_brand_id", "mpr_change", ["brand_id"])


def downgrade() -> None:
    """Drop the tables, with all that is in them."""
    for table in ("mpr_change", "mpr_airing", "mpr_picture", "mpr_brand_text", "mpr_brand"):
        op.drop_table(table)
