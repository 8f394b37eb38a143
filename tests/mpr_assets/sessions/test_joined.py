"""Windows of a session joined: what crosses a joint is one exposure, as in the same recording as one file."""

from __future__ import annotations

import polars as pl
import pytest

from mpr_assets.report.exposures import ExposureSettings, exposures
from mpr_assets.sessions.joined import WindowTables, joined
from mpr_assets.sessions.joint import Joint
from mpr_assets.sessions.session import Epoch, Window
from mpr_assets.sessions.window_edges import edges_of_windows
from tests.mpr_assets.report import tables

WINDOW_MS = 2000
STEP_MS = 500


def window(
    number: int,
    shown: tuple[int, ...],
    *,
    goes_on: bool,
    cut_ms: int | None = None,
    box: tuple[int, int, int, int] = (10, 10, 20, 10),
    track: int | None = None,
    epoch: int = 0,
    start_ms: int | None = None,
) -> WindowTables:
    """Two seconds with four frames, on those of which a board is shown."""
    start = number * WINDOW_MS if start_ms is None else start_ms
    first_pts = 90 * start if epoch == 0 else 0
    clock = Epoch(number=epoch, start_pts=0, start_ms=0 if epoch == 0 else start, time_base_num=1, time_base_den=90_000)
    of = Window(
        number=number, epoch=clock, start_pts=first_pts, end_pts=first_pts + 90 * WINDOW_MS, start_ms=start,
        end_ms=start + WINDOW_MS, wall_s=0, closed_s=0, size_bytes=1, header_bytes=1, video_packets=1, packets_hash="",
        sha256="", codec="h264", width_px=tables.WIDTH, height_px=tables.HEIGHT,
    )  # fmt: skip
    return WindowTables(
        of,
        Joint(goes_on, cut_ms),
        tables.chunks((f"{number}.mp4", 0, WINDOW_MS)).with_columns(origin_pts=pl.lit(first_pts, pl.Int64)),
        tables.frames(range(0, WINDOW_MS, STEP_MS)).with_columns(pl.col("source_pts") + first_pts),
        tables.scenes([0] * 4),
        tables.detections(*(tables.detection(seq, box=box) for seq in shown)).with_columns(
            track=pl.lit(track, pl.Int64)
        ),
    )


def found(*windows: WindowTables) -> list[tuple[int, int, int, int]]:
    """Start and end of each exposure, on the recording's clock and on the session's."""
    one = joined(windows, "derby")
    assert one is not None
    made = exposures(one.detections, one.frames, one.scenes, one.chunks, ExposureSettings())
    return list(made.select("start_ms", "end_ms", "media_start_ms", "media_end_ms").iter_rows())


ALL = (0, 1, 2, 3)
FAR = (150, 80, 20, 10)
CASES = {
    "nothing shown": ((window(0, (), goes_on=False),), []),
    "one window": ((window(0, ALL, goes_on=False),), [(0, 2000, 0, 2000)]),
    "a mark over a joint is one exposure": (
        (window(0, (2, 3), goes_on=False), window(1, (0, 1), goes_on=True)),
        [(750, 2750, 750, 2750)],
    ),
    "over three windows": (
        (window(0, (3,), goes_on=False), window(1, ALL, goes_on=True), window(2, (0,), goes_on=True)),
        [(1250, 4250, 1250, 4250)],
    ),
    "a gap over a joint is bridged within a shot": (
        (window(0, (2,), goes_on=False), window(1, (0,), goes_on=True)),
        [(750, 2250, 750, 2250)],
    ),
    "not where a cut is at the joint": (
        (window(0, (2,), goes_on=False), window(1, (0,), goes_on=False)),
        [(750, 1250, 750, 1250), (1750, 2250, 1750, 2250)],
    ),
    "a cut since the last sample is where the one ends and the next begins": (
        (window(0, (2, 3), goes_on=False), window(1, (0,), goes_on=False, cut_ms=1700, box=FAR)),
        [(750, 1700, 750, 1700), (1700, 2250, 1700, 2250)],
    ),
    "a jump of what is no cut is where one ends that is not there after it": (
        (window(0, (2, 3), goes_on=False), window(1, (), goes_on=False, cut_ms=1900)),
        [(750, 1900, 750, 1900)],
    ),
    "lines of two windows that have the same number are two": (
        (window(0, (2,), goes_on=False, track=0), window(1, (0,), goes_on=True, track=0, box=FAR)),
        [(750, 1250, 750, 1250), (1750, 2250, 1750, 2250)],
    ),
    "a window between was not analysed": (
        (window(0, (3,), goes_on=False), window(2, (0,), goes_on=True)),
        [(1250, 2000, 1250, 2000), (2000, 2250, 4000, 4250)],
    ),
    "another epoch, after a gap": (
        (window(0, (3,), goes_on=False), window(1, (0,), goes_on=True, epoch=1, start_ms=9000)),
        [(1250, 2000, 1250, 2000), (2000, 2250, 9000, 9250)],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_crosses_a_joint(case: str) -> None:
    windows, expected = CASES[case]
    assert found(*windows) == expected


def test_of_no_window_there_is_nothing_to_join() -> None:
    assert joined([], "derby") is None


def test_frames_and_shots_are_numbered_on() -> None:
    one = joined([window(0, ALL, goes_on=False), window(1, (), goes_on=True), window(2, (), goes_on=False)], "derby")
    assert one is not None
    assert one.frames["seq"].to_list() == list(range(12))
    assert one.scenes["shot"].to_list() == [0] * 8 + [1] * 4
    assert one.first_seqs == {0: 0, 1: 4, 2: 8}


def test_edges_are_those_that_the_windows_have_looked_up_but_for_those_at_a_joint() -> None:
    windows = (window(0, (2, 3), goes_on=False), window(1, (0, 1), goes_on=True), window(2, ALL, goes_on=True))
    one = joined(windows, "derby")
    assert one is not None
    columns = ("brand", "start_ms", "end_ms", "start_uncertainty_ms", "end_uncertainty_ms")
    reports = [
        pl.DataFrame([row], columns, orient="row")
        for row in (("Acme", 612, 2000, 7, 0), ("Acme", 0, 704, 0, 8), ("Acme", 0, 2000, 0, 0))
    ]
    refine = edges_of_windows(windows, reports, one)
    made = exposures(
        one.detections,
        one.frames,
        one.scenes,
        one.chunks,
        ExposureSettings(max_gap_ms=0, max_hidden_ms=0),
        refine=refine,
    )
    found = made.select("start_ms", "end_ms", "start_uncertainty_ms", "end_uncertainty_ms")
    assert list(found.iter_rows()) == [(612, 2704, 7, 8), (3750, 6000, 250, 499)]


def test_the_end_of_an_exposure_at_a_break_is_not_that_of_one_after_it() -> None:
    windows = (window(0, (3,), goes_on=False), window(1, (0, 1), goes_on=False, epoch=1, start_ms=9000))
    one = joined(windows, "derby")
    assert one is not None
    columns = ("brand", "start_ms", "end_ms", "start_uncertainty_ms", "end_uncertainty_ms")
    reports = [
        pl.DataFrame([row], columns, orient="row") for row in (("Acme", 1300, 2000, 7, 0), ("Acme", 0, 704, 0, 8))
    ]
    refine = edges_of_windows(windows, reports, one)
    made = exposures(one.detections, one.frames, one.scenes, one.chunks, ExposureSettings(), refine=refine)
    assert made.select("media_start_ms", "media_end_ms").rows() == [(1300, 2000), (9000, 9704)]
