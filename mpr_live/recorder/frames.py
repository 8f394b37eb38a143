"""SceneFrames that are kept: the first of each scene, and the newest when somebody asks for it."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, cast

import av

from gpu_service.errors import BadInput
from gpu_service.pictures import Image, encode_jpeg
from mpr_live.recorder.hooks import Hook
from mpr_live.recorder.index import Index

if TYPE_CHECKING:
    from scenedetect.detectors import ContentDetector

LOOKED_AT_PX = 256
"""Width at which frames are compared: about what PySceneDetect takes by itself."""
SHORTEST_SCENE_MS = 600
MS_A_SECOND = 1000


class SceneFrames:
    """Looks at every frame of a session. One thread adds them, others may capture and set the threshold."""

    def __init__(self, folder: Path, threshold: float, hook: Hook) -> None:
        self._index = Index(folder / "frames", "F{:06d}.jpg", 1)
        self._hook = hook
        self._lock = threading.Lock()
        self._threshold = threshold
        self._detector = _detector(threshold)
        self._newest: tuple[av.VideoFrame, int] | None = None
        self._last: tuple[av.VideoFrame, int] | None = None

    def add(self, frame: av.VideoFrame, at_ms: int) -> None:
        """Look at the next frame, at this time of the session."""
        with self._lock:
            self._newest = (frame, at_ms)
            begins = self._last is None or self._is_new_scene(frame, at_ms)
            if self._last is None:
                self._compared(frame, at_ms)
            self._last = (frame, at_ms)
            if begins:
                self._keep(frame, at_ms, "scene")

    def begin_again(self) -> None:
        """What follows is not compared with what was before: the first frame begins a scene."""
        with self._lock:
            self._last, self._detector = None, _detector(self._threshold)

    def set_threshold(self, threshold: float) -> None:
        """Compare by another threshold from the next frame on, with the one before it."""
        with self._lock:
            self._threshold, self._detector = threshold, _detector(threshold)
            if self._last is not None:
                self._compared(*self._last)

    def capture(self) -> tuple[Path, int]:
        """Keep the newest frame; gives its file and its time of the session in ms.

        Raises:
            BadInput: there is none yet.
        """
        with self._lock:
            if self._newest is None:
                raise BadInput("No picture has come yet", "ask again once the session is active")
            frame, at_ms = self._newest
            return self._keep(frame, at_ms, "capture"), at_ms

    def _is_new_scene(self, frame: av.VideoFrame, at_ms: int) -> bool:
        before = self._last
        if before is not None and (before[0].width, before[0].height) != (frame.width, frame.height):
            self._detector = _detector(self._threshold)
            self._compared(frame, at_ms)
            return True
        return self._compared(frame, at_ms)

    def _compared(self, frame: av.VideoFrame, at_ms: int) -> bool:
        from scenedetect.common import FrameTimecode

        height = max(2, frame.height * LOOKED_AT_PX // frame.width)
        small = frame.reformat(LOOKED_AT_PX, height, "bgr24").to_ndarray()
        return bool(self._detector.process_frame(FrameTimecode(at_ms, fps=float(MS_A_SECOND)), small))

    def _keep(self, frame: av.VideoFrame, at_ms: int, reason: str) -> Path:
        pixels = cast("Image", frame.to_ndarray(format="bgr24"))
        path = self._index.add(encode_jpeg(pixels), {"timestamp": at_ms / MS_A_SECOND, "reason": reason})
        self._hook.run(path, at_ms / MS_A_SECOND)
        return path


def _detector(threshold: float) -> ContentDetector:
    from scenedetect.detector import FlashFilter
    from scenedetect.detectors import ContentDetector

    return ContentDetector(threshold, SHORTEST_SCENE_MS, filter_mode=FlashFilter.Mode.SUPPRESS)
