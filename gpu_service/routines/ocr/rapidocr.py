"""RapidOCR: PP-OCR models in ONNX, carried in its package, run by onnxruntime without any network.

Its models are run directly. Its own call keeps `use_det` and the like from one call to the next, resizes and
crops in ways that cost time or text, and drops the spaces and the confidence of single characters.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpu_service.pictures import Image
from gpu_service.routines.ocr.ctc import decode, planes, strip_planes
from gpu_service.routines.ocr.engine import (
    HeatMap,
    OcrSettings,
    Quads,
    StripText,
)

FINDER, READER = "PP-OCRv6_det_small.onnx", "PP-OCRv6_rec_small.onnx"

QUAD_STEP = 8
"""RapidOCR rounds quads to whole pixels: it is told of a picture this many times larger."""


class RapidOcrEngine:
    """PP-OCRv6 small: Chinese, kana, Latin with accents, Greek. Safe to be called by several threads."""

    def __init__(self, threads: int) -> None:
        from rapidocr.ch_ppocr_det.utils import DBPostProcess

        self._finder = _Model(FINDER, threads)
        self._reader = _Model(READER, threads)
        self._post_process = DBPostProcess
        self._characters = ["", *self._reader.characters(), " "]

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
        return decode(self._reader.run(strip_planes(strip))[0], self._characters, space_threshold)


class _Model:
    """One of the package's models in memory."""

    def __init__(self, name: str, threads: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = threads
        options.enable_cpu_mem_arena = False
        # Threads that wait for work in a loop take as much CPU time as the work itself.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        path = str(_folder() / name)
        self._session: Any = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self._input: str = self._session.get_inputs()[0].name

    def characters(self) -> list[str]:
        """What a recogniser can write, without the blank before and the space behind."""
        text: str = self._session.get_modelmeta().custom_metadata_map["character"]
        return text.splitlines()

    def run(self, planes: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(self._session.run(None, {self._input: planes})[0])


def _folder() -> Path:
    import rapidocr

    return Path(rapidocr.__file__).parent / "models"


@cache
def identity() -> str:
    """Name, version and models of the engine."""
    models = [
        f"{path.name}:{hashlib.sha256(path.read_bytes()).hexdigest()[:16]}"
        for path in sorted(_folder().glob("PP-OCR*.onnx"))
    ]
    return " ".join([f"rapidocr {version('rapidocr')}", *models])
