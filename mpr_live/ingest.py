"""The ingest process of a session: `python -m mpr_live.ingest NAME PARENT`, its address on stdin.

PARENT is the number of the supervisor's process.
Exit status: 0 the source has ended or the process was told to end, 1 it may be tried again, 2 it cannot be read.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from functools import partial

import av
from av.packet import Packet
from av.stream import Stream

from gpu_service.errors import MprError, TransientError
from gpu_service.masking import masked
from mpr_assets.runs.local_storage import storage
from mpr_assets.sessions.session import LiveSession, RecorderState
from mpr_assets.sessions.session_store import RECORDER, SessionStore
from mpr_live.places import scratch_folder
from mpr_live.processes import AGAIN, UNUSABLE, end_with_parent, told_to_end
from mpr_live.recorder.recorder import Recorder, session_folder
from mpr_live.recording.windows import Recording
from mpr_live.requests import Asked, Requests
from mpr_live.sources.reading import Away, Ended, Opened, Reading

LOG = logging.getLogger("mpr.live")
LOOK_S = 0.2


def ingest(name: str, address: str) -> int:
    """Take the session's source in until it ends; gives the exit status."""
    told = told_to_end()
    store = SessionStore(storage(), name)
    session = store.session()
    recording = Recording(store, session, scratch_folder(name))
    recorder = _recorder(store, session)
    requests = None if recorder is None else Requests(name, partial(_answer, store, recorder))
    try:
        return take_in(Reading(session, address, recording.last), recording, told, recorder)
    finally:
        if requests is not None:
            requests.close()
        if recorder is not None:
            recorder.close()


def take_in(reading: Reading, recording: Recording, told: threading.Event, recorder: Recorder | None = None) -> int:
    """Record what comes until nothing more does, or it is told to end; gives the exit status."""
    try:
        while not told.is_set():
            match reading.get(LOOK_S):
                case None:
                    pass
                case Opened(streams, goes_on, why):
                    recording.opened(streams, goes_on=goes_on, why=why)
                    if recorder is not None:
                        recorder.opened(streams)
                case Away(reason):
                    recording.away(reason)
                case Ended(None):
                    recording.end()
                    return 0
                case Ended(error):
                    recording.close()
                    LOG.warning("%s", error)
                    recording.happened(str(error))
                    return AGAIN if isinstance(error, TransientError) else UNUSABLE
                case av.Packet() as packet:
                    _record(packet, recording, recorder)
        recording.end()
        return 0
    finally:
        reading.close()


def _record(packet: Packet[Stream], recording: Recording, recorder: Recorder | None) -> None:
    if recorder is None:
        recording.add(packet)
        return
    copy, stream = recorder.take(packet), packet.stream.index
    recording.add(packet)
    if recording.open_epoch is not None:
        recorder.add(copy, stream, recording.open_epoch)


def _recorder(store: SessionStore, session: LiveSession) -> Recorder | None:
    settings = session.recorder
    if settings is None:
        return None
    was_set = store.recorder()
    if was_set is not None:
        settings = settings.model_copy(update={"scene_threshold": was_set.scene_threshold})
    return Recorder(session_folder(settings.folder, session.started_s), settings)


def _answer(store: SessionStore, recorder: Recorder, asked: Asked) -> dict[str, object]:
    if asked["do"] == "capture":
        path, at_ms = recorder.frames.capture()
        return {"path": str(path), "session_ms": at_ms}
    threshold = float(asked["scene_threshold"])
    recorder.frames.set_threshold(threshold)
    store.put(RECORDER, RecorderState(scene_threshold=threshold))
    return {"scene_threshold": threshold}


def main() -> None:
    """The process."""
    name, parent = sys.argv[1:]
    end_with_parent(int(parent))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s ingest: %(message)s")
    address = sys.stdin.readline().rstrip("\n")
    try:
        status = ingest(name, address)
    except MprError as error:
        LOG.error("%s", masked(str(error)))
        status = AGAIN if isinstance(error, TransientError) else UNUSABLE
    # At once: the thread that reads may be waiting for its source in a call that nothing interrupts.
    logging.shutdown()
    os._exit(status)


if __name__ == "__main__":
    main()
