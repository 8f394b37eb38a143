"""The database, for data that needs transactions: brands, and requests to cloud models with their costs."""
