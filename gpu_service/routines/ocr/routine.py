"""Reading text: where the lines of a picture are (find) and what they say (recognise).

The routine and its debug pictures. Following text over frames and voting belong to the stage that calls it.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_service.boxes import XYWH, joined
from gpu_service.errors import BadInput
from gpu_service.pictures import Image
from gpu_service.routines import Batch, DebugPictures, Routine
from gpu_service.routines.ocr.ctc import in_reading_order
from gpu_service.routines.ocr.engine import Engine, HeatMap, OcrSettings, StripText
from gpu_service.routines.ocr.small_text import small_text_places
from gpu_service.routines.ocr.symbols import with_symbol_apart
from gpu_service.wire import (
    OcrAnswer,
    OcrItem,
    TextLine,
    to_quad,
)


def _engine(settings: OcrSettings) -> Engine:
    """The engine for these settings; its models are loaded when first asked for.

    Raises:
        MissingEngine: the engine's package or one of its models is not here.
    """
    if settings.engine == "paddleocr":
        from gpu_service.routines.ocr.paddleocr import PaddleOcrEngine

        return PaddleOcrEngine(settings)
    from gpu_service.routines.ocr.rapidocr import RapidOcrEngine

    return RapidOcrEngine(settings)


def _identity(settings: OcrSettings) -> str:
    if settings.engine == "paddleocr":
        from gpu_service.routines.ocr.paddleocr import identity as paddle_identity

        return paddle_identity(settings)
    from gpu_service.routines.ocr.rapidocr import identity

    return identity(settings)


def _run(batch: Batch[OcrSettings, OcrItem]) -> list[OcrAnswer]:
    engine = _engine(batch.settings)
    pairs = zip(batch.images, batch.items, strict=True)
    return [_answer(engine, image, item, batch.settings)[0] for image, item in pairs]


def _debug(batch: Batch[OcrSettings, OcrItem]) -> list[tuple[OcrAnswer, DebugPictures]]:
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
    writable = set(engine.characters) if item.characters else set()
    unwritable = "".join(character for character in item.characters if character not in writable)
    if item.find:
        quads, heat = find(engine, image, settings, item.full_scan, item.small_text_megapixels)
    else:
        quads = [_within_reach(np.array(quad, np.float32), image) for quad in item.quads]
    if not item.recognise:
        found = tuple(TextLine(quad=to_quad(quad), confidence=0.0) for quad in quads)
        return OcrAnswer(lines=found, unwritable=unwritable), heat
    lines = [recognise(engine, image, quad, settings) for quad in quads]
    lines = [line for line in lines if line.text or not item.find]
    return OcrAnswer(lines=tuple(lines), unwritable=unwritable), heat


def _within_reach(quad: NDArray[np.float32], image: Image) -> NDArray[np.float32]:
    """The quad of a line that is to be read.

    Raises:
        BadInput: it reaches beyond the picture by more than the picture's longer side; straightening it would take
            memory without end.
    """
    height, width = image.shape[:2]
    most = max(height, width)
    if quad.min() < -most or (quad.max(axis=0) > (width + most, height + most)).any():
        raise BadInput(
            f"A line to be read lies far outside the picture of {width} x {height} pixels",
            "give its corners in pixels of the picture",
        )
    return quad


def find(
    engine: Engine, image: Image, settings: OcrSettings, full_scan: bool, small_text_megapixels: float = 0
) -> tuple[list[NDArray[np.float32]], HeatMap]:
    """The places of the lines from top to bottom, and the text heat of the whole picture.

    A quick look is at a reduced picture. In both cases, places that are warm, but where no line stands out or the
    text is too small to be outlined well, are then looked at alone, in full size: the detectors weigh a place against
    the whole picture, and small text on a large empty ground stays below their threshold. A full scan also looks
    through so much of the enlarged picture, where there are rows of fine strokes and the first pass found nothing.
    """
    height, width = image.shape[:2]
    scale = _find_scale(width, height, settings)
    quick_scale = max(scale * settings.quick_share, settings.quick_side_min_px / max(width, height))
    if full_scan or quick_scale >= QUICK_GAIN * scale:
        quick_scale = scale
    heat = engine.heat(_resized(image, quick_scale))
    quads = _closer(engine, image, heat, scale, settings, small_text_megapixels if full_scan else 0)
    return sorted(quads, key=lambda quad: tuple(quad.mean(axis=0)[::-1].tolist())), heat


QUICK_GAIN = 0.85
"""A quick look at more than this share of the full size saves too little: its time goes with the area, here 0.72."""

LARGE_PX = 48
"""Lines at least this high in the heat map are outlined well enough: as high as recognisers take them. No measurement
is known."""

MARGIN_PX = 24
"""How far around a warm place is looked, in pixels of the heat map. No measurement is known."""


def _find_scale(width: int, height: int, settings: OcrSettings) -> float:
    """How many times larger than the picture is that in which a full scan finds text."""
    scale = min(max(1.0, settings.find_side_min_px / min(height, width)), settings.find_enlarge_max)
    return min(scale, settings.find_side_max_px / max(height, width))


def _resized(image: Image, scale: float) -> Image:
    """Both sides multiples of 32, as the detectors need."""
    height, width = image.shape[:2]
    size = [max(32, round(side * scale / 32) * 32) for side in (width, height)]
    how = cv2.INTER_AREA if size[0] < width else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, size, interpolation=how), np.uint8)


SMALL_TEXT_ENLARGE = 1.5
"""How much larger than in a full scan small text is looked for. In 200 frames of drawn broadcasts, degraded to letters
of 4 to 10 pixels, half a megapixel a frame found 254 names, full scans alone 226."""


def _closer(
    engine: Engine, image: Image, heat: HeatMap, scale: float, settings: OcrSettings, small_text_megapixels: float
) -> list[NDArray[np.float32]]:
    """Lines from the heat of the whole picture, and from a closer look at warm places without clear, large text."""
    height, width = image.shape[:2]
    step = np.array([width / heat.shape[1], height / heat.shape[0]], np.float32)
    rough = list(engine.quads(heat, (width, height), settings))
    quads: list[NDArray[np.float32]] = []
    outlined, unclear = [], []
    for box in warm_places(heat, settings.warm_threshold):
        here = [quad for quad in rough if _inside(quad.mean(axis=0) / step, box)]
        if here and all(_height(quad) / step[1] >= LARGE_PX for quad in here):
            quads += here
            outlined.append(_in_picture(box, step, image))
        else:
            unclear.append(_in_picture(box, step, image))
    quads += _quads_in(engine, image, unclear, scale, settings)
    if small_text_megapixels:
        places, small = _small_text(engine, image, [*outlined, *unclear], scale, settings, small_text_megapixels)
        quads = _with_small(quads, [*_quads_in(engine, image, joined(places), scale, settings), *small])
    return quads


def _quads_in(
    engine: Engine, image: Image, places: list[XYWH], scale: float, settings: OcrSettings
) -> list[NDArray[np.float32]]:
    """The lines found in parts of a picture, each looked at alone."""
    quads = []
    for x, y, w, h in places:
        found = engine.quads(engine.heat(_resized(image[y : y + h, x : x + w], scale)), (w, h), settings)
        quads += [quad + np.array([x, y], np.float32) for quad in found]
    return quads


def _with_small(quads: list[NDArray[np.float32]], small: list[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """Lines found first, and those of small text that are no part of them; of these a longer one takes the place of
    its parts."""
    for new in small:
        shared = [float(cv2.intersectConvexConvex(new, quad)[0]) for quad in quads]
        if sum(shared) < 0.5 * cv2.contourArea(new):
            parts = [px >= 0.75 * cv2.contourArea(quad) for px, quad in zip(shared, quads, strict=True)]
            quads = [*(quad for quad, part in zip(quads, parts, strict=True) if not part), new]
    return quads


def _small_text(
    engine: Engine, image: Image, known: list[XYWH], scale: float, settings: OcrSettings, megapixels: float
) -> tuple[list[XYWH], list[NDArray[np.float32]]]:
    """Places that are warm once they are enlarged, and the lines that stand out there; pixels of the picture.

    `known`: where text is looked for anyway.
    """
    enlarged = scale * SMALL_TEXT_ENLARGE
    places, quads = [], []
    for x, y, w, h in small_text_places(image, known, megapixels * 1e6 / enlarged**2):
        part = image[y : y + h, x : x + w]
        heat = engine.heat(_resized(part, enlarged))
        step = np.array([w / heat.shape[1], h / heat.shape[0]], np.float32)
        for left, top, across, down in warm_places(heat, settings.warm_threshold):
            left, top, across, down = _in_picture((left, top, across, down), step, part)
            places.append((x + left, y + top, across, down))
        quads += [quad + np.array([x, y], np.float32) for quad in engine.quads(heat, (w, h), settings)]
    return places, quads


def _in_picture(box: XYWH, step: NDArray[np.float32], image: Image) -> XYWH:
    """A box of a heat map in pixels of its picture; `step`: width and height of a pixel of the map."""
    x, y, w, h = box
    left, top = int(x * step[0]), int(y * step[1])
    right, bottom = min(image.shape[1], round((x + w) * step[0])), min(image.shape[0], round((y + h) * step[1]))
    return left, top, right - left, bottom - top


def warm_places(heat: HeatMap, threshold: float) -> list[XYWH]:
    """Boxes x, y, w, h with margins around what is at least this warm; none overlaps another. Pixels of the map."""
    height, width = heat.shape
    boxes = []
    for contour in cv2.findContours((heat >= threshold).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[
        0
    ]:
        x, y, w, h = cv2.boundingRect(contour)
        left, top = max(0, x - MARGIN_PX), max(0, y - MARGIN_PX)
        boxes.append((left, top, min(width, x + w + MARGIN_PX) - left, min(height, y + h + MARGIN_PX) - top))
    return joined(boxes)


def _inside(point: NDArray[np.float32], box: XYWH) -> bool:
    return bool(box[0] <= point[0] < box[0] + box[2] and box[1] <= point[1] < box[1] + box[3])


def _height(quad: NDArray[np.float32]) -> float:
    return min(float(np.linalg.norm(quad[0] - quad[3])), float(np.linalg.norm(quad[0] - quad[1])))


HALF_CHARACTER = 0.35
"""Half the width of a character in line heights."""

SURE = 0.8
"""A character beyond the end of a line counts only where the recogniser is this sure of it. No measurement is known."""


def recognise(engine: Engine, image: Image, quad: NDArray[np.float32], settings: OcrSettings) -> TextLine:
    """Read a line; one much higher than wide downwards and upwards, and the surer reading counts."""
    width, height = _sides(quad)
    turns = (-1, 1) if height >= settings.turn_ratio * width else (0,)
    return max(
        (_recognise(engine, image, np.roll(quad, turn, axis=0), settings) for turn in turns),
        key=lambda line: line.confidence,
    )


def _recognise(engine: Engine, image: Image, quad: NDArray[np.float32], settings: OcrSettings) -> TextLine:
    """Read a line, and beyond its ends: a detector loses characters there, above all on a restless background.

    The quad grows by the characters found, to the next space at most.
    """
    left = right = 0.0
    for _ in range(settings.extend_times + 1):
        at_left, at_right = left + settings.extend, right + settings.extend
        strip = straighten(image, _extended(quad, at_left, at_right))
        core = at_left * LINE_HEIGHT_PX, strip.shape[1] - at_right * LINE_HEIGHT_PX
        inner, (before, behind) = _own_part(engine.read(strip, settings.space_threshold), core)
        if before <= left and behind <= right:
            break
        left, right = max(left, before), max(right, behind)
    inner = with_symbol_apart(strip, inner)
    quad = _extended(quad, *(beyond + HALF_CHARACTER if beyond else 0.0 for beyond in (before, behind)))
    text = in_reading_order(inner.text.strip()) if inner.confidence >= settings.min_confidence else ""
    return TextLine(quad=to_quad(quad), text=text, confidence=min(1.0, inner.confidence) if text else 0.0)


def _own_part(reading: StripText, core: tuple[float, float]) -> tuple[StripText, tuple[float, float]]:
    """The characters of a line and those that stick to it, and by how many line heights these lie beyond its ends.

    `core` is where the line starts and ends on the strip, in pixels.
    """
    inside = [i for i, centre in enumerate(reading.centres_px) if core[0] <= centre <= core[1]]
    if not inside:
        return StripText("", (), ()), (0.0, 0.0)
    start, end = inside[0], inside[-1]

    def sticks(i: int) -> bool:
        return 0 <= i < len(reading.text) and reading.text[i] != " " and reading.confidences[i] >= SURE

    while sticks(start - 1):
        start -= 1
    while sticks(end + 1):
        end += 1
    before, behind = core[0] - reading.centres_px[start], reading.centres_px[end] - core[1]
    return reading.part(start, end + 1), (max(0.0, before / LINE_HEIGHT_PX), max(0.0, behind / LINE_HEIGHT_PX))


def _sides(quad: NDArray[np.float32]) -> tuple[float, float]:
    width = max(float(np.linalg.norm(quad[0] - quad[1])), float(np.linalg.norm(quad[3] - quad[2])), 1.0)
    height = max(float(np.linalg.norm(quad[0] - quad[3])), float(np.linalg.norm(quad[1] - quad[2])), 1.0)
    return width, height


def _extended(quad: NDArray[np.float32], left: float, right: float) -> NDArray[np.float32]:
    """The quad made longer by so many line heights at its ends."""
    width, height = _sides(quad)
    along = np.array([quad[1] - quad[0], quad[2] - quad[3]], np.float32) * (height / width)
    return np.array(
        [quad[0] - along[0] * left, quad[1] + along[0] * right, quad[2] + along[1] * right, quad[3] - along[1] * left],
        np.float32,
    )


LINE_HEIGHT_PX = 48
"""Height of a straightened line: what PP-OCR recognisers are trained on (`rec_img_shape: [3, 48, 320]`)."""


def straighten(image: Image, quad: NDArray[np.float32]) -> Image:
    """The inside of a quad, `LINE_HEIGHT_PX` high."""
    width, height = _sides(quad)
    scale = LINE_HEIGHT_PX / height
    # A warp does not smooth: a large line is first cut out at its size, then reduced with averaging.
    at = scale if scale >= 0.5 else 1.0
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
