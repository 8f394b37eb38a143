"""What the processes of a session have in common: each ends with the one that started it, and when it is told to."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable

PR_SET_PDEATHSIG = 1
LOOK_S = 0.5
END_S = 10.0
"""How long a process may take to end once it is told to, before it is ended."""
AGAIN, UNUSABLE = 1, 2
"""Exit statuses: it may work when it is tried again; it will not."""


def end_with_parent(parent: int) -> None:
    """Have this process told to end when the one that started it is gone, however it ended, and end it after that.

    On Linux the kernel tells it at once. A run of Dagster's may keep that to itself, so it is looked at here as well.

    Args:
        parent: its number, as it says: it may be gone before this process asks.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(LOOK_S)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(END_S)
        os._exit(AGAIN)

    threading.Thread(target=watch, name="parent", daemon=True).start()


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
