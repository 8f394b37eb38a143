"""What must hold of a stage's table, whatever the settings: functions of tables that name what breaks it, and where.

Which checks a stage has, it says itself; how a verdict reaches Dagster is in `mpr_assets.orchestration.checks`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gpu_service.errors import MprError
from mpr_assets.engine.stage_run import FRAME_INDEX, StageRun
from mpr_assets.timelines.chunks import stream_place, timeline_ms
from mpr_resources.media.clock import clock
from mpr_resources.media.fenced_reading import picture_times_ms
from mpr_resources.storage.tables import NamedRow, StageTable


@dataclass(frozen=True)
class Check:
    """A check of a stage's table, given that of the stage `beside` too.

    Attributes:
        description: what holds where it passes.
        find_problems: gives a sentence for each place where it does not hold, which says where.
        remedy: what to do then.
        warns: what it finds is no damage, and may be meant: a warning, not an error.
    """

    name: str
    description: str
    beside: str
    find_problems: Callable[[StageTable, StageTable, StageRun], list[str]]
    remedy: str
    warns: bool = False

    def verdict(self, made: StageTable, run: StageRun) -> CheckVerdict:
        """Of a table of the run's stage; what cannot be checked is in doubt too."""
        try:
            problems = [] if made.header.skipped else self.find_problems(made, run.stored(self.beside), run)
        except MprError as error:
            why = f"it cannot be checked: {str(error).rstrip('.')}"
            return CheckVerdict((why,), "materialize the stage again then")
        return CheckVerdict(tuple(problems), self.remedy)


@dataclass(frozen=True)
class CheckVerdict:
    """What a check found. `problems`: a sentence each, none where it passes; `remedy`: what to do then."""

    problems: tuple[str, ...]
    remedy: str

    @property
    def description(self) -> str | None:
        """What is wrong and what to do; None where nothing is."""
        if not self.problems:
            return None
        more = f" (and {len(self.problems) - 1} more like it)" if len(self.problems) > 1 else ""
        return f"{self.problems[0]}{more}; {self.remedy}"


def doubt(check: str, stage: str, description: str) -> str:
    """What is said of a check that failed: the result is there, and in doubt."""
    return f"the check {check} of {stage} failed: {description}."


PictureTimes = Callable[[NamedRow], NDArray[np.int64]]
"""When pictures come on in a chunk, a row of the table of `timeline`: ms of its source's clock."""


def frames_cover_timeline(
    chunks: pl.DataFrame, frames: pl.DataFrame, fps: float, picture_times: PictureTimes
) -> list[str]:
    """Every chunk has frames, and none lacks where its source has pictures.

    A source may begin with sound alone, hold a picture, end early: where it has no picture, no frame can be.

    Args:
        chunks: the table of `timeline`.
        frames: the table of `extract_frames`.
        fps: frames a second that were asked for.
        picture_times: asked of a chunk only that has a gap.
    """
    problems = []
    sample_ms = 1000 / fps
    for chunk in chunks.iter_rows(named=True):
        length_ms = chunk["end_ms"] - chunk["start_ms"]
        source_frame_ms = 1000 * chunk["fps_den"] / max(chunk["fps_num"], 1)
        open_ms = 2 * max(sample_ms, source_frame_ms) + source_frame_ms
        times = frames.filter(pl.col("chunk") == chunk["chunk"])["timeline_ms"] - chunk["timeline_start_ms"]
        gaps_ms = [
            (before + chunk["start_ms"], after + chunk["start_ms"])
            for before, after in pairwise([0, *sorted(times), length_ms])
            if after - before > open_ms
        ]
        if times.is_empty():
            problems.append(f"chunk {chunk['chunk']} of {chunk['source']} has no frame")
        elif gaps_ms:
            shown_ms = picture_times(chunk)
            for start_ms, end_ms in gaps_ms:
                # A picture nearer to a frame than one sample may be passed over for it.
                left_out = ((shown_ms > start_ms + sample_ms) & (shown_ms < end_ms - sample_ms)).sum()
                if left_out:
                    problems.append(
                        f"chunk {chunk['chunk']} has no frame between {clock(start_ms)} and {clock(end_ms)} of "
                        f"{chunk['source']}, which has {left_out} pictures there"
                    )
    return problems


def boxes_in_frame(rows: pl.DataFrame, frames: pl.DataFrame) -> list[str]:
    """Every box has an area and lies within its frame."""
    placed = rows.join(frames.select("seq", "width_px", "height_px"), on="seq", how="left", suffix="_frame")
    width, height = (
        (f"{side}_frame" if f"{side}_frame" in placed.columns else side) for side in ("width_px", "height_px")
    )
    outside = placed.filter(
        pl.col(width).is_null()
        | (pl.col("x") < 0)
        | (pl.col("y") < 0)
        | (pl.col("w") <= 0)
        | (pl.col("h") <= 0)
        | (pl.col("x") + pl.col("w") > pl.col(width))
        | (pl.col("y") + pl.col("h") > pl.col(height))
    )
    return [
        f"frame {row['seq']}: box {row['x']},{row['y']} {row['w']}x{row['h']} is not in {row[width]}x{row[height]}"
        for row in outside.iter_rows(named=True)
    ]


def exposures_in_order(exposures: pl.DataFrame, duration_ms: int) -> list[str]:
    """Exposures have a length, lie in the timeline, and those of one brand do not overlap."""
    problems = []
    ends_ms: dict[str, int] = {}
    for row in exposures.sort("brand", "start_ms").iter_rows(named=True):
        what = f"{row['brand']} [{row['start_ms']}, {row['end_ms']})"
        if not 0 <= row["start_ms"] < row["end_ms"] <= duration_ms:
            problems.append(f"{what} is not within the timeline of {duration_ms} ms")
        ended_ms = ends_ms.get(row["brand"], row["start_ms"])
        if row["start_ms"] < ended_ms:
            problems.append(f"{what} starts before the previous one ends")
        ends_ms[row["brand"]] = max(ended_ms, row["end_ms"])
    return problems


def _frames_cover_timeline(frames: StageTable, timeline: StageTable, run: StageRun) -> list[str]:
    def picture_times(chunk: NamedRow) -> NDArray[np.int64]:
        source = run.sources.at(chunk["source"])
        return picture_times_ms(source, stream_place(chunk), chunk["start_ms"], chunk["end_ms"])

    return frames_cover_timeline(timeline.rows, frames.rows, float(str(frames.header.settings["fps"])), picture_times)


def _boxes_in_frame(checked: StageTable, frames: StageTable, _run: StageRun) -> list[str]:
    return boxes_in_frame(checked.rows, frames.rows)


def _exposures_in_order(exposures: StageTable, timeline: StageTable, _run: StageRun) -> list[str]:
    return exposures_in_order(exposures.rows, timeline_ms(timeline.rows))


FRAMES_COVER_TIMELINE = Check(
    "frames_cover_timeline",
    "Every chunk has frames, and no frame is missing where its video has pictures.",
    "timeline",
    _frames_cover_timeline,
    "if extract_frames.allow_damage is on, the video is damaged there: copy it again, or leave that span out; else "
    "materialize extract_frames again",
)
BOXES_IN_FRAME = Check(
    "boxes_in_frame",
    "Every box has an area and lies within its frame.",
    FRAME_INDEX,
    _boxes_in_frame,
    "the table and the frames do not fit together: materialize extract_frames and all below it again",
)
EXPOSURES_IN_ORDER = Check(
    "exposures_in_order",
    "Exposures have a length, lie in the timeline, and those of one brand do not overlap.",
    "timeline",
    _exposures_in_order,
    "the tables of the report do not fit together: materialize timeline and all below it again",
)
