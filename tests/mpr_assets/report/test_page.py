"""The page: whole, safe, and the same bytes for the same input."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from html.parser import HTMLParser

import numpy as np
import pytest

from gpu_service.pictures import Picture, decode
from mpr_assets.report.build import Subject
from mpr_assets.report.model import StageProvenance
from mpr_assets.report.page.render import (
    clock,
    lasting,
    number,
    percent,
    rate,
)
from mpr_assets.stages.compile_report import STAGE_OF_SOURCE, CompileReportSettings, ReportFiles, compile_report
from tests.mpr_assets.report.tables import (
    HEIGHT,
    WIDTH,
    chunks,
    detection,
    detections,
    frames,
    scenes,
)

SPANS = chunks(("a.mp4", 10_000, 12_000), ("b.mp4", 3_000, 4_000))
SAMPLED = frames([0, 500, 1000, 1500], [2000, 2500])
SHOTS = scenes([0, 0, 1, 1, 2, 2])
SKIPPED = StageProvenance(stage="escalate_vlm", status="skipped", reason="The profile has it switched off.")
OCR = StageProvenance(
    stage="run_ocr",
    status="materialized",
    settings={"side_px": 960, "enabled": True},
    model="reader 6",
    counts={"lines": 1234},
    seconds=2.5,
)


def picture(seq: int) -> Picture:
    pixels = np.full((HEIGHT * 4, WIDTH * 4, 3), 90, np.uint8)
    pixels[::7, ::5] = seq * 9 % 255
    return Picture(pixels=pixels)


def compiled(
    rows: Sequence[tuple[object, ...]],
    looked_for: Sequence[str] = ("Acme", "Bolt"),
    name: str = "derby",
    kept: bool = True,
    settings: CompileReportSettings = CompileReportSettings(max_gap_ms=0),  # noqa: B008
) -> ReportFiles:
    subject = Subject(name, "generic", looked_for, [OCR, SKIPPED], lambda seq: f"frames/{seq}.jpg", STAGE_OF_SOURCE)
    return compile_report(
        detections(*rows), SAMPLED, SHOTS, SPANS, settings, subject, picture if kept else lambda seq: None
    )


class Page(HTMLParser):
    """Elements with their attributes, and the text outside scripts and styles."""

    VOID = ("meta", "img", "br", "input", "path")

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("script", "style"):
            self.text = re.sub(r"[ \n]+", " ", self.text + data)

    def count(self, tag: str, **wanted: str) -> int:
        return sum(one == tag and wanted.items() <= attrs.items() for one, attrs in self.elements)


def data_of(html: str) -> dict[str, list[dict[str, object]]]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert found
    data: dict[str, list[dict[str, object]]] = json.loads(found[1])
    return data


def test_no_brand() -> None:
    page = Page(compiled([]).report_html)
    assert "No brand was found" in page.text
    assert "6 frames of 3.0 s were looked at, from 3 shots." in page.text
    assert "Looked for AcmeBolt" in page.text
    assert "escalate_vlm skipped: The profile has it switched off." in page.text
    assert page.count("table", **{"class": "sortable"}) == 0
    assert page.open == []


def test_no_brand_and_none_looked_for() -> None:
    assert "No brand was looked for" in Page(compiled([], looked_for=[]).report_html).text


def test_no_frame() -> None:
    subject = Subject("derby", "generic", ["Acme"], [], str, STAGE_OF_SOURCE)
    html = compile_report(
        detections(), frames(), scenes([]), SPANS, CompileReportSettings(), subject, picture
    ).report_html
    assert "The timeline has no frames." in Page(html).text


def test_lanes_table_and_evidence() -> None:
    page = Page(compiled([detection(0), detection(2), detection(2, "Bolt", source="logo")]).report_html)
    assert page.open == []
    assert page.count("div", **{"class": "track"}) == 2
    assert page.count("figure") == 3
    assert page.count("div", **{"aria-label": "Exposures of Acme", "aria-valuemax": "2"}) == 1
    assert page.count("img", alt="Frame at 0:01.0 with Bolt outlined") == 1
    assert "0:00.7 – 0:01.2 0.5 s" in page.text
    assert "0:01.00; in a.mp4 at 0:01.00" in page.text
    assert "logo, in match_brands" in page.text
    assert "“ACME”" in page.text


def test_how_it_was_made() -> None:
    text = Page(compiled([detection(0)]).report_html).text
    assert "run_ocr materialized 1\u202f234 lines 2.5 reader 6" in text
    assert "side_px960enabledtrue" in text.replace(" ", "")
    assert "escalate_vlm skipped The profile has it switched off." in text


NAMES = {
    "script": "<script>alert(1)</script>",
    "end of script": "</script><img src=x onerror=alert(1)>",
    "quotes": "\"'><b>x",
    "template": "{{ 7 * 7 }}{% if %}",
    "right to left": "שלום عربي",
    "separators": "a\u2028b\u2029c",
    "long": "Acme " * 300,
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_names_are_text_wherever_they_stand(name: str) -> None:
    html = compiled([detection(1, name)], looked_for=[name], name=name).report_html
    page, plain = Page(html), Page(compiled([detection(1, "Acme")]).report_html)
    count = sum(tag == "script" for tag, _ in page.elements)
    assert count == sum(tag == "script" for tag, _ in plain.elements) == 2
    assert not any(attribute.startswith("on") for _, attrs in page.elements for attribute in attrs)
    assert page.count("b") == plain.count("b")
    assert page.count("div", **{"aria-label": f"Exposures of {name}"}) == 1
    assert data_of(html)["brands"][0]["name"] == name


def test_nothing_is_loaded_from_elsewhere() -> None:
    html = compiled([detection(1)]).report_html
    assert "default-src 'none'" in html
    for tag, attrs in Page(html).elements:
        assert tag not in ("link", "iframe", "base")
        for attribute in ("src", "href"):
            assert (attrs.get(attribute) or "#").startswith(("#", "data:image/jpeg;base64,"))
    assert not re.search(r"url\(|@import|https?://", html)


def test_evidence_pictures_show_the_box() -> None:
    html = compiled([detection(1, box=(100, 40, 60, 20))]).report_html
    [uri] = [attrs["src"] or "" for _, attrs in Page(html).elements if (attrs.get("alt") or "").startswith("Frame at")]
    pixels = decode(base64.b64decode(uri.partition(",")[2]))
    assert pixels.shape == (240, 480, 3)
    ring, inside = pixels[96, 250:370].astype(int), pixels[120, 300].astype(int)
    assert np.abs(ring - inside).sum(axis=1).min() > 60


def test_the_same_input_gives_the_same_bytes() -> None:
    rows = [detection(seq, brand) for seq in range(6) for brand in ("Acme", "Bolt")]
    one, other = compiled(rows), compiled(list(reversed(rows)))
    assert one.report_html == other.report_html
    assert one.files == other.files


def test_frames_that_are_gone_are_said_to_be() -> None:
    page = Page(compiled([detection(1)], kept=False).report_html)
    assert "The frame is no longer stored." in page.text
    assert page.count("img") == 0


PICTURE_COUNTS = {"none": (0, 0), "one a brand": (1, 2), "as many as there are": (6, 6)}


@pytest.mark.parametrize(("wanted", "shown"), PICTURE_COUNTS.values(), ids=PICTURE_COUNTS.keys())
def test_pictures_a_brand(wanted: int, shown: int) -> None:
    rows = [detection(seq, brand) for seq in (0, 2, 4) for brand in ("Acme", "Bolt")]
    html = compiled(rows, settings=CompileReportSettings(max_gap_ms=0, evidence_per_brand=wanted)).report_html
    assert Page(html).count("figure") == shown


def test_the_page_stays_small() -> None:
    rng = np.random.default_rng(1)
    noise = Picture(pixels=rng.integers(0, 255, (270, 480, 3), np.uint8))
    names = [f"Brand {number}" for number in range(12)]
    rows = [detection(seq, name) for seq in (0, 2, 4) for name in names]
    subject = Subject("derby", "generic", names, [], str, STAGE_OF_SOURCE)
    settings = CompileReportSettings(max_gap_ms=0, page_mb=1.0)
    html = compile_report(detections(*rows), SAMPLED, SHOTS, SPANS, settings, subject, lambda seq: noise).report_html
    assert 600_000 < len(html) < 1_000_000
    assert Page(html).count("div", **{"class": "track"}) == 12


WORDS = {
    "start": (clock(0), "0:00.0"),
    "cut off, not rounded": (clock(59_999), "0:59.9"),
    "hours": (clock(3_723_456, 3), "1:02:03.456"),
    "no decimals": (clock(61_500, 0), "1:01"),
    "half a second": (lasting(500), "0.5 s"),
    "minutes": (lasting(185_000), "3 min 05 s"),
    "hours long": (lasting(7_325_000), "2 h 02 min"),
    "a share": (percent(0.1234), "12.3 %"),
    "no share": (percent(0), "0.0 %"),
    "a tiny share": (percent(0.0001), "< 0.1 %"),
    "thousands": (number(14_400), "14\u202f400"),
    "NTSC": (rate("30000/1001"), "29.97"),
    "whole rate": (rate("25/1"), "25"),
    "unknown rate": (rate("0/0"), "0"),
}


@pytest.mark.parametrize(("made", "wanted"), WORDS.values(), ids=WORDS.keys())
def test_words(made: str, wanted: str) -> None:
    assert made == wanted
