"""The process that `fence` starts: calls functions that decode, under limits, and tells what they give.

On standard input comes what to call, pickled by the process that started this one. On standard output go answers in
msgpack, each behind its length; one of length 0 says that decoding gets on.
"""

from __future__ import annotations

import os
import pickle
import queue
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from fractions import Fraction
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

import msgpack
from typing_extensions import Buffer

from gpu_service import errors
from gpu_service.errors import MprError
from mpr_resources.media.watched import Listeners

LENGTH_BYTES = 4
MOST_MEMORY_BYTES = 8 * 2**30
"""Of a decoder's own data. A 4K frame takes 25 MB at most, and each thread holds some."""
MOST_HEADER_BYTES = 2 * 2**30
"""While a file is opened: for its streams, index and metadata, and the frames by which a codec is known. A header of
some KB may declare an index of GB."""
MOST_FILES = 256
IDLE_S = 90.0
"""A process that nothing is asked of ends; longer than `fence` would ask it."""
SAYS_S = 1.0
"""How often it says that it gets on."""


def main() -> None:
    """Answer until there is nothing more to come."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (MOST_FILES, MOST_FILES))
    resource.setrlimit(resource.RLIMIT_DATA, (MOST_MEMORY_BYTES, MOST_MEMORY_BYTES))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all; who started this process ends it
    # What libraries print must not get between the answers.
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    requests: queue.Queue[bytes] = queue.Queue()
    threading.Thread(target=_read, args=(os.fdopen(os.dup(0), "rb"), requests), daemon=True).start()
    try:
        while True:
            _answer(requests.get(timeout=IDLE_S), Pipe(answers))
    except (queue.Empty, BrokenPipeError):
        os._exit(0)


class Pipe:
    """Where answers go."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._packer = msgpack.Packer(autoreset=False)  # its buffer is kept: pictures are large
        self._said_s = 0.0

    def say(self, answer: dict[str, Any]) -> None:
        """One answer, of plain values."""
        self._packer.reset()
        self._packer.pack(answer)
        self._send(self._packer.getbuffer())

    def got_on(self) -> None:
        """Say so, now and then."""
        now_s = time.monotonic()
        if now_s - self._said_s >= SAYS_S:
            self._said_s = now_s
            self._send(b"")

    def _send(self, data: Buffer) -> None:
        content = memoryview(data)
        for part in (content.nbytes.to_bytes(LENGTH_BYTES, "big"), content):
            left = memoryview(part)
            while left:
                left = left[self._stream.write(left) or 0 :]


def _read(stream: BinaryIO, requests: queue.Queue[bytes]) -> None:
    """Requests as they come; the process ends with the one that started it, whatever it is doing."""
    while header := stream.read(LENGTH_BYTES):
        requests.put(stream.read(int.from_bytes(header, "big")))
    os._exit(0)


def _answer(request: bytes, answers: Pipe) -> None:
    Listeners.opened = lambda name: answers.say({"file": name})
    Listeners.got_on = answers.got_on
    Listeners.reads_header = _header_limit
    try:
        # Of who asks; both may have changed since this process began.
        environ, folder, called = pickle.loads(request)
        if folder is not None:
            os.chdir(folder)
        if environ != os.environ:
            os.environ.clear()
            os.environ.update(environ)
        module, function, args, kwargs = pickle.loads(called)
        call: Callable[..., Iterator[Any]] = getattr(import_module(module), function)
        for value in call(*args, **kwargs):
            answers.say({"value": _plain(value)})
    except BrokenPipeError:
        raise
    except MprError as error:
        kind = next(one.__name__ for one in type(error).__mro__ if getattr(errors, one.__name__, None) is one)
        answers.say({"error": kind, "facts": [error.what, error.remedy, error.where]})
    except MemoryError as error:
        what = str(error) or f"more than {MOST_MEMORY_BYTES // 2**30} GB"
        answers.say({"error": "MemoryError", "facts": [what, "", ""]})
    except Exception as error:
        answers.say({"error": type(error).__name__, "facts": [str(error)[:300], "", ""]})
    else:
        answers.say({"end": True})


@contextmanager
def _header_limit() -> Iterator[None]:
    """Less memory for a while, where the system tells how much is taken."""
    before = resource.getrlimit(resource.RLIMIT_DATA)
    try:
        taken_pages = int(Path("/proc/self/statm").read_text().split()[5])
    except OSError:
        yield
        return
    most = taken_pages * resource.getpagesize() + MOST_HEADER_BYTES
    resource.setrlimit(resource.RLIMIT_DATA, (min(most, before[0]), before[1]))
    try:
        yield
    except MemoryError:
        raise MemoryError(f"more than {MOST_HEADER_BYTES // 2**30} GB as it opens") from None
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def _plain(value: Any) -> Any:
    """Built of what msgpack has. A fraction is text, from which its type is made again."""
    if is_dataclass(value):
        return {one.name: _plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return str(value) if isinstance(value, Fraction) else value
