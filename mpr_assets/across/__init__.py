"""All timelines at once: their tables for SQL."""
