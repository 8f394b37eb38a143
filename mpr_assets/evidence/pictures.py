"""The pictures of a proof: the frame with what was found, each place enlarged, its crop, the steps of the logo engines.

How marks look is in `mpr_assets.overlays.marks`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import cv2
import numpy as np

from gpu_service.errors import MprError
from gpu_service.pictures import Image
from gpu_service.routines import DebugPictures
from mpr_assets.engine.stage import Stage
from mpr_assets.engine.stage_run import StageRun
from mpr_assets.evidence.found import FoundDetection
from mpr_assets.evidence.loss import ReadLine
from mpr_assets.evidence.moment import StoredResults
from mpr_assets.overlays.marks import NO_BRAND, Mark, draw
from mpr_resources.storage.pictures import Frame
from mpr_resources.storage.store import MissingObject

FRAME_WIDTH_PX = 1280
PLACE_WIDTH_PX = 560
"""Width to which a small place is enlarged."""
MOST_ENLARGED = 6
MARGIN = 0.6
"""Around a place, in its heights."""
QUAD_COLOUR = (60, 180, 245)
"""BGR; lines of text within a place."""


def frame_picture(pixels: Image, brand: str, detections: Sequence[FoundDetection]) -> Image:
    """The frame with the brand's boxes."""
    marks = []
    for one in detections:
        x, y, w, h = one.box
        marks.append(Mark.box(x, y, w, h, f"{brand} {one.confidence:.2f} {one.source}", brand))
    return draw(pixels, marks, FRAME_WIDTH_PX)


def place_picture(pixels: Image, detection: FoundDetection) -> Image:
    """The detection's place in the frame, enlarged, with the outlines of its text or its logo; else with its box."""
    x, y, w, h = detection.box
    margin = round(MARGIN * h)
    left, top = max(0, x - margin), max(0, y - margin)
    right, bottom = min(pixels.shape[1], x + w + margin), min(pixels.shape[0], y + h + margin)
    cut = pixels[top : max(bottom, top + 1), left : max(right, left + 1)]
    scale = min(MOST_ENLARGED, max(1.0, PLACE_WIDTH_PX / cut.shape[1]))
    large = np.asarray(cv2.resize(cut, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC), np.uint8)
    quads = [line.quad for line in detection.lines] + [one.quad for one in detection.objects if one.quad]
    outlines = [tuple(zip(quad[0::2], quad[1::2], strict=True)) for quad in quads]
    outlines = outlines or [Mark.box(x, y, w, h).outline]
    marks = [Mark(tuple(((a - left) * scale, (b - top) * scale) for a, b in corners)) for corners in outlines]
    return draw(large, [replace(mark, colour=QUAD_COLOUR) for mark in marks])


def lines_picture(pixels: Image, lines: Sequence[ReadLine]) -> Image:
    """The frame with the lines of text that were read, the nearest to the brand in a colour of its own."""
    marks = []
    for number, one in enumerate(lines):
        x, y, w, h = one.box
        colour = NO_BRAND if number else QUAD_COLOUR
        marks.append(replace(Mark.box(x, y, w, h, f"{one.text} {one.confidence:.2f}"), colour=colour))
    return draw(pixels, marks, FRAME_WIDTH_PX)


def stored_frame(run: StageRun, results: StoredResults, seq: int) -> Image | None:
    """The frame's pixels; None where it is not in the cache any more."""
    try:
        return run.frame_folder(results.header("extract_frames").fingerprint).read(seq).pixels
    except MissingObject:
        return None


def stored_crop(run: StageRun, results: StoredResults, crop: int) -> Image | None:
    """The crop's pixels; None where it is not in the cache any more."""
    try:
        return run.crop_folder(results.header("preprocess").fingerprint).read(crop).pixels
    except MissingObject:
        return None


def steps(stage: Stage, run: StageRun, results: StoredResults, frame: Frame) -> tuple[Mapping[str, Image], str]:
    """The pictures of the steps by which a stage's routine found what it did, made anew; and why there are none."""
    if stage.debug is None:
        return {}, ""
    as_made = replace(
        run, stage=stage.name, settings=stage.settings.model_validate(results.header(stage.name).settings)
    )
    inputs = {name: results.tables[name] for name in stage.inputs}
    try:
        pictures: DebugPictures = stage.debug(as_made, frame, inputs)
    except MprError as error:  # a host that is away; the proof stands without them
        return {}, f"The steps of {stage.name} cannot be shown: {error}"
    return pictures, ""
