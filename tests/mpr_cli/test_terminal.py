from __future__ import annotations

import io

import pytest

from mpr_assets.report.measures import measures
from mpr_cli.progress_display import BarProgress, LineProgress, progress
from mpr_cli.report import MeasuredBrand, ReportedBrand, print_brands, print_measures
from mpr_cli.terminal import PlainConsole, out, print_table
from mpr_resources.progress import tracked
from tests.world import BRAND, Ran, World


def test_no_brand_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    print_brands([])
    assert capsys.readouterr().out == "No brand was found.\n"


def test_a_brand_is_a_row(finished: tuple[World, Ran], capsys: pytest.CaptureFixture[str]) -> None:
    world, _ = finished
    brands = measures(world.table("compile_report").rows, world.table("timeline").rows).drop("seconds")
    print_brands([ReportedBrand(**row) for row in brands.iter_rows(named=True)])
    heading, row = capsys.readouterr().out.splitlines()
    assert heading.split() == ["brand", "exposures", "seconds", "share", "mean", "size", "confidence", "first", "last"]
    assert row.startswith(BRAND)
    assert row.split()[2:5] == ["1", "2.00", "100.0%"]
    assert row.split()[-2:] == ["00:00:00.000", "00:00:02.000"]


NOTE = "Equivalents are what as much advertising would cost by the rate card, no value of exposure."
MEASURED = MeasuredBrand("Acme", 1500, 0.25, 500, 0.5, 0.64, "top left", 0.9, None, 0.725, "board", 1234.5)
SHOWN: dict[str, tuple[list[MeasuredBrand], str, str | None, list[list[str]]]] = {
    "of an earlier version": ([], "all", None, []),
    "all time counts": (
        [MEASURED],
        "all",
        None,
        [
            [],
            ["brand", "voice", "solo", "prominence", "visibility", "clarity", "quality", "position", "placement"],
            ["Acme", "25.0%", "0.50", "0.64", "0.90", "-", "0.72", "top", "left", "board"],
        ],
    ),
    "by a rule and a rate card": (
        [MEASURED],
        "mrc_2s",
        "EUR",
        [
            [],
            ["brand", "voice", "mrc_2s", "solo", "prominence", "visibility", "clarity", "quality", "equivalent", "EUR",
             "position", "placement"],
            ["Acme", "25.0%", "1.50", "0.50", "0.64", "0.90", "-", "0.72", "1,234", "top", "left", "board"],
            [*NOTE.split()],
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SHOWN)
def test_measures(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    brands, rule, currency, expected = SHOWN[case]
    print_measures(brands, rule, currency)
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == expected


def test_plain_lines_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    shown = progress()
    assert isinstance(shown, LineProgress)
    list(tracked(shown, "run_ocr", range(3), 3))
    shown.concluded("run_ocr", "3 rows in 0.1 s")
    assert capsys.readouterr() == ("", "  run_ocr: 3 rows in 0.1 s\n")


NAMES = {
    "plain": ("Acme", "Acme"),
    "closing tag": ("Acme [/]", "Acme [/]"),
    "tag": ("acme [de]", "acme [de]"),
    "style": ("[red]Acme[/red]", "[red]Acme[/red]"),
    "emoji code": ("Acme :smile:", "Acme :smile:"),
    "escape sequence": ("Ac\x1b[2Jme", r"Ac\x1b[2Jme"),
    "title of the window": ("\x1b]0;owned\x07Acme", r"\x1b]0;owned\x07Acme"),
    "8-bit escape": ("Ac\x9bme", r"Ac\x9bme"),
    "carriage return": ("Acme\rOther", r"Acme\rOther"),
    "right to left override": ("Ac\u202eme", r"Ac\u202eme"),
    "half a character": ("Ac\udcffme", r"Ac\udcffme"),
    "arabic": ("عالم", "عالم"),
    "japanese": ("試合", "試合"),
}


@pytest.mark.parametrize("case", NAMES)
def test_a_name_is_shown_as_it_is(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    name, shown = NAMES[case]
    print_brands([ReportedBrand(name, 1, 2000, 1.0, 2000, 0.01, 0.01, 0.9, 0.9, 4, 4, "ocr", 0, 2000)])
    assert capsys.readouterr().out.split("\n")[1].startswith(f"{shown} ")
    out.print(f"brand: {name}")
    assert capsys.readouterr().out == f"brand: {shown}\n"
    LineProgress().concluded("run_ocr", name)
    assert capsys.readouterr().err == f"  run_ocr: {shown}\n"


TABLES: dict[str, tuple[list[str], str]] = {
    "nothing": ([], "brand  n\n"),
    "one": (["Acme"], "brand  n\nAcme   1\n"),
    "wide letters": (["試合の"], "brand   n\n試合の  1\n"),
    "an escape": (["A\x1b[31m"], "brand      n\nA\\x1b[31m  1\n"),
    "markup": (["[red]A"], "brand   n\n[red]A  1\n"),
    "too long for a line": (["x" * 200], f"{'brand':157}  n\n{'x' * 157}  1\n{'x' * 43:160}\n"),
    "two lines": (["A\nB"], "brand  n\nA      1\nB       \n"),
}


@pytest.mark.parametrize("case", TABLES)
def test_a_table(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    names, shown = TABLES[case]
    print_table(("brand", "n"), [(name, "1") for name in names], right=["n"])
    assert capsys.readouterr().out == shown


def terminal() -> PlainConsole:
    return PlainConsole(file=io.StringIO(), force_terminal=True, width=100, legacy_windows=False)


def test_bars_on_a_terminal() -> None:
    console = terminal()
    shown = BarProgress(console)
    list(tracked(shown, "run_ocr", range(3), 3))
    shown.concluded("run_ocr", "3 rows in 0.1 s")
    written = console.file.getvalue()  # type: ignore[attr-defined]
    assert "run_ocr (frames)" in written
    assert "3 rows in 0.1 s" in written


def test_a_bar_goes_away_when_the_work_breaks_off() -> None:
    console = terminal()
    shown = BarProgress(console)
    work = tracked(shown, "run_ocr", range(3), 3)
    next(work)
    work.close()
    assert "\x1b[?25h" in console.file.getvalue(), "the cursor is shown again"  # type: ignore[attr-defined]
