"""What the processes of a session have in common: each ends with the one that started it, and when it is told to."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable

PR_SET_PDEATHSIG = 1
AGAIN, UNUSABLE = 1, 2
"""Exit statuses: it may work when it is tried again; it will not."""


def end_with_parent() -> None:
    """Have the kernel end this process when the one that started it is gone, however it ended. Linux alone can."""
    parent = os.getppid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it went just before
            sys.exit(1)


def ending_with_parent() -> Callable[[], None] | None:
    """What a process does first that is to end with this one; for `preexec_fn`. Linux alone can.

    It ends with the thread that starts it: that one must last as long.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl  # looked up here: little may be done between fork and exec
    return lambda: prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def told_to_end() -> threading.Event:
    """Set once this process is asked to end by SIGTERM or SIGINT."""
    event = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: event.set())
    return event
