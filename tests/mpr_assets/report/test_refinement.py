"""Which edges are looked up, and exposures with what was found."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from mpr_assets.report.exposures import ExposureSettings, exposures
from mpr_assets.report.refinement import Edge, EdgeTime
from tests.mpr_assets.report.tables import chunks, detection, detections, frames, scenes

ONE = chunks(("match.mp4", 0, 4000))
EVERY_HALF = frames(range(0, 4000, 500))
ONE_SHOT = scenes([0] * 8)
NO_GAPS = ExposureSettings(max_gap_ms=0, max_hidden_ms=0)


class Source:
    """Answers with the times by (side, found_pts, beyond_pts); None to all others."""

    def __init__(self, times: dict[tuple[str, int, int | None], EdgeTime] | None = None) -> None:
        self.times = times or {}
        self.asked: list[tuple[str, int, int | None]] = []

    def refine(self, edges: Sequence[Edge]) -> list[EdgeTime | None]:
        keys = [(edge.side, edge.found_pts, edge.beyond_pts) for edge in edges]
        self.asked += keys
        return [self.times.get(key) for key in keys]


def spans(found: pl.DataFrame, source: Source, settings: ExposureSettings = NO_GAPS) -> list[tuple[int, ...]]:
    table = exposures(found, EVERY_HALF, ONE_SHOT, ONE, settings, refine=source.refine)
    columns = ("start_ms", "end_ms", "start_uncertainty_ms", "end_uncertainty_ms", "seen_ms")
    return table.select(columns).rows()


def test_nothing_found() -> None:
    source = Source()
    assert spans(detections(), source) == []
    assert source.asked == []


def test_both_edges_are_looked_up() -> None:
    source = Source({("start", 1000, 500): EdgeTime(620, 20), ("end", 1500, 2000): EdgeTime(1880, 0)})
    assert spans(detections(detection(2), detection(3)), source) == [(620, 1880, 20, 0, 1260)]
    assert source.asked == [("start", 1000, 500), ("end", 1500, 2000)]


def test_what_cannot_be_told_stays() -> None:
    assert spans(detections(detection(2)), Source()) == [(750, 1250, 250, 250, 500)]


def test_the_start_of_a_chunk_is_exact() -> None:
    source = Source()
    spans(detections(detection(0)), source)
    assert source.asked == [("end", 0, 500)]


def test_up_to_the_end_of_a_chunk() -> None:
    source = Source({("end", 3500, None): EdgeTime(4000, 0)})
    assert spans(detections(detection(7)), source) == [(3250, 4000, 250, 0, 750)]


def test_no_further_than_the_neighbouring_sample() -> None:
    source = Source()
    assert spans(detections(detection(2), detection(4)), source)[0] == (750, 1250, 250, 250, 500)
    assert source.asked == [("start", 1000, 500), ("end", 1000, 1500), ("start", 2000, 1500), ("end", 2000, 2500)]


def test_where_another_exposure_begins_at_the_next_sample_nothing_is_looked_up() -> None:
    source = Source()
    found = detections(detection(2), detection(3, box=(200, 10, 20, 10)))
    exposures(found, EVERY_HALF, scenes([0, 0, 0, 1, 1, 1, 1, 1]), ONE, NO_GAPS, refine=source.refine)
    assert source.asked == [("start", 1000, 500), ("end", 1500, 2000)]


def test_the_length_is_judged_afterwards() -> None:
    settings = ExposureSettings(max_gap_ms=0, max_hidden_ms=0, min_exposure_ms=600)
    longer = Source({("end", 1000, 1500): EdgeTime(1480, 20)})
    assert spans(detections(detection(2)), longer, settings) == [(750, 1480, 250, 20, 730)]
    assert spans(detections(detection(2)), Source(), settings) == []


def test_every_mark_is_looked_for_once() -> None:
    boxes: list[tuple[tuple[int, int, int, int], ...]] = []

    def refine(edges: Sequence[Edge]) -> list[EdgeTime | None]:
        boxes.extend(edge.boxes for edge in edges)
        return [None] * len(edges)

    found = detections(
        detection(0, box=(10, 10, 20, 10)),
        detection(0, box=(12, 10, 20, 10), confidence=0.95, source="logo"),
        detection(0, box=(100, 50, 20, 10)),
        detection(0, "Bolt", box=(60, 50, 20, 10)),
    )
    exposures(found, EVERY_HALF, ONE_SHOT, ONE, NO_GAPS, refine=refine)
    assert boxes == [((12, 10, 20, 10), (100, 50, 20, 10)), ((60, 50, 20, 10),)]
