"""What decoding tells of itself while it goes on: which file is open, and that there was another packet.

Nobody listens but the process that `fence` starts, and tests.
"""

from __future__ import annotations

from collections.abc import Callable


class Listeners:
    """Who is told; by default nobody."""

    opened: Callable[[str], None] = staticmethod(lambda _name: None)
    got_on: Callable[[], None] = staticmethod(lambda: None)


def opened(name: str) -> None:
    """A file of this name is being opened."""
    Listeners.opened(name)


def got_on() -> None:
    """A packet was read."""
    Listeners.got_on()
