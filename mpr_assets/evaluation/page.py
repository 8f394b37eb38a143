"""`evaluation.html`, one self-contained file: the figures, and the worst mistakes with the frames they are in.

Its layout is in `evaluation.html` and page.css of `mpr_assets/report/page`.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl

from gpu_service.boxes import XYWH
from gpu_service.pictures import Image, encode_jpeg
from mpr_assets.evaluation.evaluate import TrueBoxesOf
from mpr_assets.evaluation.model import Evaluation, Mistake
from mpr_assets.overlays.marks import NO_BRAND, Mark, draw
from mpr_assets.report.page.render import FOLDER, html_environment
from mpr_resources.brands.folding import fold_key
from mpr_resources.media.clock import clock

MOST_PICTURES = 24
PICTURE_WIDTH_PX = 720
QUALITY = 82
TRUE, FOUND = (120, 200, 70), (70, 70, 235)
"""BGR: green what is there, red what was claimed."""

GetPixels = Callable[[int], Image | None]
"""A frame by its seq; None where it is no longer stored."""


@dataclass(frozen=True)
class MistakePicture:
    """A mistake with the frame in its middle, as a data URI; empty where the frame is no longer stored."""

    mistake: Mistake
    seq: int | None
    uri: str
    also: str


@dataclass(frozen=True)
class FrameEvidence:
    """What pictures are made of.

    Attributes:
        looked_at: rows (seq, timeline_ms). detections: rows (seq, x, y, w, h, brand).
        true_boxes: gives those of a brand.
        pixels: gives a frame.
    """

    looked_at: pl.DataFrame
    detections: pl.DataFrame
    true_boxes: TrueBoxesOf
    pixels: GetPixels


def evaluation_page(made: Evaluation, frames: FrameEvidence) -> str:
    """The page as HTML; equal arguments give equal pages."""
    template = html_environment().get_template("evaluation.html")
    return template.render(
        made=made,
        pictures=[_picture(one, frames) for one in made.mistakes[:MOST_PICTURES]],
        clock=clock,
        css=(FOLDER / "page.css").read_text(),
        colours={
            name: "#{2:02x}{1:02x}{0:02x}".format(*colour)
            for name, colour in (("true", TRUE), ("found", FOUND), ("other", NO_BRAND))
        },
    )


def _picture(mistake: Mistake, frames: FrameEvidence) -> MistakePicture:
    seq = _frame_of(mistake, frames.looked_at)
    here = frames.detections.filter(pl.col("seq") == seq)
    mine = [fold_key(name) == fold_key(mistake.brand) for name in here["brand"]]
    others = sorted({name for name, is_mine in zip(here["brand"], mine, strict=True) if not is_mine})
    also = f"also found in it: {', '.join(others)}" if others else ""
    pixels = None if seq is None else frames.pixels(seq)
    if pixels is None:
        return MistakePicture(mistake, seq, "", also)
    at_ms = frames.looked_at.filter(pl.col("seq") == seq)["timeline_ms"].item()
    boxes = list(here.select("x", "y", "w", "h").iter_rows())
    marks = _marks(frames.true_boxes(mistake.brand, at_ms), boxes, here["brand"].to_list(), mine)
    encoded = encode_jpeg(draw(pixels, marks, PICTURE_WIDTH_PX), QUALITY)
    return MistakePicture(mistake, seq, f"data:image/jpeg;base64,{base64.b64encode(encoded).decode()}", also)


def _marks(true: Sequence[XYWH], boxes: Sequence[XYWH], brands: Sequence[str], mine: Sequence[bool]) -> list[Mark]:
    marks = [Mark(Mark.box(*box).outline, colour=TRUE) for box in true]
    for box, brand, is_mine in sorted(zip(boxes, brands, mine, strict=True), key=lambda one: one[2]):
        marks.append(Mark(Mark.box(*box).outline, brand, colour=FOUND if is_mine else NO_BRAND))
    return marks


def _frame_of(mistake: Mistake, looked_at: pl.DataFrame) -> int | None:
    """The frame that was looked at nearest to the middle of the mistake."""
    middle_ms = (mistake.start_ms + mistake.end_ms) // 2
    nearest = looked_at.sort((pl.col("timeline_ms") - middle_ms).abs(), "seq").head(1)
    return int(nearest["seq"].item()) if len(nearest) else None
