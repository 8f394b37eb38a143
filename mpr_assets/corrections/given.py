"""What a user's corrections mean of a timeline: held against its frames and its report, with reference pictures cut."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import polars as pl

from gpu_service.boxes import overlaps
from gpu_service.errors import BadInput
from gpu_service.pictures import Image, encode_png
from mpr_assets.annotations.corrections import Correction, PixelBox
from mpr_assets.corrections.applied import concerned_frames
from mpr_assets.corrections.asked import AskedCorrection
from mpr_resources.brands.brand_file import BrandList
from mpr_resources.brands.folding import fold_key
from mpr_resources.media.clock import clock

GetPixels = Callable[[int], Image]
"""Gives a sampled frame, BGR uint8 (h, w, 3), by its seq."""


@dataclass(frozen=True)
class TimelineState:
    """What corrections of a timeline are held against.

    Attributes:
        frames: rows of `extract_frames`. spans: rows of `frame_spans`. exposures: rows of `compile_report`, none where
            there is no report yet.
        brands: those that are looked for.
        pixels: gives a frame.
    """

    timeline: str
    frames: pl.DataFrame
    spans: pl.DataFrame
    exposures: pl.DataFrame
    brands: BrandList
    length_ms: int
    pixels: GetPixels


def corrections_of(asked: Sequence[AskedCorrection], state: TimelineState) -> list[tuple[Correction, bytes]]:
    """The corrections of one timeline, each with its reference picture: PNG, empty where it has none.

    Raises:
        BadInput: a time, a frame or a box is not in the timeline, a brand is not looked for, nothing was found of what
            is rejected, or two lines are of the same; names file, line and remedy.
    """
    made = [(one.where, *_correction(one, state)) for one in asked]
    for (_, one, _), (where, other, _) in combinations(made, 2):
        if _is_same(one, other):
            what = f"a line before it says the same of {clock(other.start_ms)}"
            raise BadInput(f"{where}: {what}", "leave one of them out")
    return [(one, picture) for _, one, picture in made]


def _correction(asked: AskedCorrection, state: TimelineState) -> tuple[Correction, bytes]:
    # What is rejected may be a brand that nobody looks for any more; what is added, or really there, is looked for.
    brand = _looked_for(asked.where, asked.brand, state) if asked.action == "add" else _name(asked.brand, state.brands)
    to = _looked_for(asked.where, asked.to, state) if asked.to else ""
    seq = _frame(asked, state)
    start_ms, end_ms = _span(asked, brand, seq, state)
    picture = b""
    if asked.box is not None:
        seen_on = _seen_on(seq, start_ms, end_ms, state)
        _check_box(asked, asked.box, seen_on, state.frames)
        if asked.reference and asked.action != "reject":
            picture = _cut(state.pixels(seen_on), asked.box)
    told = Correction(
        action=asked.action,
        brand=brand,
        to=to,
        start_ms=start_ms,
        end_ms=end_ms,
        seq=seq,
        box=asked.box,
        picture=hashlib.sha256(picture).hexdigest() if picture else "",
        note=asked.note,
    )
    return told, picture


def _name(brand: str, brands: BrandList) -> str:
    listed = brands.named(brand)
    return brand if listed is None else listed.name


def _looked_for(where: str, brand: str, state: TimelineState) -> str:
    listed = state.brands.named(brand)
    if listed is None and state.brands.brands and not state.brands.any_logo:
        raise BadInput(
            f"{where}: {brand!r} is not looked for in the timeline {state.timeline!r}",
            f"correct the name, or add the brand to the brand file or with mpr brands add {brand!r}",
        )
    return brand if listed is None else listed.name


def _frame(asked: AskedCorrection, state: TimelineState) -> int | None:
    """The kept frame that stands for the time or the frame asked for; None where a span alone is."""
    if asked.at_ms is not None:
        if asked.at_ms >= state.length_ms:
            raise BadInput(
                f"{asked.where}: {clock(asked.at_ms)} is past the timeline's end at {clock(state.length_ms)}",
                "times are on the timeline's clock, which begins at 0",
            )
        at = state.spans.filter((pl.col("start_ms") <= asked.at_ms) & (pl.col("end_ms") > asked.at_ms))
        if at.is_empty():
            raise BadInput(f"{asked.where}: there is no picture at {clock(asked.at_ms)}", "name a time that has one")
    elif asked.seq is not None:
        at = state.spans.filter(pl.col("seq") == asked.seq)
        if at.is_empty():
            raise BadInput(
                f"{asked.where}: there is no frame {asked.seq} in the timeline {state.timeline!r}",
                f"its frames are 0 to {int(state.frames['seq'].max())}",  # type: ignore[arg-type]
            )
    else:
        return None
    return int(at["kept_seq"][0])


def _span(asked: AskedCorrection, brand: str, seq: int | None, state: TimelineState) -> tuple[int, int]:
    """From when to when it holds: as asked for; else as long as the frame stands for others, or the exposure lasts."""
    if asked.span_ms is not None:
        start_ms, end_ms = asked.span_ms
        if end_ms > state.length_ms:
            raise BadInput(
                f"{asked.where}: it ends at {clock(end_ms)}, and the timeline at {clock(state.length_ms)}",
                "end it there; times are on the timeline's clock",
            )
        if asked.action != "add":
            _exposures_in(asked, brand, start_ms, end_ms, state)
        return start_ms, end_ms
    held = state.spans.filter(pl.col("kept_seq") == seq)
    start_ms, end_ms = int(held["start_ms"].min()), int(held["end_ms"].max())  # type: ignore[arg-type]
    if asked.action == "add":
        return start_ms, end_ms
    found = _exposures_in(asked, brand, start_ms, end_ms, state)
    return int(found["start_ms"].min()), int(found["end_ms"].max())  # type: ignore[arg-type]


def _exposures_in(asked: AskedCorrection, brand: str, start_ms: int, end_ms: int, state: TimelineState) -> pl.DataFrame:
    overlapping = state.exposures.filter((pl.col("start_ms") < end_ms) & (pl.col("end_ms") > start_ms))
    keys = {name for name in overlapping["brand"].unique() if fold_key(name) == fold_key(brand)}
    found = overlapping.filter(pl.col("brand").is_in(list(keys)))
    if found.is_empty():
        raise BadInput(
            f"{asked.where}: the report of {state.timeline!r} has no {brand} from {clock(start_ms)} to {clock(end_ms)}",
            "correct the brand or the time",
        )
    return found


def _seen_on(seq: int | None, start_ms: int, end_ms: int, state: TimelineState) -> int:
    """The frame that the box is of: the one that was named, else the one in the middle of the span."""
    if seq is not None:
        return seq
    concerned = concerned_frames(state.spans, start_ms, end_ms, "kept_seq")
    return concerned[len(concerned) // 2]


def _check_box(asked: AskedCorrection, box: PixelBox, seq: int, frames: pl.DataFrame) -> None:
    width_px, height_px = frames.filter(pl.col("seq") == seq).select("width_px", "height_px").row(0)
    if box.x + box.w > width_px or box.y + box.h > height_px:
        raise BadInput(
            f"{asked.where}: the box {box.x},{box.y} {box.w}x{box.h} is not in the frame of {width_px}x{height_px}",
            "give x, y, w and h in px of the full frame",
        )


def _cut(pixels: Image, box: PixelBox) -> bytes:
    return encode_png(pixels[box.y : box.y + box.h, box.x : box.x + box.w])


def _is_same(one: Correction, other: Correction) -> bool:
    """Whether two corrections do the same with the same mark."""
    at_once = one.start_ms < other.end_ms and other.start_ms < one.end_ms
    if not at_once or one.action != other.action or fold_key(one.brand) != fold_key(other.brand):
        return False
    if one.box is None or other.box is None:
        return True
    return overlaps(*((box.x, box.y, box.w, box.h) for box in (one.box, other.box)))
