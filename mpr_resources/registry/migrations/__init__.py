"""How the registry's tables came to be, step by step, for Alembic. Applied by `mpr_resources.registry.database`."""
