"""What the run page shows of a visual stage: a frame's rows drawn on the frame, a few frames on one small sheet."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import polars as pl

from gpu_service.pictures import Image, encode_jpeg
from mpr_assets.engine.stage import Draw
from mpr_assets.overlays.marks import Mark, contact_sheet, draw

TILE_WIDTH_PX = 300
SHEET_QUALITY = 60
MAX_SHEET_BYTES = 32_768
"""The sheet goes into the event log, which is no place for pictures of full size: those are stored as overlays."""


def as_it_is(pixels: Image, _rows: pl.DataFrame) -> Image:
    """The frame itself."""
    return pixels.copy()


def boxes(label: str, key: str | None = None) -> Draw:
    """Draws the rows' boxes, labelled by one column and coloured by that or another."""

    def draw_boxes(pixels: Image, rows: pl.DataFrame) -> Image:
        marks = [
            Mark.box(row["x"], row["y"], row["w"], row["h"], row[label] or "", row[key or label] or "")
            for row in rows.iter_rows(named=True)
        ]
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


def sheet_markdown(pictures: Sequence[Image]) -> str:
    """Markdown of one small picture that holds them all, small enough for an event."""
    sheet = contact_sheet(pictures, tile_width_px=TILE_WIDTH_PX)
    for quality in range(SHEET_QUALITY, 0, -10):
        encoded = encode_jpeg(sheet, quality)
        if len(encoded) <= MAX_SHEET_BYTES:
            break
    return f"![preview](data:image/jpeg;base64,{base64.b64encode(encoded).decode()})"
