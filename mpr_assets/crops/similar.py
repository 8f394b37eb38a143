"""Places of a timeline by what they look like: a vector of each crop and each text, and the places most like another.

A vector is made by the routine `vectors`. A table of them holds for one result of the stages that found the places, and
for one way to make vectors: with any other it is made anew, never mixed. Where it lies is for `vector_store` to know.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
import polars as pl

from gpu_service.boxes import XYWH
from gpu_service.errors import BadInput
from gpu_service.pictures import Image, Picture
from gpu_service.routines import Inference
from gpu_service.routines.vectors import DIMENSIONS, VECTORS, VectorSettings
from gpu_service.wire import NoItem
from mpr_resources.media.clock import clock
from mpr_resources.storage.pictures import PictureFolder

MADE_BY = "made_by"
"""In the file's footer: what the vectors were made by, and from."""
MIN_SIDE_PX = 8
"""Smaller places look like nothing."""
PLACES = {
    "seq": pl.Int64,
    "x": pl.Int32,
    "y": pl.Int32,
    "w": pl.Int32,
    "h": pl.Int32,
    "text": pl.Utf8,
    "frames": pl.Int32,
}
"""`frames`: how many frames it is seen on."""
SCHEMA = PLACES | {"vector": pl.Array(pl.Float32, DIMENSIONS)}
Place: TypeAlias = tuple[int, int, int, int, int, str, int]
"""A row of PLACES."""
SHEET_COLUMNS, CELL_PX, CAPTION_PX = 5, (220, 120), 34


def places(crops: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """A place for each group of equal crops and each text that is followed: where it is seen best.

    Args:
        crops: the table of `preprocess`. lines: the table of `run_ocr`.

    Returns:
        A table of PLACES, sorted by frame.
    """
    of_crops = crops.with_columns(text=pl.lit(""), frames=pl.len().over("crop")).filter("representative")
    best = (
        lines.with_columns(frames=pl.len().over("track"))
        .sort("confidence", "seq", descending=[True, False])
        .unique("track", keep="first", maintain_order=True)
    )
    both = [one.select(pl.col(name).cast(kind) for name, kind in PLACES.items()) for one in (of_crops, best)]
    large = (pl.col("w") >= MIN_SIDE_PX) & (pl.col("h") >= MIN_SIDE_PX)
    return pl.concat(both).filter(large).sort("seq", "y", "x", "w", "h", "text")


def with_vectors(
    found: pl.DataFrame, frames: PictureFolder, inference: Inference, settings: VectorSettings
) -> pl.DataFrame:
    """The places with their vectors: a table of SCHEMA."""
    asked = ((row, Picture(pixels=cut), NoItem()) for row, cut in cuts(found, frames))
    rows = [(*row, list(answer.values)) for row, answer in inference.map(VECTORS, asked, settings)]
    return pl.DataFrame(rows, SCHEMA, orient="row")


def cuts(found: pl.DataFrame, frames: PictureFolder) -> Iterator[tuple[Place, Image]]:
    """The pixels of each place, of one frame after the other."""
    by_frame = found.partition_by("seq", maintain_order=True)
    pictures = frames.stream([part["seq"][0] for part in by_frame])
    for part, (_, picture) in zip(by_frame, pictures, strict=True):
        for row in part.select(list(PLACES)).iter_rows():
            yield row, cut_out(picture.pixels, row[1:5])


def cut_out(image: Image, box: XYWH) -> Image:
    """The pixels of a box.

    Raises:
        BadInput: the box is not in the picture, or too small.
    """
    x, y, w, h = box
    height, width = image.shape[:2]
    left, top, right, bottom = max(0, x), max(0, y), min(width, x + w), min(height, y + h)
    if right - left < MIN_SIDE_PX or bottom - top < MIN_SIDE_PX:
        raise BadInput(
            f"The box {x},{y} {w}x{h} has less than {MIN_SIDE_PX} x {MIN_SIDE_PX} pixels of the picture of "
            f"{width}x{height}",
            "give one that is in the picture",
        )
    return image[top:bottom, left:right]


def text_in(lines: pl.DataFrame, seq: int, box: XYWH) -> str:
    """What was read in a box of a frame, lines from top to bottom; a line counts that has half of itself in it."""
    x, y, w, h = box
    across = pl.min_horizontal(pl.col("x") + pl.col("w"), x + w) - pl.max_horizontal("x", x)
    down = pl.min_horizontal(pl.col("y") + pl.col("h"), y + h) - pl.max_horizontal("y", y)
    inside = (across > 0) & (down > 0) & (2 * across * down >= pl.col("w") * pl.col("h"))
    return " ".join(lines.filter((pl.col("seq") == seq) & inside).sort("y", "x")["text"].to_list())


def to_parquet(table: pl.DataFrame, made_by: str) -> bytes:
    """The file of the vectors."""
    buffer = io.BytesIO()
    table.write_parquet(buffer, metadata={MADE_BY: made_by})
    return buffer.getvalue()


def from_parquet(data: bytes, made_by: str) -> pl.DataFrame | None:
    """The vectors of a file; None where they were made otherwise, or it is none."""
    try:
        if pl.read_parquet_metadata(io.BytesIO(data)).get(MADE_BY) != made_by:
            return None
        table = pl.read_parquet(io.BytesIO(data))
    except pl.exceptions.PolarsError:  # broken off while it was written, or another program's
        return None
    return table if table.schema == pl.Schema(SCHEMA) else None


@dataclass(frozen=True)
class LikePlace:
    """A place of a timeline and its likeness to what was asked for, -1 to 1."""

    timeline: str
    seq: int
    box: XYWH
    text: str
    likeness: float


def contact_sheet(query: Image, found: Iterable[tuple[Image, LikePlace, int]]) -> Image:
    """The picture asked for, then each place with its rank, time and likeness below it.

    `found`: pixels, place, and when its frame is on the timeline's clock, in ms.
    """
    return sheet(
        [
            (query, "asked for", ""),
            *(
                (cut, f"{rank}  {clock(at_ms)}  {place.timeline}", f"{place.likeness:.2f} {place.text}")
                for rank, (cut, place, at_ms) in enumerate(found, start=1)
            ),
        ]
    )


def sheet(shown: Iterable[tuple[Image, str, str]]) -> Image:
    """Pictures with two lines below each, row by row."""
    cells = [_cell(*one) for one in shown]
    cells += [np.full_like(cells[0], 255)] * (-len(cells) % SHEET_COLUMNS)
    rows = [np.hstack(cells[at : at + SHEET_COLUMNS]) for at in range(0, len(cells), SHEET_COLUMNS)]
    return np.asarray(np.vstack(rows), np.uint8)


def _cell(cut: Image, above: str, below: str) -> Image:
    width, height = CELL_PX
    cell = np.full((height + CAPTION_PX, width, 3), 255, np.uint8)
    scale = min((width - 8) / cut.shape[1], (height - 8) / cut.shape[0])
    size = max(1, round(cut.shape[1] * scale)), max(1, round(cut.shape[0] * scale))
    shown = cv2.resize(cut, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    left, top = (width - size[0]) // 2, (height - size[1]) // 2
    cell[top : top + size[1], left : left + size[0]] = shown
    for line, text in enumerate((above, below)):
        plain = text.encode("ascii", "replace").decode()  # OpenCV draws no other letters
        at = (6, height + 13 + 15 * line)
        cv2.putText(cell, plain[:30], at, cv2.FONT_HERSHEY_SIMPLEX, 0.42, (40, 40, 40), 1, cv2.LINE_AA)
    return cell
