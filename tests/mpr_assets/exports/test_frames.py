"""Frames and timecode, and the formats that have them, at the rates of television, against OpenTimelineIO's."""

from __future__ import annotations

import re
from fractions import Fraction

import opentimelineio as otio
import pytest

from mpr_assets.exports.edl_file import edl
from mpr_assets.exports.frame_clock import FrameClock
from mpr_assets.exports.otio_file import otio as otio_file
from tests.mpr_assets.exports.reports import tables

RATES = {
    "23.976": ((24_000, 1001), "00:00:00:18 00:59:56:10"),
    "25": ((25, 1), "00:00:00:19 01:00:00:00"),
    "29.97, drop-frame": ((30_000, 1001), "00:00:00;22 01:00:00;00"),
    "59.94, drop-frame": ((60_000, 1001), "00:00:00;45 01:00:00;00"),
}
"""Frames a second, and the timecode of 750 ms and of an hour."""
rates = pytest.mark.parametrize(("fps", "codes"), RATES.values(), ids=RATES.keys())


@rates
def test_timecode_is_that_of_opentimelineio(fps: tuple[int, int], codes: str) -> None:
    rate = FrameClock(Fraction(*fps))
    numbers = [*range(0, 40_000, 7), *range(1790, 1810), *range(3590, 3610), *range(17_970, 18_000), 35_964, 2_000_000]
    theirs = [otio.opentime.to_timecode(otio.opentime.RationalTime(one, float(rate.fps))) for one in numbers]
    assert [rate.timecode(one) for one in numbers] == theirs
    assert " ".join(rate.timecode(rate.frames(ms)) for ms in (750, 3_600_000)) == codes


@rates
def test_a_locator_is_on_its_frame(fps: tuple[int, int], codes: str) -> None:
    text = edl(tables("Acme", fps=fps, start_ms=10_000)).decode()
    rate = float(Fraction(*fps))
    located = re.findall(r"^\* LOC: (\S+) RED     Acme \|D:(\d+)$", text, re.MULTILINE)
    times = [otio.opentime.from_timecode(code, rate).value / rate for code, _ in located]
    assert times == pytest.approx([0, 0.75, 3600], abs=0.5 / rate)
    assert [int(length) / rate for _, length in located] == pytest.approx([0.25, 0.5, 0.5], abs=1 / rate)
    assert " ".join(code for code, _ in located[1:]) == codes
    assert f"\nFCM: {'DROP' if ';' in codes else 'NON-DROP'} FRAME\n" in text
    [clip] = otio.adapters.read_from_string(text, "cmx_3600", rate=rate).tracks[0]
    assert clip.name == "a b.mp4"
    assert clip.source_range.start_time.value / rate == pytest.approx(10, abs=0.5 / rate)
    assert clip.source_range.duration.value / rate == pytest.approx(4000, abs=0.5 / rate)


@rates
def test_a_marker_is_on_its_frame(fps: tuple[int, int], codes: str) -> None:
    timeline = otio.adapters.read_from_string(otio_file(tables("Acme", fps=fps, start_ms=10_000)).decode(), "otio_json")
    rate = float(Fraction(*fps))
    [clip] = timeline.tracks[0]
    spans = [marker.marked_range for marker in timeline.tracks.markers]
    assert [one.start_time.to_timecode() for one in spans[1:]] == codes.split()
    assert [one.duration.to_seconds() for one in spans] == pytest.approx([0.25, 0.5, 0.5], abs=1 / rate)
    assert clip.media_reference.target_url == "a b.mp4"
    assert (clip.source_range.start_time.rate, clip.source_range.start_time.to_seconds()) == pytest.approx(
        (rate, 10), abs=0.5 / rate
    )


FPS = {
    "a usual one as a fraction": ("30000/1001", Fraction(30_000, 1001)),
    "a usual one rounded by its container": ("2997/100", Fraction(30_000, 1001)),
    "24 is not 23.976": ("24/1", Fraction(24)),
    "an unusual one": ("50/3", Fraction(50, 3)),
    "none": ("0/0", Fraction(25)),
}


@pytest.mark.parametrize("case", FPS)
def test_the_rate_of_a_report(case: str) -> None:
    given, fps = FPS[case]
    report = tables("Acme").report
    told = report.model_copy(update={"sources": (report.sources[0].model_copy(update={"fps": given}),)})
    assert FrameClock.of(told).fps == fps
