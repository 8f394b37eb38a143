"""Which edges are looked up, and exposures with what was found."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
import pytest

from mpr_assets.report.exposures import ExposureSettings, exposures
from mpr_assets.report.refinement import Edge, EdgeTime, part
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


def test_a_mark_that_is_in_samples_beyond_is_followed() -> None:
    source = Source(
        {
            ("end", 1000, 1500): EdgeTime(1500, 250, is_beyond=True),
            ("end", 1000, 2000): EdgeTime(2000, 500, is_beyond=True),
            ("end", 1000, 2500): EdgeTime(2140, 20),
        }
    )
    assert spans(detections(detection(2)), source) == [(750, 2140, 250, 20, 1390)]


def test_not_into_the_next_exposure() -> None:
    source = Source({("end", 1000, 1500): EdgeTime(1500, 250, is_beyond=True)})
    assert spans(detections(detection(2), detection(4)), source)[0] == (750, 1500, 250, 250, 750)
    assert ("end", 1000, 2000) not in source.asked


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


PARTED = {
    "nothing": ([], []),
    "of another brand": ([("A", 0, 20, 0, 5), ("B", 10, 30, 0, 5)], [("A", 0, 20, 0, 5), ("B", 10, 30, 0, 5)]),
    "apart": ([("A", 0, 9, 0, 5), ("A", 10, 30, 0, 5)], [("A", 0, 9, 0, 5), ("A", 10, 30, 0, 5)]),
    "an end past a start that is surer": (
        [("A", 0, 12, 0, 5), ("A", 10, 30, 0, 5)],
        [("A", 0, 10, 0, 0), ("A", 10, 30, 0, 5)],
    ),
    "a start before an end that is surer": (
        [("A", 10, 30, 8, 5), ("A", 0, 12, 0, 5)],
        [("A", 12, 30, 5, 5), ("A", 0, 12, 0, 5)],
    ),
}
"""Stays (brand, start, end, how far off each may be), and what they become."""


@pytest.mark.parametrize("case", PARTED)
def test_stays_of_a_brand_do_not_reach_into_each_other(case: str) -> None:
    given, expected = PARTED[case]
    names = ("start_ms", "end_ms", "start_uncertainty_ms", "end_uncertainty_ms")
    columns = {name: [stay[at] for stay in given] for at, name in enumerate(names, start=1)}
    part([stay[0] for stay in given], columns)
    assert list(zip([stay[0] for stay in given], *columns.values(), strict=True)) == expected
