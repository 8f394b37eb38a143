"""The synthetic football broadcast: drawn by code, with exact truth beside it."""
