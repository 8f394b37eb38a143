"""Starting, listing and stopping live sessions, for the command line and the API alike."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from filelock import FileLock, Timeout

from gpu_service.errors import BadInput, NotThere
from mpr_assets.sessions.session import Analysed, Ingest, LiveSession, LiveState, check_session_name
from mpr_assets.sessions.session_store import INGEST, SESSION, STATE, SessionStore, session_names
from mpr_live.places import live_folder, lock_file, log_file
from mpr_live.requests import Asked, ask
from mpr_live.supervisor import STOP
from mpr_resources.environment import make_private
from mpr_resources.storage.store import Storage

MOST = 4
"""Sessions at once where `MPR_LIVE_STREAMS` says nothing."""
AT_WORK = ("starting", "active", "stopping")


class TooMany(BadInput):
    """As many sessions run as this machine is to take."""


@dataclass(frozen=True)
class SessionStatus:
    """A session, how it is and how far it has come. `last`: the window that was analysed last."""

    session: LiveSession
    state: LiveState
    ingest: Ingest
    analysed: int
    last: Analysed | None
    lag_ms: int

    @property
    def name(self) -> str:
        return self.session.name


def status_of(storage: Storage, name: str) -> SessionStatus:
    """How a session is.

    Raises:
        NotThere: there is none of this name.
    """
    store = SessionStore(storage, name)
    session, state, ingest, analysed = store.session(), store.state(), store.ingest(), store.windows_analysed()
    last = store.analysed(analysed - 1) if analysed else None
    window = store.window(analysed - 1) if analysed else None
    lag_ms = max(0, ingest.received_ms - (window.end_ms if window else 0))
    return SessionStatus(session, state, ingest, analysed, last, lag_ms)


def statuses(storage: Storage) -> Sequence[SessionStatus]:
    """All sessions, by name."""
    return [status_of(storage, name) for name in session_names(storage)]


def start(storage: Storage, asked: LiveSession, address: str) -> SessionStatus:
    """Begin a session, or go on with one of this name whose processes are gone.

    Args:
        address: of the source, with what is secret in it; it is stored nowhere.

    Raises:
        TooMany: as many run as may.
        BadInput: the name is taken.
    """
    store = SessionStore(storage, check_session_name(asked.name))
    running = [one for one in statuses(storage) if one.state.status in AT_WORK and one.name != asked.name]
    most = most_sessions()
    if len(running) >= most:
        raise TooMany(
            f"{len(running)} live sessions run ({', '.join(one.name for one in running)}), and MPR_LIVE_STREAMS allows "
            f"{most}",
            "stop one with mpr live stop NAME",
        )
    make_private(live_folder())
    try:
        with FileLock(lock_file(asked.name), blocking=False, fallback_to_soft=False):
            _begin(store, asked)
    except Timeout:
        raise BadInput(
            f"The live session {asked.name!r} runs already", f"stop it with mpr live stop {asked.name}"
        ) from None
    with log_file(asked.name).open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "mpr_live.supervisor", asked.name],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        assert process.stdin is not None
        process.stdin.write(f"{address}\n".encode())
        process.stdin.close()
    # It outlives this process; where it ends before, its remains are taken away.
    threading.Thread(target=process.wait, name="supervisor", daemon=True).start()
    return status_of(storage, asked.name)


def _begin(store: SessionStore, asked: LiveSession) -> None:
    try:
        before = store.session()
    except NotThere:
        store.put(SESSION, asked)
    else:
        ingest = store.ingest()
        if ingest.ended and store.windows_analysed() >= ingest.windows:
            raise BadInput(f"The live session {asked.name!r} was recorded before", "give another --name")
        if before.model_copy(update={"started_s": asked.started_s}) != asked:
            raise BadInput(
                f"The live session {asked.name!r} broke off, and was started with other settings",
                "start it with those, so that it goes on, or give another --name",
            )
        store.put(INGEST, ingest.model_copy(update={"ended": False}))
    store.fulfil(STOP)
    store.put(STATE, LiveState(status="starting", beat_s=time.time()))


def stop(storage: Storage, name: str) -> SessionStatus:
    """Ask a session to end: its last window is closed and analysed before it does.

    Raises:
        NotThere: there is none of this name.
        BadInput: it does not run.
    """
    found = status_of(storage, name)
    if found.state.status not in AT_WORK:
        raise BadInput(f"The live session {name!r} does not run: it is {found.state.status}")
    SessionStore(storage, name).wish(STOP)
    return found


def capture(storage: Storage, name: str) -> tuple[str, int]:
    """Keep the newest frame of a session that runs on this machine; gives its file and its session time in ms.

    Raises:
        NotThere: there is no such session.
        BadInput: it keeps no frames, or none has come.
        TransientError: it does not run here.
    """
    said = _asked(storage, name, {"do": "capture"})
    return said["path"], said["session_ms"]


def set_scene_threshold(storage: Storage, name: str, threshold: float) -> None:
    """Have a session that runs on this machine begin its scenes by another change of colour, from the next frame on.

    Raises:
        as `capture`.
    """
    if not 0 < threshold <= 255:
        raise BadInput(f"The scene_threshold {threshold:g} is none", "give one above 0 and up to 255")
    _asked(storage, name, {"do": "set", "scene_threshold": threshold})


def _asked(storage: Storage, name: str, what: Asked) -> dict[str, Any]:
    if SessionStore(storage, name).session().recorder is None:
        raise BadInput(f"The live session {name!r} keeps no frames", "start one with --recorder FOLDER")
    return ask(name, what)


def most_sessions() -> int:
    """How many sessions may run at once, as `MPR_LIVE_STREAMS` says.

    Raises:
        BadInput: it is no number.
    """
    said = os.environ.get("MPR_LIVE_STREAMS") or str(MOST)
    if not said.isdecimal():
        raise BadInput(f"MPR_LIVE_STREAMS is {said!r}", "set it to a number, like 4")
    return int(said)
