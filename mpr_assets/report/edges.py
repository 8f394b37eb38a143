"""Where exposures start and end between two samples: the source's own frames are looked at for the mark.

From the sample in which a mark was found the frames are gone through outwards, until it is no longer there. Reading
frames in order costs most of it, so edges that lie near to each other are read in one go, from the key frame before
the first, and only frames that stand `STEP_MS` apart are looked at. Bisection would look at fewer, but a mark that
moves is known again only from one frame to the next, and the decoder needs the frames between anyway.

How a mark is known again is in `mpr_assets.report.mark_search`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import cv2
import numpy as np
import polars as pl
from av.video.frame import VideoFrame
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from gpu_service.errors import BadInput
from mpr_assets.report.mark_search import Grey, MarkSearch
from mpr_assets.report.refinement import Edge, EdgeTime
from mpr_assets.timelines.chunks import stream_place
from mpr_resources.media.clock import clock
from mpr_resources.media.decoding import Deinterlace, Media, open_media
from mpr_resources.media.frame_times import FrameTimes
from mpr_resources.media.pixels import to_pixels
from mpr_resources.media.sources import Sources
from mpr_resources.media.streams import StreamPlace
from mpr_resources.storage.tables import NamedRow

STEP_MS = 80
"""Frames are looked at so far apart, at most: an edge is then exact to half of that, and most edges to a frame."""
MOST_FRAMES = 160
"""Frames looked at for one edge, at most: where samples are far apart the step grows."""
APART_MS = 10_000
"""Edges further apart than this are reached by seeking."""
SEARCHED_HEIGHT_PX = 720
"""Higher pictures are shrunk before marks are looked for in them."""


class HowFramesAreShown(BaseModel):
    """The settings of `extract_frames` by which a box fits a frame."""

    model_config = ConfigDict(frozen=True)

    max_height_px: int | None = None
    deinterlace: Deinterlace = "auto"
    allow_damage: bool = False


OpenMedia: TypeAlias = Callable[[str, StreamPlace], Media]


def looked_up(
    edges: Sequence[Edge], chunks: pl.DataFrame, sources: Sources, shown: HowFramesAreShown
) -> Iterator[tuple[int, EdgeTime | None]]:
    """As `look_up`, of the sources that the chunks name."""
    return look_up(edges, chunks, lambda source, place: open_media(sources.at(source), 0, place), shown)


@dataclass(frozen=True)
class _Search:
    """An edge, its number among all, and the frames that are looked at for it: places in the times, outwards."""

    number: int
    edge: Edge
    places: tuple[int, ...]


def look_up(
    edges: Sequence[Edge], chunks: pl.DataFrame, open_media: OpenMedia, shown: HowFramesAreShown
) -> Iterator[tuple[int, EdgeTime | None]]:
    """The number and the time of each edge, from the frames of its source, as they are reached.

    Args:
        edges: in any order.
        chunks: rows of `timeline`, with the sources' addresses.
        open_media: opens a source; it is closed here.
        shown: how the samples were made.

    Raises:
        BadInput: a source cannot be read, or is not the one that was sampled.
        TransientError: a source cannot be read now.
    """
    for chunk in chunks.iter_rows(named=True):
        own = [(number, edge) for number, edge in enumerate(edges) if edge.chunk == chunk["chunk"]]
        if own:
            with open_media(chunk["source"], stream_place(chunk)) as media:
                yield from _in_chunk(own, media, chunk, shown)


def _in_chunk(
    edges: Sequence[tuple[int, Edge]], media: Media, chunk: NamedRow, shown: HowFramesAreShown
) -> Iterator[tuple[int, EdgeTime | None]]:
    """The edges of one chunk with their numbers, those that lie near to each other in one go."""
    shift_ms = chunk["start_ms"] - chunk["timeline_start_ms"]
    spans = sorted((*_span_ms(edge, media, chunk["end_ms"]), number, edge) for number, edge in edges)
    while spans:
        reached = spans[0][1]
        group = []
        while spans and spans[0][0] <= reached + APART_MS:
            reached = max(reached, spans[0][1])
            group.append(spans.pop(0))
        times = media.times(group[0][0], reached + 1)
        ms = media.ms_of(times.pts).tolist()
        ends_ms = [*ms[1:], chunk["end_ms"]]
        searches = [_Search(number, edge, _outwards(edge, times.pts, media)) for _, _, number, edge in group]
        for search, steps in _gone_through(searches, media, times, shown):
            time = None if steps is None else _time(search, steps, ms, ends_ms)
            yield search.number, None if time is None else replace(time, at_ms=time.at_ms - shift_ms)


def _span_ms(edge: Edge, media: Media, end_ms: int) -> tuple[int, int]:
    """From when to when frames are looked at."""
    found_ms = media.ms(edge.found_pts)
    beyond_ms = end_ms - 1 if edge.beyond_pts is None else media.ms(edge.beyond_pts)
    return min(found_ms, beyond_ms), max(found_ms, beyond_ms)


def _outwards(edge: Edge, pts: NDArray[np.int64], media: Media) -> tuple[int, ...]:
    """The frames to look at, as places in `pts`: from the sample to the one beyond, or to the last."""
    found = _place(edge.found_pts, pts, media)
    beyond = len(pts) - 1 if edge.beyond_pts is None else _place(edge.beyond_pts, pts, media)
    count = abs(beyond - found)
    if not count:
        return (found,)
    apart_ms = abs(media.ms(int(pts[beyond])) - media.ms(int(pts[found]))) / count
    step = max(1, int(STEP_MS / max(apart_ms, 1)), -(-count // MOST_FRAMES))
    way = 1 if beyond > found else -1
    return (*(found + way * offset for offset in range(0, count, step)), beyond)


def _place(wanted: int, pts: NDArray[np.int64], media: Media) -> int:
    place = int(np.searchsorted(pts, wanted))
    if place == len(pts) or pts[place] != wanted:
        raise BadInput(
            f"{media.source} has no frame at {clock(media.ms(wanted))}, where one was sampled: it was changed since",
            "materialize the timeline from its first stage on",
        )
    return place


def _gone_through(
    searches: Sequence[_Search], media: Media, times: FrameTimes, shown: HowFramesAreShown
) -> Iterator[tuple[_Search, int | None]]:
    """Each search with how many steps outwards the mark is there; None where it cannot be told.

    Frames are kept no longer than a search needs them.
    """
    waiting = sorted(searches, key=lambda one: max(one.places))
    wanted = np.unique([place for one in searches for place in one.places])
    kept: dict[int, Grey] = {}
    pictures = media.pictures(
        times.pts[wanted].tolist(), times, deinterlace=shown.deinterlace, allow_damage=shown.allow_damage
    )
    reached = -1
    for frame in pictures:
        assert frame.pts is not None
        reached = int(np.searchsorted(times.pts, frame.pts))
        kept[reached] = _grey(frame, media, shown)
        while waiting and max(waiting[0].places) <= reached:
            search = waiting.pop(0)
            yield search, _steps(search, kept)
        needed = min((min(one.places) for one in waiting), default=reached + 1)
        kept = {place: grey for place, grey in kept.items() if place >= needed}
    for search in waiting:  # the last frames could not be decoded
        yield search, _steps(search, kept)


def _grey(frame: VideoFrame, media: Media, shown: HowFramesAreShown) -> Grey:
    geometry = media.geometry(frame)
    pixels = to_pixels(frame, geometry.aspect, geometry.turn, shown.max_height_px)
    grey = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
    scale = SEARCHED_HEIGHT_PX / min(grey.shape)
    if scale < 1:
        size = max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale))
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    return np.asarray(grey, np.uint8)


def _steps(search: _Search, pictures: dict[int, Grey]) -> int | None:
    """How many frames outwards one of the marks is there without a break; None: none has anything to be known by."""
    first = pictures.get(search.places[0])
    if first is None:
        return None
    scale = first.shape[1] / search.edge.width_px
    marks = [MarkSearch(first, (x * scale, y * scale, w * scale, h * scale)) for x, y, w, h in search.edge.boxes]
    reached = [_followed(mark, first, search, pictures) for mark in marks if mark.can_be_followed]
    return max(reached, default=None)


def _followed(mark: MarkSearch, first: Grey, search: _Search, pictures: dict[int, Grey]) -> int:
    for steps, place in enumerate(search.places[1:]):
        picture = pictures.get(place)
        if picture is None or picture.shape != first.shape or not mark.follow(picture):
            return steps
    return len(search.places) - 1


def _time(search: _Search, steps: int, ms: Sequence[int], ends_ms: Sequence[int]) -> EdgeTime | None:
    """On the source's clock, from how far the mark is there.

    None where its pixels seem to be in the sample beyond too, in which it was not found: one of the two is wrong, and
    what was not found is not claimed.
    """
    edge, places = search.edge, search.places
    if steps == len(places) - 1:
        if edge.beyond_pts is None:
            return EdgeTime(ends_ms[-1], 0)
        return None
    there, gone = places[steps], places[steps + 1]
    low, high = (ends_ms[gone], ms[there]) if edge.side == "start" else (ends_ms[there], ms[gone])
    return EdgeTime((low + high) // 2, -(-(high - low) // 2))
