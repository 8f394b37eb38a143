"""What the recorder of a session has kept, as events: `frame` and `sound`, read from its folder on this machine.

The folder's journals only grow, so that an event's number is its line in there. How they are written is in
`mpr_live.recorder.index`.
"""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from threading import Lock
from typing import Any

from pydantic import BaseModel, Field

from mpr_assets.sessions.session import LiveSession
from mpr_live.recorder.index import journalled
from mpr_live.recorder.recorder import session_folder

READ = 16
"""Journals that are remembered."""


class RecordedFrame(BaseModel):
    """A frame that the recorder has kept. `reason`: scene or capture."""

    session: str
    id: int
    session_ms: int
    reason: str
    path: str = Field(description="of the picture, on the session's machine")


class RecordedSound(BaseModel):
    """A piece of sound that the recorder has kept."""

    session: str
    id: int
    session_ms: int
    duration_ms: int
    path: str = Field(description="of the WAV file, on the session's machine")


class RecorderFeed:
    """The journals of sessions' folders, each read again only when it has grown. Thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._read: OrderedDict[Path, tuple[int, list[dict[str, Any]]]] = OrderedDict()

    def counts(self, session: LiveSession) -> tuple[int, int]:
        """How many frames and pieces of sound there are."""
        return len(self._entries(session, "frames")), len(self._entries(session, "audio"))

    def frame(self, session: LiveSession, at: int) -> RecordedFrame:
        """The frame of this place, from 0."""
        one = self._entries(session, "frames")[at]
        at_ms = round(one["timestamp"] * 1000)
        path = str(self._folder(session) / one["path"])
        return RecordedFrame(session=session.name, id=one["id"], session_ms=at_ms, reason=one["reason"], path=path)

    def sound(self, session: LiveSession, at: int) -> RecordedSound:
        """The piece of sound of this place, from 0."""
        one = self._entries(session, "audio")[at]
        at_ms, duration_ms = round(one["timestamp"] * 1000), round(one["duration"] * 1000)
        path = str(self._folder(session) / one["path"])
        return RecordedSound(session=session.name, id=one["id"], session_ms=at_ms, duration_ms=duration_ms, path=path)

    @staticmethod
    def _folder(session: LiveSession) -> Path:
        assert session.recorder is not None
        return session_folder(session.recorder.folder, session.started_s)

    def _entries(self, session: LiveSession, kind: str) -> list[dict[str, Any]]:
        if session.recorder is None:
            return []
        folder = self._folder(session) / kind
        with self._lock:
            size, entries = self._read.get(folder, (-1, []))
            found = journalled(folder, size)
            if found is not None:
                size, entries = found
            self._read[folder] = size, entries
            self._read.move_to_end(folder)
            while len(self._read) > READ:
                self._read.popitem(last=False)
            return entries
