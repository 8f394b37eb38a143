"""The registry's tables, as they are now. How they came to be is in `migrations/`; what is done with them is not here.

Their names begin with `mpr_`, so that they may lie in a database that has others, Dagster's for example. Times of day
are milliseconds since 1970, UTC; times of an airing are on the timeline's clock.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

METADATA = MetaData()
VERSION_TABLE = "mpr_alembic_version"

brand = Table(
    "mpr_brand",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("status", String(20), nullable=False),
    Column("source", String(20), nullable=False),
    Column("exclude", JSON, nullable=False),
    Column("tags", JSON, nullable=False),
    sqlite_autoincrement=True,  # an id is never used twice: the history refers to it
)

brand_text = Table(
    "mpr_brand_text",
    METADATA,
    # A text as `fold_key` folds it belongs to one brand, as its name or as an alias.
    Column("key", String(400), primary_key=True),
    Column("brand_id", ForeignKey("mpr_brand.id"), nullable=False, index=True),
    Column("text", Text, nullable=False),
    Column("is_name", Boolean, nullable=False),
    # Whether only brand files have it: then it counts where a brand file lists it, and nowhere else.
    Column("from_file", Boolean, nullable=False),
)
Index(
    "mpr_one_name",
    brand_text.c.brand_id,
    unique=True,
    sqlite_where=brand_text.c.is_name,
    postgresql_where=brand_text.c.is_name,
)

picture = Table(
    "mpr_picture",
    METADATA,
    Column("brand_id", ForeignKey("mpr_brand.id"), primary_key=True),
    Column("sha256", String(64), primary_key=True),
    Column("name", Text, nullable=False),
    Column("content", LargeBinary, nullable=False),
)

airing = Table(
    "mpr_airing",
    METADATA,
    Column("brand_id", ForeignKey("mpr_brand.id"), primary_key=True),
    Column("timeline", String(200), primary_key=True),
    Column("first_ms", BigInteger, nullable=False),
    Column("last_ms", BigInteger, nullable=False),
)

change = Table(
    "mpr_change",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("time_ms", BigInteger, nullable=False),
    Column("who", Text, nullable=False),
    Column("action", String(20), nullable=False),
    Column("brand_id", Integer, nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("detail", Text, nullable=False),
    sqlite_autoincrement=True,
)
