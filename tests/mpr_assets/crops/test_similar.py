"""Places and their order by likeness, what was read in a box, and when stored vectors hold."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from gpu_service.errors import BadInput
from gpu_service.routines.vectors import DIMENSIONS
from mpr_assets.crops.similar import (
    CELL_PX,
    SCHEMA,
    SHEET_COLUMNS,
    LikePlace,
    contact_sheet,
    cut_out,
    from_parquet,
    places,
    text_in,
    to_parquet,
)

BOX = {"x": pl.Int32, "y": pl.Int32, "w": pl.Int32, "h": pl.Int32}
CROPS = {"seq": pl.Int64, **BOX, "crop": pl.Int64, "representative": pl.Boolean}
LINES = {"seq": pl.Int64, **BOX, "text": pl.Utf8, "confidence": pl.Float64, "track": pl.Int64}


def lines(*rows: tuple[int, int, int, int, int, str, float, int]) -> pl.DataFrame:
    return pl.DataFrame(rows, LINES, orient="row")


def test_a_place_for_each_crop_and_each_text_where_it_is_seen_best() -> None:
    crops = pl.DataFrame(
        [(4, 0, 0, 50, 20, 0, True), (5, 0, 0, 50, 20, 0, False), (6, 0, 0, 50, 7, 1, True)], CROPS, orient="row"
    )
    read = lines(
        (1, 9, 9, 30, 10, "ACNE", 0.6, 7), (2, 9, 9, 31, 10, "ACME", 0.9, 7), (1, 0, 0, 40, 12, "Bolt", 0.9, 8)
    )
    assert places(crops, read).rows() == [
        (1, 0, 0, 40, 12, "Bolt", 1),
        (2, 9, 9, 31, 10, "ACME", 2),
        (4, 0, 0, 50, 20, "", 2),
    ]
    assert places(crops.clear(), read.clear()).rows() == []


def test_what_was_read_in_a_box() -> None:
    read = lines((1, 0, 0, 40, 10, "Fly", 1, 1), (1, 0, 20, 40, 10, "Further", 1, 2), (2, 0, 0, 40, 10, "Other", 1, 1))
    assert text_in(read, 1, (0, 0, 50, 40)) == "Fly Further"
    assert text_in(read, 1, (0, 0, 19, 40)) == ""
    assert text_in(read, 3, (0, 0, 50, 40)) == ""


TABLE = pl.DataFrame([(1, 0, 0, 9, 9, "b", 3, [0.0] * DIMENSIONS)], SCHEMA, orient="row")


def test_vectors_that_were_made_otherwise_are_not_taken() -> None:
    data = to_parquet(TABLE, "model 1")
    kept = from_parquet(data, "model 1")
    assert kept is not None
    assert kept.equals(TABLE)
    assert from_parquet(data, "model 2") is None
    assert from_parquet(data[:40], "model 1") is None
    assert from_parquet(to_parquet(TABLE.drop("text"), "model 1"), "model 1") is None
    short = TABLE.with_columns(vector=pl.Series([[0.0, 1.0]], dtype=pl.Array(pl.Float32, 2)))
    assert from_parquet(to_parquet(short, "model 1"), "model 1") is None


def test_the_sheet_and_boxes_outside_of_the_picture() -> None:
    image = np.zeros((60, 80, 3), np.uint8)
    assert cut_out(image, (70, 50, 40, 40)).shape == (10, 10, 3)
    with pytest.raises(BadInput, match="The box 75,0 20x20 has less than 8 x 8 pixels of the picture of 80x60"):
        cut_out(image, (75, 0, 20, 20))
    found = [(image[:9], LikePlace("match", seq, (0, 0, 80, 9), "é", 0.9), 40 * seq) for seq in range(SHEET_COLUMNS)]
    sheet = contact_sheet(image, found)
    assert sheet.shape[1] == SHEET_COLUMNS * CELL_PX[0]
    assert sheet.shape[0] == 2 * contact_sheet(image, []).shape[0]
