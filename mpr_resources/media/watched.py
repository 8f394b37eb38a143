"""What decoding tells of itself while it goes on: which file is open, that its header is read, that there was another
packet.

Nobody listens but the process that `fence` starts, and tests.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext


class Listeners:
    """Who is told; by default nobody."""

    opened: Callable[[str], None] = staticmethod(lambda _name: None)
    got_on: Callable[[], None] = staticmethod(lambda: None)
    reads_header: Callable[[], AbstractContextManager[None]] = staticmethod(nullcontext)


def opened(name: str) -> None:
    """A file of this name is being opened."""
    Listeners.opened(name)


def got_on() -> None:
    """A packet was read."""
    Listeners.got_on()


def reads_header() -> AbstractContextManager[None]:
    """While it lasts, no frame of the video itself is asked for."""
    return Listeners.reads_header()
