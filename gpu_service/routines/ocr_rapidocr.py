"""RapidOCR: PP-OCR models in ONNX, carried in its package, run by onnxruntime without any network.

Its detector and recogniser are called directly, each part alone: its own call keeps `use_det` and the like from
one call to the next, and resizes, pads and crops in ways that cost time or text.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from gpu_service.pictures import Image
from gpu_service.routines.ocr import HeatMap, OcrSettings, Quads

QUAD_STEP = 8
"""RapidOCR rounds quads to whole pixels: it is told of a picture this many times larger."""


class RapidOcrEngine:
    """PP-OCRv6 small, Chinese, kana, Latin and Greek."""

    def __init__(self, settings: OcrSettings) -> None:
        from rapidocr import RapidOCR
        from rapidocr.ch_ppocr_rec import TextRecInput

        whole: Any = RapidOCR(
            params={
                "Global.log_level": "error",
                "EngineConfig.onnxruntime.intra_op_num_threads": settings.threads or -1,
                "Det.thresh": settings.heat_threshold,
                "Det.box_thresh": settings.line_threshold,
                "Det.unclip_ratio": settings.unclip_ratio,
                "Rec.rec_batch_num": 1,
            }
        )
        self._find = whole._load_det_model()
        self._read = whole._load_rec_model()
        self._read_input = TextRecInput

    def heat(self, image: Image) -> HeatMap:
        planes = (image.astype(np.float32) * np.float32(1 / 127.5) - np.float32(1)).transpose(2, 0, 1)
        return np.asarray(self._find.session(np.ascontiguousarray(planes)[None])[0, 0], np.float32)

    def quads(self, heat: HeatMap, size: tuple[int, int]) -> Quads:
        width, height = size
        quads, _ = self._find.postprocess_op(heat[None, None], (height * QUAD_STEP, width * QUAD_STEP))
        if len(quads) == 0:
            return np.zeros((0, 4, 2), np.float32)
        return np.asarray(self._find.sorted_boxes(np.asarray(quads, np.float32)) / QUAD_STEP, np.float32)

    def read(self, lines: list[Image]) -> list[tuple[str, float]]:
        if not lines:
            return []
        result = self._read(self._read_input(img=lines))
        return [(str(text).strip(), float(score)) for text, score in zip(result.txts, result.scores, strict=True)]


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
