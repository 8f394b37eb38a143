"""Sizes of exposures against a drawn broadcast's outlines."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import pytest
from av.video.stream import VideoStream

from bench.score_sizes import sizes
from bench.stays import size_figures

Mark = tuple[int, int, int, int, int]
"""Frame, whether it counts, left, width and height; the frame is 100 x 50 px, its frames are 100 ms apart."""


class Case(NamedTuple):
    marks: list[Mark]
    measured: float
    true: list[float]
    inferred: str = ""


CASES = {
    "no mark": Case([], 0.01, []),
    "none that counts": Case([(0, 0, 10, 10, 5)], 0.01, []),
    "exact": Case([(0, 1, 10, 10, 5), (1, 1, 10, 10, 15)], 0.02, [0.02]),
    "outside of the exposure": Case([(0, 1, 10, 10, 5), (3, 1, 10, 10, 15)], 0.02, [0.01]),
    "while it is away": Case([(0, 1, 10, 10, 5), (2, 1, 10, 10, 15)], 0.02, [0.01], "200-300"),
    "cut by the frame's edge": Case([(0, 1, 95, 10, 5)], 0.01, [0.005]),
    "two marks, which share a half": Case([(0, 1, 10, 10, 5), (0, 1, 15, 10, 5)], 0.01, [0.015]),
    "with what is seen in part": Case([(0, 1, 10, 10, 5), (0, 0, 30, 10, 15)], 0.03, [0.04]),
    "without what is seen in part": Case([(0, 1, 10, 10, 5), (0, 0, 30, 10, 15)], 0.012, [0.01]),
}


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("drawn") / "broadcast.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 100, 50, "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((50, 100, 3), np.uint8), format="bgr24")))
        container.mux(stream.encode(None))
    return path.read_bytes()


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_sizes(case: Case, video: bytes, tmp_path: Path) -> None:
    (tmp_path / "broadcast.mp4").write_bytes(video)
    outlines = [
        ("A", frame, 100 * frame, counts, left, 20, left + w, 20, left + w, 20 + h, left, 20 + h)
        for frame, counts, left, w, h in case.marks
    ]
    columns = ["brand", "frame", "pts_ms", "counts", "x0", "y0", "x1", "y1", "x2", "y2", "x3", "y3"]
    exposures = [("A", 0, 300, case.inferred, case.measured)]
    for name, rows in (
        ("truth_outlines.csv", [columns, *outlines]),
        ("exposures.csv", [("brand", "start_ms", "end_ms", "inferred", "mean_area_share"), *exposures]),
    ):
        with (tmp_path / name).open("w", newline="") as file:
            csv.writer(file).writerows(rows)
    found = sizes(tmp_path, tmp_path / "exposures.csv")
    assert [one.true for one in found] == pytest.approx(case.true)
    near = [abs(case.measured / true - 1) <= 0.05 for true in case.true]
    assert size_figures(found)["sizes_within_5_percent"] == sum(near)
