"""What the report's page does in a browser: `make test-editor`, which brings one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from bench.browser import Tab, chromium, tab
from gpu_service.pictures import encode_jpeg
from mpr_assets.report.exposures import frame_spans
from mpr_assets.report.media_equivalent import RateCard
from mpr_assets.report.model import Report
from mpr_assets.report.page.render import PageSettings, render_page
from mpr_assets.stages.compile_report import CompileReportSettings
from tests.mpr_assets.report.tables import detection
from tests.mpr_assets.report.test_page import NAMES, SAMPLED, SHOTS, SPANS, compiled, objects, picture

ROWS = [
    detection(0),
    detection(1, source="logo", confidence=0.7),
    detection(3, confidence=0.6),
    detection(2, "Bolt", source="logo"),
    detection(4, "Bolt", source="logo"),
    detection(4, "Core"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Tab]:
    program = chromium()
    assert program is not None, "no Chromium is on this machine; CHROMIUM names one"
    with tab(program) as opened:
        yield opened


@pytest.fixture
def page(browser: Tab, tmp_path: Path) -> Tab:
    """The page of three brands as it lies in a storage, opened."""
    return opened(browser, tmp_path, compiled(ROWS).report_html)


def opened(browser: Tab, folder: Path, html: str, stored: Iterable[int] = range(6)) -> Tab:
    path = folder / "reports" / "derby" / "report.html"
    path.parent.mkdir(parents=True)
    path.write_text(html, "utf-8")
    (folder / "frames").mkdir()
    for seq in stored:
        (folder / "frames" / f"{seq}.jpg").write_bytes(encode_jpeg(picture(seq).pixels, 80))
    browser.messages.clear()
    browser.requests.clear()
    browser.size(1280, 900)
    browser.open(path)
    browser.frame()
    return browser


def cells(page: Tab) -> dict[str, list[str]]:
    """The rows of the table of brands that are shown, by their first cell."""
    script = """[...document.querySelectorAll('#brand-table tr:not([hidden])')].map(
        row => [...row.cells].map(cell => cell.textContent.trim()))"""
    rows: list[list[str]] = page.evaluate(script)
    return {name: rest for name, *rest in rows[1:]}


def choose(page: Tab, **change: Any) -> None:
    for name, value in change.items():
        field = f"document.getElementById({json.dumps(name)})"
        page.evaluate(f"{field}.value = {json.dumps(value)}; {field}.dispatchEvent(new Event('input')); 0")
    page.frame()


def test_scripts_write_the_figures_that_the_page_has_without_them(page: Tab) -> None:
    with_scripts = cells(page)
    page.reload(scripts=False)
    without = cells(page)
    page.reload()
    assert without == with_scripts == cells(page)
    assert with_scripts["Acme"][:4] == ["1.50", "50.0 %", "60.0 %", "2"]
    assert page.messages == page.requests == []


def test_figures_follow_the_filters_and_add_up(page: Tab) -> None:
    choose(page, find="bo")
    assert cells(page)["Bolt"][:4] == ["0.75", "25.0 %", "100.0 %", "2"]
    assert set(cells(page)) == {"Bolt", "All brands, added up", "Any brand on screen"}
    assert page.evaluate("document.getElementById('matching').textContent") == "2 of 5 exposures, 1 of 3 brands"
    choose(page, find="", confidence=80)
    shown = cells(page)
    assert (
        shown["All brands, added up"][0]
        == f"{sum(float(shown[name][0]) for name in shown if name in ('Acme', 'Bolt', 'Core')):.2f}"
    )
    page.evaluate("document.getElementById('reset').click()")
    assert set(cells(page)) == {"Acme", "Bolt", "Core", "All brands, added up", "Any brand on screen"}
    assert page.messages == []


def test_nothing_that_fits_is_said(page: Tab) -> None:
    choose(page, find="nothing like it")
    assert page.evaluate("document.getElementById('none').hidden") is False
    assert page.evaluate("document.getElementById('f-exposures').textContent") == "0"
    page.evaluate("document.querySelector('#none button').click()")
    assert len(cells(page)) == 5


def test_a_click_on_a_bar_opens_its_frame_with_outlines(page: Tab) -> None:
    box = page.evaluate("document.querySelector('.lane[data-brand=\"1\"] .track').getBoundingClientRect().toJSON()")
    page.click(box["x"] + box["width"] * 1.0 / 3.0, box["y"] + box["height"] / 2)
    page.frame()
    assert page.evaluate("document.getElementById('look').open") is True
    assert page.evaluate("document.getElementById('look-name').textContent") == "Bolt"
    assert page.evaluate("document.querySelectorAll('#look-shot .own .over').length") == 1
    assert "logo, in match_brands" in page.evaluate("document.getElementById('look-facts').textContent")
    assert page.evaluate("document.getElementById('look-why').textContent") == "mpr why derby Bolt --at 0:01.000"
    page.key("ArrowRight")
    assert page.evaluate("document.getElementById('look-number').textContent") == "2 of 2"
    page.key("Escape")
    page.frame()
    assert page.evaluate("document.getElementById('look').open") is False


def test_exposures_of_a_brand_that_overlap_lie_below_each_other(browser: Tab, tmp_path: Path) -> None:
    report = Report.model_validate_json(compiled([detection(0), detection(1)]).files["report.json"])
    [brand] = report.brands
    [first] = brand.exposures
    later = first.model_copy(update={"start_ms": 250, "seen_ms": 500})
    both = report.model_copy(update={"brands": (brand.model_copy(update={"exposures": (first, later)}),)})
    html = render_page(both, frame_spans(SAMPLED, SHOTS, SPANS), picture, PageSettings(), {})
    page = opened(browser, tmp_path, html)
    assert cells(page)["Acme"][:4] == ["0.75", "25.0 %", "100.0 %", "2"]
    box = page.evaluate("document.querySelector('.track').getBoundingClientRect().toJSON()")
    for number, height in enumerate((0.35, 0.65)):
        page.click(box["x"] + box["width"] / 6, box["y"] + box["height"] * height)
        assert page.evaluate("location.hash") == f"#x{number}"
        page.key("Escape")
        page.frame()


def test_stored_frames_are_shown_where_the_report_lies_beside_them(browser: Tab, tmp_path: Path) -> None:
    html = compiled(ROWS, settings=CompileReportSettings(evidence_per_brand=0)).report_html
    page = opened(browser, tmp_path, html, stored=[2])
    hidden = "new Promise(done => setTimeout(() => done(document.getElementById('look-frame').hidden), 300))"
    page.evaluate("location.hash = '#x2'; 0")
    assert page.evaluate(hidden) is False
    assert [address.rpartition("/")[2] for address in page.requests] == ["2.jpg"]
    page.evaluate("location.hash = '#x0'; 0")
    assert page.evaluate(hidden) is True
    assert "not to be had from here" in page.evaluate("document.getElementById('look-note').textContent")


def test_stored_frames_are_shown_from_a_web_server_too(browser: Tab, tmp_path: Path) -> None:
    opened(browser, tmp_path, compiled(ROWS, settings=CompileReportSettings(evidence_per_brand=0)).report_html)

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        browser.open(f"http://127.0.0.1:{server.server_port}/reports/derby/report.html#x2")
        hidden = "new Promise(done => setTimeout(() => done(document.getElementById('look-frame').hidden), 300))"
        assert browser.evaluate(hidden) is False
        server.shutdown()


def test_every_exposure_has_its_evidence(browser: Tab, tmp_path: Path) -> None:
    rows = [detection(seq) for seq in (0, 2, 4)]
    settings = CompileReportSettings(max_gap_ms=0, evidence_per_brand=1)
    page = opened(browser, tmp_path, compiled(rows, settings=settings).report_html)
    page.evaluate("document.getElementById('evidence').scrollIntoView(); 0")
    page.frame()
    assert page.evaluate("document.querySelectorAll('figure').length") == 1
    page.evaluate("document.querySelector('.more').click()")
    assert page.evaluate("document.querySelectorAll('figure image, figure use').length") >= 3
    assert page.evaluate("[...document.querySelectorAll('figure a')].map(one => one.hash)") == ["#x0", "#x1", "#x2"]


def test_keys_step_from_exposure_to_exposure(page: Tab) -> None:
    page.evaluate("document.querySelector('.lane[data-brand=\"0\"] .track').focus()")
    page.key("ArrowRight")
    page.key("ArrowRight")
    spoken = page.evaluate("document.activeElement.getAttribute('aria-valuetext')")
    assert spoken.startswith("2 of 2: 0:01.25 – 0:02.00")
    page.key("Enter")
    assert page.evaluate("location.hash") == "#x1"
    page.key("Escape")


def test_what_brands_stand_on_and_a_rate_card_are_shown_and_filtered(browser: Tab, tmp_path: Path) -> None:
    card = RateCard(currency="EUR", per_30s=3000, by_quality=False)
    page = opened(browser, tmp_path, compiled(ROWS, card=card).report_html)
    assert cells(page)["Acme"][-1] == "150"
    assert cells(page)["All brands, added up"][-1] == "250"
    choose(page, find="acme")
    assert cells(page)["All brands, added up"][-1] == "150"
    page.evaluate("location.hash = '#x0'; 0")
    page.frame()
    facts = page.evaluate("document.getElementById('look-facts').textContent")
    assert "Equivalent75 EUR" in facts
    assert page.messages == []


def test_exposures_are_filtered_by_the_object_that_they_are_on(browser: Tab, tmp_path: Path) -> None:
    on_acme = objects(*((seq, "person", (0, 0, 60, 60)) for seq in range(6)))
    rows = [detection(0), detection(2, "Bolt", box=(120, 60, 20, 10))]
    page = opened(browser, tmp_path, compiled(rows, objects=on_acme).report_html)
    menu = "document.querySelector('[data-filter=object]')"
    assert page.evaluate(f"[...{menu}.querySelectorAll('label')].map(one => one.textContent)") == ["none", "person"]
    page.evaluate(f"{menu}.querySelectorAll('.only')[1].click()")
    assert {"Acme", "Bolt"} & cells(page).keys() == {"Acme"}
    page.evaluate(f"{menu}.querySelectorAll('.only')[0].click()")
    assert {"Acme", "Bolt"} & cells(page).keys() == {"Bolt"}
    page.evaluate("document.getElementById('reset').click()")
    assert {"Acme", "Bolt"} <= cells(page).keys()
    page.evaluate("location.hash = '#x1'; 0")
    page.frame()
    assert "Onshirt: it is on an object: person" in page.evaluate("document.getElementById('look-facts').textContent")
    assert page.messages == []


def test_the_chart_zooms_and_is_moved_by_the_mouse(page: Tab) -> None:
    window = "document.getElementById('window').style"
    page.evaluate("document.querySelector('.track').focus()")
    page.key("+")
    page.evaluate("new Promise(done => setTimeout(() => done(0), 400))")
    assert page.evaluate(f"[{window}.left, {window}.width]") == ["25%", "50%"]
    box = page.evaluate("document.querySelector('.track').getBoundingClientRect().toJSON()")
    page.drag(box["x"] + box["width"] / 2, box["y"] + 15, box["x"] + box["width"])
    page.frame()
    assert page.evaluate(f"parseFloat({window}.left)") < 5
    assert page.evaluate("location.hash") == ""
    page.key("0")
    page.evaluate("new Promise(done => setTimeout(() => done(0), 400))")
    assert page.evaluate(f"{window}.width") == "100%"


def test_two_brands_are_compared(page: Tab) -> None:
    text = page.evaluate("document.getElementById('compare').textContent")
    assert "Both at once" in text
    first = page.evaluate("[...document.querySelector('#compare-rows tr').cells].map(cell => cell.textContent)")
    assert first == ["Seconds", "1.50", "0.75", "+0.75"]


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_wider_than_the_window(browser: Tab, tmp_path: Path, width: int) -> None:
    page = opened(browser, tmp_path, compiled(ROWS, name="d" * 90).report_html)
    page.size(width, 844)
    page.frame()
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_on_paper_it_is_light_and_whole(page: Tab, tmp_path: Path) -> None:
    page.size(1280, 900, dark=True)
    page.paper(tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").stat().st_size > 10_000
    assert page.messages == []


HOSTILE = NAMES | {
    "event handler": '"><img src=x onerror="document.title=\'run\'">',
    "address": "javascript:document.title='run'",
    "bidi override": "abc\u202egnp.exe",
    "closing tags": "</title></style></svg></script><script>document.title='run'</script>",
}


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE.keys())
def test_names_are_shown_and_never_run(browser: Tab, tmp_path: Path, name: str) -> None:
    rows = [detection(1, name), detection(3, name), detection(2, "Bolt")]
    page = opened(browser, tmp_path, compiled(rows, looked_for=[name], name=name).report_html)
    page.evaluate("location.hash = '#x0'; new Promise(done => setTimeout(() => done(0), 100))")
    assert " ".join(page.evaluate("document.title").split()) == " ".join(f"{name} – brand timeline".split())
    assert page.evaluate("document.getElementById('look-name').textContent") == name
    assert page.evaluate("document.querySelectorAll('script').length") == 3
    assert page.messages == []
    assert all(address.startswith((tmp_path / "frames").as_uri()) for address in page.requests)


def test_a_script_that_got_in_would_not_run(browser: Tab, tmp_path: Path) -> None:
    html = compiled(ROWS).report_html.replace(
        "<main>", "<main><script>document.title='run'</script><b onclick='1'>x</b>"
    )
    page = opened(browser, tmp_path, html)
    assert page.evaluate("document.title") == "derby – brand timeline"
    assert any("Content Security Policy" in message for message in page.messages)
