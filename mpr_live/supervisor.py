"""The supervisor of a session: `python -m mpr_live.supervisor NAME`, its address on stdin.

It starts the session's ingest and worker, starts them again when they die, and ends them when it is told to. It alone
writes the session's state. It is found by its lock, never by a number of a process.
"""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field

from filelock import FileLock, Timeout

from gpu_service.errors import MprError
from mpr_assets.runs.local_storage import storage
from mpr_assets.sessions.session import BEAT_S, LiveState, Status
from mpr_assets.sessions.session_store import INGEST, STATE, SessionStore
from mpr_live.places import lock_file
from mpr_live.processes import END_S, UNUSABLE, told_to_end

LOG = logging.getLogger("mpr.live")
LOOK_S = 0.2
LONGEST_WAIT_S = 30.0
STEADY_S = 60.0
"""A process that has run for so long is started again without waiting."""
STOP = "stop"


@dataclass
class Child:
    """A process that is kept running. `waits_s`: before it is started again."""

    module: str
    name: str
    address: str = ""
    process: subprocess.Popen[bytes] | None = None
    began_s: float = 0.0
    waits_s: float = 0.0
    restarts: int = 0
    ended: int | None = field(default=None)

    def start(self) -> None:
        self.began_s = time.monotonic()
        # Its output goes to the session's log as it is: there is no pipe that somebody would have to drain.
        command = [sys.executable, "-m", self.module, self.name, str(os.getpid())]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE)
        assert self.process.stdin is not None
        self.process.stdin.write(f"{self.address}\n".encode())
        self.process.stdin.close()

    def look(self) -> None:
        """Start it where it is to run and does not; note with which status it has ended, where that is final."""
        if self.ended is not None:
            return
        now_s = time.monotonic()
        if self.process is None:
            if now_s >= self.began_s + self.waits_s:
                self.start()
            return
        status = self.process.poll()
        if status is None:
            return
        if status in (0, UNUSABLE):
            self.ended = status
            return
        ran_s, self.process = now_s - self.began_s, None
        self.waits_s = 0.0 if ran_s >= STEADY_S else min(LONGEST_WAIT_S, max(1.0, 2 * self.waits_s))
        self.began_s, self.restarts = now_s, self.restarts + 1
        LOG.warning("%s ended with status %s; it is started again in %.0f s", self.module, status, self.waits_s)

    def end(self) -> None:
        """Tell it to end, and wait."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(END_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Supervisor:
    """Keeps a session's processes running."""

    def __init__(self, store: SessionStore, address: str) -> None:
        self._store = store
        self._ingest = Child("mpr_live.ingest", store.name, address)
        self._worker = Child("mpr_live.worker", store.name)
        self._stopping = False
        self._told: tuple[Status, str, int] | None = None
        self._told_s = 0.0

    def run(self) -> None:
        """Until the session has ended, or this process is told to end."""
        told = told_to_end()
        self._say("starting")
        try:
            while not told.wait(LOOK_S):
                if not self._stopping and self._store.wished(STOP) is not None:
                    self._stop()
                self._ingest.look()
                self._worker.look()
                if self._ingest.ended is not None and not self._stopping:
                    self._stop()
                if self._worker.ended is not None and self._stopping:
                    break
                self._say(*self._status())
        finally:
            self._ingest.end()
            self._worker.end()
        if self._ingest.ended == UNUSABLE:
            happened = self._store.ingest().happened
            self._say("error", happened[-1] if happened else "the source cannot be read")
        else:
            self._say("inactive", "" if self._ingest.ended is not None else "its supervisor was told to end")

    def _status(self) -> tuple[Status, str]:
        if self._stopping:
            return "stopping", ""
        ingest = self._store.ingest()
        if ingest.away:
            return "starting", ingest.away
        return ("active" if ingest.epoch >= 0 else "starting"), ""

    def _stop(self) -> None:
        self._stopping = True
        self._say("stopping")
        self._ingest.end()
        if self._ingest.ended is None:
            self._ingest.ended = 0
        self._store.fulfil(STOP)
        state = self._store.ingest()
        if not state.ended:  # it was killed, or cannot be read
            self._store.put(INGEST, state.model_copy(update={"ended": True}))

    def _say(self, status: Status, reason: str = "") -> None:
        restarts = self._ingest.restarts + self._worker.restarts
        now_s = time.time()
        if (status, reason, restarts) != self._told or now_s - self._told_s >= BEAT_S:
            self._told, self._told_s = (status, reason, restarts), now_s
            place = socket.gethostname()
            self._store.put(
                STATE, LiveState(status=status, reason=reason, beat_s=now_s, place=place, restarts=restarts)
            )


def main() -> None:
    """The process."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s supervisor: %(message)s")
    [name] = sys.argv[1:]
    address = sys.stdin.readline().rstrip("\n")
    try:
        with FileLock(lock_file(name), blocking=False, fallback_to_soft=False):
            Supervisor(SessionStore(storage(), name), address).run()
    except Timeout:
        LOG.error("another supervisor of %s is at work", name)
        sys.exit(1)
    except MprError as error:
        LOG.error("%s", error)
        sys.exit(1)


if __name__ == "__main__":
    main()
