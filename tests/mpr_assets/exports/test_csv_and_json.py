"""`report.json` and `exposures.csv`, to the letter."""

from __future__ import annotations

import csv
import io
import json

import polars as pl
import pytest

from mpr_assets.exports.csv_file import exposures_csv
from mpr_assets.exports.json_file import report_json
from mpr_assets.report.build import Subject, build_report
from mpr_assets.report.exposures import ExposureSettings, exposures, frame_spans
from mpr_assets.report.measured import MeasureSettings, measure
from mpr_assets.report.model import Report, StageProvenance
from mpr_assets.stages.compile_report import STAGE_OF_SOURCE
from tests.mpr_assets.report.tables import (
    chunks,
    detection,
    detections,
    frames,
    scenes,
)

SPANS = chunks(("a.mp4", 10_000, 12_000), ("b.mp4", 3_000, 4_000))
SAMPLED = frames([0, 500, 1000, 1500], [2000, 2500])
SHOTS = scenes([0, 0, 1, 1, 2, 2], {3: 2})
SETTINGS = ExposureSettings()
HEADER = (
    "brand,start_ms,end_ms,source,confidence,exposure,max_confidence,frames,detections,mean_area_share,max_area_share,"
    "best_seq,best_x,best_y,best_w,best_h,chunk,media,media_start_ms,media_end_ms,"
    "seen_ms,inferred_ms,inferred,start_uncertainty_ms,end_uncertainty_ms\r\n"
)


def table(*rows: tuple[object, ...]) -> pl.DataFrame:
    return exposures(detections(*rows), SAMPLED, SHOTS, SPANS, SETTINGS)


def report(*rows: tuple[object, ...], seconds: float | None = None) -> Report:
    stage = StageProvenance(stage="run_ocr", status="materialized", settings={"fps": 2}, seconds=seconds)
    subject = Subject(
        "derby", "generic", ["Acme", "Bolt"], [stage], lambda seq: f"frames/{seq:08d}.jpg", STAGE_OF_SOURCE
    )
    found = table(*rows)
    spans = frame_spans(SAMPLED, SHOTS, SPANS)
    return build_report(
        subject,
        measure(found, detections(*rows), SAMPLED, spans, SPANS, MeasureSettings(measured_frames=0), lambda seqs: ()),
        detections(*rows),
        SAMPLED,
        spans,
        SPANS,
        (),
    )


REST = ",0,0.9,1,1,0.01,0.01,1,10,10,20,10,0,a.mp4,10250,10750,500,0,,250,250\r\n"
CSV_CASES = {
    "no exposure: the header alone": ([], HEADER),
    "a plain name": ([detection(1)], HEADER + "Acme,250,750,ocr,0.9" + REST),
    "comma and quotes": (
        [detection(1, 'Bits, "Bobs"')],
        HEADER + '"Bits, ""Bobs""",250,750,ocr,0.9' + REST,
    ),
    "letters beyond ASCII": (
        [detection(1, "Žižka 日本")],
        HEADER + "Žižka 日本,250,750,ocr,0.9" + REST,
    ),
    "a formula is made inert": (
        [detection(1, "=1+1")],
        HEADER + "'=1+1,250,750,ocr,0.9" + REST,
    ),
    "an at sign too": ([detection(1, "@home")], HEADER + "'@home,250,750,ocr,0.9" + REST),
}


@pytest.mark.parametrize(("rows", "text"), CSV_CASES.values(), ids=CSV_CASES.keys())
def test_csv(rows: list[tuple[object, ...]], text: str) -> None:
    assert exposures_csv(table(*rows)) == text


def test_csv_with_a_line_break_in_a_name_reads_back() -> None:
    [row] = csv.DictReader(io.StringIO(exposures_csv(table(detection(1, "Acme\r\nCo"))), newline=""))
    assert (row["brand"], row["start_ms"]) == ("Acme\r\nCo", "250")


def test_empty_report() -> None:
    data = json.loads(report_json(report()))
    assert data["version"] == 1
    assert data["brands"] == []
    assert data["looked_for"] == ["Acme", "Bolt"]
    assert data["duration_ms"] == 3000
    assert data["counts"] == {
        "frames": 6,
        "kept_frames": 5,
        "shots": 3,
        "detections": 0,
        "brands": 0,
        "exposures": 0,
    }


def test_report_leads_to_the_evidence() -> None:
    data = json.loads(
        report_json(report(detection(4, box=(-20, 50, 60, 100)), detection(4, source="logo", box=(100, 0, 50, 50))))
    )
    [brand] = data["brands"]
    [exposure] = brand["exposures"]
    assert (brand["brand"], brand["seconds"], brand["share"]) == ("Acme", 0.25, 0.083333)
    assert (exposure["start_ms"], exposure["end_ms"], exposure["media"]) == (2000, 2250, "b.mp4")
    assert exposure["evidence"] == {
        "seq": 4,
        "frame": "frames/00000004.jpg",
        "timeline_ms": 2000,
        "media_ms": 2000,
        "boxes": [
            {
                "x": 0.0,
                "y": 0.5,
                "w": 0.2,
                "h": 0.5,
                "confidence": 0.9,
                "source": "ocr",
                "stage": "match_brands",
                "text": "ACME",
            },
            {
                "x": 0.5,
                "y": 0.0,
                "w": 0.25,
                "h": 0.5,
                "confidence": 0.9,
                "source": "logo",
                "stage": "match_brands",
                "text": "",
            },
        ],
    }


def test_report_has_sources_chunks_cuts_and_stages() -> None:
    data = json.loads(report_json(report(detection(1))))
    assert [source["name"] for source in data["sources"]] == ["a.mp4", "b.mp4"]
    assert data["sources"][0]["fps"] == "30000/1001"
    assert data["chunks"][1] == {
        "chunk": 1,
        "source": "b.mp4",
        "start_ms": 3000,
        "end_ms": 4000,
        "timeline_start_ms": 2000,
    }
    assert data["cuts_ms"] == [750]
    assert data["stages"][0]["settings"] == {"fps": 2}


def test_report_reads_back() -> None:
    made = report(detection(1), detection(5, "Bolt"))
    assert Report.model_validate_json(report_json(made)) == made


def test_seconds_do_not_change_the_bytes() -> None:
    assert report_json(report(detection(1), seconds=1.5)) == report_json(report(detection(1), seconds=9.25))
