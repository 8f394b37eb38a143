"""Crops of the regions and objects, cleaned for reading; equal crops of successive frames in one group, read once.

How a crop is made: `gpu_service.routines.preprocess`. When crops are equal: `mpr_assets.crops.grouping`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

import polars as pl
from pydantic import Field

from gpu_service.boxes import iou
from gpu_service.pictures import Picture
from gpu_service.routines import DebugPictures, Inference
from gpu_service.routines.preprocess import PREPROCESS, CropSettings
from gpu_service.wire import Box, CropBox, PreprocessItem
from mpr_assets.crops.grouping import (
    CropGrouper,
    CropLikeness,
    Cut,
    SameCrops,
)
from mpr_assets.engine.settings import StageSettings
from mpr_assets.engine.stage import declare_stage
from mpr_assets.engine.stage_run import Result, StageRun
from mpr_assets.overlays import preview_sheet
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.pictures import Frame
from mpr_resources.storage.tables import StageTable, TableHeader

CODE_VERSION = "1"

SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "crop": pl.Int64,
    "seq": pl.Int64,
    "x": pl.Int32,
    "y": pl.Int32,
    "w": pl.Int32,
    "h": pl.Int32,
    "label": pl.Utf8,
    "source": pl.Utf8,
    "representative": pl.Boolean,
    "width_px": pl.Int32,
    "height_px": pl.Int32,
    "to_frame": pl.List(pl.Float64),
}
"""A row for each frame in which a group's crop was seen: crop is the group, to_frame the homography (3 x 3, row by
row) from the pixels of the group's stored crop to this frame, width_px and height_px the stored crop's size."""

SAME_BOX = 0.8
"""Two boxes of a frame with this intersection over union are cut out once. No measurement is known."""


class PreprocessSettings(CropSettings, StageSettings):
    """How crops are cut out and cleaned, and when crops of several frames are equal."""

    max_crops: int = Field(24, ge=1, le=500, description="maximum crops of a frame, most confident first, then largest")
    max_phash_distance: int = Field(
        24,
        ge=0,
        le=64,
        description="maximum distance of perceptual hashes to compare crops, in bits (unrelated crops: about 32)",
    )
    max_change: float = Field(
        9.0, ge=0, le=255, description="maximum difference of equal crops in any letter-sized block, in grey levels"
    )
    max_gap_frames: int = Field(3, ge=1, le=1000, description="frames without a crop after which it starts a new group")


class _CropRequest(NamedTuple):
    box: Box
    label: str
    source: str
    confidence: float


def preprocess(
    frames: Iterable[Frame],
    regions: pl.DataFrame,
    objects: pl.DataFrame,
    shots: pl.DataFrame,
    inference: Inference,
    settings: PreprocessSettings,
    store: Callable[[int, bytes], None],
) -> pl.DataFrame:
    """The crops of all frames; each group's PNG is given to `store(crop, png)` as soon as the group is finished.

    See `crop_groups` for the arguments. Rows are in the order of crop, then seq.
    """
    rows = []
    for group in crop_groups(frames, regions, objects, shots, inference, settings):
        store(group.crop, group.png)
        for seq, box, label, source, representative, to_frame in group.members:
            place = (group.crop, seq, box.x, box.y, box.w, box.h, label, source, representative)
            rows.append((*place, group.width_px, group.height_px, list(to_frame)))
    return pl.DataFrame(rows, schema=SCHEMA, orient="row").sort("crop", "seq")


def crop_groups(
    frames: Iterable[Frame],
    regions: pl.DataFrame,
    objects: pl.DataFrame,
    shots: pl.DataFrame,
    inference: Inference,
    settings: PreprocessSettings,
) -> Iterator[SameCrops]:
    """Groups of equal crops, each as it is finished. Held are the groups that may still grow, one PNG each.

    Args:
        frames: the kept frames, by seq. Of a frame without regions and objects the pixels are not touched.
        regions: the table of `detect_edges`.
        objects: the table of `detect_objects`. Nothing is cut out for hints.
        shots: the table of `filter_scenes`; it has every frame. No group goes beyond its shot.
        inference: where crops are made.
        settings: of the routine and the stage.
    """
    wanted = _wanted(regions, "edges")
    for seq, found in _wanted(objects, "objects").items():
        wanted.setdefault(seq, []).extend(found)
    shot_of: dict[int, int] = dict(shots.select("seq", "shot").iter_rows())

    def requests() -> Iterator[tuple[tuple[int, int, list[_CropRequest]], Picture, PreprocessItem]]:
        for index, frame in enumerate(frames):
            chosen = _chosen(wanted.get(frame.seq, []), settings.max_crops)
            if chosen:
                item = PreprocessItem(crops=tuple(CropBox(box=one.box) for one in chosen))
                yield (index, frame.seq, chosen), frame.picture, item

    likeness = CropLikeness(settings.max_phash_distance, settings.max_change, settings.max_gap_frames)
    grouper = CropGrouper(likeness)
    for (index, seq, chosen), answer in inference.map(PREPROCESS, requests(), settings):
        cuts = [Cut(seq, one.box, one.label, one.source, crop) for one, crop in zip(chosen, answer.crops, strict=True)]
        yield from grouper.add(index, shot_of[seq], cuts)
    yield from grouper.finish()


def _wanted(boxes: pl.DataFrame, source: str) -> dict[int, list[_CropRequest]]:
    by_frame: dict[int, list[_CropRequest]] = {}
    boxes = boxes.filter(~pl.col("hint")) if "hint" in boxes.columns else boxes
    for seq, x, y, w, h, label, confidence in boxes.select(
        "seq", "x", "y", "w", "h", "label", "confidence"
    ).iter_rows():
        if w > 0 and h > 0:
            box = Box(x=x, y=y, w=w, h=h)
            by_frame.setdefault(seq, []).append(_CropRequest(box, label, source, confidence))
    return by_frame


def _chosen(wanted: list[_CropRequest], most: int) -> list[_CropRequest]:
    """The surest, then the largest; of boxes that are nearly the same the first."""
    order = sorted(wanted, key=lambda one: (-one.confidence, -one.box.w * one.box.h, one.box.y, one.box.x, one.source))
    chosen: list[_CropRequest] = []
    for one in order:
        if len(chosen) == most:
            break
        if all(iou(one.box.xywh, other.box.xywh) < SAME_BOX for other in chosen):
            chosen.append(one)
    return chosen


def _crops_are_there(run: StageRun[PreprocessSettings], header: TableHeader) -> bool:
    return run.crop_folder(header.fingerprint).finished()


def _debug(run: StageRun[PreprocessSettings], frame: Frame, inputs: Mapping[str, StageTable]) -> DebugPictures:
    here = pl.col("seq") == frame.seq
    edges, objects = (inputs[name].rows.filter(here) for name in ("detect_edges", "detect_objects"))
    wanted = _wanted(edges, "edges").get(frame.seq, []) + _wanted(objects, "objects").get(frame.seq, [])
    chosen = _chosen(wanted, run.settings.max_crops)
    item = PreprocessItem(crops=tuple(CropBox(box=one.box) for one in chosen))
    return run.inference.debug(PREPROCESS, frame.picture, item, run.settings)[1]


@declare_stage(
    name="preprocess",
    description="Cuts crops of regions and objects, straightened and enlarged for OCR, and groups equal ones.",
    group="text",
    kinds={"opencv", "inference", "parquet"},
    settings=PreprocessSettings,
    schema=SCHEMA,
    columns={
        "crop": "number of the crop within the timeline",
        "representative": "number of the crop that is looked at instead of this one, as they are alike",
        "to_frame": "matrix that takes points of the crop to points of the frame",
        "source": "the stage that found the region",
        "height_px": "height of the crop's picture",
        "width_px": "width of the crop's picture",
    },
    code_version=CODE_VERSION,
    inputs=("extract_frames", "filter_scenes", "detect_edges", "detect_objects"),
    depends_on=lambda run: {"model": run.inference.identity(PREPROCESS, run.settings)},
    complete=_crops_are_there,
    pictures=Keys.crops,
    draw=preview_sheet.boxes("label"),
    debug=_debug,
    per_frame=True,
)
def stage(
    run: StageRun[PreprocessSettings],
    extract_frames: StageTable,
    filter_scenes: StageTable,
    detect_edges: StageTable,
    detect_objects: StageTable,
) -> Result:
    """The crops into storage, their places in every frame as the table."""
    frames = run.kept_frames(extract_frames, filter_scenes)
    folder = run.crop_folder(run.fingerprint)
    digest = hashlib.sha256()

    def store(crop: int, png: bytes) -> None:
        digest.update(png)
        folder.put(crop, png)

    crops = preprocess(
        frames, detect_edges.rows, detect_objects.rows, filter_scenes.rows, run.inference, run.settings, store
    )
    folder.finish()
    run.forget_others(Keys.crops)
    counts: dict[str, int | float] = {"crops": crops.height, "crop_groups": crops["crop"].n_unique()}
    return Result(crops, counts, digest.hexdigest())
