"""Commands of the user's that are run for each new frame or piece of sound, one at a time and in order.

A command gets the file's path and its session time in seconds as its last arguments. One that fails or hangs is logged
and costs nothing else; where they are slower than what comes, the oldest that wait are left out.
"""

from __future__ import annotations

import logging
import queue
import shlex
import subprocess
import threading
from pathlib import Path

LOG = logging.getLogger("mpr.live")
WAITING = 100
LONGEST_S = 60.0


class Hook:
    """A command. None: nothing is run."""

    def __init__(self, command: str | None) -> None:
        self._command = shlex.split(command) if command else []
        self._due: queue.Queue[list[str] | None] = queue.Queue(WAITING)
        self._thread = threading.Thread(target=self._work, name="hook", daemon=True)
        if self._command:
            self._thread.start()

    def run(self, path: Path, start_s: float, duration_s: float | None = None) -> None:
        """Have it run for a file, soon."""
        if not self._command:
            return
        times = [f"{start_s:.3f}"] if duration_s is None else [f"{start_s:.3f}", f"{duration_s:.3f}"]
        while True:
            try:
                self._due.put_nowait([str(path), *times])
            except queue.Full:
                LOG.warning("%s is too slow: %s is left out", self._command[0], (self._due.get_nowait() or [""])[0])
                continue
            return

    def close(self) -> None:
        """Run what is due, and end."""
        if self._command:
            self._due.put(None)
            self._thread.join(LONGEST_S)

    def _work(self) -> None:
        while (arguments := self._due.get()) is not None:
            try:
                ran = subprocess.run(
                    [*self._command, *arguments],
                    stdin=subprocess.DEVNULL,
                    timeout=LONGEST_S,
                    check=False,
                )
            except (OSError, subprocess.TimeoutExpired) as error:
                LOG.warning("%s for %s: %s", self._command[0], arguments[0], error)
                continue
            if ran.returncode:
                LOG.warning("%s for %s ended with status %s", self._command[0], arguments[0], ran.returncode)
