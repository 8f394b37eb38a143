from __future__ import annotations

import base64

import numpy as np
import polars as pl
import pytest

from gpu_service.pictures import Image, decode
from mpr_assets.engine.stage import Draw
from mpr_assets.overlays.preview_sheet import (
    MAX_SHEET_BYTES,
    as_it_is,
    boxes,
    frames_to_show,
    polygons,
    quads,
    sheet_markdown,
)

BLACK = np.zeros((200, 300, 3), np.uint8)
SQUARE = [(60.0, 60.0), (200.0, 60.0), (200.0, 150.0), (60.0, 150.0)]
BOX = pl.DataFrame({"x": [60], "y": [60], "w": [140], "h": [90], "label": ["Acme"]})
DRAWN: dict[str, tuple[Draw, pl.DataFrame]] = {
    "boxes": (boxes("label"), BOX),
    "a box without a brand": (boxes("label"), BOX.with_columns(label=pl.lit(None, pl.Utf8))),
    "quads": (quads("text"), pl.DataFrame({"quad": [[c for point in SQUARE for c in point]], "text": ["Acme"]})),
    "polygons": (polygons("field"), pl.DataFrame({"polygon": [[list(point) for point in SQUARE]]})),
}


@pytest.mark.parametrize("name", DRAWN)
def test_rows_are_drawn_on_a_copy_of_the_frame(name: str) -> None:
    draw, rows = DRAWN[name]
    drawn = draw(BLACK, rows)
    assert drawn.shape == BLACK.shape
    assert drawn[55:65, 100:160].any(), "the upper edge is drawn"
    assert not BLACK.any()
    assert not draw(BLACK, rows.clear()).any()


def test_a_frame_without_a_polygon_stays_as_it_is() -> None:
    rows = pl.DataFrame({"polygon": [[]]}, schema={"polygon": pl.List(pl.List(pl.Float64))})
    assert not polygons("field")(BLACK, rows).any()
    assert as_it_is(BLACK, rows) is not BLACK


def noise(height_px: int, width_px: int) -> Image:
    return np.random.default_rng(0).integers(0, 256, (height_px, width_px, 3), np.uint8)


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("shape", [(1080, 1920), (64, 64), (1920, 1080)], ids=str)
def test_a_sheet_is_small_enough_for_an_event(shape: tuple[int, int], count: int) -> None:
    markdown = sheet_markdown([noise(*shape)] * count)
    start = "![preview](data:image/jpeg;base64,"
    assert markdown.startswith(start)
    jpeg = base64.b64decode(markdown.removeprefix(start).removesuffix(")"))
    assert len(jpeg) <= MAX_SHEET_BYTES
    assert decode(jpeg).shape[1] >= 64


SHOWN: dict[str, tuple[list[tuple[int, str | None]], list[int]]] = {
    "no frame": ([], []),
    "one frame": ([(7, "A")], [7]),
    "fewer than are shown": ([(7, None), (9, "A")], [7, 9]),
    "all alike": ([(at, None) for at in range(9)], [1, 4, 7]),
    "where most was found": (
        [(at, None) for at in range(9)] + [(0, None), (3, "A"), (5, "A"), (5, "B"), (8, "A")],
        [0, 5, 8],
    ),
    "a brand counts more than candidates": ([(0, None), (0, None), (1, "A"), (2, None), (3, None)], [0, 1, 2]),
}


@pytest.mark.parametrize("name", SHOWN)
def test_frames_with_findings_are_shown(name: str) -> None:
    rows, seqs = SHOWN[name]
    assert frames_to_show(pl.DataFrame(rows, schema={"seq": pl.Int64, "brand": pl.Utf8}, orient="row"), 3) == seqs
