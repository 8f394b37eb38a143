"""Reads a user's file of truth, by its suffix: CSV, CVAT for video 1.1 (.xml) or COCO with videos and tracks (.json).

CSV has the columns brand, start_s, end_s, kind, note. Instead of seconds the times may be start_ms and end_ms. `kind`
and `note` may be left out: text is a wordmark, logo a symbol; a row whose note says "hard" or "optional" can be found
but not missed. A file that holds the line of columns alone says that no brand is on screen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import get_args

from gpu_service.errors import BadInput
from mpr_assets.annotations.coco_file import read_coco
from mpr_assets.annotations.csv_lines import (
    CsvLine,
    brand_of,
    check_within,
    milliseconds,
    pixels,
    read_annotations,
    read_lines,
)
from mpr_assets.annotations.cvat_file import read_cvat
from mpr_assets.annotations.followed import FollowedMark, VideoFrames, truth_of
from mpr_assets.annotations.truth import OTHER_KINDS, Kind, TimedBox, Truth, TruthRow
from mpr_resources.brands.folding import fold_key
from mpr_resources.media.clock import clock

TIMES = (("start_s", "end_s"), ("start_ms", "end_ms"))
COLUMNS = ("brand", "start_s", "end_s", "start_ms", "end_ms", "kind", "note")
BOX_TIMES = ("at_s", "at_ms", "pts_ms")
SIDES = ("x", "y", "w", "h")
BOX_COLUMNS = ("brand", *BOX_TIMES, *SIDES, "kind", "frame", "note")
TRACK_FILES: Mapping[str, Callable[[Path, bytes, int], list[FollowedMark]]] = {".xml": read_cvat, ".json": read_coco}
OPTIONAL_WORDS = ("hard", "optional")
PAST_END_MS = 250
"""A truth may reach so far past the timeline's end, as edges are set by eye; it is cut there."""


def read_truth_file(path: Path, length_ms: int, videos: Callable[[], Sequence[VideoFrames]] = tuple) -> Truth:
    """Read a file of truth.

    Args:
        length_ms: of the timeline.
        videos: gives those that the timeline is made of; asked where the file goes by frames.

    Raises:
        BadInput: it cannot be read, has other columns, or a row of it cannot be; names file, line and remedy.
    """
    suffix = path.suffix.lower()
    if suffix in TRACK_FILES:
        data, shown = _bytes(path), videos()
        frames = max((len(one.times_ms) for one in shown), default=0)
        return truth_of(path.name, TRACK_FILES[suffix](path, data, frames), shown)
    if suffix != ".csv":
        raise BadInput(f"{path} ends in none of .csv, .xml and .json", "give CSV, CVAT for video 1.1 or COCO")
    return Truth(file=path.name, rows=tuple(_truth_rows(read_lines(path, COLUMNS), length_ms)))


def _bytes(path: Path) -> bytes:
    data = read_annotations(path)
    if not data.strip():
        raise BadInput(f"{path} is empty", "export it again")
    return data


def with_boxes(truth: Truth, path: Path, length_ms: int) -> Truth:
    """The truth with the boxes of a CSV file: brand, when (at_s or at_ms, on the timeline's clock), x, y, w, h in px.

    Raises:
        BadInput: it cannot be read, or a line of it cannot be; names file, line and remedy.
    """
    boxes: defaultdict[str, list[TimedBox]] = defaultdict(list)
    for line in read_lines(path, BOX_COLUMNS):
        given = [name for name in BOX_TIMES if line.cells.get(name)]
        if len(given) != 1:
            raise BadInput(f"{line.where}: it does not say when, or twice", "fill in one of at_s and at_ms")
        at_ms = milliseconds(line, given[0])
        check_within(line, at_ms, length_ms)
        missing = [name for name in SIDES if not line.cells.get(name)]
        if missing:
            raise BadInput(f"{line.where}: it has no {missing[0]}", "fill in x, y, w and h, in px of the full frame")
        x, y, w, h = (pixels(line, name) for name in SIDES)
        if not w or not h:
            raise BadInput(f"{line.where}: the box is {w} x {h} px", "leave the line out, or give it a size")
        boxes[brand_of(line)].append((at_ms, x, y, w, h))
    return truth.model_copy(update={"boxes": {brand: tuple(of_brand) for brand, of_brand in boxes.items()}})


def _truth_rows(lines: Sequence[CsvLine], length_ms: int) -> list[TruthRow]:
    rows: list[TruthRow] = []
    spans: defaultdict[tuple[str, Kind | None], list[tuple[int, int, str]]] = defaultdict(list)
    for line in lines:
        brand = brand_of(line)
        start_ms, end_ms = _span(line, length_ms)
        kind, note = _kind(line), line.cells.get("note", "")
        optional = any(word in note.lower() for word in OPTIONAL_WORDS)
        if not optional:
            spans[fold_key(brand), kind].append((start_ms, end_ms, line.where))
        rows.append(TruthRow(brand=brand, start_ms=start_ms, end_ms=end_ms, kind=kind, optional=optional, note=note))
    for (_, kind), of_brand in spans.items():
        _refuse_overlaps(sorted(of_brand), kind)
    return rows


def _refuse_overlaps(spans: Sequence[tuple[int, int, str]], kind: Kind | None) -> None:
    for (_, end_ms, first), (start_ms, _, second) in pairwise(spans):
        if start_ms < end_ms:
            what = f"the same brand is on screen at {clock(start_ms)} by {first.rpartition(', ')[2]} too"
            also = f" as {kind}" if kind else ""
            raise BadInput(
                f"{second}: {what}{also}", "make one row of the two, or end the first where the second begins"
            )


def _kind(line: CsvLine) -> Kind | None:
    said = line.cells.get("kind", "")
    for kind in get_args(Kind):
        if said == kind:
            return kind  # type: ignore[no-any-return]  # it is one of them
    if said in OTHER_KINDS:
        return None
    raise BadInput(f"{line.where}: the kind {said!r} is not known", "write text for a wordmark, logo for a symbol")


def _span(line: CsvLine, length_ms: int) -> tuple[int, int]:
    for columns in TIMES:
        if all(line.cells.get(name) for name in columns):
            start_ms, end_ms = (milliseconds(line, name) for name in columns)
            break
    else:
        raise BadInput(f"{line.where}: it has no start or no end", "fill in start_s and end_s, in seconds")
    if end_ms <= start_ms:
        raise BadInput(f"{line.where}: it ends at or before its start", "put the earlier time first")
    check_within(line, start_ms, length_ms)
    if end_ms > length_ms + PAST_END_MS:
        raise BadInput(
            f"{line.where}: it ends at {clock(end_ms)}, and the timeline at {clock(length_ms)}",
            "end it there; times are on the timeline's clock",
        )
    return start_ms, min(end_ms, length_ms)
