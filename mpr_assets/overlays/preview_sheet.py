"""What the run page shows of a visual stage: a frame's rows drawn on the frame, a few frames on one small sheet."""

from __future__ import annotations

import base64
from collections.abc import Collection, Sequence
from dataclasses import replace

import cv2
import numpy as np
import polars as pl

from gpu_service.pictures import Image, encode_jpeg
from mpr_assets.engine.stage import Draw
from mpr_assets.overlays.marks import INK, NO_BRAND, OBJECT, Mark, contact_sheet, draw

TILE_WIDTH_PX = 300
SHEET_QUALITY = 60
MAX_SHEET_BYTES = 32_768
"""The sheet goes into the event log, which is no place for pictures of full size: those are stored as overlays."""


def as_it_is(pixels: Image, _rows: pl.DataFrame) -> Image:
    """The frame itself."""
    return pixels.copy()


def boxes(label: str, key: str | None = None, objects: Collection[str] = ()) -> Draw:
    """Draws the rows' boxes, labelled by one column and coloured by that or another; where that has nothing, grey.

    `objects`: engines whose boxes are all drawn in the colour of objects.
    """

    def draw_boxes(pixels: Image, rows: pl.DataFrame) -> Image:
        marks = []
        for row in rows.iter_rows(named=True):
            name = row[key or label]
            mark = Mark.box(row["x"], row["y"], row["w"], row["h"], row[label] or "", name or "")
            is_object = bool(objects) and row["engine"] in objects
            marks.append(
                replace(mark, colour=OBJECT) if is_object else mark if name else replace(mark, colour=NO_BRAND)
            )
        return draw(pixels, marks)

    return draw_boxes


def quads(label: str) -> Draw:
    """Draws the rows' quads, labelled by one column."""

    def draw_quads(pixels: Image, rows: pl.DataFrame) -> Image:
        marks = [
            Mark(tuple(zip(row["quad"][0::2], row["quad"][1::2], strict=True)), row[label])
            for row in rows.iter_rows(named=True)
        ]
        return draw(pixels, marks)

    return draw_quads


def polygons(label: str) -> Draw:
    """Draws the rows' polygons, filled, with one label for all."""

    def draw_polygons(pixels: Image, rows: pl.DataFrame) -> Image:
        outlines = [tuple((x, y) for x, y in polygon) for polygon in rows["polygon"].to_list() if polygon]
        return draw(pixels, [Mark(outline, label, filled=True) for outline in outlines])

    return draw_polygons


SWATCHES_SHARE = 0.12
"""Height of the strip of colours as a part of the picture's."""


def swatches(pixels: Image, rows: pl.DataFrame) -> Image:
    """The dominant colours as a strip along the lower edge, as wide as their shares; the other figures above it."""
    canvas = pixels.copy()
    height, width = canvas.shape[:2]
    strip_px = max(1, round(height * SWATCHES_SHARE))
    for row in rows.iter_rows(named=True):
        left = 0
        ends = np.rint(np.cumsum(row["shares"]) * width).astype(int).tolist()
        for (red, green, blue), right in zip(row["colours"], ends, strict=True):
            cv2.rectangle(canvas, (left, height - strip_px), (right - 1, height - 1), (blue, green, red), cv2.FILLED)
            left = right
        figures = " · ".join(f"{name} {row[name]:.2f}" for name in ("brightness", "contrast", "saturation"))
        strip = Mark.box(0, height - strip_px, width - 1, strip_px - 1, figures)
        canvas = draw(canvas, [replace(strip, colour=NO_BRAND)])
    return canvas


def camera_arrow(pixels: Image, rows: pl.DataFrame) -> Image:
    """An arrow from the middle the way the camera went since the frame before, as far; how much of the frame moves."""
    canvas = pixels.copy()
    height, width = canvas.shape[:2]
    for row in rows.filter(pl.col("before_seq").is_not_null()).iter_rows(named=True):
        if row["right_px"] is not None:
            start, tip = (
                (width // 2, height // 2),
                (width // 2 - round(row["right_px"]), height // 2 - round(row["down_px"])),
            )
            thickness = max(2, round(width / 320))
            for line_px, colour in ((thickness + 2, INK), (thickness, NO_BRAND)):
                cv2.arrowedLine(canvas, start, tip, colour, line_px, cv2.LINE_AA, tipLength=0.2)
            camera = f"camera {-row['right_px']:+.0f}, {-row['down_px']:+.0f} px"
        else:
            camera = "camera unknown"
        figures = f"{row['moving_share']:.0%} moves · {camera}"
        canvas = draw(canvas, [replace(Mark.box(0, 0, width - 1, height - 1, figures), colour=NO_BRAND)])
    return canvas


def frames_to_show(rows: pl.DataFrame, number: int) -> list[int]:
    """The frames that show best what was found: of as many equal parts of them in time, the one with most in each.

    Args:
        rows: a stage's table; where it has the column `brand`, rows without one count less than any with one.

    Returns:
        At most so many `seq`, ascending. Of equals the one in the middle is taken.

    >>> frames_to_show(pl.DataFrame({"seq": [0, 1, 2, 2, 3, 4, 5]}), 2)
    [2, 4]
    """
    found = pl.col("brand").is_not_null().sum() if "brand" in rows.columns else pl.lit(0)
    per_frame = rows.group_by("seq").agg(found.alias("found"), pl.len().alias("rows")).sort("seq")
    parts = min(number, per_frame.height)
    chosen = []
    for part in range(parts):
        first, end = (per_frame.height * at // parts for at in (part, part + 1))
        counts = list(per_frame[first:end].iter_rows())
        middle = (len(counts) - 1) / 2
        best = max(range(len(counts)), key=lambda at: (*counts[at][1:], -abs(at - middle)))
        chosen.append(counts[best][0])
    return chosen


def sheet_markdown(pictures: Sequence[Image]) -> str:
    """Markdown of one small picture that holds them all, small enough for an event."""
    sheet = contact_sheet(pictures, tile_width_px=TILE_WIDTH_PX)
    for quality in range(SHEET_QUALITY, 0, -10):
        encoded = encode_jpeg(sheet, quality)
        if len(encoded) <= MAX_SHEET_BYTES:
            break
    return f"![preview](data:image/jpeg;base64,{base64.b64encode(encoded).decode()})"
