"""What the older live analyser's messages say of a picture as a whole."""

from __future__ import annotations

from typing import Any

import pytest

from mpr_api.world.live_messages import LiveEpoch, LiveFrame, LiveLook, LiveMotion, LiveResult, LiveWindow
from mpr_api.world.old_live_messages import analyses

WINDOW = LiveWindow(
    session="derby",
    number=0,
    timeline_id="derby-000000",
    epoch=LiveEpoch(number=0, start_pts=0, start_ms=0, time_base=(1, 1000)),
    start_pts=0,
    end_pts=3000,
    start_ms=0,
    end_ms=3000,
    closed_at_ms=3000,
    codec="h264",
    width_px=640,
    height_px=360,
)
LOOK = LiveLook(colours=[(255, 0, 0), (0, 0, 9)], shares=[0.7, 0.3], brightness=0.2, contrast=0.1, saturation=0.5)
TOLD = {
    "dominant_colors": [[255, 0, 0], [0, 0, 9]],
    "brightness_level": 0.2,
    "contrast_level": 0.1,
    "saturation_level": 0.5,
}
MOVED = {"average_motion": 0.25, "max_motion": 0.4, "activity_score": 0.5}


def frame(pts: int, look: LiveLook | None = None, share: float | None = None) -> LiveFrame:
    moved = None if share is None else LiveMotion(moving_share=share, active=share > 0.2, right_px=None, down_px=None)
    return LiveFrame(pts=pts, session_ms=pts, detections=[], objects=[], look=look, motion=moved)


CASES: dict[str, tuple[list[LiveFrame], list[dict[str, Any] | None]]] = {
    "no picture": ([], []),
    "nothing measured": ([frame(0), frame(1000)], [None, None]),
    "looks": ([frame(0, LOOK), frame(1000)], [TOLD, None]),
    "motion, of the whole window": ([frame(0), frame(1000, share=0.4), frame(2000, share=0.1)], [MOVED] * 3),
    "both": ([frame(0, LOOK), frame(1000, share=0.4), frame(2000, share=0.1)], [TOLD | MOVED, MOVED, MOVED]),
}


@pytest.mark.parametrize("case", CASES)
def test_visual(case: str) -> None:
    frames, expected = CASES[case]
    result = LiveResult(
        session="derby",
        number=0,
        timeline_id="derby-000000",
        epoch=0,
        status="analysed",
        reason="",
        thinned=False,
        run_id="r",
        lag_ms=0,
        done_at_ms=4000,
        frames=frames,
    )
    assert [one["visual"] for one in analyses(WINDOW, result, "s")] == expected
