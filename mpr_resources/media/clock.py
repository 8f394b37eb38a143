"""A time as people read it. Imports nothing: whatever prints needs it."""

from __future__ import annotations


def clock(ms: int) -> str:
    """A time as commands take and print it.

    >>> clock(754_040), clock(360_000_000)
    ('00:12:34.040', '100:00:00.000')
    """
    seconds, milliseconds = divmod(ms, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{milliseconds:03}"
