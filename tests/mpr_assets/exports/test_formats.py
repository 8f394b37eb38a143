"""Each format read back by a reader that is not ours; what the names, times and totals are then."""

from __future__ import annotations

import contextlib
import csv
import html
import io
import json
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

import numpy as np
import openpyxl
import opentimelineio as otio
import polars as pl
import pytest
import webvtt
from google.cloud.videointelligence_v1.types import AnnotateVideoResponse
from lxml import etree
from openpyxl.utils.escape import unescape
from pycocotools.coco import COCO

from gpu_service.errors import BadInput
from mpr_assets.annotations.followed import VideoFrames
from mpr_assets.annotations.truth_files import read_truth_file
from mpr_assets.exports.formats import FORMATS, FormatName, formats_named
from mpr_assets.exports.names import one_line
from mpr_assets.exports.tables import ReportTables
from mpr_assets.exports.xlsx_file import MOST_ROWS, xlsx
from mpr_assets.report.model import Caption, Mention
from tests.mpr_assets.exports.reports import NAMES, tables

FPS = 24
"""All times of these reports are whole frames."""
REPORT = tables(*NAMES, fps=(FPS, 1))


def totals(rows: Iterable[tuple[str, int, int]]) -> dict[str, int]:
    """Milliseconds on screen by brand, of rows (brand, start_ms, end_ms)."""
    sums: Counter[str] = Counter()
    for brand, start_ms, end_ms in rows:
        sums[brand] += end_ms - start_ms
    return dict(sums)


def expected(written: Callable[[str], str]) -> dict[str, int]:
    return {written(one.brand): one.screen_ms for one in REPORT.report.brands}


def read_csv(data: bytes) -> dict[str, int]:
    rows = csv.DictReader(io.StringIO(data.decode(), newline=""))
    return totals((row["brand"].removeprefix("'"), int(row["start_ms"]), int(row["end_ms"])) for row in rows)


def read_json(data: bytes) -> dict[str, int]:
    return totals(
        (brand["brand"], one["start_ms"], one["end_ms"])
        for brand in json.loads(data)["brands"]
        for one in brand["exposures"]
    )


def read_xlsx(data: bytes) -> dict[str, int]:
    heading, *rows = openpyxl.load_workbook(io.BytesIO(data))["Exposures"].iter_rows(values_only=True)
    brand, start, end = (heading.index(name) for name in ("brand", "start_ms", "end_ms"))
    return totals((unescape(row[brand]), row[start], row[end]) for row in rows)


def read_parquet(data: bytes) -> dict[str, int]:
    return totals(pl.read_parquet(io.BytesIO(data)).select("brand", "start_ms", "end_ms").iter_rows())


def read_subtitles(text: str, suffix: str) -> dict[str, int]:
    if not text:  # an SRT without a subtitle, which webvtt-py refuses
        return {}
    captions = webvtt.from_string(text) if suffix == "vtt" else webvtt.from_buffer(io.StringIO(text), "srt")
    return totals((one.raw_text, as_ms(one.start), as_ms(one.end)) for one in captions)


def as_ms(time: str) -> int:
    hours, minutes, seconds = time.split(":")
    return (int(hours) * 60 + int(minutes)) * 60_000 + round(float(seconds) * 1000)


def read_edl(data: bytes) -> dict[str, int]:
    [track] = otio.adapters.read_from_string(data.decode(), "cmx_3600", rate=FPS).tracks
    spans = [marker.name.rpartition(" |D:") for clip in track for marker in clip.markers]
    return totals((name, 0, int(length) * 1000 // FPS) for name, _, length in spans)


def read_otio(data: bytes) -> dict[str, int]:
    markers = otio.adapters.read_from_string(data.decode(), "otio_json").tracks.markers
    return totals((one.name, one.metadata["mpr"]["start_ms"], one.metadata["mpr"]["end_ms"]) for one in markers)


def read_azure(data: bytes) -> dict[str, int]:
    [video] = json.loads(data)["videos"]
    return totals(
        (brand["name"], as_ms(one["start"]), as_ms(one["end"]))
        for brand in video["insights"]["brands"]
        for one in brand["instances"]
    )


def read_google(data: bytes) -> dict[str, int]:
    response = AnnotateVideoResponse.from_json(data.decode())
    return totals(
        (
            logo.entity.description,
            round(one.start_time_offset.total_seconds() * 1000),
            round(one.end_time_offset.total_seconds() * 1000),
        )
        for result in response.annotation_results
        for logo in result.logo_recognition_annotations
        for one in logo.segments
    )


def read_coco(data: bytes) -> dict[str, int]:
    read = COCO()
    read.dataset = json.loads(data)
    with contextlib.redirect_stdout(io.StringIO()):
        read.createIndex()
    return totals(
        (read.cats[one["category_id"]]["name"], start_ms, end_ms)
        for one in read.dataset["tracks"]
        for start_ms, end_ms in one["spans_ms"]
    )


def read_cvat(data: bytes) -> dict[str, int]:
    video = VideoFrames("a b.mp4", np.arange(4000 * FPS) * 1000 // FPS, 4_000_000, [(0, 4_000_000, 0)])
    with TemporaryDirectory() as folder:
        path = Path(folder, "truth.xml")
        path.write_bytes(data)
        truth = read_truth_file(path, 4_000_000, lambda: [video])
    return totals((one.brand, one.start_ms, one.end_ms) for one in truth.rows)


def read_fcpxml(data: bytes) -> dict[str, int]:
    markers = etree.fromstring(data).iter("marker")
    return totals((one.get("value"), 0, int(Fraction(one.get("duration")[:-1]) * 1000)) for one in markers)


def read_ro_crate(data: bytes) -> dict[str, int]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return read_json(archive.read("report.json"))


READERS: Mapping[FormatName, tuple[Callable[[bytes], dict[str, int]], Callable[[str], str]]] = {
    "csv": (read_csv, str),
    "json": (read_json, str),
    "xlsx": (read_xlsx, str),
    "parquet": (read_parquet, str),
    "webvtt": (
        lambda data: read_subtitles(data.decode(), "vtt"),
        lambda name: html.escape(one_line(name), quote=False),
    ),
    "srt": (lambda data: read_subtitles(data.decode(), "srt"), lambda name: one_line(name).replace("-->", "→")),
    "edl": (read_edl, one_line),
    "otio": (read_otio, str),
    "azure": (read_azure, str),
    "google": (read_google, str),
    "coco": (read_coco, str),
    "cvat": (read_cvat, one_line),
    "fcpxml": (read_fcpxml, one_line),
    "ro-crate": (read_ro_crate, str),
}
"""How each is read back, and how it writes a name."""

OF_SPEECH: list[FormatName] = ["mentions", "captions"]
"""They hold what is said, and no exposure."""


def test_every_format_has_its_name_its_reader_and_a_file_of_its_own() -> None:
    assert [*FORMATS] == [*get_args(FormatName)] == [*READERS, *OF_SPEECH]
    assert (
        len({one.suffix for one in FORMATS.values()})
        == len({one.stored_name for one in FORMATS.values()})
        == len(FORMATS)
    )


@pytest.mark.parametrize("name", READERS)
def test_totals_are_those_of_the_report(name: FormatName) -> None:
    read, written = READERS[name]
    assert read(FORMATS[name].make(REPORT)) == expected(written)


def test_what_is_said() -> None:
    said = Mention(brand="=Acme", start_ms=200, end_ms=700, confidence=0.8, text="acme <b>", context="by acme <b>")
    line = Caption(start_ms=0, end_ms=900, text="by acme <b> --> now")
    heard = replace(REPORT, report=REPORT.report.model_copy(update={"mentions": (said,), "captions": (line,)}))
    [row] = csv.DictReader(io.StringIO(FORMATS["mentions"].make(heard).decode(), newline=""))
    assert row == {**{name: str(value) for name, value in said.model_dump().items()}, "brand": "'=Acme"}
    [cue] = webvtt.from_string(FORMATS["captions"].make(heard).decode())
    assert (cue.start, cue.end, html.unescape(cue.raw_text)) == ("00:00:00.000", "00:00:00.900", line.text)
    cues = webvtt.from_string(FORMATS["webvtt"].make(heard).decode())
    assert ("00:00:00.200", "=Acme (said)") in [(one.start, one.raw_text) for one in cues]
    [*seen, spoken] = json.loads(FORMATS["azure"].make(heard))["videos"][0]["insights"]["brands"]
    assert [one["brandType"] for brand in seen for one in brand["instances"]] == ["Ocr"] * REPORT.exposures.height
    assert (spoken["name"], spoken["confidence"], spoken["instances"][0]["brandType"]) == ("=Acme", 0.8, "Transcript")
    assert FORMATS["mentions"].make(REPORT).decode().split() == ["brand,start_ms,end_ms,confidence,text,context"]
    assert FORMATS["captions"].make(REPORT) == b"WEBVTT\n"


@pytest.mark.parametrize("name", READERS)
def test_no_exposure_is_no_row(name: FormatName) -> None:
    assert READERS[name][0](FORMATS[name].make(tables(fps=(FPS, 1)))) == {}


@pytest.mark.parametrize("name", FORMATS)
def test_equal_reports_are_equal_bytes(name: FormatName) -> None:
    assert FORMATS[name].make(REPORT) == FORMATS[name].make(tables(*NAMES, fps=(FPS, 1)))


SUBTITLES = {
    "webvtt": "WEBVTT\n\n00:00:00.000 --> 00:00:00.250\na --&gt; b\n\n00:00:00.750 --> 00:00:01.250\na --&gt; b\n"
    "\n01:00:00.000 --> 01:00:00.500\na --&gt; b\n",
    "srt": "1\n00:00:00,000 --> 00:00:00,250\na → b\n\n2\n00:00:00,750 --> 00:00:01,250\na → b\n"
    "\n3\n01:00:00,000 --> 01:00:00,500\na → b\n",
}


@pytest.mark.parametrize("name", SUBTITLES)
def test_subtitles_to_the_letter(name: FormatName) -> None:
    assert FORMATS[name].make(tables("a --> b")).decode() == SUBTITLES[name]


def test_a_workbook_has_names_as_text_and_numbers_as_numbers() -> None:
    book = openpyxl.load_workbook(io.BytesIO(xlsx(REPORT)))
    assert book.sheetnames == ["Brands", "Exposures", "Timeline"]
    kinds = {cell.value: cell.data_type for cell in book["Exposures"]["A"][1:]}
    assert len(kinds) == len(NAMES)
    assert set(kinds.values()) == {"s"}
    assert not any(cell.hyperlink for sheet in book for row in sheet.iter_rows() for cell in row)
    heading, first, *_ = book["Brands"].iter_rows(values_only=True)
    assert dict(zip(heading, first, strict=True))["screen_ms"] == REPORT.report.brands[0].screen_ms
    facts = {row[0]: row[1] or row[2] for row in book["Timeline"].iter_rows(min_row=2, values_only=True)}
    assert (facts["timeline"], facts["duration_ms"], facts["source 1"]) == ("derby", 4_000_000, "a b.mp4")


def test_more_exposures_than_a_sheet_holds_are_refused() -> None:
    many = pl.concat([REPORT.exposures.head(1)]).select(pl.all().repeat_by(MOST_ROWS).explode())
    with pytest.raises(BadInput, match="A sheet of XLSX holds 1048575 exposures, and the timeline 'derby' has 1048576"):
        xlsx(ReportTables(REPORT.report, many, REPORT.measures, REPORT.behind))


def test_formats_by_name() -> None:
    assert [*formats_named(["srt", "csv", "srt"])] == ["srt", "csv"]
    with pytest.raises(BadInput, match="'doc' is no format of export; choose from csv, json, xlsx, parquet"):
        formats_named(["csv", "doc"])
