"""Small reports for the tests of exports, with names that formats stumble over."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from mpr_assets.exports.tables import Behind, ReportTables, StageTime
from mpr_assets.report.build import Subject, build_report
from mpr_assets.report.exposures import ExposureSettings, exposures, frame_spans
from mpr_assets.report.mark_spans import marks_of
from mpr_assets.report.measured import MeasureSettings, measure
from mpr_assets.report.model import StageProvenance
from mpr_assets.stages.compile_report import STAGE_OF_SOURCE
from tests.mpr_assets.report.tables import chunks, detection, detections, frames, scenes

NAMES = [
    "Acme", "a --> b", "--> c", 'Bits, "Bobs" & \'Co\'', "=1+1", "@home", "https://acme.example", "<b>Bold</b> &amp;",
    "👩‍🚀 Space", "שלום עולם", "‏عربي‎ Ltd", "日本 Žižka", "two\r\nlines\u2028or\tthree", "{\\an8}Top",
    "</script><script>alert(1)</script>",
]  # fmt: skip
AT_MS = [0, 500, 1000, 1500, 2000, 3_600_000]


def tables(*names: str, fps: tuple[int, int] = (30_000, 1001), start_ms: int = 0) -> ReportTables:
    """A report of one source of 4000 s, in which each brand is seen for 250 ms at the start, from 750 ms to 1250 ms,
    and for half a second from an hour on; every second one to 1750 ms.

    Args:
        fps: of the source. start_ms: where the chunk begins in the source, of which 4000 s are taken.
    """
    spans = chunks(("a b.mp4", start_ms, start_ms + 4_000_000)).with_columns(
        fps_num=pl.lit(fps[0], pl.Int64), fps_den=pl.lit(fps[1], pl.Int64), duration_ms=pl.lit(start_ms + 4_000_000)
    )
    sampled = frames(AT_MS, cuts={5: 3_600_000}, until={5: 3_600_500})
    shots = scenes([0, 1, 2, 3, 4, 5])
    rows = detections(
        *(
            detection(seq, name, 0.9, (10 + seq, 10, 20, 10 + place), "logo" if place % 3 else "ocr")
            for place, name in enumerate(names)
            for seq in ((0, 2, 3, 5) if place % 2 else (0, 2, 5))
        )
    )
    return compiled(names, rows, sampled, shots, spans)


def of_two_videos(*more: tuple[object, ...]) -> ReportTables:
    """The second second of `a.mp4` at 25 frames a second, then the third of `b.mp4` at 29.97, two samples a second.

    Acme is twice on the first frame and once, further to the right, on the second; in the other video it is on the
    first and the third of three samples of one shot, so that half a second is inferred.

    Args:
        more: detections, on the frames 0 to 4.
    """
    spans = chunks(("a.mp4", 1000, 2000), ("b.mp4", 3000, 4500)).with_columns(
        fps_num=pl.Series([25, 30_000], dtype=pl.Int64), fps_den=pl.Series([1, 1001], dtype=pl.Int64)
    )
    sampled = frames([0, 500], [1000, 1500, 2000], until={0: 40, 1: 540})
    behind_ms = pl.when(pl.col("chunk") == 0).then(1000).otherwise(2000)
    sampled = sampled.with_columns(source_ms=pl.col("timeline_ms") + behind_ms)
    boxes = {0: [(10, 10, 20, 10), (150, 50, 20, 10)], 1: [(20, 10, 20, 10)], 2: [(50, 50, 20, 10)]}
    boxes[4] = boxes[2]
    rows = detections(*(detection(seq, "Acme", 0.9, box) for seq, there in boxes.items() for box in there), *more)
    return compiled(["Acme"], rows, sampled, scenes([0, 0, 1, 1, 1]), spans)


def compiled(
    names: Sequence[str], rows: pl.DataFrame, sampled: pl.DataFrame, shots: pl.DataFrame, spans: pl.DataFrame
) -> ReportTables:
    """A report as `compile_report` makes it, with no pixel measured."""
    stage = StageProvenance(stage="run_ocr", status="materialized", settings={"fps": 2})
    subject = Subject("derby", "generic", names, [stage], lambda seq: f"frames/{seq:08d}.jpg", STAGE_OF_SOURCE)
    found = exposures(rows, sampled, shots, spans, ExposureSettings())
    framed = frame_spans(sampled, shots, spans)
    measured = measure(found, rows, sampled, framed, spans, MeasureSettings(measured_frames=0), lambda seqs: ())
    report = build_report(subject, measured, rows, sampled, framed, spans, ())
    behind = Behind(
        marks=lambda: marks_of(measured.exposures, rows, sampled, framed),
        times=lambda stages: {one: StageTime(1_760_000_000, 2.5) for one in stages},
        read=lambda key: b"\xff\xd8" + key.encode(),
        page=lambda: b"<!doctype html>",
    )
    return ReportTables(report, measured.exposures, measured.brands, behind)
