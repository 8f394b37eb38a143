"""RapidOCR: PP-OCR models in ONNX, carried in its package, run by onnxruntime without any network; and recognisers like
them for other scripts, from a file or folder of the host.

Its models are run directly. Its own call keeps `use_det` and the like from one call to the next, resizes and
crops in ways that cost time or text, and drops the spaces and the confidence of single characters.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from functools import cache, lru_cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpu_service import models
from gpu_service.pictures import Image
from gpu_service.routines.ocr.ctc import COLUMN_PX, STRIP_MIN_PX, decode, planes, strip_planes
from gpu_service.routines.ocr.dictionary import characters, onnx_file, with_blank_and_space
from gpu_service.routines.ocr.engine import (
    HeatMap,
    OcrSettings,
    Quads,
    StripText,
)

FINDER, READER = "PP-OCRv6_det_small.onnx", "PP-OCRv6_rec_small.onnx"

QUAD_STEP = 8
"""RapidOCR rounds quads to whole pixels: it is told of a picture this many times larger."""


READER_HEIGHT_PX = 48

_loading = threading.Lock()


class RapidOcrEngine:
    """PP-OCRv6 small: Chinese, kana, Latin with accents, Greek. Safe to be called by several threads.

    Raises:
        MissingEngine: the recogniser that the settings name is not here, or none that can be run.
    """

    def __init__(self, settings: OcrSettings) -> None:
        from rapidocr.ch_ppocr_det.utils import DBPostProcess

        with _loading:
            self._finder = _own_finder(settings.threads)
            if not settings.rapid_reader:
                self._reader = _own_reader(settings.threads)
        if settings.rapid_reader:
            make = partial(_Reader, threads=settings.threads)
            kind = f"rapidocr {settings.threads}"
            self._reader = models.load(kind, settings.rapid_reader, "rapid_reader", make)
        self._post_process = DBPostProcess

    @property
    def characters(self) -> Sequence[str]:
        return self._reader.characters

    def heat(self, image: Image) -> HeatMap:
        return np.asarray(self._finder.run(planes(image)[None])[0, 0], np.float32)

    def quads(self, heat: HeatMap, size: tuple[int, int], settings: OcrSettings) -> Quads:
        find = self._post_process(
            thresh=settings.det_threshold,
            box_thresh=settings.det_box_threshold,
            unclip_ratio=settings.unclip_ratio,
            use_dilation=True,
        )
        quads, _ = find(heat[None, None], (size[1] * QUAD_STEP, size[0] * QUAD_STEP))
        if len(quads) == 0:
            return np.zeros((0, 4, 2), np.float32)
        return np.asarray(np.asarray(quads, np.float32) / QUAD_STEP, np.float32)

    def read(self, strip: Image, space_threshold: float) -> StripText:
        return decode(self._reader.run(strip_planes(strip))[0], self.characters, space_threshold)


class _Model:
    """A model in memory."""

    def __init__(self, path: Path, threads: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = threads
        options.enable_cpu_mem_arena = False
        # Threads that wait for work in a loop take as much CPU time as the work itself.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session: Any = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._input: str = self._session.get_inputs()[0].name

    def metadata(self) -> dict[str, str]:
        """What the model says of itself."""
        told: dict[str, str] = self._session.get_modelmeta().custom_metadata_map
        return told

    def run(self, planes: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(self._session.run(None, {self._input: planes})[0])


class _Reader(_Model):
    """A recogniser in memory, of a file or a folder with its dictionary.

    Attributes:
        characters: what it writes, in the order of its answers.

    Raises:
        ValueError: it is no such recogniser, or its dictionary is not there or another one's.
    """

    def __init__(self, path: Path, threads: int) -> None:
        super().__init__(onnx_file(path), threads)
        written = characters(path, self.metadata())
        answer = self.run(np.zeros((1, 3, READER_HEIGHT_PX, STRIP_MIN_PX), np.float32))
        if answer.ndim != 3 or answer.shape[:2] != (1, STRIP_MIN_PX // COLUMN_PX):
            raise ValueError(
                f"it does not take strips {READER_HEIGHT_PX} px high and answer every {COLUMN_PX} px, as PP-OCR "
                "recognisers from version 3 on do"
            )
        self.characters = with_blank_and_space(written, answer.shape[2])


@lru_cache(models.VARIANTS_KEPT)
def _own_finder(threads: int) -> _Model:
    return _Model(_folder() / FINDER, threads)


@lru_cache(models.VARIANTS_KEPT)
def _own_reader(threads: int) -> _Reader:
    return _Reader(_folder() / READER, threads)


def _folder() -> Path:
    import rapidocr

    return Path(rapidocr.__file__).parent / "models"


def identity(settings: OcrSettings) -> str:
    """Name, version and models of the engine.

    Raises:
        MissingEngine: the recogniser that the settings name is not here.
    """
    named = [models.identity(settings.rapid_reader, "rapid_reader")] if settings.rapid_reader else []
    return " ".join([_own_identity(), *named])


@cache
def _own_identity() -> str:
    own = [
        f"{path.name}:{hashlib.sha256(path.read_bytes()).hexdigest()[:16]}"
        for path in sorted(_folder().glob("PP-OCR*.onnx"))
    ]
    return " ".join([f"rapidocr {version('rapidocr')}", *own])
