"""Timelines: what a user asks for, the table of chunks, and the partitions that stand for them."""
