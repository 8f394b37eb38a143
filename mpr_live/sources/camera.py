"""A camera of this machine, by the interface that its system has. Its pictures become H.264 in `transcoding`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qsl

import av
from av.container import InputContainer

from gpu_service.errors import BadInput
from mpr_live.sources.limits import SILENT_S

INTERFACES = {"linux": "v4l2", "darwin": "avfoundation", "win32": "dshow"}
OPTIONS = {"size": "video_size", "fps": "framerate", "pixels": "pixel_format", "input": "input_format"}
"""What may be asked of a camera, and how FFmpeg calls it."""
DEFAULTS = {"avfoundation": {"framerate": "30"}}


class CameraStream:
    """A camera: `camera:/dev/video0?size=1280x720&fps=30` on Linux, `camera:0` on a Mac, `camera:NAME` on Windows."""

    is_over = False

    def __init__(self, address: str, interface: str | None = None) -> None:
        """`interface`: FFmpeg's name of it; by default the one of this system.

        Raises:
            BadInput: the address asks for what no camera has.
        """
        device, _, query = address.removeprefix("camera:").partition("?")
        self._interface = interface or INTERFACES.get(sys.platform, "v4l2")
        asked = dict(parse_qsl(query))
        unknown = asked.keys() - OPTIONS.keys()
        if unknown:
            raise BadInput(f"A camera has no {min(unknown)!r}", f"ask it for {', '.join(OPTIONS)}")
        if not device:
            raise BadInput("The address names no camera", "write it like camera:/dev/video0?size=1280x720&fps=30")
        if self._interface == "v4l2" and not os.path.normpath(device).startswith("/dev/"):
            raise BadInput(f"{device} is no camera's device", "cameras are below /dev, like camera:/dev/video0")
        self._device = f"video={device}" if self._interface == "dshow" else device
        named = {OPTIONS[name]: value for name, value in asked.items()}
        self._options = DEFAULTS.get(self._interface, {}) | named

    @contextmanager
    def opened(self) -> Iterator[InputContainer]:
        """Its pictures, as they come.

        Raises:
            av.FFmpegError: there is no such camera, or another program has it.
        """
        yield av.open(
            self._device, "r", format=self._interface, options=dict(self._options), timeout=(SILENT_S, SILENT_S)
        )

    def close(self) -> None:
        """Nothing is held between two openings."""
