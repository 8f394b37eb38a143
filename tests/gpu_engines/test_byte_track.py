"""ByteTrack of the package `trackers`, with which `bench.tracks` compares; that package is no part of MPR."""

from __future__ import annotations

from bench.tracks import byte_track
from mpr_assets.report.camera import still
from mpr_assets.report.tracks import AwayLimits
from tests.mpr_assets.report.tables import detection
from tests.mpr_assets.report.tables import detections as table
from tests.mpr_assets.report.test_tracks import box, looked

LIMITS = AwayLimits(near_ms=1000, hidden_ms=3000)


def test_byte_track_follows_what_overlaps() -> None:
    found = table(*(detection(seq, box=box(100)) for seq in (0, 1, 4)))
    bridges = byte_track(found, looked([0] * 8), LIMITS, still).bridges
    assert [(one.from_seq, one.to_seq, one.limit_ms) for one in bridges] == [(1, 4, 3000)]
