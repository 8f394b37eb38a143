"""What Alembic runs: the steps that are missing, on the connection that it was given, in its transaction."""

from __future__ import annotations

from alembic import context

import mpr_resources.database.migrations.indexes  # noqa: F401 - the tables have them
from mpr_resources.database.schema import METADATA, VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"], target_metadata=METADATA, version_table=VERSION_TABLE
)
with context.begin_transaction():
    context.run_migrations()
