"""What an exposure and a brand measure, on frames of 200 x 100 px whose measures are computed by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from gpu_service.pictures import Picture
from mpr_assets.report.brand_measures import BRAND_SCHEMA
from mpr_assets.report.counting_rules import RULES
from mpr_assets.report.exposure_measures import MEASURED_SCHEMA
from mpr_assets.report.exposures import ExposureSettings, exposures, frame_spans
from mpr_assets.report.measured import Measured, MeasureSettings, measure
from mpr_assets.report.quality import QualityWeights
from tests.mpr_assets.report.tables import chunks, detection, detections, frames, scenes

FOUR_SECONDS = chunks(("a.mp4", 0, 4000))
SAMPLED = frames(range(0, 4000, 500))
SHOT = scenes([0] * 8)
CENTRE, CORNER, FAR = (90, 45, 20, 10), (0, 0, 20, 10), (180, 90, 20, 10)
DIAMOND = [100.0, 30.0, 120.0, 50.0, 100.0, 70.0, 80.0, 50.0]
AT_CENTRE, AT_CORNER = 0.64, 0.10324
"""Each covers 1 % of the frame: 0.6 + 0.4 x 0.1, and 0.6 x exp(-0.405 / 0.18) + 0.04."""


GREY = Picture(pixels=np.full((100, 200, 3), 128, np.uint8))


def measured(*rows: tuple[object, ...], shots: pl.DataFrame = SHOT, **settings: object) -> Measured:
    found = detections(*rows)
    stays = exposures(found, SAMPLED, shots, FOUR_SECONDS, ExposureSettings())
    return measure(
        stays, found, SAMPLED, frame_spans(SAMPLED, shots, FOUR_SECONDS), FOUR_SECONDS,
        MeasureSettings.model_validate(settings), lambda seqs: ((seq, GREY) for seq in seqs),
    )  # fmt: skip


Expected = list[dict[str, Any]]
CASES: dict[str, tuple[list[tuple[object, ...]], Expected]] = {
    "nothing": ([], []),
    "in the centre": (
        [detection(3, box=CENTRE)],
        [
            {
                "mean_area_share": 0.01, "max_area_share": 0.01, "mean_prominence": AT_CENTRE,
                "max_prominence": AT_CENTRE, "position": "centre", "position_share": 1.0, "centre_distance": 0.0,
                "mean_instances": 1.0, "max_instances": 1, "clutter": 0.0, "solo_ms": 500, "legibility": None,
            }
        ],
    ),
    "in a corner": (
        [detection(3, box=CORNER)],
        [{"mean_prominence": AT_CORNER, "position": "top left", "centre_distance": 0.9}],
    ),
    "half of it outside the frame": (
        [detection(3, box=(-10, 40, 20, 20))],
        [{"mean_area_share": 0.01, "position": "left", "centre_distance": 0.671751}],
    ),
    "a polygon is smaller than its box": (
        [detection(3, box=(80, 30, 40, 40), polygon=DIAMOND)],
        [{"mean_area_share": 0.04, "mean_prominence": 0.68}],
    ),
    "two marks at once": (
        [detection(3, box=CENTRE), detection(3, box=FAR)],
        [
            {
                "mean_area_share": 0.02, "mean_prominence": AT_CENTRE, "position": "centre", "mean_instances": 2.0,
                "max_instances": 2, "solo_ms": 500,
            }
        ],
    ),
    "found twice by its text and its look": (
        [detection(3, box=CENTRE), detection(3, box=(88, 43, 24, 14), source="logo")],
        [{"mean_area_share": 0.0168, "mean_instances": 1.0, "max_instances": 1}],
    ),
    "it wanders": (
        [detection(1, box=CENTRE), detection(2, box=CORNER), detection(3, box=CORNER), detection(4, box=CORNER)],
        [
            {
                "mean_prominence": 0.23743, "max_prominence": AT_CENTRE, "position": "top left",
                "position_share": 0.75, "centre_distance": 0.675,
            }
        ],
    ),
    "of two cells on equally many frames the first": (
        [detection(1, box=FAR), detection(2, box=CORNER)],
        [{"position": "top left", "position_share": 0.5}],
    ),
    "letters that were read": (
        [detection(1, legibility=1.0), detection(2, legibility=0.5), detection(2, legibility=0.25, box=FAR)],
        [{"legibility": 0.75}],
    ),
    "what is to be seen of it": (
        [detection(1, box=(-10, 40, 20, 20)), detection(2, legibility=0.5)],
        [{"visibility": 0.5, "legibility": 0.5}],
    ),
    "flat pixels": ([detection(1)], [{"sharpness": 0.0, "contrast": 0.0, "clarity": 0.0}]),
    "what counts": (
        [detection(1), detection(2, legibility=0.6)],
        [{"counted_ms": 1000, "nielsen_1s_ms": 0, "mrc_2s_ms": 0, "legible_90_ms": 500}],
    ),
    "its look tells nothing of letters": (
        [detection(1, legibility=0.5), detection(2, source="logo")],
        [{"legibility": 0.5}],
    ),
    "another brand for half of it": (
        [detection(1), detection(2), detection(2, "Bolt")],
        [{"clutter": 0.5, "solo_ms": 500}, {"clutter": 1.0, "solo_ms": 0}],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_exposures(case: str) -> None:
    rows, expected = CASES[case]
    table = measured(*rows).exposures
    assert table.schema == pl.Schema(MEASURED_SCHEMA)
    assert len(table) == len(expected)
    for row, wanted in zip(table.iter_rows(named=True), expected, strict=True):
        assert {name: row[name] for name in wanted} == pytest.approx(wanted, abs=5e-6)


def test_what_is_in_no_exposure_counts_nowhere() -> None:
    """A guess below `min_confidence` neither crowds another brand, nor is it measured."""
    found = measured(detection(2), detection(2, "Bolt", 0.1), detection(6, confidence=0.1, box=CENTRE))
    assert found.exposures.select("brand", "clutter", "solo_ms", "mean_prominence", "position").rows() == [
        ("Acme", 0.0, 500, pytest.approx(0.164896), "top left")
    ]
    assert found.brands.select("brand", "share_of_voice", "position").rows() == [("Acme", 1.0, "top left")]


def test_dropped_frames_are_measured_as_those_that_stand_for_them() -> None:
    rows = [detection(1, box=CENTRE), detection(3, box=CORNER)]
    [row] = measured(*rows, shots=scenes([0] * 8, {2: 1, 4: 3, 5: 3})).exposures.rows(named=True)
    assert (row["frames"], row["position"], row["position_share"]) == (5, "top left", 0.6)
    assert row["mean_prominence"] == pytest.approx((2 * AT_CENTRE + 3 * AT_CORNER) / 5, abs=1e-5)


def test_sizes_are_over_time() -> None:
    """A frame stands for its near-duplicates; between two measured frames a size changes evenly."""
    grows = [detection(seq, box=(90, 45, 20 * wide, 10), source="logo") for seq, wide in enumerate((1, 2, 3, 4), 2)]
    [row] = measured(*grows, measured_frames=2).exposures.rows(named=True)
    assert (row["mean_area_share"], row["max_area_share"]) == (0.0275, 0.04), "2, 2, 3, 4 %: the second and last"
    rows = [detection(1, box=CENTRE, source="logo"), detection(2, box=(90, 45, 40, 10), source="logo")]
    [row] = measured(*rows, shots=scenes([0] * 8, {3: 2, 4: 2})).exposures.rows(named=True)
    assert row["mean_area_share"] == 0.0175, "1 % for half a second, 2 % for one and a half"


BRANDS: dict[str, tuple[list[tuple[object, ...]], Expected]] = {
    "nothing": ([], []),
    "alone": (
        [detection(3, box=CENTRE)],
        [
            {
                "brand": "Acme", "seconds": 0.5, "share": 0.125, "share_of_voice": 1.0, "solo_ms": 500, "clutter": 0.0,
                "mean_prominence": AT_CENTRE, "max_prominence": AT_CENTRE, "position": "centre",
                "centre_distance": 0.0, "mean_instances": 1.0, "max_instances": 1, "first_ms": 1250, "last_ms": 1750,
            }
        ],
    ),
    "two marks of one brand at once count once": (
        [detection(3, box=CENTRE), detection(3, box=FAR)],
        [{"seconds": 0.5, "share_of_voice": 1.0, "mean_instances": 2.0}],
    ),
    "two brands, partly together": (
        [detection(1), detection(2), detection(3), detection(3, "Bolt")],
        [
            {"brand": "Acme", "seconds": 1.5, "share_of_voice": 0.75, "solo_ms": 1000, "clutter": 0.333333},
            {"brand": "Bolt", "seconds": 0.5, "share_of_voice": 0.25, "solo_ms": 0, "clutter": 1.0},
        ],
    ),
    "means are over frames, whatever exposure they are of": (
        [detection(0, box=CENTRE), *(detection(seq, box=CORNER) for seq in (5, 6, 7))],
        [{"exposures": 2, "mean_prominence": 0.23743, "position": "top left", "centre_distance": 0.675}],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BRANDS)
def test_brands(case: str) -> None:
    rows, expected = BRANDS[case]
    table = measured(*rows).brands
    assert table.schema == pl.Schema(BRAND_SCHEMA)
    assert len(table) == len(expected)
    for row, wanted in zip(table.iter_rows(named=True), expected, strict=True):
        assert {name: row[name] for name in wanted} == pytest.approx(wanted, abs=5e-6)


QUALITY: dict[str, tuple[dict[str, object], float | None]] = {
    "of all": ({}, 0.4 * AT_CENTRE + 0.2 * 0.5 + 0.1 * 0.5),  # flat pixels have no clarity
    "clarity not measured": ({"measured_frames": 0}, (0.4 * AT_CENTRE + 0.2 * 0.5 + 0.1 * 0.5) / 0.7),
    "prominence alone": (
        {"quality_clarity": 0, "quality_visibility": 0, "quality_exclusivity": 0, "quality_prominence": 0.1},
        AT_CENTRE,
    ),
    "no weight": (dict.fromkeys(QualityWeights.model_fields, 0), None),
}  # fmt: skip


@pytest.mark.parametrize("case", QUALITY)
def test_quality(case: str) -> None:
    settings, expected = QUALITY[case]
    found = measured(detection(1, box=CENTRE, legibility=0.5), detection(1, "Bolt"), **settings)
    for table in (found.exposures, found.brands):
        [quality] = table.filter(pl.col("brand") == "Acme")["quality"]
        assert quality == (None if expected is None else pytest.approx(expected, abs=5e-6))


def test_a_rule_decides_what_counts_and_the_share_of_voice() -> None:
    rows = [*(detection(seq) for seq in (1, 2, 3)), detection(6, "Bolt")]
    found = {rule: measured(*rows, counting_rule=rule).brands for rule in RULES}
    columns = ("counted_exposures", "counted_ms", "share_of_voice")
    assert {rule: table.select(columns).rows() for rule, table in found.items()} == {
        "all": [(1, 1500, 0.75), (1, 500, 0.25)],
        "nielsen_1s": [(1, 1500, 1.0), (0, 0, 0.0)],
        "mrc_2s": [(0, 0, None), (0, 0, None)],
        "legible_90": [(1, 1500, 0.75), (1, 500, 0.25)],
    }


def test_cells() -> None:
    found = measured(detection(1, box=CENTRE), *(detection(seq, box=FAR) for seq in (2, 3, 4)), detection(5, "Bolt"))
    assert dict(found.cells.iter_rows()) == {"Acme": [0, 0, 0, 0, 0.25, 0, 0, 0, 0.75], "Bolt": [1, *[0] * 8]}
