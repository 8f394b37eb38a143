"""Which evidence the page carries as pictures, and those pictures. Outlines are drawn by the page, not here.

Frames are asked for one by one and kept as JPEG only, so that a long video's frames are never held together. A frame is
in the page once, however many brands it shows.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import polars as pl

from gpu_service.pictures import Image, Picture, encode_jpeg
from mpr_assets.overlays.marks import shrink
from mpr_assets.report.model import BrandReport, Evidence, Exposure

PICTURE_WIDTH_PX = 480
SMALL_WIDTH_PX = 240
CLOSE_UP_SIZE_PX = (480, 108)
THUMBNAIL_WIDTH_PX = 132
FILM_FRAMES = 12
CARDS_ROOM = 2 / 3
CARD_BYTES = 2500
"""Of the page's text, for each piece of evidence that is shown."""

GetPicture = Callable[[int], Picture | None]
"""Gives the frame of a seq; None where it is no longer kept."""


@dataclass(frozen=True)
class Shot:
    """A frame as the page carries it: a data URI, and its size there."""

    uri: str
    width_px: int
    height_px: int


@dataclass(frozen=True)
class Card:
    """An exposure that the page shows without being asked. `frame` is None where it is no longer stored; `close_up`
    where the whole frame shows as much."""

    number: int
    exposure: Exposure
    frame: Shot | None
    close_up: Shot | None


@dataclass(frozen=True)
class Pictures:
    """`cards` of each brand in the order of time; their `frames`, and `small` ones of other exposures, by seq."""

    cards: Sequence[Sequence[Card]]
    frames: dict[int, Shot] = field(default_factory=dict)
    small: dict[int, str] = field(default_factory=dict)


def evidence_pictures(brands: Sequence[BrandReport], picture: GetPicture, per_brand: int, room: int) -> Pictures:
    """First the best of every brand, then the second of every brand, and so on; then all others, small.

    Cards have two thirds of the room, so that more of the others are to be seen where there are very many.

    Args:
        brands: in the page's order.
        picture: asked for one frame after another.
        per_brand: cards of a brand at most. room: bytes that the pictures may have.
    """
    cards: list[list[Card]] = [[] for _ in brands]
    made = Pictures(cards)
    left = room * CARDS_ROOM
    for brand_number, number in _by_turns(brands, per_brand):
        exposure = brands[brand_number].exposures[number]
        seq = exposure.evidence.seq
        frame = picture(seq)
        shot = made.frames.get(seq) or (_shot(frame.pixels, PICTURE_WIDTH_PX, 74) if frame else None)
        cut = _close_up(frame.pixels, exposure.evidence) if frame else None
        cost = CARD_BYTES + len(cut.uri if cut else "") + len(shot.uri if shot and seq not in made.frames else "")
        if cost > left:
            break
        left -= cost
        if shot:
            made.frames[seq] = shot
        cards[brand_number].append(Card(number, exposure, shot, cut))
    left += room * (1 - CARDS_ROOM)
    for seq in _others(brands, made.frames):
        frame = picture(seq)
        if frame is None:
            continue
        small = base64.b64encode(encode_jpeg(_narrowed(frame.pixels, SMALL_WIDTH_PX), 60)).decode()
        left -= len(small) + 16
        if left < 0:
            break
        made.small[seq] = small
    return _in_order(made)


def film(duration_ms: int, spans: pl.DataFrame, picture: GetPicture) -> list[str]:
    """Data URIs of small frames spread evenly over the timeline, "" for one not kept; empty when no frame is.

    Args:
        duration_ms: of the timeline. spans: rows of `frame_spans`.
    """
    if spans.is_empty():
        return []
    step_ms = duration_ms / FILM_FRAMES
    moments = pl.DataFrame({"at_ms": [int((slot + 0.5) * step_ms) for slot in range(FILM_FRAMES)]})
    chosen = moments.join_asof(
        spans.sort("start_ms").select("start_ms", "kept_seq"), left_on="at_ms", right_on="start_ms", strategy="nearest"
    )
    shown = [picture(seq) for seq in chosen["kept_seq"].to_list()]
    return [_shot(one.pixels, THUMBNAIL_WIDTH_PX, 60).uri if one else "" for one in shown]


def _in_order(pictures: Pictures) -> Pictures:
    cards = [sorted(of_brand, key=lambda card: card.number) for of_brand in pictures.cards]
    return Pictures(cards, dict(sorted(pictures.frames.items())), dict(sorted(pictures.small.items())))


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


def _others(brands: Sequence[BrandReport], shown: dict[int, Shot]) -> list[int]:
    """Evidence frames that no card shows, those of the longest exposures first."""
    exposures = [one for brand in brands for one in brand.exposures if one.evidence.seq not in shown]
    exposures.sort(key=lambda one: (one.start_ms - one.end_ms, one.evidence.seq))
    return list(dict.fromkeys(one.evidence.seq for one in exposures))


def _close_up(pixels: Image, evidence: Evidence) -> Shot | None:
    """The surest box and some of its surroundings; None where the whole frame shows it as large (within half again)."""
    if not evidence.boxes:
        return None
    height, width = pixels.shape[:2]
    box = evidence.boxes[0]
    x, y, w, h = box.x * width, box.y * height, box.w * width, box.h * height
    ratio = CLOSE_UP_SIZE_PX[0] / CLOSE_UP_SIZE_PX[1]
    cut_height = max(1.35 * h, 1.15 * w / ratio, 24)
    cut_width = cut_height * ratio
    if cut_width * 1.5 > width or cut_height > height:
        return None
    left = int(min(max(x + w / 2 - cut_width / 2, 0), width - cut_width))
    top = int(min(max(y + h / 2 - cut_height / 2, 0), height - cut_height))
    return _shot(pixels[top : top + round(cut_height), left : left + round(cut_width)], CLOSE_UP_SIZE_PX[0], 76)


def _shot(pixels: Image, width_px: int, quality: int) -> Shot:
    small = _narrowed(pixels, width_px)
    uri = "data:image/jpeg;base64," + base64.b64encode(encode_jpeg(small, quality)).decode()
    return Shot(uri, small.shape[1], small.shape[0])


def _narrowed(pixels: Image, width_px: int) -> Image:
    return shrink(pixels, min(1.0, width_px / pixels.shape[1]))
