"""RapidOCR: PP-OCR models in ONNX, carried in its package, run by onnxruntime without any network.

Its models are called directly. Its own call keeps `use_det` and the like from one call to the next, resizes and
crops in ways that cost time or text, and drops the spaces and the confidence of single characters.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from gpu_service.pictures import Image
from gpu_service.routines.ocr.ctc import decode, planes, strip_planes
from gpu_service.routines.ocr.engine import (
    HeatMap,
    OcrSettings,
    Quads,
    StripText,
)

QUAD_STEP = 8
"""RapidOCR rounds quads to whole pixels: it is told of a picture this many times larger."""


class RapidOcrEngine:
    """PP-OCRv6 small: Chinese, kana, Latin with accents, Greek. Safe to be called by several threads."""

    def __init__(self, threads: int) -> None:
        from rapidocr import RapidOCR
        from rapidocr.ch_ppocr_det.utils import DBPostProcess

        params = {"Global.log_level": "error", "EngineConfig.onnxruntime.intra_op_num_threads": threads or -1}
        whole: Any = RapidOCR(params=params)
        self._finder = whole._load_det_model()
        self._reader = whole._load_rec_model()
        self._post_process = DBPostProcess
        self._characters: list[str] = self._reader.postprocess_op.character

    def heat(self, image: Image) -> HeatMap:
        return np.asarray(self._finder.session(planes(image)[None])[0, 0], np.float32)

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
        return decode(np.asarray(self._reader.session(strip_planes(strip))[0]), self._characters, space_threshold)


@cache
def identity() -> str:
    """Name, version and models of the engine."""
    import rapidocr

    folder = Path(rapidocr.__file__).parent / "models"
    models = [
        f"{path.name}:{hashlib.sha256(path.read_bytes()).hexdigest()[:16]}"
        for path in sorted(folder.glob("PP-OCR*.onnx"))
    ]
    return " ".join([f"rapidocr {version('rapidocr')}", *models])
