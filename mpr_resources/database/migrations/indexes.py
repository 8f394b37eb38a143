"""Indexes whose conditions each database has in its own words. Only migrations need them: for such words SQLAlchemy
imports the dialects of all databases named, which takes a quarter of a short command's time.
"""

from __future__ import annotations

from sqlalchemy import Index

from mpr_resources.database.schema import brand_text

one_name = Index(
    "mpr_one_name",
    brand_text.c.brand_id,
    unique=True,
    sqlite_where=brand_text.c.is_name,
    postgresql_where=brand_text.c.is_name,
)
