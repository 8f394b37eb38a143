"""Reading text: where the lines of a picture are (find) and what they say (recognise).

The settings, the routine and its debug pictures. What runs the models is in a file an engine (`ocr_rapidocr`);
following text over frames and voting belong to the stage that calls this.
"""

from __future__ import annotations

import threading
from typing import Literal, Protocol, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from gpu_service.errors import MissingEngine
from gpu_service.pictures import Image
from gpu_service.routines import Batch, DebugPictures, Routine
from gpu_service.settings import Settings
from gpu_service.wire import OcrAnswer, OcrItem, Quad, TextLine

HeatMap: TypeAlias = NDArray[np.float32]
"""How much each pixel looks like text: shape (height, width) of what the detector saw, 0 to 1."""

Quads: TypeAlias = NDArray[np.float32]
"""Shape (lines, 4, 2): corners x, y clockwise from top left, pixels of the picture."""


class OcrSettings(Settings):
    """How text is found and recognised."""

    engine: Literal["rapidocr", "paddleocr"] = Field("rapidocr", description="paddleocr runs on the GPU host alone")
    threads: int = Field(0, ge=0, le=256, description="threads of the engine; 0: every core")
    find_side_min_px: int = Field(
        512, ge=64, le=4096, description="a picture whose shorter side is less is enlarged to it before text is found"
    )
    find_side_max_px: int = Field(
        2048, ge=64, le=8192, description="a picture whose longer side is more is reduced to it before text is found"
    )
    heat_threshold: float = Field(0.3, gt=0, lt=1, description="text heat from which a pixel belongs to a line")
    line_threshold: float = Field(0.5, gt=0, lt=1, description="mean text heat from which a line is kept")
    unclip_ratio: float = Field(1.6, ge=1, le=4, description="how far the shrunken core of a line is grown again")
    min_confidence: float = Field(0.5, ge=0, le=1, description="a reading below this is taken for no text")


class Engine(Protocol):
    """What an engine's file gives. Calls come one at a time."""

    def heat(self, image: Image) -> HeatMap:
        """The text heat of a picture that is already at the size at which text is to be found."""
        ...

    def quads(self, heat: HeatMap, size: tuple[int, int]) -> Quads:
        """The lines in a heat map, in pixels of a picture of `size` (width, height), in reading order."""
        ...

    def read(self, lines: list[Image]) -> list[tuple[str, float]]:
        """Text and confidence (0 to 1) of pictures of single lines, in their order; "" and 0 where there is none."""
        ...


_engines: dict[OcrSettings, Engine] = {}
_lock = threading.Lock()


def _engine(settings: OcrSettings) -> Engine:
    """The process's engine for these settings. Call with the lock held."""
    if settings not in _engines:
        if settings.engine == "rapidocr":
            from gpu_service.routines.ocr_rapidocr import RapidOcrEngine

            _engines[settings] = RapidOcrEngine(settings)
        else:
            raise MissingEngine("The OCR engine `paddleocr` is not installed here; set run_ocr's `engine` to rapidocr.")
    return _engines[settings]


def _identity(settings: OcrSettings) -> str:
    if settings.engine == "rapidocr":
        from gpu_service.routines.ocr_rapidocr import identity

        return identity()
    with _lock:
        return type(_engine(settings)).__name__


def _run(batch: Batch[OcrSettings, OcrItem]) -> list[OcrAnswer]:
    with _lock:
        engine = _engine(batch.settings)
        return [
            _answer(engine, image, item, batch.settings)[0]
            for image, item in zip(batch.images, batch.items, strict=True)
        ]


def _debug(batch: Batch[OcrSettings, OcrItem]) -> list[tuple[OcrAnswer, DebugPictures]]:
    with _lock:
        engine = _engine(batch.settings)
        both = []
        for image, item in zip(batch.images, batch.items, strict=True):
            answer, heat = _answer(engine, image, item, batch.settings)
            pictures = {} if heat is None else {"heat": heat_picture(heat, image)}
            both.append((answer, pictures | {"lines": lines_picture(answer, image)}))
        return both


OCR: Routine[OcrSettings, OcrItem, OcrAnswer] = Routine(
    name="ocr",
    settings=OcrSettings,
    item=OcrItem,
    answer=OcrAnswer,
    run=_run,
    debug=_debug,
    identity=_identity,
)


def _answer(engine: Engine, image: Image, item: OcrItem, settings: OcrSettings) -> tuple[OcrAnswer, HeatMap | None]:
    heat = None
    quads = np.asarray(item.quads, np.float32).reshape(-1, 4, 2)
    if item.find:
        heat = engine.heat(find_size(image, settings))
        quads = engine.quads(heat, (image.shape[1], image.shape[0]))
    if not item.recognise:
        return OcrAnswer(lines=tuple(TextLine(quad=_quad(quad), confidence=0.0) for quad in quads)), heat
    readings = engine.read([straighten(image, quad) for quad in quads])
    lines = [
        TextLine(quad=_quad(quad), text=text if confidence >= settings.min_confidence else "", confidence=confidence)
        for quad, (text, confidence) in zip(quads, readings, strict=True)
    ]
    if item.find:
        lines = [line for line in lines if line.text]
    return OcrAnswer(lines=tuple(lines)), heat


def find_size(image: Image, settings: OcrSettings) -> Image:
    """The picture at the size at which text is found: both sides multiples of 32, as the detectors need."""
    height, width = image.shape[:2]
    scale = max(1.0, settings.find_side_min_px / min(height, width))
    scale = min(scale, settings.find_side_max_px / max(height, width))
    size = [max(32, round(side * scale / 32) * 32) for side in (width, height)]
    shrinks = size[0] < width
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR), np.uint8)


LINE_HEIGHT_PX = 48
"""Height of a straightened line: what the recognisers take."""


def straighten(image: Image, quad: NDArray[np.float32]) -> Image:
    """The line inside a quad, upright, `LINE_HEIGHT_PX` high. A line higher than wide is turned to the left."""
    width = max(float(np.linalg.norm(quad[0] - quad[1])), float(np.linalg.norm(quad[3] - quad[2])), 1.0)
    height = max(float(np.linalg.norm(quad[0] - quad[3])), float(np.linalg.norm(quad[1] - quad[2])), 1.0)
    if height >= 1.5 * width:
        quad, width, height = np.roll(quad, -1, axis=0), height, width
    scale = LINE_HEIGHT_PX / height
    # A warp does not smooth: a large line is first cut out at its size, then reduced with averaging.
    at = min(scale, 1.0) if scale >= 0.5 else 1.0
    if scale > 1:
        at = scale
    size = (max(1, round(width * at)), max(1, round(height * at)))
    corners = np.array([[0, 0], [size[0], 0], [size[0], size[1]], [0, size[1]]], np.float32)
    line = cv2.warpPerspective(
        image,
        cv2.getPerspectiveTransform(quad.astype(np.float32), corners),
        size,
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )
    if size[1] != LINE_HEIGHT_PX:
        line = cv2.resize(line, (max(1, round(width * scale)), LINE_HEIGHT_PX), interpolation=cv2.INTER_AREA)
    return np.asarray(line, np.uint8)


def heat_picture(heat: HeatMap, image: Image) -> Image:
    """The text heat in colours over the darkened picture."""
    height, width = image.shape[:2]
    grey = cv2.resize((np.clip(heat, 0, 1) * 255).astype(np.uint8), (width, height))
    return np.asarray(cv2.addWeighted(cv2.applyColorMap(grey, cv2.COLORMAP_INFERNO), 0.8, image, 0.4, 0), np.uint8)


def lines_picture(answer: OcrAnswer, image: Image) -> Image:
    """The quads, green where read with confidence, through yellow to red where not."""
    picture = image.copy()
    for line in answer.lines:
        colour = (0, int(255 * line.confidence), int(255 * (1 - line.confidence)))
        cv2.polylines(picture, [np.round(np.array(line.quad)).astype(np.int32)], True, colour, 2)
    return picture


def _quad(quad: NDArray[np.float32]) -> Quad:
    a, b, c, d = ((float(x), float(y)) for x, y in quad)
    return a, b, c, d
