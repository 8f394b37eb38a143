"""Decoding in a process of its own: media come from strangers, and decoders are C.

A file at which the decoder crashes, hangs or takes too much memory ends that process and gets a sentence; the process
that asked goes on. What is decoded, and into what, is the function's that is called there; it is imported there, so its
module should import little. The other end of the pipe is in `fenced_process`.

What comes back is built of plain values by its type, never unpickled: a decoder that was taken over gains nothing.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import pickle
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import msgpack
from pydantic import TypeAdapter

from gpu_service import errors
from gpu_service.errors import BadInput, MprError, TransientError
from mpr_resources.media import fenced_process
from mpr_resources.media.fenced_process import LENGTH_BYTES
from mpr_resources.media.opening import HARMFUL, TIME_LIMIT_S

P = ParamSpec("P")
T = TypeVar("T")

STILL_S = TIME_LIMIT_S + 30.0
"""No packet for so long: the decoder hangs, as reading itself has its time limit."""
IDLE_S = 30.0
"""A process that nothing was asked of for longer is not asked again; it ends by itself."""
MOST_ANSWER_BYTES = 2**29
PIPE_BYTES = 2**20
"""Room for answers; what a pipe has by itself is filled a dozen times by a picture."""
GARBAGE_AFTER = 50_000
"""So many more objects are there in the other process before Python looks for garbage: imports leave none."""
AT_START = {"OPENBLAS_NUM_THREADS": "1"}
"""Numpy would start a thread for each core, which decoding has no use for."""
CRASHES = frozenset({signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGTRAP})
"""Signals by which a process ends through its own fault."""


class _Process:
    """The other process, and the pipes to it. It does one thing at a time."""

    def __init__(self) -> None:
        # Modules are looked for where this process does, not in the working folder, which may be a stranger's.
        begin = (
            f"import gc, sys; gc.set_threshold({GARBAGE_AFTER}); sys.path[:] = {sys.path!r}; "
            f"from {fenced_process.__name__} import main; main()"
        )
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", begin],
            env=os.environ | AT_START,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests, self._answers = self._process.stdin, self._process.stdout
        if hasattr(fcntl, "F_SETPIPE_SZ"):
            with suppress(OSError):  # this user's pipes hold as much as they may
                fcntl.fcntl(self._answers, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self._buffer = bytearray(2**20)
        self._used_s = time.monotonic()

    @property
    def is_usable(self) -> bool:
        return self._process.poll() is None and time.monotonic() - self._used_s < IDLE_S

    def ask(self, request: bytes) -> None:
        """Send what is to be called."""
        left = memoryview(len(request).to_bytes(LENGTH_BYTES, "big") + request)
        while left:
            left = left[self._requests.write(left) or 0 :]

    def answer(self) -> dict[str, Any]:
        """The next answer; empty: the process gets on.

        Raises:
            EOFError: it ended. TimeoutError: nothing came for `STILL_S`. ValueError, TypeError: it says what it should
            not.
        """
        length = int.from_bytes(self._read(LENGTH_BYTES), "big")
        if length > MOST_ANSWER_BYTES:
            raise ValueError("too long")
        answer = msgpack.unpackb(self._read(length)) if length else {}
        self._used_s = time.monotonic()
        if not isinstance(answer, dict):
            raise TypeError("no mapping")
        return answer

    def _read(self, count: int) -> memoryview:
        """So many bytes, until the next call."""
        if len(self._buffer) < count:
            self._buffer = bytearray(count)
        data = left = memoryview(self._buffer)[:count]
        while left:
            ready, _, _ = select.select([self._answers], [], [], STILL_S)
            if not ready:
                raise TimeoutError
            got = os.readv(self._answers.fileno(), [left])
            if not got:
                raise EOFError
            left = left[got:]
        return data

    def ended(self) -> int:
        """The exit status of one whose pipe is closed; less than 0: a signal's number."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        self.end()
        return int(self._process.returncode)

    def end(self) -> None:
        """Now, whatever it does."""
        self._process.kill()
        self._process.wait()
        self.let_go()

    def let_go(self) -> None:
        """Close the pipes; it ends by itself when nobody holds them."""
        self._requests.close()
        self._answers.close()


_idle: list[_Process] = []
_others: list[_Process] = []
"""Those of the process that this one was forked from."""
_guard = threading.Lock()


def fenced(
    kind: type[T], function: Callable[P, Iterator[T]], *args: P.args, **kwargs: P.kwargs
) -> Generator[T, None, None]:
    """What the function gives, called in another process, one by one as it gives them.

    It runs ahead of who asks by what a pipe holds. Closing the generator ends it.

    Args:
        kind: of what it gives: a dataclass, a typed dictionary, bytes; built of plain values, and checked.
        function: at the top of a module.

    Raises:
        MprError: what the function raises.
        BadInput: the decoder crashed, hangs, or took too much memory.
        TransientError: it was ended from outside.
    """
    adapter = TypeAdapter(kind)
    # What is called is unpickled when the environment is set, as that may open stores.
    called = pickle.dumps((function.__module__, function.__qualname__, args, kwargs))
    request = pickle.dumps((dict(os.environ), _working_folder(), called))
    process = _taken()
    file, done = "the file", False
    try:
        process.ask(request)
        while True:
            answer = process.answer()
            if "value" in answer:
                yield adapter.validate_python(answer["value"])
            elif "file" in answer:
                file = str(answer["file"])
            elif answer:
                done = True
                if "error" in answer:
                    raise _error(str(answer["error"]), answer["facts"], file)
                return
    except (EOFError, BrokenPipeError):
        raise _end(process.ended(), file) from None
    except TimeoutError:
        raise BadInput(f"Decoding {file} got no further for {STILL_S:.0f} s", HARMFUL) from None
    except (ValueError, TypeError, LookupError) as error:
        raise BadInput(f"Decoding {file} gave what it should not ({type(error).__name__})", HARMFUL) from error
    finally:
        if done:
            with _guard:
                _idle.append(process)
        else:
            process.end()


def _working_folder() -> str | None:
    """Where relative paths begin; None: it was deleted."""
    try:
        return str(Path.cwd())
    except FileNotFoundError:
        return None


def _taken() -> _Process:
    """A process that waits, or a new one."""
    with _guard:
        while _idle:
            process = _idle.pop()
            if process.is_usable:
                return process
            process.end()
    return _Process()


def _error(name: str, facts: Sequence[str], file: str) -> MprError:
    """The error that the function raised; one that is no `MprError` is the decoder's trouble with the file."""
    what, remedy, where = map(str, facts)
    kind = getattr(errors, name, None)
    if isinstance(kind, type) and issubclass(kind, MprError):
        return kind(what, remedy, where=where)
    return BadInput(f"{file} cannot be decoded ({name}: {what})", HARMFUL)


def _end(status: int, file: str) -> MprError:
    """Why the process ended, for who waited for its answer."""
    name = signal.Signals(-status).name if status < 0 else f"status {status}"
    if status >= 0 or -status in CRASHES:
        return BadInput(f"Decoding {file} ended the decoder ({name})", HARMFUL)
    return TransientError(f"Decoding {file} was ended from outside ({name}), as where memory runs out", "run again")


def end_idle() -> None:
    """End the processes that nothing is asked of."""
    while _idle:
        _idle.pop().end()


def _forked() -> None:
    for process in _idle:
        process.let_go()
    _others.extend(_idle)
    _idle.clear()


atexit.register(end_idle)
os.register_at_fork(after_in_child=_forked)
