"""What must hold of a stage's table, whatever the settings: pure functions of tables that name what breaks it.

Which checks a stage has, it says itself; how a verdict reaches Dagster is in `mpr_assets.orchestration.checks`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import polars as pl

from mpr_assets.engine.stage_run import FRAME_INDEX
from mpr_assets.timelines.chunks import timeline_ms
from mpr_resources.storage.tables import StageTable


@dataclass(frozen=True)
class Check:
    """A check of a stage's table, given that of the stage `beside` too. `find_problems` gives a sentence for each."""

    name: str
    beside: str
    find_problems: Callable[[StageTable, StageTable], list[str]]


def frames_cover_timeline(chunks: pl.DataFrame, frames: pl.DataFrame, fps: float) -> list[str]:
    """Every chunk has frames, and between its frames and its edges no more than the time the sources leave open.

    Args:
        chunks: the table of `timeline`.
        frames: the table of `extract_frames`.
        fps: frames a second that were asked for.
    """
    problems = []
    for chunk in chunks.iter_rows(named=True):
        length_ms = chunk["end_ms"] - chunk["start_ms"]
        source_frame_ms = 1000 * chunk["fps_den"] / max(chunk["fps_num"], 1)
        open_ms = 2 * max(1000 / fps, source_frame_ms) + source_frame_ms
        times = frames.filter(pl.col("chunk") == chunk["chunk"])["timeline_ms"] - chunk["timeline_start_ms"]
        edges_ms = [0, *sorted(times), length_ms]
        gap_ms = max(after - before for before, after in pairwise(edges_ms))
        if times.is_empty():
            problems.append(f"chunk {chunk['chunk']} of {chunk['source']} has no frame")
        elif gap_ms > open_ms:
            problems.append(f"chunk {chunk['chunk']} of {chunk['source']} has {gap_ms} ms without a frame")
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
            problems.append(f"{what} does not lie in the timeline of {duration_ms} ms")
        ended_ms = ends_ms.get(row["brand"], row["start_ms"])
        if row["start_ms"] < ended_ms:
            problems.append(f"{what} begins before the one before it has ended")
        ends_ms[row["brand"]] = max(ended_ms, row["end_ms"])
    return problems


def _frames_cover_timeline(frames: StageTable, timeline: StageTable) -> list[str]:
    return frames_cover_timeline(timeline.rows, frames.rows, float(frames.header.settings["fps"]))


def _boxes_in_frame(checked: StageTable, frames: StageTable) -> list[str]:
    return boxes_in_frame(checked.rows, frames.rows)


def _exposures_in_order(exposures: StageTable, timeline: StageTable) -> list[str]:
    return exposures_in_order(exposures.rows, timeline_ms(timeline.rows))


FRAMES_COVER_TIMELINE = Check("frames_cover_timeline", "timeline", _frames_cover_timeline)
BOXES_IN_FRAME = Check("boxes_in_frame", FRAME_INDEX, _boxes_in_frame)
EXPOSURES_IN_ORDER = Check("exposures_in_order", "timeline", _exposures_in_order)
