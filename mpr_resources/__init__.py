"""The world outside: storage, media, inference, brands and profiles. Knows nothing of Dagster assets."""
