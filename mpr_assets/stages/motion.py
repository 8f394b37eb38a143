"""The `motion` stage: how much of each kept frame moves, and how the camera does.

What moves is what differs from a background that is learned per shot: MOG2 (Zivkovic, Improved adaptive Gaussian
mixture model for background subtraction, 2004) on grey frames at a quarter of their size. A frame is held against what
the frames before it taught, and then taught for as long as it stands, its near-duplicates included; so what is found
does not hang on how densely frames are sampled or kept. A shot begins the background anew: its first frame has nothing
to be held against. Where the camera moves, so does all of the picture: the columns of the camera tell which it is.

The camera's motion is that which tracks go by, see `mpr_assets.report.camera`. A near-duplicate differs from the
background as the frame that stands for it does.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import polars as pl
from pydantic import Field

from gpu_service.pictures import Image
from gpu_service.routines import DebugPictures
from mpr_assets.engine.settings import StageSettings
from mpr_assets.engine.stage import declare_stage
from mpr_assets.engine.stage_run import Result, StageRun
from mpr_assets.overlays import preview_sheet
from mpr_assets.report.camera import Grey, reduced_grey, shift_px
from mpr_assets.report.picture import motion_summary
from mpr_resources.storage.pictures import Frame
from mpr_resources.storage.tables import StageTable

CODE_VERSION = "1"

SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "seq": pl.Int64,
    "before_seq": pl.Int64,
    "moving_share": pl.Float64,
    "active": pl.Boolean,
    "right_px": pl.Float64,
    "down_px": pl.Float64,
}
"""A row for each kept frame."""


class MotionSettings(StageSettings):
    """What counts as background, and how much motion as activity."""

    enabled: bool = Field(False, description="true: motion in the picture and of the camera is measured")
    history_ms: int = Field(
        20_000,
        ge=100,
        le=3_600_000,
        description="memory of the background; what stands still for a tenth of it becomes background",
    )
    variance_threshold: float = Field(
        16.0,
        gt=0,
        le=1000,
        description="squared distance from the background, in its variances, from which a pixel moves",
    )
    active_share: float = Field(0.02, ge=0, le=1, description="minimum share of the frame that moves in an active one")


@dataclass(frozen=True)
class _Moved:
    """`mask`: 255 where a pixel moves, else 0; None in the first frame of a shot. `background`: None likewise."""

    seq: int
    before_seq: int | None
    mask: Grey | None
    background: Grey | None
    shift: tuple[float, float] | None


class ShotBackground:
    """What is behind what moves in the frames of one shot, all of one size."""

    def __init__(self, settings: MotionSettings) -> None:
        # Of its own history only frames that come without a rate make use. Shadows can be told in colour alone.
        self._model = cv2.createBackgroundSubtractorMOG2(1, settings.variance_threshold, detectShadows=False)
        self._history_ms = settings.history_ms

    def moving(self, grey: Grey) -> Grey:
        """255 where the frame differs from the background, else 0; nothing is learned of it."""
        return np.asarray(self._model.apply(grey, learningRate=0), np.uint8)

    def learn(self, grey: Grey, stood_ms: int) -> None:
        """Take the frame into the background, for as long as it stood."""
        self._model.apply(grey, learningRate=1 - math.exp(-max(1, stood_ms) / self._history_ms))

    def picture(self) -> Grey:
        """What it is by now."""
        return np.asarray(self._model.getBackgroundImage(), np.uint8)


def _followed(frames: Iterable[tuple[Frame, int]], settings: MotionSettings, show: bool = False) -> Iterator[_Moved]:
    """What moves in each frame. `show`: whether the background is given too."""
    background = ShotBackground(settings)
    last: tuple[Frame, int, Grey] | None = None
    for frame, shot in frames:
        grey = reduced_grey(frame.picture)
        if last is None or last[1] != shot:
            background = ShotBackground(settings)
            yield _Moved(frame.seq, None, None, None, None)
        else:
            before, _, seen = last
            background.learn(seen, frame.timeline_ms - before.timeline_ms)
            shown = background.picture() if show else None
            yield _Moved(frame.seq, before.seq, background.moving(grey), shown, shift_px(seen, grey))
        last = frame, shot, grey


def motion(frames: Iterable[tuple[Frame, int]], settings: MotionSettings) -> pl.DataFrame:
    """How much of each frame moves, and how far the picture has moved since the one before.

    Args:
        frames: the kept frames of whole shots in order, each with the number of its shot; within a shot of one size.

    Returns:
        A table of `SCHEMA`, a row for each frame. In the first of a shot only `seq` is told.
    """
    rows = []
    for one in _followed(frames, settings):
        share = None if one.mask is None else round(cv2.countNonZero(one.mask) / one.mask.size, 4)
        active = None if share is None else share >= settings.active_share
        rows.append((one.seq, one.before_seq, share, active, *(one.shift or (None, None))))
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def _with_those_before(
    run: StageRun[MotionSettings], index: StageTable, scenes: StageTable, wanted: pl.DataFrame
) -> Iterator[tuple[Frame, int]]:
    """The kept frames of the shots that the wanted ones are of, as far as the last of these, each with its shot."""
    last = wanted["seq"].max()
    needed = scenes.rows.filter("kept", pl.col("shot").is_in(wanted["shot"].unique().to_list()), pl.col("seq") <= last)
    shots: dict[int, int] = dict(needed.select("seq", "shot").iter_rows())
    for frame in run.frames(index, [*shots], decode=False):
        yield frame, shots[frame.seq]


def _debug(run: StageRun[MotionSettings], frame: Frame, inputs: Mapping[str, StageTable]) -> DebugPictures:
    """`mask`: white where a pixel moves. `background`: what the frame is held against."""
    scenes = inputs["filter_scenes"]
    wanted = scenes.rows.filter(pl.col("seq") == frame.seq)
    *_, found = _followed(_with_those_before(run, inputs["extract_frames"], scenes, wanted), run.settings, show=True)
    size = frame.picture.pixels.shape[1::-1]
    pictures = {"mask": found.mask, "background": found.background}
    return {name: _shown(picture, size) for name, picture in pictures.items() if picture is not None}


def _shown(picture: Grey, size: tuple[int, int]) -> Image:
    whole = cv2.resize(picture, size, interpolation=cv2.INTER_NEAREST)
    return np.asarray(cv2.cvtColor(whole, cv2.COLOR_GRAY2BGR), np.uint8)


@declare_stage(
    name="motion",
    description="Measures how much of each frame moves before its background, and how the camera moves.",
    group="picture",
    kinds={"opencv", "parquet"},
    settings=MotionSettings,
    schema=SCHEMA,
    columns={
        "before_seq": "seq of the kept frame before it in its shot; null: it is the first, which nothing is told of",
        "moving_share": "share of the frame that differs from the background of its shot, 0 to 1",
        "active": "whether that share is at least active_share",
        "right_px": "how far the picture as a whole moved right since the frame before, px of the frame, as the camera "
        "turns left; null: it cannot be told",
        "down_px": "how far it moved down",
    },
    code_version=CODE_VERSION,
    inputs=("extract_frames", "filter_scenes"),
    draw=preview_sheet.camera_arrow,
    debug=_debug,
    per_frame=True,
)
def stage(run: StageRun[MotionSettings], extract_frames: StageTable, filter_scenes: StageTable) -> Result:
    """Motion in each kept frame."""
    wanted = run.limited(filter_scenes.rows.filter("kept"))
    moved = motion(_with_those_before(run, extract_frames, filter_scenes, wanted), run.settings)
    moved = run.limited(moved)
    return Result(moved, {"frames": moved.height, **motion_summary(moved, filter_scenes.rows)})
