"""The page of the brands' history, one self-contained file. Its layout is in `report/page/history.html`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from urllib.parse import quote

import polars as pl

from mpr_assets.report.page.render import FOLDER, html_environment
from mpr_resources.storage.tables import NamedRow

BARS = 120
"""Days, or equal spans of days, that a brand's bars show at most."""
BAR_UNITS = 40
"""Height of the highest bar, in the drawing's units; each is 10 wide."""
MOST_ROWS = 400
"""Airings of a brand that the page lists, the latest first; the table has all."""
DAY_FROM = {
    "recorded_at": "of the recording",
    "file": "on which the file was last changed",
    "registration": "on which the timeline was registered",
}


@dataclass(frozen=True)
class BrandAirings:
    """A brand's part of the page. `bars`: an SVG path. `programmes`: seconds by profile, most first."""

    brand: str
    screen_ms: int
    exposures: int
    days: int
    timelines: int
    first_day: date
    last_day: date
    bars: str
    programmes: Sequence[tuple[str, int]]
    rows: Sequence[NamedRow]
    left_out: int


def history_page(airings: pl.DataFrame) -> str:
    """The page as HTML, for a table of `AIRINGS`; equal tables give equal pages."""
    days: list[date] = airings["day"].unique().sort().to_list()
    span = _Span(days[0], days[-1]) if days else None
    brands = [_of_brand(rows, span) for _, rows in airings.group_by("brand", maintain_order=True)] if span else []
    brands.sort(key=lambda one: (-one.screen_ms, one.brand))
    template = html_environment().get_template("history.html")
    return template.render(
        brands=brands,
        days=days,
        timelines=airings["timeline"].n_unique(),
        screen_ms=int(airings["screen_ms"].sum()),
        told=[(DAY_FROM[name], count) for name, count in _days_from(airings).items()],
        days_a_bar=span.days_a_bar if span else 1,
        bars=span.bars if span else 1,
        height=BAR_UNITS,
        report_of=lambda timeline: f"{quote(timeline)}/report.html",
        css=(FOLDER / "page.css").read_text(),
    )


@dataclass(frozen=True)
class _Span:
    """The days that the bars show."""

    first: date
    last: date

    @property
    def days_a_bar(self) -> int:
        return -(-((self.last - self.first).days + 1) // BARS)

    @property
    def bars(self) -> int:
        return -(-((self.last - self.first).days + 1) // self.days_a_bar)

    def bar_of(self, day: date) -> int:
        return (day - self.first).days // self.days_a_bar


def _of_brand(rows: pl.DataFrame, span: _Span) -> BrandAirings:
    by_programme = rows.group_by("profile").agg(pl.col("screen_ms").sum())
    latest = rows.sort("day", "timeline", "first_ms", descending=[True, False, False])
    days = rows["day"].unique().sort().to_list()
    return BrandAirings(
        brand=rows["brand"][0],
        screen_ms=int(rows["screen_ms"].sum()),
        exposures=int(rows["exposures"].sum()),
        days=len(days),
        timelines=rows["timeline"].n_unique(),
        first_day=days[0],
        last_day=days[-1],
        bars=_bars(rows, span),
        programmes=list(by_programme.sort("screen_ms", "profile", descending=[True, False]).iter_rows()),
        rows=list(latest.head(MOST_ROWS).iter_rows(named=True)),
        left_out=max(0, latest.height - MOST_ROWS),
    )


def _bars(rows: pl.DataFrame, span: _Span) -> str:
    """A rectangle for each bar that is not empty, as an SVG path."""
    heights: dict[int, int] = {}
    for day, screen_ms in rows.select("day", "screen_ms").iter_rows():
        heights[span.bar_of(day)] = heights.get(span.bar_of(day), 0) + screen_ms
    most = max(heights.values(), default=0) or 1
    tops = {bar: max(1, round(BAR_UNITS * ms / most)) for bar, ms in sorted(heights.items())}
    return "".join(f"M{10 * bar + 1} {BAR_UNITS}v-{top}h8v{top}z" for bar, top in tops.items())


def _days_from(airings: pl.DataFrame) -> Mapping[str, int]:
    counted = airings.group_by("day_from").agg(pl.col("timeline").n_unique()).sort("day_from")
    return dict(counted.iter_rows())
