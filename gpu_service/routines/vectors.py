"""A crop as a vector, so that crops that show the same mark are near to each other: the routine `vectors`.

Two parts, each of length 1 before they are put together. How it reads: what PP-OCR's recogniser sees in the crop just
before it decides on characters, averaged over `BINS` parts of its width; it tells word marks apart, whatever they say.
How it looks: the whitened cells of `logos.trunk`, averaged over the quarters of the crop; it tells pictures apart. Both
are brought to `DIMENSIONS` numbers by a projection on random signs, which keeps likenesses (Achlioptas,
Database-friendly random projections, 2003). The product of two vectors is their
likeness, -1 to 1. No weights are trained here.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from gpu_service import models
from gpu_service.pictures import Image
from gpu_service.routines import Batch, DebugPictures, Routine
from gpu_service.routines.logos import trunk
from gpu_service.routines.logos.templates import backgrounds
from gpu_service.routines.ocr.ctc import COLUMN_PX, strip_planes
from gpu_service.routines.ocr.rapidocr import READER, READER_HEIGHT_PX
from gpu_service.settings import Settings
from gpu_service.wire import NoItem, VectorAnswer

WHAT = "the routine vectors"
VERSION = "2"
FEATURES = "Add.207"
"""The recogniser's tensor before its last layer: a row of features for every `COLUMN_PX` of the strip."""
BINS = 4
WIDEST = 12
"""A strip is at most so many times as wide as high."""
LOOK_SIDE_PX = 96
DIMENSIONS = 256
"""Of a vector. Of 500 drawn crops of 60 marks 0.90 were nearest to their own mark in all 864, 0.88 in so many."""


class VectorSettings(Settings):
    """How a crop becomes a vector."""

    look: float = Field(0.35, ge=0, le=1, description="share of the look in the likeness; the rest is how it reads")


def vector(crop: Image, settings: VectorSettings) -> NDArray[np.float32]:
    """The vector of a crop, of length 1."""
    halves = [np.sqrt(1 - settings.look) * _reads(crop), np.sqrt(settings.look) * _looks(crop)]
    whole = np.concatenate(halves)
    return _unit(whole @ _signs(len(whole)))


@cache
def _signs(length: int) -> NDArray[np.float32]:
    """Shape (length, DIMENSIONS). Of NumPy's older generator, whose numbers never change: vectors are stored."""
    return np.asarray(2 * np.random.RandomState(7).randint(0, 2, (length, DIMENSIONS)) - 1, np.float32)


def _reads(crop: Image) -> NDArray[np.float32]:
    height, width = crop.shape[:2]
    across = int(np.clip(round(width / height * READER_HEIGHT_PX), READER_HEIGHT_PX // 2, WIDEST * READER_HEIGHT_PX))
    strip = cv2.resize(crop, (across, READER_HEIGHT_PX), interpolation=cv2.INTER_AREA)
    seen = _reader()(strip_planes(np.asarray(strip, np.uint8)))[0, :, 0, : max(BINS, -(-across // COLUMN_PX))]
    return _unit(np.concatenate([part.mean(axis=1) for part in np.array_split(seen, BINS, axis=1)]))


def _looks(crop: Image) -> NDArray[np.float32]:
    how = cv2.INTER_AREA if min(crop.shape[:2]) > LOOK_SIDE_PX else cv2.INTER_LINEAR
    square = cv2.resize(crop, (LOOK_SIDE_PX, LOOK_SIDE_PX), interpolation=how)
    cells = backgrounds().whitened(trunk.cells(np.asarray(square, np.uint8)))
    middle = cells.shape[0] // 2
    quarters = [cells[rows, columns] for rows in _halves(middle) for columns in _halves(middle)]
    return _unit(np.concatenate([quarter.reshape(-1, cells.shape[2]).mean(axis=0) for quarter in quarters]))


def _halves(middle: int) -> tuple[slice, slice]:
    return slice(None, middle), slice(middle, None)


def _unit(values: NDArray[Any]) -> NDArray[np.float32]:
    return np.asarray(values / max(float(np.linalg.norm(values)), 1e-9), np.float32)


@cache
def _reader() -> Any:
    """Gives the features of a strip."""
    import onnxruntime
    import rapidocr

    onnx = models.package("onnx", WHAT, trunk.EXTRA)
    model = onnx.load(str(Path(rapidocr.__file__).parent / "models" / READER))
    model.graph.output.append(onnx.helper.make_tensor_value_info(FEATURES, onnx.TensorProto.FLOAT, None))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    entry = session.get_inputs()[0].name
    return lambda strip: session.run([FEATURES], {entry: strip})[0]


def _run(batch: Batch[VectorSettings, NoItem]) -> list[VectorAnswer]:
    return [VectorAnswer(values=tuple(vector(image, batch.settings).tolist())) for image in batch.images]


def _debug(batch: Batch[VectorSettings, NoItem]) -> list[tuple[VectorAnswer, DebugPictures]]:
    return [(answer, {}) for answer in _run(batch)]


def _identity(settings: VectorSettings) -> str:
    models.package("onnx", WHAT, trunk.EXTRA)
    trunk.weights_file()
    return f"vectors/{VERSION} {READER} {trunk.identity()} look {settings.look:g}"


VECTORS = Routine(
    name="vectors",
    settings=VectorSettings,
    item=NoItem,
    answer=VectorAnswer,
    run=_run,
    debug=_debug,
    identity=_identity,
)
