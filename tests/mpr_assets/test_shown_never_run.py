"""What is shown is never run: names of brands, files and timelines, and what was read, wherever MPR shows them.

A place that shows hostile names has just the structure that it has with harmless ones: no element, cue, row, link or
escape more. That the report's page runs its own script alone is in `tests/mpr_assets/report/test_page.py`.
"""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser
from typing import TypeAlias

import openpyxl
import polars as pl
import pytest
import webvtt
from markdown_it import MarkdownIt

from mpr_assets.across.brand_history import AIRINGS
from mpr_assets.across.brand_history_page import history_page
from mpr_assets.compare.snapshots import Comparison, Section, Snapshot
from mpr_assets.compare.table_diff import compare
from mpr_assets.definitions import BY_NAME
from mpr_assets.evaluation.evaluate import Claimed, Known, evaluate
from mpr_assets.evaluation.model import Evaluation
from mpr_assets.evaluation.page import FrameEvidence, evaluation_page
from mpr_assets.evidence.found import FoundObject, prove
from mpr_assets.evidence.loss import Loss, Reason, quoted
from mpr_assets.evidence.lost import lost
from mpr_assets.evidence.makers import makers
from mpr_assets.evidence.page import PlacePictures, why_not_page, why_page
from mpr_assets.exports.csv_file import FORMULA_STARTS
from mpr_assets.exports.formats import FORMATS, FormatName
from mpr_assets.orchestration.markdown import bullets, table
from mpr_assets.report.overview import overview
from mpr_assets.report.page.diff import diff_page
from mpr_cli import terminal
from mpr_resources.brands.brand_file import BrandList
from tests.hostile_names import HOSTILE
from tests.mpr_assets.evidence.results import results
from tests.mpr_assets.evidence.test_found import line
from tests.mpr_assets.evidence.test_found import table as table_of
from tests.mpr_assets.exports.reports import tables
from tests.mpr_assets.report.tables import chunks, detection, detections
from tests.mpr_assets.report.test_page import compiled
from tests.mpr_assets.stages.test_evaluation import LOOKED_AT, SETTINGS, exposures, truth

Names: TypeAlias = Sequence[str]
HOSTILES = [*HOSTILE.values()]
HARMLESS = [f"Acme {letter}" for letter in "abcdefghijklmnopqrstuvwxyz"[: len(HOSTILES)]]
RUN = re.compile(r"\s*(javascript|vbscript)\s*:|\s*data:text", re.IGNORECASE)


TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""What turns the direction of the text that follows, to the end of its paragraph or <bdi>."""


ALONE = ("bdi", "title", "script", "style")
"""Elements whose text stands by itself."""


class Elements(HTMLParser):
    """Tags with the names of their attributes, in their order; no address in them may be a script's, and no text turns
    that beside it.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, ...]] = []
        self._alone = 0
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, *(name for name, _ in attrs)))
        assert not any(RUN.match(value or "") for name, value in attrs if name in ("href", "src", "action"))
        self._alone += tag in ALONE

    def handle_endtag(self, tag: str) -> None:
        self._alone -= tag in ALONE

    def handle_data(self, data: str) -> None:
        assert self._alone or TURNING.isdisjoint(data)


def html(text: str) -> list[tuple[str, ...]]:
    return Elements(text).found


def xml(text: str) -> list[tuple[str, ...]]:
    return sorted((one.tag, *one.attrib) for one in ET.fromstring(text).iter())


def markdown(text: str) -> list[tuple[str, ...]]:
    return html(MarkdownIt("commonmark").enable("table").render(text))


def on_terminal(text: str) -> int:
    bad = [one for one in text if (unicodedata.category(one) == "Cc" and one != "\n") or one in "\u202e\u2066"]
    assert bad == []
    return 0


def report_page(names: Names) -> str:
    rows = [detection(1, name) for name in names]
    return compiled(rows, looked_for=names, name=names[0], kept=False).report_html


def diff(names: Names) -> str:
    found = detections(*(detection(1, name) for name in names))
    state = Snapshot(names[0], names[1], "compile_report", (), {}, {}, BY_NAME)
    section = Section("detections", dict.fromkeys(names, (0, 1)), compare(found.clear(), found))
    seconds = dict.fromkeys(names, (0.0, 1.0))
    changed = {f"run_ocr.{name}": (name, names[0]) for name in names}
    return diff_page(Comparison(state, state, changed, names, seconds, seconds, None, [section], names))


def history(names: Names) -> str:
    numbers = {name: 1 for name, kind in AIRINGS.items() if kind == pl.Int64}
    rows = [
        {**numbers, "day": date(2026, 3, 1), "day_from": "file"}
        | dict.fromkeys(("brand", "profile", "timeline", "source"), name)
        for name in names
    ]
    return history_page(pl.DataFrame(rows, schema=AIRINGS))


def proofs(names: Names) -> str:
    stored = results(detection(0), run_ocr=table_of("run_ocr", line(0, "Acme")))
    proof = prove(stored, "Acme", None)
    [first, *_] = made = makers(stored, BY_NAME, ["match_brands"], [])
    logo = FoundObject("logo_match", "Acme", "Acme", 0.9, [1, 2, 3, 4], [], followed=False)
    pages = []
    for name in names:
        told = [replace(first, who=name, model=name, skipped=name, settings={"a": name}, not_default=["a"]), *made]
        logos = [replace(logo, label=name, reference=name)]
        read = [replace(one, text=name, reading=name) for one in proof.detections[0].lines]
        place = PlacePictures(replace(proof.detections[0], text=name, objects=logos, lines=read), None, [])
        own = replace(proof, brand=name, exposure=replace(proof.exposure, media=name))
        pages.append(why_page(name, own, told, None, [place], [], [name]))
    return "\n".join(pages)


def losses(names: Names) -> str:
    stored = results(run_ocr=table_of("run_ocr", line(0, "Acme")))
    found = lost(stored, "Acme", 0, BrandList(), [])
    pages = []
    for name in names:
        said = Loss("match_brands", Reason.NOT_LISTED, f"{name} is not listed.", [], [f"mpr brands add {quoted(name)}"])
        read = [replace(one, text=name, nearest=name, name=name) for one in found.lines]
        pages.append(why_not_page(name, replace(found, brand=name, losses=[said, *found.losses], lines=read), None))
    return "\n".join(pages)


def evaluated(names: Names) -> str:
    told = Known(truth(("Acme", 0, 4000)), [])
    claimed = Claimed(exposures(("Bolt", 0, 4000, 0.9)), detections(), LOOKED_AT, 40.0, 10_000, BrandList())
    made = evaluate("match", told, claimed, SETTINGS).model_dump_json()
    pages = []
    for name in names:
        own = Evaluation.model_validate_json(json.dumps(name).join(re.split('"(?:Acme|Bolt|match|truth.csv)"', made)))
        frames = FrameEvidence(LOOKED_AT, detections(detection(2, f"not {name}")), lambda *_: (), lambda _: None)
        pages.append(evaluation_page(own, frames))
    return "\n".join(pages)


def picture_in_dagster(names: Names) -> str:
    made = tables(*names[:12])
    return overview(made.exposures, chunks(("a.mp4", 0, 4_000_000)), "report.html").svg


def terminal_of(names: Names) -> str:
    written = io.StringIO()
    with redirect_stdout(written):
        terminal.print_table(["brand"], [[name.replace("\n", " ")] for name in names])
        for name in names:
            terminal.out.print(name)
    return written.getvalue()


def exported(name: FormatName) -> Callable[[Names], str]:
    return lambda names: FORMATS[name].make(tables(*names)).decode()


def cells(text: str) -> list[int]:
    rows = [*csv.reader(io.StringIO(text, newline=""))]
    assert not any(cell.startswith(FORMULA_STARTS) for row in rows for cell in row)
    return [*map(len, rows)]


def lines(text: str) -> list[str]:
    return [re.match(r"\* LOC|\*? ?\w*", line)[0] for line in text.split("\n")]  # type: ignore[index]


PLACES: dict[str, tuple[Callable[[Names], str], Callable[[str], object]]] = {
    "the report's page": (report_page, html),
    "the page of a comparison": (diff, html),
    "the page of all airings": (history, html),
    "the pages of proofs": (proofs, html),
    "the pages of losses": (losses, html),
    "the pages of evaluations": (evaluated, html),
    "a picture in Dagster": (picture_in_dagster, xml),
    "a table in Dagster": (lambda names: table(["brand", "again"], [(name, name) for name in names]), markdown),
    "a list in Dagster": (bullets, markdown),
    "a terminal": (terminal_of, on_terminal),
    "CSV": (exported("csv"), cells),
    "WebVTT": (exported("webvtt"), lambda text: [one.start for one in webvtt.from_string(text)]),
    "SRT": (exported("srt"), lambda text: [one.start for one in webvtt.from_buffer(io.StringIO(text), "srt")]),
    "EDL": (exported("edl"), lines),
    "FCPXML": (exported("fcpxml"), xml),
    "CVAT": (exported("cvat"), xml),
}
"""How each place is made of names, and its structure."""


@pytest.mark.parametrize("place", PLACES)
def test_hostile_names_change_no_structure(place: str) -> None:
    made, structure = PLACES[place]
    assert structure(made(HOSTILES)) == structure(made(HARMLESS))


def test_a_workbook_has_hostile_names_as_text() -> None:
    book = openpyxl.load_workbook(io.BytesIO(FORMATS["xlsx"].make(tables(*HOSTILES))))
    in_cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row]
    assert {cell.data_type for cell in in_cells} <= {"s", "n"}
    assert not any(cell.hyperlink for cell in in_cells)
    assert book["Brands"].max_row == 1 + len(HOSTILES)
