"""The other ways to follow marks that MPR's is compared with."""

from __future__ import annotations

import csv
from pathlib import Path

import polars as pl
import pytest

from bench.tracks import any_gap, detections
from mpr_assets.report.camera import still
from mpr_assets.report.tracks import AwayLimits
from tests.mpr_assets.report.tables import detection
from tests.mpr_assets.report.tables import detections as table
from tests.mpr_assets.report.test_tracks import box, looked

LIMITS = AwayLimits(near_ms=1000, hidden_ms=3000)


def test_any_gap_knows_no_marks() -> None:
    found = table(detection(1, box=box(0)), detection(3, box=box(800)), detection(5, "Bolt"))
    bridges = any_gap(found, looked([0] * 8), LIMITS, still).bridges
    assert [(one.brand, one.from_seq, one.to_seq, one.limit_ms) for one in bridges] == [("Acme", 1, 3, 1000)]
    assert any_gap(found, looked([0, 0, 1, 1, 2, 2]), LIMITS, still).bridges == ()


@pytest.mark.parametrize(("missed", "seqs"), [(0.0, [0, 1]), (1.0, [])], ids=["none missed", "all missed"])
def test_the_truth_stands_for_a_detector(missed: float, seqs: list[int], tmp_path: Path) -> None:
    with (tmp_path / "truth_boxes.csv").open("w", newline="") as file:
        rows = [("Acme", "text", frame, 40 * frame, 1, 2, 30, 10) for frame in range(25)]
        csv.writer(file).writerows([("brand", "kind", "frame", "pts_ms", "x", "y", "w", "h"), *rows])
    frames = pl.DataFrame({"seq": [0, 1], "source_ms": [0, 480]})
    found = detections(tmp_path / "truth_boxes.csv", frames, missed, 1)
    assert found["seq"].to_list() == seqs
