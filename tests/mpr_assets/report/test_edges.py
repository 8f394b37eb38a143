"""When a mark comes and goes between two samples, by the frames of a video."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import polars as pl
import pytest

from gpu_service.errors import BadInput
from gpu_service.pictures import Image
from mpr_assets.report.edges import HowFramesAreShown, look_up
from mpr_assets.report.refinement import Edge, EdgeTime
from mpr_resources.media.decoding import Media, open_media
from mpr_resources.media.streams import StreamPlace
from tests.clips import write_clip

COUNT = 60
"""Frames, 25 a second: samples at 0, 500, 1000, 1500 and 2000 ms are the frames 0, 12, 25, 37 and 50."""
ON = range(17, 43)
BOX = (150, 80, 110, 36)


def picture(number: int) -> Image:
    ground = np.random.default_rng(5).integers(40, 90, (18, 32, 3), dtype=np.uint8)
    drawn = np.asarray(cv2.resize(ground, (320, 180), interpolation=cv2.INTER_CUBIC), np.uint8)
    if number in ON:
        cv2.putText(drawn, "ACME", (152 + 2 * (number - 25), 112), cv2.FONT_HERSHEY_SIMPLEX, 1.1, (240, 240, 240), 3)
    return drawn


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("edges") / "mark.mp4", map(picture, range(COUNT)))


def chunks(video: Path, start_ms: int = 0, end_ms: int = 2400, timeline_start_ms: int = 0) -> pl.DataFrame:
    with open_media(video) as media:
        place = media.place
    return pl.DataFrame(
        {
            "chunk": [0],
            "source": [str(video)],
            "start_ms": [start_ms],
            "end_ms": [end_ms],
            "timeline_start_ms": [timeline_start_ms],
            "stream": [place.number],
            "origin_pts": [place.origin_pts],
            "from_byte": [place.from_byte],
            "pid": [place.pid],
        }
    )


def opened(source: str, place: StreamPlace) -> Media:
    return open_media(source, 1, place)


def pts(frame: int) -> int:
    return 512 * frame


def box(frame: int) -> tuple[int, int, int, int]:
    return (BOX[0] + 2 * (frame - 25), *BOX[1:])


def times(edges: list[Edge], table: pl.DataFrame) -> list[EdgeTime | None]:
    found = dict(look_up(edges, table, opened, HowFramesAreShown()))
    return [found[number] for number in range(len(edges))]


class Case(NamedTuple):
    """`time`: where the edge is, and how uncertain it may be at most."""

    edge: Edge
    time: EdgeTime | None


CASES = {
    "a start": Case(Edge("start", 0, pts(25), pts(12), (box(25),), 320, "Acme"), EdgeTime(680, 40)),
    "an end": Case(Edge("end", 0, pts(37), pts(50), (box(37),), 320, "Acme"), EdgeTime(1720, 40)),
    "samples side by side": Case(Edge("start", 0, pts(17), pts(16), (box(17),), 320, "Acme"), EdgeTime(680, 0)),
    "the sample beyond shows it too": Case(Edge("start", 0, pts(37), pts(25), (box(37),), 320, "Acme"), None),
    "one of two marks is there beyond": Case(
        Edge("start", 0, pts(25), pts(12), ((10, 10, 60, 30), box(25)), 320, "Acme"), None
    ),
    "frames that were shrunk": Case(
        Edge("start", 0, pts(25), pts(12), (tuple(side // 2 for side in box(25)),), 160, "Acme"), EdgeTime(680, 40)
    ),
    "nothing to be known by": Case(Edge("start", 0, pts(25), pts(12), ((0, 0, 2, 2),), 320, "Acme"), None),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_look_up(case: Case, video: Path) -> None:
    (time,) = times([case.edge], chunks(video))
    assert (time is None) == (case.time is None)
    if time is not None and case.time is not None:
        assert abs(time.at_ms - case.time.at_ms) <= time.uncertainty_ms
        assert time.uncertainty_ms <= case.time.uncertainty_ms


def test_many_edges_in_their_order(video: Path) -> None:
    edges = [
        Edge("end", 0, pts(37), pts(50), (box(37),), 320, "Acme"),
        Edge("start", 0, pts(25), pts(12), (box(25),), 320, "Acme"),
    ]
    end, start = times(edges, chunks(video))
    assert start is not None
    assert end is not None
    assert start.at_ms < 1000 < end.at_ms
    assert times([], chunks(video)) == []


def test_an_end_that_the_chunk_cuts_off(video: Path) -> None:
    edge = Edge("end", 0, pts(25), None, (box(25),), 320, "Acme")
    assert times([edge], chunks(video, 400, 1300, 5000)) == [EdgeTime(5900, 0)]


def test_a_video_that_was_changed(video: Path) -> None:
    edge = Edge("start", 0, pts(25) + 1, pts(12), (box(25),), 320, "Acme")
    with pytest.raises(BadInput, match=r"mark\.mp4 has no frame at 00:00:01\.000, where one was sampled"):
        times([edge], chunks(video))


def test_a_video_that_is_away(video: Path, tmp_path: Path) -> None:
    edge = Edge("start", 0, pts(25), pts(12), (box(25),), 320, "Acme")
    away = chunks(video).with_columns(source=pl.lit(str(tmp_path / "gone.mp4")))
    with pytest.raises(BadInput, match=r"gone\.mp4 does not exist"):
        times([edge], away)
