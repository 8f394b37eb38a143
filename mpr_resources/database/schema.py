"""The tables, as they are now. How they came to be is in `migrations/`; what is done with them is not here.

Their names begin with `mpr_`, so that they may lie in a database that has others, Dagster's for example. Times of day
are milliseconds since 1970, UTC; times of an airing are on the timeline's clock.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

METADATA = MetaData()
VERSION_TABLE = "mpr_alembic_version"
HEAD = "0002"
"""The last of `migrations/versions`, with which these are the tables."""

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
"""That a brand has one name is held by the index `mpr_one_name`; see `migrations/indexes.py`."""

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

# The cloud: what is asked, what it costs, how often. The answers themselves are objects in the storage.

claim = Table(
    "mpr_claim",
    METADATA,
    # A crop that somebody asks about now; deleted when it is answered, or by the next who asks once it is void.
    Column("family", String(16), primary_key=True),
    Column("name", String(60), primary_key=True),
    Column("owner", String(32), nullable=False),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("until_ms", BigInteger, nullable=False),
    Column("aspect", Float, nullable=False),
    Column("thumbnail", LargeBinary, nullable=False),
)

spending = Table(
    "mpr_spending",
    METADATA,
    # What a run, a timeline or a day has cost, reservations included. The row of a timeline stays.
    Column("kind", String(20), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("requests", BigInteger, nullable=False),
    Column("micro_usd", BigInteger, nullable=False),
    Column("changed_ms", BigInteger, nullable=False),
)

request_rate = Table(
    "mpr_request_rate",
    METADATA,
    # Requests to a provider within a minute, counted since 1970.
    Column("provider", String(40), primary_key=True),
    Column("minute", BigInteger, primary_key=True),
    Column("requests", Integer, nullable=False),
)

ledger_row = Table(
    "mpr_ledger",
    METADATA,
    # The time first, so that the rows lie in the order of time: `{time_ms:014d}-{random}`.
    Column("id", String(40), primary_key=True),
    Column("time_ms", BigInteger, nullable=False),
    Column("timeline", Text, nullable=False),
    Column("stage", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("crops", Integer, nullable=False),
    Column("tokens_in", BigInteger, nullable=False),
    Column("tokens_out", BigInteger, nullable=False),
    Column("tokens_cached", BigInteger, nullable=False),
    Column("micro_usd", BigInteger, nullable=False),
    Column("milliseconds", BigInteger, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("run", Text, nullable=False),
)

old_storage = Table(
    "mpr_old_storage",
    METADATA,
    # Storages whose objects of money and claims were taken over. `listing`: hash of their keys.
    Column("url", Text, primary_key=True),
    Column("listing", String(64), nullable=False, index=True),
    Column("time_ms", BigInteger, nullable=False),
)
