"""Objects by a detector exported to ONNX, run by onnxruntime: neither torch nor ultralytics is needed.

Takes what `yolo export format=onnx` writes, of any YOLO from 5 on: rows of boxes with a score for each class, of
which overlapping ones are dropped here, or boxes that the model has already sorted out (`nms=True`, or YOLO 10 and 26).
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from gpu_service import models
from gpu_service.pictures import Image
from gpu_service.routines.objects.boxes import ObjectSettings, findings, in_batches
from gpu_service.wire import ObjectFinding

GREY = 114
"""What YOLO is trained to see around a picture that is not square."""

STEP_PX = 32
"""Sides of what a detector sees are multiples of this."""

MOST_BOXES = 3000
"""Boxes of a picture, the surest, among which overlapping ones are looked for: a bound on the work. No measurement is
known."""

SORTED_BOXES = 1000
"""A model that sorts its boxes out itself gives at most so many (Ultralytics: 300); others give thousands."""


class OnnxSettings(ObjectSettings):
    """Which exported detector looks."""

    onnx_model: str = Field("", max_length=100, description="for `onnx`: short name of a model of the host")


class OnnxDetector:
    """One exported detector in memory. Safe to be called by several threads."""

    def __init__(self, path: Path) -> None:
        onnxruntime = models.package("onnxruntime", "the engine `onnx`", "gpu")
        here = onnxruntime.get_available_providers()
        wanted = ["CUDAExecutionProvider"] if models.wants_gpu() else []
        providers = [name for name in (*wanted, "CPUExecutionProvider") if name in here]
        self._session: Any = onnxruntime.InferenceSession(str(path), providers=providers)
        entry = self._session.get_inputs()[0]
        if len(entry.shape) != 4 or len(self._session.get_outputs()) != 1:
            raise ValueError("it does not take pictures and give one list of boxes, as an exported YOLO does")
        self._entry = entry.name
        self._dtype = np.float16 if entry.type == "tensor(float16)" else np.float32
        self._batch = entry.shape[0] if isinstance(entry.shape[0], int) else None
        size = entry.shape[3], entry.shape[2]
        self._size = size if all(isinstance(side, int) for side in size) else None
        metadata = self._session.get_modelmeta().custom_metadata_map
        self._names: dict[int, str] = ast.literal_eval(metadata["names"]) if "names" in metadata else {}
        # A model of another kind shows itself here, while it is loaded, not when somebody's pictures come.
        self.find([np.zeros((64, 64, 3), np.uint8)], ObjectSettings())

    def find(self, images: Sequence[Image], settings: ObjectSettings) -> list[list[ObjectFinding]]:
        """What is in each picture."""
        found: list[list[ObjectFinding]] = [[] for _ in images]
        for indices in in_batches(images, self._batch or settings.object_batch):
            size = images[indices[0]].shape[1], images[indices[0]].shape[0]
            width, height = self._size or fitting(size, settings.object_side_px)
            placed = [_letterbox(images[index], width, height) for index in indices]
            rows = self._rows([picture for picture, _, _ in placed])
            for index, one, (_, scale, shift) in zip(indices, rows, placed, strict=True):
                corners, classes, scores = boxes_of(one, len(self._names), settings)
                corners = (corners - np.array([*shift, *shift], np.float32)) / np.float32(scale)
                labels = [self._names.get(number, str(number)) for number in classes.tolist()]
                found[index] = findings(corners, labels, scores, size, "onnx")
        return found

    def _rows(self, pictures: Sequence[Image]) -> NDArray[np.float32]:
        """The model's answers to pictures of one size, for a fixed batch filled up with black ones."""
        planes = np.zeros((self._batch or len(pictures), 3, *pictures[0].shape[:2]), self._dtype)
        for plane, picture in zip(planes, pictures, strict=False):
            plane[...] = picture[..., ::-1].transpose(2, 0, 1).astype(np.float32) / 255
        return np.asarray(self._session.run(None, {self._entry: planes})[0], np.float32)[: len(pictures)]


def fitting(size: tuple[int, int], long_side_px: int) -> tuple[int, int]:
    """Width and height that a model of any size is given for pictures of `size`: as little grey as its steps allow."""
    scale = long_side_px / max(size)
    width, height = (max(1, round(side * scale)) for side in size)
    return -(-width // STEP_PX) * STEP_PX, -(-height // STEP_PX) * STEP_PX


def _letterbox(image: Image, width: int, height: int) -> tuple[Image, float, tuple[int, int]]:
    """The picture in the middle of grey, the scale that it was brought to, and its left and top there."""
    scale = min(width / image.shape[1], height / image.shape[0])
    w, h = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    left, top = (width - w) // 2, (height - h) // 2
    whole = np.full((height, width, 3), GREY, np.uint8)
    whole[top : top + h, left : left + w] = cv2.resize(image, (w, h), interpolation=cv2.INTER_LINEAR)
    return whole, scale, (left, top)


def boxes_of(
    rows: NDArray[np.float32], class_count: int, settings: ObjectSettings
) -> tuple[NDArray[np.float32], NDArray[np.intp], NDArray[np.float32]]:
    """The boxes that a model's answer to one picture holds.

    Args:
        rows: (4 + classes, boxes) centre, size and scores (YOLO 8 and later); (boxes, 5 + classes) with a score of
            its own for the box (YOLO 5); or (boxes, 6) corners, score and class, sorted out by the model.
        class_count: names that the model knows; 0 when it does not say.

    Returns:
        (n, 4) left, top, right, bottom; (n,) class; (n,) score. Surest first.

    Raises:
        ValueError: the answer has none of these shapes.
    """
    if rows.ndim != 2:
        raise ValueError(f"its answer to one picture has {rows.ndim} dimensions, not the 2 of an exported YOLO")
    if rows.shape[1] == 6 and rows.shape[0] <= SORTED_BOXES:
        kept = rows[rows[:, 4] >= settings.object_threshold]
        kept = kept[np.argsort(-kept[:, 4], kind="stable")]
        return kept[:, :4], kept[:, 5].astype(np.intp), kept[:, 4]
    if rows.shape[0] == 4 + class_count or (not class_count and rows.shape[0] < rows.shape[1]):
        table = rows.T
        scores = table[:, 4:]
    elif not class_count or rows.shape[1] == 5 + class_count:
        table = rows
        scores = table[:, 5:] * table[:, 4:5]
    else:
        raise ValueError(f"its answer {rows.shape} is not that of an exported YOLO of {class_count} classes")
    return _without_overlaps(table[:, :4], scores, settings)


def _without_overlaps(
    centred: NDArray[np.float32], scores: NDArray[np.float32], settings: ObjectSettings
) -> tuple[NDArray[np.float32], NDArray[np.intp], NDArray[np.float32]]:
    classes, best = scores.argmax(axis=1), scores.max(axis=1)
    order = np.argsort(-best, kind="stable")[:MOST_BOXES]
    order = order[best[order] >= settings.object_threshold]
    corner = centred[order, :2] - centred[order, 2:] / 2
    boxes = np.concatenate([corner, centred[order, 2:]], axis=1)
    # The scores are compared above: OpenCV leaves out what is equal to its threshold.
    kept = cv2.dnn.NMSBoxesBatched(
        boxes.astype(np.float64).tolist(), best[order].tolist(), classes[order].tolist(), 0.0, settings.object_overlap
    )
    chosen = np.sort(np.asarray(kept, np.intp).reshape(-1))
    corners = np.concatenate([boxes[chosen, :2], boxes[chosen, :2] + boxes[chosen, 2:]], axis=1)
    return corners.astype(np.float32), classes[order][chosen], best[order][chosen]


def find_objects(images: Sequence[Image], settings: OnnxSettings) -> list[list[ObjectFinding]]:
    """Objects in each picture.

    Raises:
        MissingEngine: the model is not here, or not one that this engine can run.
    """
    return models.load("onnx", settings.onnx_model, "onnx_model", OnnxDetector).find(images, settings)


def identity(settings: OnnxSettings) -> str:
    """Engine, version and model.

    Raises:
        MissingEngine: see `find_objects`.
    """
    version = models.package("onnxruntime", "the engine `onnx`", "gpu").__version__
    return f"onnx/onnxruntime-{version}/{models.identity(settings.onnx_model, 'onnx_model')}"
