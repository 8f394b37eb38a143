"""What an address of a source means: a file, a stream that is pulled, one that is listened for, a camera.

What may be shown and stored of it is without passwords and stream keys; the whole goes to the ingest process alone.
"""

from __future__ import annotations

import re
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol
from urllib.parse import parse_qsl, urlsplit

from av.container import InputContainer

from gpu_service.errors import BadInput
from gpu_service.masking import masked, without_secrets
from mpr_live.sources.camera import CameraStream
from mpr_live.sources.limits import Limits
from mpr_live.sources.reachable import Reachable
from mpr_live.sources.relay import RelayedStream
from mpr_live.sources.rtmp_listener import RtmpListener
from mpr_live.sources.srt import SrtStream
from mpr_live.sources.web import WebStream

SCHEMES = ("http", "https", "rtmp", "rtmps", "rtsp", "rtsps", "srt")
Kind = Literal["file", "pull", "listen", "camera"]
LISTENS_AT = re.compile(r"0\.0\.0\.0|::|::1|localhost|127\.\d+\.\d+\.\d+")
"""Hosts at which an address of rtmp or srt is one to listen at: those of this machine."""


@dataclass(frozen=True)
class Address:
    """Where a source is. `whole` has what is secret in it, `shown` has not."""

    kind: Kind
    whole: str
    shown: str


class LiveStream(Protocol):
    """A stream that can be opened again and again. `is_over`: it came to its end, and is not opened again."""

    @property
    def is_over(self) -> bool: ...

    def opened(self) -> AbstractContextManager[InputContainer]: ...

    def close(self) -> None: ...


def read_address(said: str, *, pull: bool = False) -> Address:
    """What a user means. `pull`: an address of this machine names a server that is there, not one to be.

    Raises:
        BadInput: nothing that MPR takes in.
    """
    if said.startswith("camera:"):
        CameraStream(said)
        return Address("camera", said, said)
    scheme, mark, _ = said.partition("://")
    if not mark:
        path = Path(said)
        if not path.is_file():
            raise BadInput(f"{said} is no file", "check the path")
        return Address("file", str(path.absolute()), str(path.absolute()))
    shown = without_secrets(masked(said))
    if scheme.lower() not in SCHEMES:
        raise BadInput(
            f"{shown} is of a kind that MPR does not take in", f"it takes {', '.join(SCHEMES)}, camera: and files"
        )
    try:
        parts = urlsplit(said)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise BadInput(f"{shown} is no address ({error})", "it looks like https://host/live.m3u8") from None
    if not host or re.search(r"[\s\x00-\x1f]", said):
        raise BadInput(f"{shown} is no address", "it looks like https://host/live.m3u8")
    whole = f"{scheme.lower()}://{said.partition('://')[2]}"
    if scheme.lower() == "srt":
        mode = dict(parse_qsl(parts.query)).get("mode")
        listens = mode == "listener" or (mode is None and not pull and LISTENS_AT.fullmatch(host) is not None)
        return Address("listen" if listens else "pull", whole, shown)
    if scheme.lower() == "rtmp" and not pull and LISTENS_AT.fullmatch(host):
        if not re.fullmatch("/[^/]+/.+", parts.path):
            raise BadInput(f"{shown} has no stream key", "write it like rtmp://127.0.0.1:1935/live/KEY")
        return Address("listen", whole, shown)
    return Address("pull", whole, shown)


def stream_at(address: str, kind: Kind, limits: Limits) -> LiveStream:
    """The stream at a whole address.

    Raises:
        BadInput: it can be had in no way.
    """
    if kind == "camera":
        return CameraStream(address)
    reachable = Reachable.listed()
    if address.startswith("srt:"):
        return SrtStream(address, reachable, limits, listens=kind == "listen")
    if kind == "listen":
        return RtmpListener(address, limits)
    if address.startswith("http"):
        return WebStream(address, reachable, limits)
    return RelayedStream(address, reachable, limits)
