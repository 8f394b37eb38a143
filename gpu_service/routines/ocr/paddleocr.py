"""PaddleOCR: any of its text detectors and recognisers, from folders of the host or fetched by PaddleOCR itself.

A folder holds `inference.yml` and the model, as PaddleOCR's own folders do: as ONNX, run by onnxruntime, or in Paddle's
format, for which paddlepaddle must be installed. The models are called directly, for heat maps and for the probability
of each character; PaddleOCR prepares pictures as their `inference.yml` says.
"""

from __future__ import annotations

import importlib.util
import os
import threading
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gpu_service import models
from gpu_service.errors import MissingEngine
from gpu_service.pictures import Image
from gpu_service.routines.ocr.ctc import decode, strip_planes
from gpu_service.routines.ocr.engine import (
    HeatMap,
    OcrSettings,
    Quads,
    StripText,
)

ENGINE = "the engine `paddleocr`"
FINDER, READER = "TextDetection", "TextRecognition"

QUAD_STEP, MOST_QUAD_PX = 8, 32767
"""PaddleOCR rounds quads to whole pixels of 16 bits: it is told of a picture this many times larger, if that fits."""


class PaddleOcrEngine:
    """A detector and a recogniser. Safe to be called by several threads."""

    def __init__(self, settings: OcrSettings) -> None:
        self._finder = _model(FINDER, settings.paddle_finder, "paddle_finder", settings.threads)
        self._reader = _model(READER, settings.paddle_reader, "paddle_reader", settings.threads)

    @property
    def characters(self) -> Sequence[str]:
        return self._reader.characters

    def heat(self, image: Image) -> HeatMap:
        return np.asarray(self._finder.run(self._finder.prepared(image))[0, 0], np.float32)

    def quads(self, heat: HeatMap, size: tuple[int, int], settings: OcrSettings) -> Quads:
        step = min(QUAD_STEP, MOST_QUAD_PX / max(size))
        found, _ = self._finder.predictor.post_op(
            [heat[None, None]],
            [(size[1] * step, size[0] * step, 1.0, 1.0)],
            thresh=settings.det_threshold,
            box_thresh=settings.det_box_threshold,
            unclip_ratio=settings.unclip_ratio,
        )
        if len(found[0]) == 0:
            return np.zeros((0, 4, 2), np.float32)
        return np.asarray(np.asarray(found[0], np.float32) / np.float32(step), np.float32)

    def read(self, strip: Image, space_threshold: float) -> StripText:
        [picture] = self._reader.predictor.pre_tfs["Read"](imgs=[strip])
        return decode(self._reader.run(strip_planes(picture))[0], self._reader.characters, space_threshold)


class _Model:
    """One model of PaddleOCR's in memory."""

    def __init__(self, kind: str, folder: Path | None, threads: int) -> None:
        # Before each start PaddleOCR asks several hosts of models whether they are there.
        os.environ.setdefault("PADDLE_PDX_DISABLE_MODEL_SOURCE_CHECK", "True")
        paddleocr = models.package("paddleocr", ENGINE, "paddle")
        has_paddle = importlib.util.find_spec("paddle") is not None
        as_onnx = (folder / "inference.onnx").exists() if folder else not has_paddle
        if not as_onnx and not has_paddle:
            raise MissingEngine(
                "The model is in Paddle's format, which needs the package paddlepaddle",
                "install it (or paddlepaddle-gpu), or give a folder with an inference.onnx",
            )
        options: dict[str, object] = {"device": None if models.wants_gpu() else "cpu"}
        if as_onnx:
            config = {"intra_op_num_threads": threads} if threads else None
            options |= {"engine": "onnxruntime", "engine_config": config}
        elif threads:
            options["cpu_threads"] = threads
        self.predictor = getattr(paddleocr, kind)(
            model_name=_model_name(folder) if folder else None, model_dir=str(folder) if folder else None, **options
        ).paddlex_predictor
        self.characters: list[str] = list(getattr(self.predictor.post_op, "character", ()))
        # Paddle's own predictors are not safe between threads; onnxruntime's sessions are.
        self._lock: threading.Lock | None = None if as_onnx else threading.Lock()

    def prepared(self, image: Image) -> NDArray[np.float32]:
        """Shape (1, 3, height, width), colours as the model's `inference.yml` says."""
        pictures = [image]
        for name in ("Read", "Normalize", "ToCHW"):
            pictures = self.predictor.pre_tfs[name](imgs=pictures)
        return np.stack([np.asarray(picture, np.float32) for picture in pictures])

    def run(self, planes: NDArray[np.float32]) -> NDArray[np.float32]:
        if self._lock is None:
            return np.asarray(self.predictor.runner(x=[planes])[0])
        with self._lock:
            return np.asarray(self.predictor.runner(x=[planes])[0])


def _model_name(folder: Path) -> str:
    """The name that PaddleOCR knows the model's kind by."""
    yaml = models.package("yaml", ENGINE, "paddle")
    description = yaml.safe_load((folder / "inference.yml").read_text(encoding="utf-8"))
    return str(description["Global"]["model_name"])


def _model(kind: str, name: str, setting: str, threads: int) -> _Model:
    if not name:
        return _own_model(kind, threads)
    make: Callable[[Path], _Model] = lambda folder: _Model(kind, folder, threads)  # noqa: E731
    return models.load(f"paddleocr {kind} {threads}", name, setting, make)


_fetching = threading.Lock()


def _own_model(kind: str, threads: int) -> _Model:
    with _fetching:
        return _fetched(kind, threads)


@lru_cache(2 * models.VARIANTS_KEPT)
def _fetched(kind: str, threads: int) -> _Model:
    """PaddleOCR's default, which it fetches at the first call and keeps in ~/.paddlex."""
    try:
        return _Model(kind, None, threads)
    except MissingEngine:
        raise
    except Exception as error:
        setting = "paddle_finder" if kind == FINDER else "paddle_reader"
        raise MissingEngine(
            f"PaddleOCR cannot fetch its model for {kind} ({models.one_line(error)})",
            f"give the host a folder (--models NAME=FOLDER) and set `{setting}` to its name",
        ) from error


def identity(settings: OcrSettings) -> str:
    """Engine, version and models.

    Raises:
        MissingEngine: the package or a model is not here.
    """
    parts = [models.version("paddleocr", ENGINE, "paddle")]
    for kind, setting in ((FINDER, "paddle_finder"), (READER, "paddle_reader")):
        name = getattr(settings, setting)
        if name:
            parts.append(models.identity(name, setting))
        else:
            own = _own_model(kind, settings.threads).predictor
            parts.append(f"{own.model_name}:{models.fingerprint(Path(own.model_dir))[:16]}")
    return " ".join(parts)
