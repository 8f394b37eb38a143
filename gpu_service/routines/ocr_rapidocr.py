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
from numpy.typing import NDArray

from gpu_service.pictures import Image
from gpu_service.routines.ocr import HeatMap, OcrSettings, Quads, Reading

QUAD_STEP = 8
"""RapidOCR rounds quads to whole pixels: it is told of a picture this many times larger."""

STRIP_STEP_PX, STRIP_MIN_PX = 16, 160
"""Strips are padded to a multiple and to a least width; RapidOCR's own least width is 320, at twice the time."""

COLUMN_PX = 8
"""Strip pixels to a step of the recogniser's answer."""


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
        self._space = self._characters.index(" ")

    def heat(self, image: Image) -> HeatMap:
        return np.asarray(self._finder.session(_planes(image)[None])[0, 0], np.float32)

    def quads(self, heat: HeatMap, size: tuple[int, int], settings: OcrSettings) -> Quads:
        find = self._post_process(
            thresh=settings.heat_threshold,
            box_thresh=settings.line_threshold,
            unclip_ratio=settings.unclip_ratio,
            use_dilation=True,
        )
        quads, _ = find(heat[None, None], (size[1] * QUAD_STEP, size[0] * QUAD_STEP))
        if len(quads) == 0:
            return np.zeros((0, 4, 2), np.float32)
        return np.asarray(np.asarray(quads, np.float32) / QUAD_STEP, np.float32)

    def read(self, strip: Image, space_threshold: float) -> Reading:
        width = max(STRIP_MIN_PX, -(-strip.shape[1] // STRIP_STEP_PX) * STRIP_STEP_PX)
        planes = np.zeros((1, 3, strip.shape[0], width), np.float32)
        planes[0, :, :, : strip.shape[1]] = _planes(strip)
        return self._decode(np.asarray(self._reader.session(planes)[0]), space_threshold)

    def _decode(self, probabilities: NDArray[np.float32], space_threshold: float) -> Reading:
        """CTC: the best character of each step, repeats and blanks (0) left out. Shape in: (steps, characters).

        A space is also put where its probability peaks between two characters though blank is likelier: the
        recogniser is shy of narrow ones.
        """
        best = probabilities.argmax(axis=1)
        kept = [i for i, index in enumerate(best) if index and (i == 0 or index != best[i - 1])]
        text = ""
        confidences: list[float] = []
        centres: list[float] = []
        for before, step in zip([None, *kept], kept, strict=False):
            if before is not None and best[step] != self._space and best[before] != self._space:
                space = float(probabilities[before : step + 1, self._space].max())
                if space >= space_threshold:
                    text += " "
                    confidences.append(1.0)
                    centres.append((before + step + 1) / 2)
            text += self._characters[best[step]]
            confidences.append(float(probabilities[step, best[step]]))
            centres.append(step + 0.5)
        return Reading(text, tuple(confidences), tuple(centre * COLUMN_PX for centre in centres))


def _planes(image: Image) -> NDArray[np.float32]:
    """Shape (3, height, width), -1 to 1: what both models take."""
    scaled = image.astype(np.float32) * np.float32(1 / 127.5) - np.float32(1)
    return np.ascontiguousarray(scaled.transpose(2, 0, 1))


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
