"""Live sessions as their users have them, in a folder of their own, for benchmarks: the command line, what
`mpr serve` tells, and the processes, found by the folder in their environment so that nobody else's are touched.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any

from mpr_assets.definitions import ROOT
from mpr_assets.sessions.session_store import SessionStore
from mpr_resources.environment import dagster_settings
from mpr_resources.storage.store import Storage

BRAND = "Acme Motors"
PROFILE = """
description: one line of text, of which nothing but the text is looked at
extract_frames: {{fps: {fps}}}
run_ocr: {{read_crops: false}}
"""
START_S = 120.0


@dataclass
class LiveWorld:
    """A folder with storage, Dagster's folder, a profile `bench` and a brand file."""

    folder: Path
    fps: float = 2.0
    environ: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        (self.folder / "profiles").mkdir(parents=True)
        (self.folder / "profiles" / "bench.yaml").write_text(PROFILE.format(fps=self.fps))
        self.brands.write_text(f"brands: [{BRAND}]\n")
        (self.folder / "dagster").mkdir()
        shutil.copy(dagster_settings(), self.folder / "dagster")
        self.environ = os.environ | {
            "DAGSTER_HOME": str(self.folder / "dagster"),
            "MPR_STORAGE_URL": str(self.folder / "storage"),
            "MPR_PROFILES_DIR": str(self.folder / "profiles"),
            "MPR_DATABASE_URL": f"sqlite:///{self.folder / 'registry.sqlite'}",
            "PYTHONPATH": str(ROOT),
        }

    @property
    def brands(self) -> Path:
        return self.folder / "brands.yaml"

    def store(self, session: str) -> SessionStore:
        return SessionStore(Storage.open(str(self.folder / "storage")), session)

    def mpr(self, *arguments: object) -> Any:
        """What a command says as JSON; a refusal ends the program."""
        command = [sys.executable, "-m", "mpr_cli", *map(str, arguments), "--json"]
        ran = subprocess.run(command, env=self.environ, cwd=ROOT, capture_output=True, text=True, check=False)
        if ran.returncode:
            raise SystemExit(f"mpr {' '.join(map(str, arguments))}: {ran.stderr}")
        return json.loads(ran.stdout)

    def start(self, session: str, source: object, window: str, *options: object) -> None:
        """Begin a session with the profile of this folder."""
        given = ("--profile", "bench", "--brands", self.brands, "--window", window)
        self.mpr("live", "start", source, "--name", session, *given, *options)

    def until(self, what: str, done: Callable[[], bool], within_s: float = START_S) -> None:
        """Wait for it; the program ends where it does not come."""
        end_s = time.monotonic() + within_s
        while not done():
            if time.monotonic() > end_s:
                raise SystemExit(f"after {within_s:.0f} s: {what}")
            time.sleep(0.1)

    def until_over(self, session: str, within_s: float = 1800) -> None:
        """Wait until a session is inactive, or in error."""
        store = self.store(session)
        self.until(f"{session} has not ended", lambda: store.state().status in ("inactive", "error"), within_s=within_s)

    def processes(self, *words: str) -> list[int]:
        """The numbers of the processes of this folder whose command has all of these words."""
        mine = f"MPR_STORAGE_URL={self.folder / 'storage'}".encode()
        found = []
        for place in Path("/proc").iterdir():
            if not place.name.isdecimal() or int(place.name) == os.getpid():
                continue
            with suppress(OSError):
                command = (place / "cmdline").read_bytes().split(b"\0")
                if all(word.encode() in command for word in words) and mine in (place / "environ").read_bytes():
                    found.append(int(place.name))
        return found

    @contextmanager
    def running(self, *command: object) -> Iterator[subprocess.Popen[bytes]]:
        """A process of this folder, ended afterwards; what it prints is in `log.txt`."""
        with (self.folder / "log.txt").open("ab") as log:
            process = subprocess.Popen([*map(str, command)], env=self.environ, cwd=ROOT, stdout=log, stderr=log)
            try:
                yield process
            finally:
                process.terminate()
                process.wait(30)


@dataclass(frozen=True)
class Told:
    """An event, and when it came, by the clock of the machine."""

    name: str
    data: Any
    at_s: float


class Listener:
    """Listens to a session's events in a thread, and comes back with the last id where it loses them."""

    def __init__(self, url: str, session: str) -> None:
        self._address = f"{url}/detect/live/{session}/events"
        self._last: str | None = None
        self._done = threading.Event()
        self.told: list[Told] = []
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._done.set()

    def wait_for_end(self, within_s: float) -> bool:
        """Whether the session's end was told by then."""
        self._thread.join(within_s)
        return not self._thread.is_alive()

    def _work(self) -> None:
        while not self._done.is_set():
            with suppress(OSError, HTTPException):
                if self._listen():
                    return
            time.sleep(0.5)

    def _listen(self) -> bool:
        """Until the stream breaks off; gives whether the session has ended."""
        from_start = "" if self._last else "?start=0"
        request = urllib.request.Request(
            self._address + from_start, headers={"Last-Event-ID": self._last} if self._last else {}
        )
        name = ""
        with urllib.request.urlopen(request, timeout=60) as answer:
            if answer.status == 204:
                return True
            for line in answer:
                key, _, value = line.decode().rstrip("\n").partition(": ")
                if key == "event":
                    name = value
                elif key == "id":
                    self._last = value
                elif key == "data":
                    self.told.append(Told(name, json.loads(value), time.time()))
                    if name == "end":
                        return True
        return False
