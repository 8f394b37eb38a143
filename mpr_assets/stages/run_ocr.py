"""The `run_ocr` stage: text lines of the kept frames are detected, recognised once, tracked, and their readings vote.

Selects frames and crops, decides what is read again, and makes the table of lines and tracks. Detection and recognition
are in `gpu_service.routines.ocr.routine`, tracking in `mpr_assets.text.tracking`, brands in `match_brands`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import polars as pl
from pydantic import AliasChoices, Field

from gpu_service.boxes import XYWH
from gpu_service.pictures import Image, Picture
from gpu_service.routines import DebugPictures, Inference
from gpu_service.routines.ocr.engine import OcrSettings
from gpu_service.routines.ocr.routine import OCR
from gpu_service.wire import OcrItem, TextLine, to_quad
from mpr_assets.engine.settings import StageSettings
from mpr_assets.engine.stage import declare_stage
from mpr_assets.engine.stage_run import Result, StageRun
from mpr_assets.overlays import preview_sheet
from mpr_assets.text.columns import LETTERS, Column, columns, laid_out
from mpr_assets.text.quads import Quad, covers, near
from mpr_assets.text.readings import Recognition
from mpr_assets.text.scanning import Scanning
from mpr_assets.text.tracking import Follower, Row
from mpr_resources.storage.pictures import Frame
from mpr_resources.storage.tables import StageTable

CODE_VERSION = "3.5"


class RunOcrSettings(OcrSettings, StageSettings):
    """How text is found, recognised and followed."""

    read_crops: bool = Field(True, description="true: read the crops of preprocess, too; false: only the frames")
    full_scan_every: int = Field(
        8,
        ge=1,
        le=100,
        validation_alias=AliasChoices("full_scan_every", "thorough_every"),
        description="of so many kept frames in succession at least one is scanned in full, the others quickly; 1: all",
    )
    full_scan_change: float = Field(
        0.7,
        gt=0,
        le=1,
        description="share of a frame's detail which, not in the last frame scanned in full, has it scanned in full; "
        "the first frame of a shot always is",
    )
    stacked_letters: bool = Field(
        True,
        description="letters one above another are read as one word; false: each alone. Text turned by 90° is read "
        "either way",
    )
    small_text_megapixels: float = Field(
        0.1,
        ge=0,
        le=10,
        description="how much of the enlarged picture is looked through once more for small text, on average over kept "
        "frames; full scans spend it; a megapixel takes about 0.3 s of CPU; 0: nothing",
    )
    follow_similarity: float = Field(
        0.9,
        ge=0,
        le=1,
        description="correlation of its pixels at which a line counts as unchanged and is not read again",
    )


SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "seq": pl.Int64,
    "line": pl.Int32,
    "track": pl.Int64,
    "text": pl.Utf8,
    "confidence": pl.Float64,
    "quad": pl.List(pl.Float64),
    "x": pl.Int32,
    "y": pl.Int32,
    "w": pl.Int32,
    "h": pl.Int32,
    "read": pl.Boolean,
    "reading": pl.Utf8,
    "reading_confidence": pl.Float64,
    "source": pl.Utf8,
}


@dataclass(frozen=True)
class CropGroup:
    """Equal crops of several frames, as `preprocess` groups them.

    Attributes:
        crop: the group's id.
        picture: the crop that stands for the group.
        to_frames: for each frame (seq) that shows it, the 3x3 homography, row by row, from the picture's pixels to
            that frame's pixels.
    """

    crop: int
    picture: Picture
    to_frames: Mapping[int, Sequence[float]]


def read_text(
    frames: Iterable[tuple[Frame, int]], crops: Iterable[CropGroup], inference: Inference, settings: RunOcrSettings
) -> pl.DataFrame:
    """Every line of text in every frame.

    Args:
        frames: the kept frames in order, each with the number of its shot. Text is not followed from shot to shot.
        crops: enlarged pictures of parts of those frames; may be empty.
        inference: where the `OCR` routine runs.
        settings: what to look for and how.

    Returns:
        `SCHEMA`, sorted by seq and line; a line's number is its place in the frame, from top to bottom. Text that
        stays has one track, and on all frames of the track the text that its readings agree on.
    """
    ocr = OcrSettings(**{name: getattr(settings, name) for name in OcrSettings.model_fields})
    follower, stacked = (Follower(settings.follow_similarity, settings.full_scan_every) for _ in range(2))
    scanning = Scanning(settings.full_scan_every, settings.full_scan_change, settings.small_text_megapixels)
    sizes: dict[int, tuple[int, int]] = {}
    for frame, shot, full_scan, quads in _find(frames, inference, ocr, scanning):
        sizes[frame.seq] = (frame.picture.pixels.shape[1], frame.picture.pixels.shape[0])
        pixels = frame.picture.pixels
        follower.step(frame.seq, shot, pixels, quads, partial(_read, frame.picture, inference, ocr), full_scan)
        if settings.stacked_letters:
            stacks = columns(follower.lines(), pixels)
            reader = partial(_read_columns, stacks, pixels, inference, ocr)
            stacked.step(frame.seq, shot, pixels, [column.quad for column in stacks], reader)
    rows = _with_columns(follower.finish(), stacked.finish())
    if settings.read_crops:
        free = 1 + max((row.track for row in rows), default=-1)
        rows = _merge(rows, _read_crops(crops, inference, ocr, free))
    return _table(_within(rows, sizes))


def _find(
    frames: Iterable[tuple[Frame, int]], inference: Inference, settings: OcrSettings, scanning: Scanning
) -> Iterator[tuple[Frame, int, bool, list[Quad]]]:
    """Each frame with its shot, whether it was scanned in full, and the lines' places in it."""
    scans = ((frame, shot, scanning.next(shot, frame.picture.pixels)) for frame, shot in frames)
    requests = (((frame, shot, item), frame.picture, item) for frame, shot, item in scans)
    for (frame, shot, item), answer in inference.map(OCR, requests, settings):
        yield frame, shot, item.full_scan, [np.array(line.quad, np.float32) for line in answer.lines]


def _read(picture: Picture, inference: Inference, settings: OcrSettings, quads: list[Quad]) -> list[Recognition]:
    item = OcrItem(find=False, full_scan=True, quads=tuple(map(to_quad, quads)))
    [(_, answer)] = inference.map(OCR, [(None, picture, item)], settings)
    return [Recognition(line.text, line.confidence, np.array(line.quad, np.float32)) for line in answer.lines]


def _read_columns(
    stacks: Sequence[Column], pixels: Image, inference: Inference, settings: OcrSettings, quads: list[Quad]
) -> list[Recognition]:
    chosen = [column for quad in quads for column in stacks if column.quad is quad]
    requests = []
    for column in chosen:
        picture = Picture(pixels=laid_out(column, pixels))
        height, width = picture.pixels.shape[:2]
        whole = ((0, 0), (width, 0), (width, height), (0, height))
        requests.append((column, picture, OcrItem(find=False, quads=(whole,))))
    return [
        Recognition(answer.lines[0].text, answer.lines[0].confidence, column.quad)
        for column, answer in inference.map(OCR, requests, settings)
    ]


def _with_columns(rows: list[Row], stacked: list[Row]) -> list[Row]:
    """The rows with those of columns of letters, which take the place of their letters."""
    free = 1 + max((row.track for row in rows), default=-1)
    by_seq: dict[int, list[Quad]] = {}
    for row in stacked:
        by_seq.setdefault(row.seq, []).append(row.quad)
    others = [
        row
        for row in rows
        if len(row.text) > LETTERS or not any(covers(quad, row.quad) for quad in by_seq.get(row.seq, ()))
    ]
    return others + [replace(row, track=row.track + free) for row in stacked]


def _read_crops(crops: Iterable[CropGroup], inference: Inference, settings: OcrSettings, free: int) -> list[Row]:
    """The crops' lines as rows of every frame that shows the crop, a track for each line of a crop from `free` on."""
    requests = ((group, group.picture, OcrItem(full_scan=True, quads=())) for group in crops)
    # A crop is enlarged as much as it needs already.
    sized = settings.model_copy(update={"find_enlarge_max": 1.0})
    rows: list[Row] = []
    for group, answer in inference.map(OCR, requests, sized):
        for line in answer.lines:
            for index, (seq, to_frame) in enumerate(sorted(group.to_frames.items())):
                rows.append(_in_frame(line, seq, to_frame, free, read=index == 0))
            free += 1
    return rows


def _in_frame(line: TextLine, seq: int, to_frame: Sequence[float], track: int, read: bool) -> Row:
    homography = np.array(to_frame, np.float64).reshape(3, 3)
    corners = np.column_stack([np.array(line.quad), np.ones(4)]) @ homography.T
    quad = (corners[:, :2] / corners[:, 2:]).astype(np.float32)
    reading = Recognition(line.text, line.confidence, quad) if read else None
    return Row(seq, track, line.text, line.confidence, quad, reading, "crop")


def _merge(rows: list[Row], crop_rows: list[Row]) -> list[Row]:
    """Rows of frames and of crops without doubles: of lines in one place those with more, and surer, text stay."""
    by_seq: dict[int, list[Row]] = {}
    for row in rows:
        by_seq.setdefault(row.seq, []).append(row)
    for row in crop_rows:
        here = by_seq.setdefault(row.seq, [])
        rivals = [other for other in here if near(row.quad, other.quad)]
        if _worth(row) > sum(map(_worth, rivals)):
            by_seq[row.seq] = [other for other in here if other not in rivals] + [row]
    return [row for seq in sorted(by_seq) for row in by_seq[seq]]


def _worth(row: Row) -> float:
    return row.confidence**2 * sum(character.isalnum() for character in row.text)


def box(quad: Quad) -> XYWH:
    """The whole pixels around a quad: x, y, w, h."""
    left, top = np.floor(quad.min(axis=0)).astype(int).tolist()
    right, bottom = np.ceil(quad.max(axis=0)).astype(int).tolist()
    return left, top, right - left, bottom - top


def _within(rows: list[Row], sizes: Mapping[int, tuple[int, int]]) -> Iterator[Row]:
    """The rows with the part of their quads that lies in the frame: a line's outline may reach beyond its edge."""
    for row in rows:
        quad = np.clip(row.quad, 0, sizes[row.seq])
        if min(box(quad)[2:]) > 0:
            yield replace(row, quad=quad)


def _table(rows: Iterable[Row]) -> pl.DataFrame:
    columns: dict[str, list[object]] = {name: [] for name in SCHEMA}
    number = 0
    seq = None
    for row in sorted(rows, key=lambda row: (row.seq, *box(row.quad)[1::-1], row.track)):
        number = number + 1 if row.seq == seq else 0
        seq = row.seq
        values = (seq, number, row.track, row.text, round(row.confidence, 4))
        quad = [round(value, 2) for value in row.quad.ravel().tolist()]
        read = (None, None) if row.reading is None else (row.reading.text, round(row.reading.confidence, 4))
        rest = (quad, *box(row.quad), row.reading is not None, *read, row.source)
        for name, value in zip(SCHEMA, (*values, *rest), strict=True):
            columns[name].append(value)
    return pl.DataFrame(columns, schema=SCHEMA)


def _crop_groups(run: StageRun[RunOcrSettings], crops: StageTable) -> Iterator[CropGroup]:
    members: dict[int, dict[int, list[float]]] = {}
    for crop, seq, to_frame in run.limited(crops.rows).select("crop", "seq", "to_frame").iter_rows():
        members.setdefault(crop, {})[seq] = to_frame
    for crop, picture in run.crop_folder(crops.header.fingerprint).stream(members, decode=run.decodes_here):
        yield CropGroup(crop, picture, members[crop])


def _debug(run: StageRun[RunOcrSettings], frame: Frame, _inputs: Mapping[str, StageTable]) -> DebugPictures:
    return run.inference.debug(OCR, frame.picture, OcrItem(), run.settings)[1]


@declare_stage(
    name="run_ocr",
    description="Reads text lines in frames and crops; lines are tracked over frames and their readings vote.",
    group="text",
    kinds={"onnx", "inference", "parquet"},
    settings=RunOcrSettings,
    schema=SCHEMA,
    columns={
        "line": "number of the line within the frame",
        "quad": "corners of the text, clockwise from its top left: x and y in px of the frame",
        "read": "whether it was read on this frame; else it was taken over from another frame of its track",
        "reading": "how it was read on this frame; null: it was not. `text` is what all readings of its track agree on",
        "reading_confidence": "how sure that reading was, 0 to 1",
    },
    code_version=CODE_VERSION,
    inputs=("extract_frames", "filter_scenes", "preprocess"),
    depends_on=lambda run: {"model": run.inference.identity(OCR, run.settings)},
    draw=preview_sheet.quads("text"),
    debug=_debug,
    per_frame=True,
)
def stage(
    run: StageRun[RunOcrSettings],
    extract_frames: StageTable,
    filter_scenes: StageTable,
    preprocess: StageTable,
) -> Result:
    """The lines of each kept frame."""
    shots: dict[int, int] = dict(filter_scenes.rows.select("seq", "shot").iter_rows())
    frames = ((frame, shots[frame.seq]) for frame in run.kept_frames(extract_frames, filter_scenes))
    lines = read_text(frames, _crop_groups(run, preprocess), run.inference, run.settings)
    return Result(
        lines, {"lines": lines.height, "lines_read": int(lines["read"].sum()), "tracks": lines["track"].n_unique()}
    )
