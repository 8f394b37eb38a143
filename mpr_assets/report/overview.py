"""A report at a glance, for where there is no room for the page: a picture of the timeline, and the brands' figures.

The page is in `mpr_assets.report.page`.
"""

from __future__ import annotations

from html import escape

import polars as pl

from mpr_assets.engine.overview import Overview
from mpr_assets.report.measures import measures
from mpr_assets.timelines.chunks import timeline_ms

BRANDS = 12
"""Of more the ones on screen longest are shown."""
WIDTH_PX = 800
NAME_PX = 180
NAME_LETTERS = 24
LANE_PX = 22
BAR_PX = 14
JOINED_PX = 6
"""Bars nearer to each other are drawn as one, so that the picture stays small however many there are."""
COLUMNS = ("brand", "seconds on screen", "of the timeline", "exposures", "first seen", "found by")


def overview(exposures: pl.DataFrame, chunks: pl.DataFrame, page: str) -> Overview:
    """A row a brand, the one longest on screen first.

    Args:
        exposures: the table of `compile_report`. chunks: that of `timeline`.
        page: the key of the report's page.
    """
    measured = measures(exposures, chunks)
    rows = tuple(
        (
            row["brand"],
            f"{row['screen_ms'] / 1000:.1f}",
            f"{row['share']:.1%}",
            str(row["exposures"]),
            f"{row['first_ms'] / 1000:.1f} s",
            row["source"],
        )
        for row in measured.iter_rows(named=True)
    )
    picture = _svg(exposures, measured["brand"].to_list()[:BRANDS], timeline_ms(chunks))
    return Overview(picture, COLUMNS, rows, page, dict(measured.select("brand", "seconds").iter_rows()))


def _svg(exposures: pl.DataFrame, brands: list[str], duration_ms: int) -> str:
    if not brands:
        return ""
    scale = (WIDTH_PX - NAME_PX) / max(duration_ms, 1)
    height_px = LANE_PX * len(brands) + LANE_PX
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH_PX}" height="{height_px}" font-family="sans-serif" '
        'font-size="12"><rect width="100%" height="100%" fill="#fff"/>'
    ]
    for lane, brand in enumerate(brands):
        top = LANE_PX * lane + (LANE_PX - BAR_PX) // 2
        name = brand if len(brand) <= NAME_LETTERS else f"{brand[: NAME_LETTERS - 1]}…"
        visible = "".join(letter if letter.isprintable() else " " for letter in name)
        parts.append(f'<text x="4" y="{top + 11}">{escape(visible)}</text>')
        parts.append(f'<rect x="{NAME_PX}" y="{top}" width="{WIDTH_PX - NAME_PX}" height="{BAR_PX}" fill="#eee"/>')
        spans = exposures.filter(pl.col("brand") == brand).sort("start_ms").select("start_ms", "end_ms").iter_rows()
        bars: list[list[int]] = []
        for start_ms, end_ms in spans:
            left, right = NAME_PX + int(start_ms * scale), NAME_PX + max(int(start_ms * scale) + 1, int(end_ms * scale))
            if bars and left - bars[-1][1] <= JOINED_PX:
                bars[-1][1] = max(bars[-1][1], right)
            else:
                bars.append([left, right])
        path = "".join(f"M{left} {top}h{right - left}v{BAR_PX}h{left - right}z" for left, right in bars)
        parts.append(f'<path d="{path}" fill="#2b6cb0"/>')
    axis = height_px - 6
    parts.append(f'<text x="{NAME_PX}" y="{axis}">0 s</text>')
    parts.append(f'<text x="{WIDTH_PX - 4}" y="{axis}" text-anchor="end">{duration_ms / 1000:.1f} s</text></svg>')
    return "".join(parts)
