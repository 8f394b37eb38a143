"""The page: whole, safe, and the same bytes for the same input."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from gpu_service.pictures import Picture, decode
from mpr_assets.report.build import Subject
from mpr_assets.report.media_equivalent import RateCard
from mpr_assets.report.model import StageProvenance
from mpr_assets.report.page.render import (
    FOLDER,
    MODULES,
    clock,
    lasting,
    number,
    percent,
    rate,
    seconds,
    tenths,
)
from mpr_assets.report.picture import NOTHING_PICTURED, Pictured
from mpr_assets.report.placement import Surroundings, surroundings
from mpr_assets.stages import detect_edges, detect_objects, field_segmentation, motion, visual_properties
from mpr_assets.stages.compile_report import (
    NO_OBJECTS,
    STAGE_OF_SOURCE,
    CompileReportSettings,
    ReportFiles,
    compile_report,
)
from tests.mpr_assets.report.tables import (
    HEIGHT,
    WIDTH,
    chunks,
    detection,
    detections,
    frames,
    scenes,
)

NO_REGIONS, NO_FIELD = (pl.DataFrame(schema=stage.SCHEMA) for stage in (detect_edges, field_segmentation))
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
    card: RateCard | None = None,
    objects: pl.DataFrame = NO_OBJECTS,
    pictured: Pictured = NOTHING_PICTURED,
) -> ReportFiles:
    subject = Subject(name, "generic", looked_for, [OCR, SKIPPED], lambda seq: f"frames/{seq}.jpg", STAGE_OF_SOURCE)
    return compile_report(
        detections(*rows),
        SAMPLED,
        SHOTS,
        SPANS,
        settings,
        subject,
        picture if kept else lambda seq: None,
        card=card,
        around=Surroundings() if objects.is_empty() else surroundings(NO_REGIONS, objects, NO_FIELD),
        objects=objects,
        pictured=pictured,
    )


def objects(*rows: tuple[int, str, tuple[int, int, int, int]]) -> pl.DataFrame:
    """Each row: frame, label, box; in px of the pictures that are detected in."""
    full = [
        dict.fromkeys(detect_objects.SCHEMA)
        | dict(zip("xywh", box, strict=True))
        | {"seq": seq, "label": label, "confidence": 0.5, "engine": "yolo"}
        for seq, label, box in rows
    ]
    return pl.DataFrame(full, detect_objects.SCHEMA)


class Page(HTMLParser):
    """Elements with their attributes, and the text outside scripts and styles."""

    VOID = ("meta", "img", "br", "input")

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


def data_of(html: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


def test_no_brand() -> None:
    page = Page(compiled([]).report_html)
    assert "No brand was found" in page.text
    assert "6 frames of 3.0 s were looked at, from 3 shots." in page.text
    assert "Looked for AcmeBolt" in page.text
    assert "escalate_vlm skipped: The profile has it switched off." in page.text
    assert page.count("table", id="brand-table") == 0
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
    assert page.count("svg", **{"aria-label": "Frame at 0:01.0 with Bolt outlined"}) == 1
    assert "0:00.7 – 0:01.2 0.5 s" in page.text
    assert "0:01.00; in a.mp4 at 0:01.00" in page.text
    assert "logo, in match_brands" in page.text
    assert "“ACME”" in page.text


def test_objects_and_what_stands_on_them() -> None:
    on_all = [(seq, "person", (0, 0, 150, 100)) for seq in (0, 2)]
    html = compiled([detection(0), detection(4, "Bolt")], objects=objects(*on_all)).report_html
    page, data = Page(html), data_of(html)
    assert page.open == []
    assert "person 0.8 s 25.0 % 1.0 1 0:00.0 0:01.2 0.50 Acme 0.3 s" in page.text
    assert page.count("svg", **{"aria-label": "person is on screen for 0.8 s"}) == 1
    assert data["objects"] == ["", "person"]
    assert data["exposures"]["placement_object"] == [1, 0]
    assert (data["placements"], data["exposures"]["placement"]) == (["shirt", "unknown"], [0, 1])


def test_objects_alone_and_none() -> None:
    assert "People and things" not in Page(compiled([detection(0)]).report_html).text
    page = Page(compiled([], objects=objects((0, "car", (0, 0, 50, 50)))).report_html)
    assert "No brand was found" in page.text
    assert "car 0.3 s 8.3 % 1.0 1 0:00.0 0:00.2 0.50 –" in page.text


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
    assert count == sum(tag == "script" for tag, _ in plain.elements) == 3
    assert not any(attribute.startswith("on") for _, attrs in page.elements for attribute in attrs)
    assert page.count("b") == plain.count("b")
    assert page.count("div", **{"aria-label": f"Exposures of {name}"}) == 1
    assert data_of(html)["brands"] == [name]


def policy_of(html: str) -> dict[str, list[str]]:
    """The sources that the Content-Security-Policy allows, by directive."""
    [policy] = [
        attrs["content"] or ""
        for _, attrs in Page(html).elements
        if attrs.get("http-equiv") == "Content-Security-Policy"
    ]
    return {name: allowed for name, *allowed in (directive.split() for directive in policy.split(";"))}


def test_nothing_is_loaded_from_elsewhere() -> None:
    html = compiled([detection(1)]).report_html
    policy = policy_of(html)
    assert policy["default-src"] == ["'none'"]
    assert policy["img-src"] == ["data:", "'self'"]
    for tag, attrs in Page(html).elements:
        assert tag not in ("link", "iframe", "base")
        for attribute in ("src", "href"):
            assert (attrs.get(attribute) or "#").startswith(("#", "data:image/jpeg;base64,"))
    assert not re.search(r"url\(|@import|https?://", html.replace("http://www.w3.org/2000/svg", ""))


@pytest.mark.parametrize("rows", [[], [detection(1)]], ids=["no brand", "a brand"])
def test_only_the_style_and_the_script_of_the_page_may_run(rows: list[tuple[object, ...]]) -> None:
    html = compiled(rows).report_html
    policy = policy_of(html)
    for directive, opening in {"style-src": "<style>", "script-src": "<script>"}.items():
        [text] = re.findall(f"{opening}(.*?)</", html, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert policy[directive] == [f"'sha256-{digest}'"]
    assert not any(name == "style" or name.startswith("on") for _, attrs in Page(html).elements for name in attrs)


@pytest.mark.parametrize("template", sorted(FOLDER.glob("*.html")), ids=lambda path: path.name)
def test_no_page_lets_through_styles_or_scripts_that_it_does_not_name(template: Path) -> None:
    text = template.read_text()
    assert "style-src {{ " in text
    assert "|csp_hash }}" in text
    assert not re.search(r"unsafe-|\sstyle=|\son\w+=", text)


def test_scripts_are_modules_that_import_what_others_before_them_export() -> None:
    exported: dict[str, set[str]] = {}
    for module in MODULES:
        text = (FOLDER / "scripts" / f"{module}.js").read_text()
        for names, other in re.findall(r"^import \{ ([^}]*) \} from \"./(\w+).js\";$", text, re.MULTILINE):
            assert set(names.split(", ")) <= exported[other], f"{module} imports from {other}"
        assert len(re.findall("^import", text, re.MULTILINE)) == len(
            re.findall(r"^import \{.*\";$", text, re.MULTILINE)
        )
        exported[module] = set(re.findall(r"^export const (\w+)", text, re.MULTILINE))
    names = [name for of_module in exported.values() for name in of_module]
    assert len(names) == len(set(names))
    assert {f"{module}.js" for module in MODULES} == {path.name for path in (FOLDER / "scripts").iterdir()}


def test_evidence_has_the_frame_once_and_the_boxes_of_each_brand() -> None:
    html = compiled([detection(1, box=(100, 40, 60, 20)), detection(1, "Bolt", box=(0, 0, 20, 10))]).report_html
    page = Page(html)
    [frame] = [attrs for tag, attrs in page.elements if tag == "image"]
    pixels = decode(base64.b64decode((frame["href"] or "").partition(",")[2]))
    assert pixels.shape == (240, 480, 3)
    assert page.count("use", href="#p1") == 2
    assert page.count("rect", **{"class": "over"}) == 2
    assert page.count("rect", **{"class": "over"}, x="240.0", y="96.0", width="144.0", height="48.0") == 1


def test_frames_of_exposures_without_a_card_are_there_small_and_by_address() -> None:
    rows = [detection(seq) for seq in (0, 2, 4)]
    html = compiled(rows, settings=CompileReportSettings(max_gap_ms=0, evidence_per_brand=1)).report_html
    found = re.search(r'<script type="application/json" id="small">(.*?)</script>', html)
    assert found
    small = json.loads(found[1])
    assert list(small) == ["0", "4"]
    assert decode(base64.b64decode(small["4"])).shape == (120, 240, 3)
    frames = data_of(html)["frames"]
    assert [frames["folder"] + name for name in frames["name"]] == [f"../../frames/{seq}.jpg" for seq in (0, 2, 4)]


def test_figures_add_up() -> None:
    text = Page(compiled([detection(0), detection(2), detection(2, "Bolt")]).report_html).text
    assert "All brands, added up 1.25 100.0 % 3" in text
    assert "Any brand on screen 0.75 25.0 %" in text


def test_the_same_input_gives_the_same_bytes() -> None:
    rows = [detection(seq, brand) for seq in range(6) for brand in ("Acme", "Bolt")]
    one, other = compiled(rows), compiled(list(reversed(rows)))
    assert one.report_html == other.report_html
    assert one.files == other.files


def test_frames_that_are_gone_are_said_to_be() -> None:
    page = Page(compiled([detection(1)], kept=False).report_html)
    assert "The frame is no longer stored." in page.text
    assert page.count("img") == page.count("image") == 0


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
    assert 500_000 < len(html) < 1_000_000
    assert Page(html).count("div", **{"class": "track"}) == 12


WORDS = {
    "start": (clock(0), "0:00.0"),
    "cut off, not rounded": (clock(59_999), "0:59.9"),
    "hours": (clock(3_723_456, 3), "1:02:03.456"),
    "no decimals": (clock(61_500, 0), "1:01"),
    "half a second": (lasting(500), "0.5 s"),
    "a half is rounded up, as by the scripts": (lasting(8250), "8.3 s"),
    "seconds in a column": (seconds(1_234_560, 2), "1\u202f234.56"),
    "tenths of nothing": (tenths([]), []),
    "tenths of no time": (tenths([0, 0]), [0, 0]),
    "tenths add up": (tenths([1, 1, 1, 4]), [143, 143, 143, 571]),
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


def test_the_picture_has_lanes_where_it_was_measured() -> None:
    looks = pl.DataFrame([(0, [[255, 0, 0]], [1.0], 0.25, 0.1, 0.5)], visual_properties.SCHEMA, orient="row")
    moved = pl.DataFrame([(1, 0, 0.5, True, 3.0, 4.0)], motion.SCHEMA, orient="row")
    assert 'class="picture"' not in compiled([]).report_html
    page = Page(compiled([], pictured=Pictured(looks, moved)).report_html)
    lanes = [attrs.get("aria-label") for tag, attrs in page.elements if tag == "svg" and attrs.get("role") == "img"]
    assert lanes == [
        "Dominant colours over time",
        "Brightness, 0.25 to 0.25",
        "Contrast, 0.10 to 0.10",
        "Saturation, 0.50 to 0.50",
        "Moving, 0.50 to 0.50",
        "Camera, 10 to 10 px/s",
    ]
    assert "On average 50.0 % of the picture moves" in page.text
    told = json.loads(compiled([], pictured=Pictured(looks, moved)).files["report.json"])
    assert [one["colours"] for one in told["looks"]] == [[[255, 0, 0]]]
    assert told["motion"]["max_motion"] == 0.5
