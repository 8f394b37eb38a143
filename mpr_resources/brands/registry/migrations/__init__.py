"""How the registry's tables came to be, step by step, for Alembic. Applied by `brands.registry.database`."""
