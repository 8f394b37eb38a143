"""Timelines: their specs, the table of chunks, and their partitions."""
