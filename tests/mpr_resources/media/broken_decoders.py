"""Functions that do to the process of the fence what a file made to harm does: called there, by name."""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Iterator
from pathlib import Path

from gpu_service.errors import MprError
from mpr_resources.media import watched


def count(numbers: int) -> Iterator[int]:
    """0 to `numbers` - 1."""
    yield from range(numbers)


def working_folder() -> Iterator[str]:
    yield str(Path.cwd())


def process_number() -> Iterator[int]:
    yield os.getpid()


def fail(error: Exception) -> Iterator[int]:
    """Gives one, then raises."""
    watched.opened("a.mp4")
    yield 1
    raise error


def end_by(number: int) -> Iterator[int]:
    """A signal ends it."""
    watched.opened("a.mp4")
    os.kill(os.getpid(), number)
    time.sleep(9)
    yield 1


def crash() -> Iterator[int]:
    watched.opened("a.mp4")
    ctypes.string_at(0)
    yield 1


def hang(says: bool) -> Iterator[int]:
    """For some seconds, in which it says that it gets on, or not."""
    watched.opened("a.mp4")
    for _ in range(12):
        if says:
            watched.got_on()
        time.sleep(0.25)
    yield 1


def devour() -> Iterator[int]:
    """Asks for more memory than it may have."""
    watched.opened("a.mp4")
    yield len(bytearray(2**36))


def devour_as_it_opens() -> Iterator[int]:
    """Asks for more memory than it may have for a header, and less than it may have for pictures."""
    watched.opened("a.mp4")
    with watched.reads_header():
        yield len(bytearray(3 * 2**30))


def write(path: Path) -> Iterator[int]:
    yield path.write_bytes(b"1")


def print_and_count() -> Iterator[int]:
    """A library that prints must not get between the answers."""
    os.write(1, b"\xff" * 100)
    print("decoder says", flush=True)
    yield 1


def give_text() -> Iterator[int]:
    yield "no number"  # type: ignore[misc]


def mpr_error(kind: type[MprError]) -> MprError:
    return kind("The file is odd", "leave it out", where="a.mp4")
