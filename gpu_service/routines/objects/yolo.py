"""Objects by a trained YOLO, run by ultralytics: a `.pt`, or an export that it can run such as `.onnx`.

ultralytics is AGPL-3.0 and therefore an extra of its own. A detector exported to ONNX runs without it and without torch
by the engine `onnx`. A `.pt` is a pickle: loading it runs what is in it, so only the host's own files are loaded.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydantic import Field

from gpu_service import models
from gpu_service.pictures import Image
from gpu_service.routines.objects.boxes import ObjectSettings, findings, in_batches
from gpu_service.wire import ObjectFinding

ENGINE = "the engine `yolo`"


class YoloSettings(ObjectSettings):
    """Which YOLO looks."""

    yolo_model: str = Field("", max_length=100, description="for `yolo`: short name of a model of the host")


class Yolo:
    """One YOLO in memory. Safe to be called by several threads, one at a time."""

    def __init__(self, path: Path) -> None:
        # ultralytics reads these when it is imported; it installs packages and reports its use unless told not to.
        os.environ.setdefault("YOLO_AUTOINSTALL", "false")
        os.environ.setdefault("YOLO_OFFLINE", "true")
        ultralytics = models.package("ultralytics", ENGINE, "yolo")
        self._device = models.torch_device()
        self._model = ultralytics.YOLO(str(path), task="detect")
        self._lock = threading.Lock()

    def find(self, images: Sequence[Image], settings: ObjectSettings) -> list[list[ObjectFinding]]:
        """What is in each picture."""
        found: list[list[ObjectFinding]] = [[] for _ in images]
        for indices in in_batches(images, settings.object_batch):
            for index, one in zip(indices, self._predict([images[i] for i in indices], settings), strict=True):
                found[index] = one
        return found

    def _predict(self, images: list[Image], settings: ObjectSettings) -> list[list[ObjectFinding]]:
        with self._lock:
            results = self._model.predict(
                images,
                imgsz=settings.object_side_px,
                conf=settings.object_threshold,
                iou=settings.object_overlap,
                device=self._device,
                verbose=False,
            )
        answers = []
        for image, result in zip(images, results, strict=True):
            boxes = result.boxes.cpu().numpy()
            labels = [str(result.names[int(index)]) for index in boxes.cls]
            size = image.shape[1], image.shape[0]
            answers.append(findings(np.asarray(boxes.xyxy, np.float32), labels, boxes.conf, size, "yolo"))
        return answers


def find_objects(images: Sequence[Image], settings: YoloSettings) -> list[list[ObjectFinding]]:
    """Objects in each picture.

    Raises:
        MissingEngine: ultralytics is not installed, or the model is not here.
    """
    return models.load("yolo", settings.yolo_model, "yolo_model", Yolo).find(images, settings)


def identity(settings: YoloSettings) -> str:
    """Engine, version and model.

    Raises:
        MissingEngine: see `find_objects`.
    """
    version = models.version("ultralytics", ENGINE, "yolo")
    return f"yolo/{version}/{models.identity(settings.yolo_model, 'yolo_model')}"
