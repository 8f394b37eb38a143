from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from gpu_service.client.local import LocalInference
from gpu_service.pictures import Picture
from mpr_assets.stages.field_segmentation import SCHEMA, FieldSegmentationSettings, field_segmentation
from mpr_resources.storage.pictures import Frame


def frame(seq: int, grass_from_row: int) -> Frame:
    pixels = np.full((180, 320, 3), (70, 60, 80), np.uint8)
    pixels[grass_from_row:] = (40, 160, 50)
    return Frame(seq, seq * 500, Picture(pixels=pixels))


@pytest.mark.parametrize(
    ("frames", "shares"),
    [
        pytest.param([], [], id="no frames"),
        pytest.param([frame(3, 180)], [(3, 0.0)], id="no field"),
        pytest.param([frame(0, 90), frame(4, 180), frame(5, 0)], [(0, 0.5), (4, 0.0), (5, 1.0)], id="three frames"),
    ],
)
def test_a_row_for_each_frame(frames: list[Frame], shares: list[tuple[int, float]]) -> None:
    table = field_segmentation(iter(frames), LocalInference(), FieldSegmentationSettings())
    assert table.schema == pl.Schema(SCHEMA)
    assert table.select("seq", "share").rows() == shares
    assert [polygon.len() > 0 for polygon in table["polygon"]] == [share > 0 for _, share in shares]


def test_polygon_is_pairs_of_pixels() -> None:
    [row] = field_segmentation([frame(0, 0)], LocalInference(), FieldSegmentationSettings())["polygon"].to_list()
    assert sorted(row) == [[0.0, 0.0], [0.0, 180.0], [320.0, 0.0], [320.0, 180.0]]


def test_settings_have_the_names_of_the_profile() -> None:
    names = [
        "hue_low",
        "hue_high",
        "sat_low",
        "sat_high",
        "val_low",
        "val_high",
        "morph_kernel",
        "min_area_ratio",
        "enabled",
    ]
    assert set(FieldSegmentationSettings.model_fields) == set(names)
