from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from gpu_service.client.local import LocalInference
from gpu_service.pictures import Picture
from mpr_assets.stages.detect_edges import SCHEMA, DetectEdgesSettings, detect_edges
from mpr_assets.stages.field_segmentation import SCHEMA as FIELD_SCHEMA
from mpr_resources.storage.pictures import Frame

NO_FIELDS = pl.DataFrame(schema=FIELD_SCHEMA)


def frame(seq: int, *tops: int) -> Frame:
    """A board of 400 x 50 at x 100 for each of the tops."""
    pixels = np.full((480, 640, 3), 90, np.uint8)
    for top in tops:
        pixels[top : top + 50, 100:500] = 230
    return Frame(seq, seq * 500, Picture(pixels=pixels))


@pytest.mark.parametrize(
    ("frames", "fields", "found"),
    [
        pytest.param([], NO_FIELDS, [], id="no frames"),
        pytest.param([frame(0)], NO_FIELDS, [], id="no board"),
        pytest.param([frame(2, 60), frame(7), frame(9, 60, 300)], NO_FIELDS, [(2, 60), (9, 60), (9, 300)], id="boards"),
        pytest.param(
            [frame(2, 300), frame(3, 300)],
            pl.DataFrame(
                [(2, [[0.0, 250.0], [640.0, 250.0], [640.0, 480.0], [0.0, 480.0]], 0.5)], FIELD_SCHEMA, orient="row"
            ),
            [(3, 300)],
            id="on the field of its frame",
        ),
    ],
)
def test_a_row_for_each_region(frames: list[Frame], fields: pl.DataFrame, found: list[tuple[int, int]]) -> None:
    table = detect_edges(iter(frames), fields, LocalInference(), DetectEdgesSettings())
    assert table.schema == pl.Schema(SCHEMA)
    assert sorted((seq, round(y, -1)) for seq, y in table.select("seq", "y").rows()) == found
    for x, w, h, label in table.select("x", "w", "h", "label").rows():
        assert (x, w, h) == (pytest.approx(100, abs=4), pytest.approx(400, abs=6), pytest.approx(50, abs=3))
        assert label == "board"


def test_settings_have_the_names_of_the_profile() -> None:
    names = {
        "edge_canny_low",
        "edge_canny_high",
        "edge_hough_threshold",
        "edge_hough_min_length",
        "edge_hough_max_gap",
        "edge_pair_max_distance",
        "edge_pair_min_distance",
    }
    assert set(DetectEdgesSettings.model_fields) == names | {"edge_max_slope_deg", "enabled"}
