"""The ingest process of a session: `python -m mpr_live.ingest NAME`, its address on stdin.

Exit status: 0 the source has ended or the process was told to end, 1 it may be tried again, 2 it cannot be read.
"""

from __future__ import annotations

import logging
import os
import sys
import threading

import av

from gpu_service.errors import MprError, TransientError
from gpu_service.masking import masked
from mpr_assets.runs.local_storage import storage
from mpr_assets.sessions.session_store import SessionStore
from mpr_live.places import scratch_folder
from mpr_live.processes import AGAIN, UNUSABLE, end_with_parent, told_to_end
from mpr_live.recording.windows import Recording
from mpr_live.sources.reading import Away, Ended, Opened, Reading

LOG = logging.getLogger("mpr.live")
LOOK_S = 0.2


def ingest(name: str, address: str) -> int:
    """Take the session's source in until it ends; gives the exit status."""
    told = told_to_end()
    store = SessionStore(storage(), name)
    session = store.session()
    recording = Recording(store, session, scratch_folder(name))
    return take_in(Reading(session, address, recording.last), recording, told)


def take_in(reading: Reading, recording: Recording, told: threading.Event) -> int:
    """Record what comes until nothing more does, or it is told to end; gives the exit status."""
    try:
        while not told.is_set():
            match reading.get(LOOK_S):
                case None:
                    pass
                case Opened(streams, goes_on, why):
                    recording.opened(streams, goes_on=goes_on, why=why)
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
                    recording.add(packet)
        recording.end()
        return 0
    finally:
        reading.close()


def main() -> None:
    """The process."""
    end_with_parent()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s ingest: %(message)s")
    [name] = sys.argv[1:]
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
