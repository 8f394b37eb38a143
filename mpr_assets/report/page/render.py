"""`report.html`, one self-contained file. Its content comes from the `Report`, its layout from page.html.

Pictures are asked for one by one and kept as JPEG only, so that a long video's frames are never held together.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
from markupsafe import Markup
from pydantic import Field, JsonValue

from gpu_service.pictures import Image, Picture, encode_jpeg
from gpu_service.settings import Settings
from mpr_assets.overlays.marks import (
    Mark,
    colour_of_hue,
    draw,
    ranked_hue,
    shrink,
)
from mpr_assets.report.model import (
    BrandReport,
    Evidence,
    Exposure,
    Report,
)

if TYPE_CHECKING:
    from jinja2 import Environment, Template

FOLDER = Path(__file__).parent
PICTURE_WIDTH_PX = 480
CLOSE_UP_SIZE_PX = (480, 108)
THUMBNAIL_WIDTH_PX = 132
FILM_FRAMES = 12
LANE_UNITS = 2000
"""Steps of the time axis in the drawing that is seen without scripts; scripts draw to the millisecond."""
SOURCE_WORDS = {
    "ocr": "text",
    "logo": "logo",
    "object": "object",
    "local_vlm": "local VLM",
    "cloud_vlm": "cloud VLM",
    "manual": "by hand",
}

GetPicture = Callable[[int], Picture | None]
"""Gives the frame of a seq; None where it is no longer kept."""


class PageSettings(Settings):
    """How much the page carries with it."""

    evidence_per_brand: int = Field(6, ge=0, le=100, description="maximum evidence pictures for each brand")
    page_mb: float = Field(
        8.0, ge=1, le=100, description="maximum size of the page, in MB; pictures beyond it are left out"
    )


@dataclass(frozen=True)
class Card:
    """A piece of evidence on the page: an exposure and the pictures that show it."""

    number: int
    exposure: Exposure
    whole: Markup
    close_up: Markup


@dataclass(frozen=True)
class Lane:
    """A brand on the page."""

    number: int
    brand: BrandReport
    hue: int
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
    data = _data_json(report)
    paths = [_lane_path(brand.exposures, report.duration_ms) for brand in report.brands]
    film = _film(report, spans, recent)
    room = settings.page_mb * 1e6 - len(data) - sum(map(len, paths)) - sum(map(len, film)) - 2000 * len(paths) - 100_000
    cards = _cards(report, recent, settings.evidence_per_brand, int(room))
    lanes = [
        Lane(number, brand, ranked_hue(number), paths[number], cards[number])
        for number, brand in enumerate(report.brands)
    ]
    return _template().render(
        report=report,
        lanes=lanes,
        film=film,
        ticks=_ticks(report.duration_ms),
        units=LANE_UNITS,
        cuts=_marks_path(report.cuts_ms, report.duration_ms),
        edges=_marks_path([chunk.timeline_start_ms for chunk in report.chunks[1:]], report.duration_ms),
        any_ms=_any_brand_ms(report),
        data=Markup(data),
        css=Markup((FOLDER / "page.css").read_text("utf-8")),
        js=Markup((FOLDER / "page.js").read_text("utf-8")),
        stages_of=partial(stages_of, stage_of_source),
        overridden=[stage.stage for stage in report.stages if stage.overrides],
        idle=[stage for stage in report.stages if stage.status != "materialized"],
    )


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
        return f"{ms / 1000:.1f} s"
    minutes, seconds = divmod(ms // 1000, 60)
    return f"{minutes} min {seconds:02} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"


def percent(share: float) -> str:
    """`12.5 %`; what is there but rounds to nothing is `< 0.1 %`."""
    return "< 0.1 %" if 0 < share < 0.0005 else f"{100 * share:.1f} %"


def found_by(source: str) -> str:
    """`logo+ocr` in words: `logo, text`."""
    return ", ".join(SOURCE_WORDS.get(one, one) for one in source.split("+"))


def stages_of(stage_of_source: Mapping[str, str], source: str) -> str:
    """The stages that found what `logo+ocr` names."""
    return ", ".join(dict.fromkeys(stage_of_source.get(one, one) for one in source.split("+")))


def spelled(value: JsonValue) -> str:
    """A setting as a profile has it: `true`, `[1, 2]`, plain text."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def rate(fraction: str) -> str:
    """`30000/1001` as `29.97`."""
    above, _, below = fraction.partition("/")
    return f"{int(above) / (int(below or 1) or 1):.2f}".rstrip("0").rstrip(".")


def number(value: float) -> str:
    """Digits in groups: `14 400`, `3.25`."""
    return f"{value:,}".replace(",", "\u202f")


def html_environment() -> Environment:
    """Templates of this folder; what they show is escaped, and a name that they do not know is an error."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # here, since a page is seldom rendered

    return Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@lru_cache(maxsize=1)
def _template() -> Template:
    environment = html_environment()
    for tool in (clock, lasting, percent, found_by, spelled, rate, number):
        environment.filters[tool.__name__] = tool
    return environment.get_template("page.html")


def _data_json(report: Report) -> str:
    """What the scripts draw from: five numbers an exposure, in one flat list a brand; no `<` can end the script."""
    sources = sorted({exposure.source for brand in report.brands for exposure in brand.exposures})
    place = {source: index for index, source in enumerate(sources)}
    data = {
        "duration": report.duration_ms,
        "cuts": report.cuts_ms,
        "chunks": [[chunk.timeline_start_ms, chunk.start_ms, chunk.source] for chunk in report.chunks],
        "found": [found_by(source) for source in sources],
        "brands": [
            {
                "name": brand.brand,
                "x": [
                    value
                    for one in brand.exposures
                    for value in (
                        one.start_ms,
                        one.end_ms - one.start_ms,
                        round(100 * one.confidence),
                        round(10_000 * one.mean_area_share),
                        place[one.source],
                    )
                ],
            }
            for brand in report.brands
        ],
    }
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _lane_path(exposures: Sequence[Exposure], duration_ms: int) -> str:
    """Bars as an SVG path of horizontal lines; neighbours that touch at this scale are one."""
    bars: list[list[int]] = []
    for one in exposures:
        start = one.start_ms * LANE_UNITS // duration_ms
        end = max(one.end_ms * LANE_UNITS // duration_ms, start + 3)
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


def _any_brand_ms(report: Report) -> int:
    """How long at least one brand was on screen."""
    total = reached = 0
    for start, end in sorted((one.start_ms, one.end_ms) for brand in report.brands for one in brand.exposures):
        total += max(0, end - max(start, reached))
        reached = max(reached, end)
    return total


def _film(report: Report, spans: pl.DataFrame, picture: GetPicture) -> list[Markup]:
    """Small frames spread evenly over the timeline; empty when no frame is kept."""
    if spans.is_empty():
        return []
    step_ms = report.duration_ms / FILM_FRAMES
    moments = pl.DataFrame({"at_ms": [int((slot + 0.5) * step_ms) for slot in range(FILM_FRAMES)]})
    chosen = moments.join_asof(
        spans.sort("start_ms").select("start_ms", "kept_seq"), left_on="at_ms", right_on="start_ms", strategy="nearest"
    )
    shown = [picture(seq) for seq in chosen["kept_seq"].to_list()]
    return [_uri(_narrowed(one.pixels, THUMBNAIL_WIDTH_PX), 60) if one else Markup() for one in shown]


def _cards(report: Report, picture: GetPicture, per_brand: int, room: int) -> list[list[Card]]:
    """The evidence of each brand in the order of time; first come the best of every brand, while there is room."""
    cards: list[list[Card]] = [[] for _ in report.brands]
    for brand_number, exposure_number in _by_turns(report.brands, per_brand):
        brand = report.brands[brand_number]
        exposure = brand.exposures[exposure_number]
        frame = picture(exposure.evidence.seq)
        colour = colour_of_hue(ranked_hue(brand_number))
        whole, close_up = _pictures(frame.pixels, exposure.evidence, colour) if frame else (Markup(), Markup())
        room -= len(whole) + len(close_up) + 1500
        if room < 0:
            break
        cards[brand_number].append(Card(exposure_number, exposure, whole, close_up))
    return [sorted(of_brand, key=lambda card: card.number) for of_brand in cards]


def _by_turns(brands: Sequence[BrandReport], per_brand: int) -> Iterator[tuple[int, int]]:
    """(brand, exposure) numbers: the first choice of every brand, then the second of every brand, and so on."""
    choices = [_chosen(brand.exposures, per_brand) for brand in brands]
    for turn in range(per_brand):
        for brand_number, chosen in enumerate(choices):
            if turn < len(chosen):
                yield brand_number, chosen[turn]


def _chosen(exposures: Sequence[Exposure], count: int) -> list[int]:
    """The surest exposure, then the longest ones, no frame twice."""
    numbers = sorted(range(len(exposures)), key=lambda at: exposures[at].start_ms - exposures[at].end_ms)
    surest = max(numbers, key=lambda at: exposures[at].max_confidence)
    by_frame = {exposures[at].evidence.seq: at for at in reversed([surest, *numbers])}
    wanted = sorted(by_frame.values(), key=lambda at: (at != surest, exposures[at].start_ms - exposures[at].end_ms, at))
    return wanted[:count]


def _pictures(pixels: Image, evidence: Evidence, colour: tuple[int, int, int]) -> tuple[Markup, Markup]:
    """The whole frame with the brand's boxes in its colour, and the surest box close up where that shows more."""
    height, width = pixels.shape[:2]
    boxes = [(box.x * width, box.y * height, box.w * width, box.h * height) for box in evidence.boxes]
    marks = [replace(Mark.box(*box), colour=colour) for box in boxes]
    whole = _uri(draw(pixels, marks, PICTURE_WIDTH_PX), 74)
    if not boxes:
        return whole, Markup()
    cut = _close_up(pixels, boxes[0])
    return whole, Markup() if cut is None else _uri(cut, 76)


def _close_up(pixels: Image, box: tuple[float, float, float, float]) -> Image | None:
    """The box and some of its surroundings; None where the whole frame shows it as large (within half again)."""
    height, width = pixels.shape[:2]
    x, y, w, h = box
    ratio = CLOSE_UP_SIZE_PX[0] / CLOSE_UP_SIZE_PX[1]
    cut_height = max(1.35 * h, 1.15 * w / ratio, 24)
    cut_width = cut_height * ratio
    if cut_width * 1.5 > width or cut_height > height:
        return None
    left = int(min(max(x + w / 2 - cut_width / 2, 0), width - cut_width))
    top = int(min(max(y + h / 2 - cut_height / 2, 0), height - cut_height))
    return _narrowed(pixels[top : top + round(cut_height), left : left + round(cut_width)], CLOSE_UP_SIZE_PX[0])


def _narrowed(pixels: Image, width_px: int) -> Image:
    return shrink(pixels, min(1.0, width_px / pixels.shape[1]))


def _uri(pixels: Image, quality: int) -> Markup:
    return Markup("data:image/jpeg;base64," + base64.b64encode(encode_jpeg(pixels, quality)).decode())
