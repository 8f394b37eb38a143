"""The tables of a session's windows as those of one recording, so that what crosses a joint is one.

Windows of one epoch that follow one another without a gap are one chunk. Its times are the session's clock as the
source's clock, and recorded time as the timeline's. How windows are stored is in `session_store`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import polars as pl

from mpr_assets.sessions.joint import Joint, follows
from mpr_assets.sessions.session import Window
from mpr_assets.timelines.chunks import timeline_ms


@dataclass(frozen=True)
class WindowTables:
    """What is stored of a window that was analysed.

    Attributes:
        joint: with the window before.
        chunks, frames, scenes: of `timeline`, `extract_frames` and `filter_scenes`. detections: of `match_brands` and
            the stages after it, rows with a `seq`.
    """

    window: Window
    joint: Joint
    chunks: pl.DataFrame
    frames: pl.DataFrame
    scenes: pl.DataFrame
    detections: pl.DataFrame

    @property
    def begins_ms(self) -> int:
        """The session's time at which the clock of the window's timeline shows 0."""
        first = self.chunks.row(0, named=True)
        at_s = first["origin_pts"] * Fraction(first["time_base_num"], first["time_base_den"])
        return self.window.epoch.session_ms(round(at_s / self.window.epoch.time_base)) + int(first["start_ms"])


@dataclass(frozen=True)
class JoinedTables:
    """The same of all windows. `first_seqs`: the first `seq` of each window, by its number, which counts on from it."""

    chunks: pl.DataFrame
    frames: pl.DataFrame
    scenes: pl.DataFrame
    detections: pl.DataFrame
    first_seqs: dict[int, int]


def joined(windows: Sequence[WindowTables], session: str) -> JoinedTables | None:
    """Lay windows, in order, one after another; None: there is none.

    Args:
        session: its name, which is the source's.
    """
    parts: list[tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]] = []
    chunks: list[pl.DataFrame] = []
    first_seqs: dict[int, int] = {}
    seqs = shots = tracks = recorded_ms = starts_ms = ends_ms = 0
    before: WindowTables | None = None
    for one in windows:
        goes_with = before is not None and follows(before.window, one.window)
        if not goes_with:
            recorded_ms += ends_ms - starts_ms
            starts_ms = ends_ms = one.begins_ms
            chunks.append(one.chunks.head(1))
        ends_ms = max(ends_ms, one.begins_ms + timeline_ms(one.chunks))
        chunks[-1] = chunks[-1].with_columns(
            chunk=pl.lit(len(chunks) - 1, pl.Int32),
            source=pl.lit(session),
            start_ms=pl.lit(starts_ms, pl.Int64),
            end_ms=pl.lit(ends_ms, pl.Int64),
            duration_ms=pl.lit(ends_ms, pl.Int64),
            timeline_start_ms=pl.lit(recorded_ms, pl.Int64),
        )
        # The shot that the window before ended with goes on: its number is that of the last one.
        shot = shots - 1 if goes_with and one.joint.goes_on else shots
        behind_ms = recorded_ms + one.begins_ms - starts_ms
        frames = one.frames.with_columns(
            pl.col("seq") + seqs,
            pl.col("timeline_ms", "until_ms", "cut_ms") + behind_ms,
            pl.col("source_ms") + one.begins_ms,
            chunk=pl.lit(len(chunks) - 1, pl.Int32),
        )
        if goes_with and one.joint.cut_ms is not None:
            cut_ms = recorded_ms + one.joint.cut_ms - starts_ms
            is_first = pl.col("seq") == seqs
            frames = frames.with_columns(cut_ms=pl.when(is_first).then(cut_ms).otherwise("cut_ms"))
        scenes = one.scenes.with_columns(pl.col("seq", "kept_seq") + seqs, pl.col("shot") + shot)
        # Lines of text are numbered in each window: those of another are others, until their marks are followed.
        detections = one.detections.with_columns(pl.col("seq") + seqs, pl.col("track") + tracks)
        tracks = max(tracks, int(detections["track"].max() or 0) + 1)  # type: ignore[arg-type]
        parts.append((frames, scenes, detections))
        first_seqs[one.window.number] = seqs
        seqs += one.frames.height
        shots = shot + one.scenes["shot"].n_unique()
        before = one
    if not parts:
        return None
    frames, scenes, detections = (pl.concat(tables) for tables in zip(*parts, strict=True))
    return JoinedTables(pl.concat(chunks), frames, scenes, detections, first_seqs)
