"""Frames and timecode, and the formats that have them, at the rates of television, against OpenTimelineIO's."""

from __future__ import annotations

import io
import re
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio
import pytest
from lxml import etree

from mpr_assets.exports.edl_file import edl
from mpr_assets.exports.fcpxml_file import fcpxml
from mpr_assets.exports.frame_clock import FrameClock
from mpr_assets.exports.names import one_line
from mpr_assets.exports.otio_file import otio as otio_file
from tests.mpr_assets.exports.reports import NAMES, of_two_videos, tables

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


DTD = etree.DTD(io.StringIO(Path(__file__).with_name("fcpxml_1_10.dtd").read_text()))


@rates
def test_fcpxml_is_by_the_dtd_and_its_times_are_exact(fps: tuple[int, int], codes: str) -> None:
    root = etree.fromstring(fcpxml(tables(*NAMES, fps=fps, start_ms=10_000)))
    assert DTD.validate(root), DTD.error_log
    rate = Fraction(*fps)
    [clip] = root.iter("asset-clip")
    times = [
        Fraction(one.get(name)[:-1]) * rate
        for one in root.iter("format", "asset", "sequence", "asset-clip", "marker")
        for name in ("frameDuration", "offset", "start", "duration")
        if name in one.attrib
    ]
    assert {time.denominator for time in times} == {1}
    start = Fraction(clip.get("start")[:-1])
    marks = [one for one in clip if one.get("value") == "Acme"]
    at = [round((Fraction(one.get("start")[:-1]) - start) * rate) for one in marks]
    assert " ".join(FrameClock(rate).timecode(frame) for frame in at[-2:]) == codes
    assert [float(Fraction(one.get("duration")[:-1])) for one in marks[-2:]] == pytest.approx(
        [0.5, 0.5], abs=float(1 / rate)
    )
    assert {one.get("tcFormat") for one in root.iter("sequence", "asset-clip")} == {"DF" if ";" in codes else "NDF"}
    assert [one.get("src") for one in root.iter("media-rep")] == ["a%20b.mp4"]
    assert {one.get("value") for one in clip} == {one_line(name) for name in NAMES}


def test_fcpxml_of_two_videos_is_by_the_dtd() -> None:
    root = etree.fromstring(fcpxml(of_two_videos()))
    assert DTD.validate(root), DTD.error_log
    assert [one.get("frameDuration") for one in root.iter("format")] == ["1/25s", "1001/30000s"]
    assert not DTD.validate(etree.fromstring('<fcpxml version="1.10"><spine/></fcpxml>'))


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
