"""Streams by SRT, called or listened for: FFmpeg as a process of its own speaks it, as PyAV's FFmpeg does not.

It copies the packets into a transport stream on a pipe. It is told the address on its stdin, so that a passphrase is in
no list of processes.
"""

from __future__ import annotations

import io
import os
import select
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import av
from av.container import InputContainer

from gpu_service.errors import BadInput, MissingEngine, TransientError
from gpu_service.masking import masked
from mpr_live.processes import ending_with_parent
from mpr_live.sources.limits import LOOKED_AT, OPEN_S, SILENT_S, Limits
from mpr_live.sources.reachable import Reachable

PROGRAM = "MPR_FFMPEG"
PARAMETERS = frozenset({"mode", "passphrase", "pbkeylen", "streamid", "latency"})
PART_BYTES = 2**16
COPIES = [
    "-map",
    "0:v:0",
    "-map",
    "0:a:0?",
    "-c",
    "copy",
    "-copyts",
    "-mpegts_copyts",
    "1",
    "-muxdelay",
    "0",
    "-flush_packets",
    "1",
    "-f",
    "mpegts",
    "pipe:1",
]


class SrtStream:
    """A stream at `srt://host:port?passphrase=…&streamid=…`, called, or listened for at an address of this machine."""

    is_over = False

    def __init__(self, address: str, reachable: Reachable, limits: Limits, *, listens: bool) -> None:
        """
        Raises:
            BadInput: the address has a parameter that is none, or anybody could send to it.
            MissingEngine: there is no FFmpeg that speaks SRT.
        """
        parts = urlsplit(address)
        self._parameters = {name: value for name, value in parse_qsl(parts.query) if name != "mode"}
        unknown = {name for name, _ in parse_qsl(parts.query)} - PARAMETERS
        if unknown:
            raise BadInput(f"srt has no parameter {min(unknown)!r} here", f"it has {', '.join(sorted(PARAMETERS))}")
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port
        if self._port is None:
            raise BadInput(f"{masked(address)} has no port", "write it like srt://127.0.0.1:9000")
        if listens and not self._parameters.get("passphrase") and not self._host.startswith(("127.", "localhost")):
            raise BadInput(
                f"{masked(address)} would take a stream from anybody", "add ?passphrase=, of at least ten letters"
            )
        self._listens = listens
        self._reachable = reachable
        self._limits = limits
        self._program = srt_program()
        self._process: subprocess.Popen[bytes] | None = None

    @contextmanager
    def opened(self) -> Iterator[InputContainer]:
        """The stream, once it comes.

        Raises:
            MprError: it cannot be read; transient where it may be later.
            av.FFmpegError: FFmpeg cannot make anything of it.
        """
        host = self._host if self._listens else self._reachable.addresses(self._host, self._port or 0)[0]
        host = f"[{host}]" if ":" in host else host
        query = urlencode({"mode": "listener" if self._listens else "caller"} | self._parameters, quote_via=quote)
        said = f"ffconcat version 1.0\nfile 'srt://{host}:{self._port}?{query}'\n"
        with Copying(self._program, said, None if self._listens else self._limits) as copying:
            self._process = copying.process
            copying.wait_for_bytes()
            self._limits.begun()
            copying.limits = self._limits
            options = LOOKED_AT | {"format_whitelist": "mpegts", "protocol_whitelist": "none"}
            yield av.open(copying, "r", format="mpegts", options=options, timeout=(OPEN_S, SILENT_S))

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()


class Copying(io.RawIOBase):
    """FFmpeg at work, as a file of what it copies. `limits`: None while it may wait as long as it likes."""

    name = "stream.ts"

    def __init__(self, program: str, said: str, limits: Limits | None) -> None:
        self.limits = limits
        self._last_words = ""
        command = [program, "-hide_banner", "-nostdin", "-loglevel", "error", "-f", "concat", "-safe", "0"]
        command += ["-protocol_whitelist", "pipe,fd,srt,udp", "-i", "pipe:0", *COPIES]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=ending_with_parent(),
        )
        assert self.process.stdin is not None
        self.process.stdin.write(said.encode())
        self.process.stdin.close()
        self._listening = threading.Thread(target=self._listen, name="srt", daemon=True)
        self._listening.start()

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self._listening.join()
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()

    def readable(self) -> bool:
        return True

    def wait_for_bytes(self) -> None:
        """
        Raises:
            TransientError: it ended before any came.
        """
        assert self.process.stdout is not None
        while not select.select([self.process.stdout], [], [], 1.0)[0]:
            if self.limits is not None:
                self.limits.waiting()
        if self.process.poll() is not None:
            self._listening.join()
            raise TransientError(f"nothing came by SRT ({self._last_words or 'it was told to end'})")

    def read(self, size: int = -1) -> bytes:
        """What has come, up to so many bytes; nothing once the process has ended."""
        assert self.process.stdout is not None
        while not select.select([self.process.stdout], [], [], 1.0)[0]:
            if self.limits is not None:
                self.limits.waiting()
        part = os.read(self.process.stdout.fileno(), size if size > 0 else PART_BYTES)
        if self.limits is not None:
            self.limits.took(len(part))
        return part

    def _listen(self) -> None:
        """Drain what it says, and keep the end of it."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._last_words = masked(line.decode(errors="replace").strip())[-200:] or self._last_words


@cache
def srt_program() -> str:
    """An FFmpeg that speaks SRT: the one that `MPR_FFMPEG` names, imageio-ffmpeg's, or the machine's.

    Raises:
        MissingEngine: there is none.
    """
    named = os.environ.get(PROGRAM)
    for program in [named] if named else [_carried(), shutil.which("ffmpeg")]:
        if program is None:
            continue
        try:
            said = subprocess.run([program, "-hide_banner", "-protocols"], capture_output=True, text=True, timeout=20)
        except (OSError, subprocess.TimeoutExpired):
            continue
        if "srt" in said.stdout.split():
            return program
    raise MissingEngine(
        "SRT needs a program ffmpeg that speaks it",
        f"install one: pip install 'mpr-timeline[srt]', or name it in {PROGRAM}",
    )


def _carried() -> str | None:
    try:
        from imageio_ffmpeg import get_ffmpeg_exe  # optional
    except ImportError:
        return None
    try:
        return str(get_ffmpeg_exe())
    except RuntimeError:
        return None
