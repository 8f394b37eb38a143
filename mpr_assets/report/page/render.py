"""`report.html`, one self-contained file. Its content comes from the `Report`, its layout from page.html.

What the page's scripts get is in `data`, its pictures in `pictures`. A policy in the page lets nothing run but these
scripts, and nothing load but what is in the page and the frames stored beside it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
from markupsafe import Markup
from pydantic import Field, JsonValue

from gpu_service.settings import Settings
from mpr_assets.report.model import BrandReport, Exposure, Mention, Report
from mpr_assets.report.page.colours import brand_colours
from mpr_assets.report.page.data import found_by, page_data
from mpr_assets.report.page.picture_lanes import curves, swatches
from mpr_assets.report.page.pictures import Card, GetPicture, evidence_pictures, film
from mpr_resources.names import visible

if TYPE_CHECKING:
    from jinja2 import Environment, Template

FOLDER = Path(__file__).parent
TO_STORAGE = "../../"
"""From `Keys.report` to the storage's root."""
LANE_UNITS = 2000
"""Steps of the time axis in the drawing that is seen without scripts; scripts draw to the millisecond."""
SWATCH_BYTES = 80
"""Of a colour in the page's HTML."""
MODULES = (
    "words", "report", "filters", "totals", "theme", "frames", "drawing", "chart", "charts", "compare", "evidence",
    "viewer", "tables", "main",
)  # fmt: skip
"""Of the folder `scripts`, each after those that it imports."""
COLUMNS = (
    ("seconds", "Seconds", "time"),
    ("share", "Share of time", "time"),
    ("voice", "Share of voice", "time"),
    ("exposures", "Exposures", "time"),
    ("longest", "Longest", "time"),
    ("solo", "Alone", "time"),
    ("first", "First", "time"),
    ("last", "Last", "time"),
    ("size", "Mean size", "look"),
    ("largest", "Largest", "look"),
    ("position", "Place", "look"),
    ("placement", "On", "look"),
    ("prominence", "Prominence", "look"),
    ("visibility", "Visibility", "look"),
    ("clarity", "Clarity", "look"),
    ("quality", "Quality", "look"),
    ("confidence", "Confidence", "look"),
    ("by", "Found by", "look"),
    ("equivalent", "Media equivalent", "time"),
)
"""Of the table of brands: name, heading, with which others it is shown."""


class PageSettings(Settings):
    """How much the page carries with it."""

    evidence_per_brand: int = Field(6, ge=0, le=100, description="maximum evidence pictures for each brand")
    page_mb: float = Field(
        16.0, ge=1, le=100, description="maximum size of the page, in MB; pictures beyond it are left out"
    )


@dataclass(frozen=True)
class Lane:
    """A brand on the page.

    Attributes:
        first: number of its first exposure among those of all brands.
        counted_ms: what counts by the report's rule. voice: its part of what counts, in tenths of a percent.
    """

    number: int
    brand: BrandReport
    first: int
    counted_ms: int
    voice: int
    path: str
    cards: Sequence[Card]


def render_page(
    report: Report,
    spans: pl.DataFrame,
    picture: GetPicture,
    settings: PageSettings,
    stage_of_source: Mapping[str, str],
) -> str:
    """The page as HTML text, the same for the same input.

    Args:
        report: everything the page says.
        spans: rows of `frame_spans`; the film strip's frames are chosen from them.
        picture: asked for the frames that are shown, several times for one that shows several brands.
        settings: how many pictures.
        stage_of_source: as in `Subject`.
    """
    recent = lru_cache(maxsize=4)(picture)
    data = page_data(report, TO_STORAGE)
    paths = [_lane_path(brand.exposures, report.duration_ms) for brand in report.brands]
    strip = film(report.duration_ms, spans, recent)
    colours, figures = swatches(report.looks, report.duration_ms, LANE_UNITS), curves(report, LANE_UNITS)
    lanes_bytes = SWATCH_BYTES * len(colours) + sum(len(one.path) for one in figures) + sum(map(len, paths))
    room = settings.page_mb * 1e6 - len(data.encode()) - lanes_bytes - sum(map(len, strip))
    shown = evidence_pictures(
        report.brands, recent, settings.evidence_per_brand, int(room - 4000 * len(paths) - 150_000)
    )
    firsts = [0]
    for brand in report.brands:
        firsts.append(firsts[-1] + len(brand.exposures))
    counted = [brand.screen_ms if report.counting_rule == "all" else brand.counted_ms or 0 for brand in report.brands]
    each = zip(report.brands, firsts[:-1], counted, tenths(counted), paths, shown.cards, strict=True)
    lanes = [Lane(number, *of_brand) for number, of_brand in enumerate(each)]
    css, js = f"\n{_style(len(lanes))}\n", f"\n{page_script()}\n"
    return _template().render(
        report=report,
        lanes=lanes,
        film=strip,
        frames=shown.frames,
        small=Markup(json.dumps(shown.small, separators=(",", ":"))),
        ticks=_ticks(report.duration_ms),
        units=LANE_UNITS,
        cuts=_marks_path(report.cuts_ms, report.duration_ms),
        said=_said(report),
        swatches=colours,
        curves=figures,
        objects=[(one, _bars_path(one.spans, report.duration_ms)) for one in report.objects],
        edges=_marks_path([chunk.timeline_start_ms for chunk in report.chunks[1:]], report.duration_ms),
        any_ms=_any_brand_ms(report),
        bridged=any(one.inferred for brand in report.brands for one in brand.exposures),
        columns=[one for one in COLUMNS if report.rate_card or one[0] != "equivalent"],
        decimals=_decimals(report),
        data=Markup(data),
        css=Markup(css),
        js=Markup(js),
        stages_of=partial(stages_of, stage_of_source),
        overridden=[stage.stage for stage in report.stages if stage.overrides],
        idle=[stage for stage in report.stages if stage.status != "materialized"],
    )


def page_script() -> str:
    """The modules of the folder `scripts` as one script, so that the page needs no other file and no build.

    They are plain ECMAScript modules; here each is a function that gives what it exports to those after it.
    """
    return "\n".join(['"use strict";', "(() => {", *map(_as_function, MODULES), "})();"])


def _as_function(module: str) -> str:
    text = (FOLDER / "scripts" / f"{module}.js").read_text("utf-8")
    exported = ", ".join(re.findall(r"^export const (\w+)", text, re.MULTILINE))
    inside = re.sub(r"^import [^;]*;\n|^export ", "", text, flags=re.MULTILINE)
    return f"const {{ {exported} }} = (() => {{\n{inside}return {{ {exported} }};\n}})();"


def _style(brands: int) -> str:
    """page.css, and a class for the colour of each brand: attributes with styles would have to be let through."""
    colours = [
        f".b{number} {{ --c: light-dark({colour.light}, {colour.dark}); --v: {colour.dark}; }}"
        for number, colour in enumerate(brand_colours(brands))
    ]
    return "\n".join([(FOLDER / "page.css").read_text("utf-8"), *colours])


def csp_hash(text: str) -> Markup:
    """As a Content-Security-Policy names an inline script or style of exactly this text."""
    return Markup(f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'")


def clock(ms: int, decimals: int = 1) -> str:
    """A point in time: `1:02:03.5`, the hours left out where there are none; cut off, never rounded up."""
    seconds, rest = divmod(ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    whole = f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
    return f"{whole}.{rest:03}"[: len(whole) + 1 + decimals] if decimals else whole


def lasting(ms: int) -> str:
    """A length of time: `0.5 s`, `12.5 s`, `3 min 05 s`, `1 h 02 min`."""
    if ms < 60_000:
        return f"{(ms + 50) // 100 / 10:.1f} s"
    minutes, seconds = divmod(ms // 1000, 60)
    return f"{minutes} min {seconds:02} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"


def seconds(ms: int, decimals: int) -> str:
    """`1 234.50`."""
    whole, _, part = f"{ms / 1000:.{decimals}f}".partition(".")
    return f"{number(int(whole))}.{part}"


def tenths(parts: Sequence[int]) -> list[int]:
    """Parts of a whole in tenths of a percent that add up to 100 %: the largest remainders are rounded up.

    >>> tenths([1, 1, 1])
    [334, 333, 333]
    """
    whole = sum(parts)
    if not whole:
        return [0 for _ in parts]
    given = [1000 * part // whole for part in parts]
    by_rest = sorted(range(len(parts)), key=lambda at: (-(1000 * parts[at] % whole), at))
    for at in by_rest[: 1000 - sum(given)]:
        given[at] += 1
    return given


def percent(share: float) -> str:
    """`12.5 %`; what is there but rounds to nothing is `< 0.1 %`."""
    return "< 0.1 %" if 0 < share < 0.0005 else f"{100 * share:.1f} %"


def stages_of(stage_of_source: Mapping[str, str], source: str) -> str:
    """The stages that found what `logo+ocr` names."""
    return ", ".join(dict.fromkeys(stage_of_source.get(one, one) for one in source.split("+")))


def spelled(value: JsonValue) -> str:
    """A setting as a profile has it: `true`, `[1, 2]`, plain text."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def placed(brand: BrandReport) -> str:
    """What the brand stands on for most of the time, and for how much of it: `board 83 %`."""
    times = brand.placements_ms or {}
    if not any(times.values()):
        return "–"
    most = max(times, key=lambda name: (times[name], name))
    share = round(100 * times[most] / sum(times.values()))
    return most if share == 100 else f"{most} {share} %"


def rate(fraction: str) -> str:
    """`30000/1001` as `29.97`."""
    above, _, below = fraction.partition("/")
    return f"{int(above) / (int(below or 1) or 1):.2f}".rstrip("0").rstrip(".")


def number(value: float) -> str:
    """Digits in groups: `14 400`, `3.25`."""
    return f"{value:,}".replace(",", "\u202f")


def html_environment() -> Environment:
    """Templates of this folder; what they show is escaped, and a name that they do not know is an error.

    Text of others is to stand in a <bdi>; sentences that have some within them go through the filter `visible`.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # here, since a page is seldom rendered

    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["csp_hash"] = csp_hash
    environment.filters["visible"] = visible
    return environment


@lru_cache(maxsize=1)
def _template() -> Template:
    environment = html_environment()
    for tool in (clock, lasting, seconds, percent, found_by, placed, spelled, rate, number):
        environment.filters[tool.__name__] = tool
    return environment.get_template("page.html")


def _said(report: Report) -> list[tuple[str, int, str]]:
    """Of each brand that is said, how often and the marks of its lane; the one said most often first."""
    of_brand: dict[str, list[Mention]] = {}
    for one in report.mentions:
        of_brand.setdefault(one.brand, []).append(one)
    most = sorted(of_brand.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    return [(brand, len(times), _lane_path(times, report.duration_ms)) for brand, times in most]


def _lane_path(exposures: Sequence[Exposure | Mention], duration_ms: int) -> str:
    return _bars_path([(one.start_ms, one.end_ms) for one in exposures], duration_ms)


def _bars_path(spans_ms: Iterable[tuple[int, int]], duration_ms: int) -> str:
    """Bars as an SVG path of horizontal lines; neighbours that touch at this scale are one."""
    bars: list[list[int]] = []
    for start_ms, end_ms in spans_ms:
        start = start_ms * LANE_UNITS // duration_ms
        end = max(end_ms * LANE_UNITS // duration_ms, start + 3)
        if bars and start <= bars[-1][1]:
            bars[-1][1] = max(bars[-1][1], end)
        else:
            bars.append([start, end])
    return "".join(f"M{start} .5h{end - start}" for start, end in bars)


def _marks_path(times_ms: Sequence[int], duration_ms: int) -> str:
    """Moments as an SVG path of vertical lines."""
    places = sorted({ms * LANE_UNITS // max(duration_ms, 1) for ms in times_ms})
    return "".join(f"M{place} 0v1" for place in places)


def _ticks(duration_ms: int) -> list[tuple[float, str]]:
    """Where the time axis is labelled: part of the width, and the words."""
    steps_s = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21_600, 86_400)
    step_ms = 1000 * next((step for step in steps_s if duration_ms <= 9000 * step), steps_s[-1])
    return [(round(ms / duration_ms, 6), clock(ms, 0)) for ms in range(0, duration_ms, step_ms)]


def _decimals(report: Report) -> int:
    """As many decimals of a second as show every length whole, so that a column adds up as it stands."""
    lengths = [one.end_ms - one.start_ms for brand in report.brands for one in brand.exposures]
    return next((count for count in (1, 2) if all(ms * 10**count % 1000 == 0 for ms in lengths)), 3)


def _any_brand_ms(report: Report) -> int:
    """How long at least one brand was seen."""
    total = reached = 0
    for start, end in sorted(span for brand in report.brands for one in brand.exposures for span in _seen(one)):
        total += max(0, end - max(start, reached))
        reached = max(reached, end)
    return total


def _seen(exposure: Exposure) -> list[tuple[int, int]]:
    """When the brand was seen during it: what the bridged spans leave."""
    edges = [exposure.start_ms, *chain.from_iterable(exposure.inferred), exposure.end_ms]
    return list(zip(edges[::2], edges[1::2], strict=True))
