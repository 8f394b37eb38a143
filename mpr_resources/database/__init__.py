"""The database of what has to be kept in transactions: brands, and what was asked of cloud models and what it cost."""
