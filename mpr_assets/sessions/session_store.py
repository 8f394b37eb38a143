"""Where a session's objects lie in the storage, and reading and writing them. What they hold is in `session`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TypeVar

from pydantic import ValidationError

from gpu_service.errors import NotThere, PermanentError
from mpr_assets.sessions.session import (
    DIGITS,
    SILENT_S,
    Analysed,
    Ingest,
    LiveObject,
    LiveSession,
    LiveState,
    RecorderState,
    Removed,
    Window,
)
from mpr_resources.names import check_name
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.store import MissingObject, Storage

StoredT = TypeVar("StoredT", bound=LiveObject)

FOLDER = Keys.live("", "").rstrip("/")
SESSION, STATE, INGEST, RECORDER = "session.json", "state.json", "ingest.json", "recorder.json"
REMOVED = "removed.json"
WINDOWS, ANALYSED, WISHES = "windows", "analysed", "wishes"


class SessionStore:
    """One session's objects. Thread-safe.

    Raises:
        BadInput: no session can have this name.
    """

    def __init__(self, storage: Storage, name: str) -> None:
        self.storage = storage
        self.name = check_name(name, "session name")

    def key(self, name: str) -> str:
        return Keys.live(self.name, name)

    @staticmethod
    def window_file(number: int) -> str:
        return f"{WINDOWS}/{number:0{DIGITS}d}.mp4"

    def session(self) -> LiveSession:
        """What was asked for.

        Raises:
            NotThere: there is no session of this name.
        """
        found = self._read(SESSION, LiveSession)
        if found is None:
            raise NotThere(
                f"There is no live session {self.name!r} in {self.storage.url}", "list them with mpr live list"
            )
        return found

    def state(self) -> LiveState:
        """How the session is. One whose processes are silent, though they were at work, is in error."""
        found = self._read(STATE, LiveState)
        if found is None:
            return LiveState(status="inactive", reason="it was never started")
        if found.status in ("starting", "active", "stopping") and time.time() - found.beat_s > SILENT_S:
            reason = f"its processes at {found.place} are gone; start it again under its name, and it goes on"
            return found.model_copy(update={"status": "error", "reason": reason})
        return found

    def ingest(self) -> Ingest:
        return self._read(INGEST, Ingest) or Ingest()

    def recorder(self) -> RecorderState | None:
        """What was set of the recorder; None: nothing was."""
        return self._read(RECORDER, RecorderState)

    def removed(self) -> Removed:
        """The windows whose recording was taken away."""
        return self._read(REMOVED, Removed) or Removed()

    def remove(self, numbers: Sequence[int]) -> None:
        """Take the recordings of windows away; what is known of them stays."""
        self.put(REMOVED, self.removed().with_also(numbers))
        self.storage.delete(self.key(self.window_file(number)) for number in numbers)

    def window(self, number: int) -> Window | None:
        """A window that is closed; None: there is none of this number yet."""
        return self._read(f"{WINDOWS}/{number:0{DIGITS}d}.json", Window)

    def analysed(self, number: int) -> Analysed | None:
        """What became of a window; None: its turn has not come."""
        return self._read(f"{ANALYSED}/{number:0{DIGITS}d}.json", Analysed)

    def windows(self, start: int = 0) -> Iterator[Window]:
        """The windows that are closed, in order, from a number on: they are numbered without a gap."""
        while (found := self.window(start)) is not None:
            yield found
            start += 1

    def windows_closed(self) -> int:
        """How many windows there are."""
        return self._count(WINDOWS, ".json")

    def windows_analysed(self) -> int:
        """How many have had their turn: they are taken in order."""
        return self._count(ANALYSED, ".json")

    def put(self, name: str, stored: LiveObject) -> None:
        self.storage.put(self.key(name), stored.model_dump_json().encode())

    def put_window(self, window: Window, data: bytes) -> None:
        """Store a window: its file, then what makes it known."""
        self.storage.put(self.key(self.window_file(window.number)), data)
        self.put(f"{WINDOWS}/{window.number:0{DIGITS}d}.json", window)

    def put_analysed(self, analysed: Analysed) -> None:
        self.put(f"{ANALYSED}/{analysed.number:0{DIGITS}d}.json", analysed)

    def wish(self, what: str, said: bytes = b"") -> None:
        """Ask the session's processes for something."""
        self.storage.put(self.key(f"{WISHES}/{what}"), said)

    def wished(self, what: str) -> bytes | None:
        """What was asked for; None: nothing was."""
        try:
            return self.storage.get(self.key(f"{WISHES}/{what}"))
        except MissingObject:
            return None

    def fulfil(self, what: str) -> None:
        """Take the wish back: it is fulfilled, or void."""
        self.storage.delete([self.key(f"{WISHES}/{what}")])

    def _count(self, folder: str, suffix: str) -> int:
        names = [key for key in self.storage.list(self.key(folder)) if key.endswith(suffix)]
        return int(max(names).rpartition("/")[2].removesuffix(suffix)) + 1 if names else 0

    def _read(self, name: str, kind: type[StoredT]) -> StoredT | None:
        try:
            return kind.model_validate_json(self.storage.get(self.key(name)))
        except MissingObject:
            return None
        except ValidationError as error:
            raise PermanentError(f"{self.storage.where(self.key(name))} does not describe a live session") from error


def session_names(storage: Storage) -> list[str]:
    """All sessions, sorted; a folder that is no session's is passed over."""
    return [name for name in storage.folders(FOLDER) if storage.exists(Keys.live(name, SESSION))]
