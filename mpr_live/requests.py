"""What is asked of a session's ingest process while it runs, by a socket of this machine: to capture, to set.

One line of JSON each way. The socket lies in a folder that the user alone can enter.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from gpu_service.errors import BadInput, MprError, TransientError
from mpr_live.places import live_folder

LOG = logging.getLogger("mpr.live")
ANSWER_S = 5.0
MOST_BYTES = 65_536

Asked = Mapping[str, Any]


def socket_path(session: str) -> Path:
    """Short, as the names of sockets must be.

    Raises:
        BadInput: somebody else has its folder.
    """
    folder = Path(tempfile.gettempdir()) / f"mpr-live-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise BadInput(f"{folder} is somebody else's", "remove it")
    return folder / f"{sha256(f'{live_folder()} {session}'.encode()).hexdigest()[:24]}.sock"


class Requests:
    """Answers what is asked of a session. `answer`: gives what is said to a request, or raises an MprError."""

    def __init__(self, session: str, answer: Callable[[Asked], Mapping[str, Any]]) -> None:
        self._path = socket_path(session)
        self._answer = answer
        with suppress(FileNotFoundError):  # of a process that was killed
            self._path.unlink()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self._path))
        self._listener.listen(8)
        threading.Thread(target=self._serve, name="requests", daemon=True).start()

    def close(self) -> None:
        """Answer no more."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with suppress(FileNotFoundError):
            self._path.unlink()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, suppress(OSError):
                connection.settimeout(ANSWER_S)
                connection.sendall(self._said(connection.makefile("rb").readline(MOST_BYTES)) + b"\n")

    def _said(self, line: bytes) -> bytes:
        try:
            return json.dumps(dict(self._answer(json.loads(line)))).encode()
        except MprError as error:
            return json.dumps(error.body()).encode()
        except (ValueError, KeyError, TypeError) as error:
            return json.dumps({"error": f"The request cannot be read ({error})"}).encode()


def ask(session: str, asked: Asked) -> dict[str, Any]:
    """Ask a session that runs on this machine; gives what it says.

    Raises:
        BadInput: it refuses.
        TransientError: it does not run here, or does not answer.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(ANSWER_S)
        try:
            connection.connect(str(socket_path(session)))
            connection.sendall(json.dumps(dict(asked)).encode() + b"\n")
            said: dict[str, Any] = json.loads(connection.makefile("rb").readline(MOST_BYTES))
        except (OSError, ValueError):
            raise TransientError(f"The live session {session!r} does not answer on this machine") from None
    if "error" in said:
        raise BadInput(str(said["error"]).rstrip("."))
    return said
