"""Lanes of what the picture looks like and what moves, on the page."""

from __future__ import annotations

import pytest

from mpr_assets.report.model import Counts, LookSpan, MotionReport, MotionSpan, Report, ReportSource
from mpr_assets.report.page.picture_lanes import Swatch, curves, swatches

SOURCE = ReportSource(
    name="a.mp4", version="1", duration_ms=4000, fps="25/1", codec="h264", width_px=1000, height_px=500, rotation_deg=0
)
EMPTY = Report(
    timeline="derby",
    profile="p",
    duration_ms=4000,
    chunks=(),
    sources=(SOURCE,),
    counts=Counts(frames=0, kept_frames=0, shots=0, detections=0, brands=0, exposures=0),
    looked_for=(),
    cuts_ms=(),
    brands=(),
    stages=(),
)


def look(start_ms: int, end_ms: int, *colours: tuple[tuple[int, int, int], float], brightness: float = 0.5) -> LookSpan:
    of, shares = [colour for colour, _ in colours], [share for _, share in colours]
    return LookSpan(
        start_ms=start_ms,
        end_ms=end_ms,
        colours=tuple(of),
        shares=tuple(shares),
        brightness=brightness,
        contrast=0,
        saturation=1,
    )


RED, BLUE = (255, 0, 0), (0, 0, 255)
SWATCHES: dict[str, tuple[list[LookSpan], list[Swatch]]] = {
    "none": ([], []),
    "the largest below": (
        [look(0, 2000, (RED, 0.75), (BLUE, 0.25))],
        [Swatch(0, 25, 20, 75, "#ff0000"), Swatch(0, 0, 20, 25, "#0000ff")],
    ),
    "what is less than a step of the lane is not drawn": ([look(0, 10, (RED, 1.0))], []),
    "whole though shares are rounded": (
        [look(2000, 4000, (RED, 0.3333), (BLUE, 0.3333), (RED, 0.3333))],
        [Swatch(20, 67, 20, 33, "#ff0000"), Swatch(20, 33, 20, 34, "#0000ff"), Swatch(20, 0, 20, 33, "#ff0000")],
    ),
}


@pytest.mark.parametrize("case", SWATCHES)
def test_swatches(case: str) -> None:
    looks, expected = SWATCHES[case]
    assert swatches(looks, 4000, 40) == expected


def moves(*spans: tuple[int, int, float | None, float | None]) -> MotionReport:
    names = ("start_ms", "end_ms", "moving_share", "camera_px_per_s")
    return MotionReport(spans=tuple(MotionSpan(**dict(zip(names, span, strict=True))) for span in spans))


MOVES = moves((0, 1000, None, None), (1000, 2000, 0.5, 250.0), (2000, 4000, 0.0, 0.0))
CURVES: dict[str, tuple[dict[str, object], list[tuple[str, str, str]]]] = {
    "not measured": ({}, []),
    "looks": (
        {"looks": (look(0, 1000, brightness=0.2), look(1000, 4000, brightness=0.4))},
        [
            ("Brightness", "M0 100v-20h10v20zM10 100v-40h30v40z", "Brightness, 0.20 to 0.40"),
            ("Contrast", "", "Contrast, 0.00 to 0.00"),
            ("Saturation", "M0 100v-100h10v100zM10 100v-100h30v100z", "Saturation, 1.00 to 1.00"),
        ],
    ),
    "motion, of half a width a second at most": (
        {"motion": MOVES},
        [
            ("Moving", "M10 100v-50h10v50z", "Moving, 0.00 to 0.50"),
            ("Camera", "M10 100v-50h10v50z", "Camera, 0 to 250 px/s"),
        ],
    ),
    "the fastest fills the lane": (
        {"motion": moves((0, 4000, 0.0, 2000.0))},
        [
            ("Moving", "", "Moving, 0.00 to 0.00"),
            ("Camera", "M0 100v-100h40v100z", "Camera, 2000 to 2000 px/s"),
        ],
    ),
    "first frames alone": ({"motion": moves((0, 4000, None, None))}, []),
}


@pytest.mark.parametrize("case", CURVES)
def test_curves(case: str) -> None:
    told, expected = CURVES[case]
    found = curves(EMPTY.model_copy(update=told), 40)
    assert [(one.name, one.path, one.says) for one in found] == expected
