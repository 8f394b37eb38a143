"""A moment of a timeline as its tables have it: the stage's results that are stored, the frame that stands for it.

What was found on that frame is in `found`; why nothing was, in `lost`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from gpu_service.errors import BadInput
from mpr_assets.corrections.applied import without_rejected
from mpr_assets.definitions import BY_NAME
from mpr_assets.engine.compatibility import refuse_incompatible
from mpr_assets.engine.stage_run import FRAME_INDEX, KEPT_FRAMES, StageRun
from mpr_assets.report.exposures import frame_spans
from mpr_assets.stages import corrections
from mpr_assets.stages.compile_report import DETECTING
from mpr_assets.timelines.chunks import timeline_ms
from mpr_resources.media.clock import clock
from mpr_resources.storage.store import MissingObject
from mpr_resources.storage.tables import StageTable, TableHeader

REPORT = "compile_report"
TIMELINE = "timeline"
CORRECTIONS = corrections.stage.name
BRAND_STAGES = tuple(one.name for one in DETECTING)
"""Stages whose tables have detections and candidates, in the order of a run."""


@dataclass(frozen=True)
class StoredResults:
    """The tables of a timeline, by stage, in the order of a run."""

    timeline: str
    tables: Mapping[str, StageTable]

    @classmethod
    def of(cls, run: StageRun) -> StoredResults:
        """All that the report is made from.

        Raises:
            BadInput: the timeline has no report yet.
            PermanentError: a table was made by a version whose tables are not read any more.
        """
        try:
            run.stored(REPORT)
        except MissingObject as error:
            raise BadInput(f"The timeline {run.timeline!r} has no report yet", "run it first") from error
        tables = {one.header.stage: one for one in run.stored_upstream([REPORT])}
        refuse_incompatible(tables, BY_NAME)
        return cls(run.timeline, tables)

    def rows(self, stage: str) -> pl.DataFrame:
        return self._table(stage).rows

    def header(self, stage: str) -> TableHeader:
        return self._table(stage).header

    def _table(self, stage: str) -> StageTable:
        if stage not in self.tables:
            raise BadInput(
                f"{stage} of the timeline {self.timeline!r} is not stored, though its report is",
                f"make it anew: mpr replay {self.timeline} {stage}",
            )
        return self.tables[stage]

    def spans(self) -> pl.DataFrame:
        """What each sampled frame covers; see `frame_spans`."""
        return frame_spans(self.rows(FRAME_INDEX), self.rows(KEPT_FRAMES), self.rows(TIMELINE))

    def detections(self) -> pl.DataFrame:
        """Detections of all stages that find brands, as the report counts them, and candidates; with the column
        `stage`.
        """
        found = pl.concat([self.rows(one).with_columns(stage=pl.lit(one)) for one in BRAND_STAGES])
        return without_rejected(found, self.rows(CORRECTIONS))

    def out_of_step(self) -> list[str]:
        """A sentence for each table that was made anew since one after it read it."""
        stages = list(self.tables)
        return [
            f"{made} was made from an earlier result of {read}; mpr replay {self.timeline} {made} brings it up to date"
            for made in stages
            for read in stages
            if self.header(made).upstream.get(read, self.header(read).data_version) != self.header(read).data_version
        ]


@dataclass(frozen=True)
class Moment:
    """The frame that stands for a moment.

    Attributes:
        at_ms: the moment, on the timeline's clock.
        seq: the sampled frame whose time it is in. kept_seq: the frame that was looked at in its place, or the same.
        start_ms, end_ms: what the sampled frame covers.
        timeline_ms, until_ms: when the sampled frame comes on, and when the source's next picture comes.
        source, source_ms: the video, and the time on its clock, of the frame that was looked at.
        frame_ms: its time on the timeline's clock.
    """

    at_ms: int
    seq: int
    kept_seq: int
    shot: int
    start_ms: int
    end_ms: int
    timeline_ms: int
    until_ms: int
    source: str
    source_ms: int
    frame_ms: int
    width_px: int
    height_px: int


def check_within(results: StoredResults, at_ms: int) -> None:
    """See that the moment is one of the timeline.

    Raises:
        BadInput: it is not.
    """
    length_ms = timeline_ms(results.rows(TIMELINE))
    if not 0 <= at_ms < length_ms:
        raise BadInput(
            f"{clock(at_ms)} is outside of the timeline {results.timeline!r}, which lasts {clock(length_ms)}",
            "give an earlier time with --at",
        )


def moment_at(results: StoredResults, at_ms: int) -> Moment | None:
    """The moment; None where no sampled frame covers it."""
    here = results.spans().filter((pl.col("start_ms") <= at_ms) & (pl.col("end_ms") > at_ms))
    return None if here.is_empty() else _moment(results, at_ms, here.row(0, named=True))


def moment_of(results: StoredResults, seq: int, *, itself: bool = False) -> Moment | None:
    """The moment at which a frame comes on; None where there is no such frame or it is not seen.

    `itself`: the frame was looked at, whichever stands for it.
    """
    here = results.spans().filter(pl.col("seq") == seq)
    if itself:
        here = here.with_columns(kept_seq="seq")
    return None if here.is_empty() else _moment(results, here["start_ms"][0], here.row(0, named=True))


def _moment(results: StoredResults, at_ms: int, span: Mapping[str, Any]) -> Moment:
    index = results.rows(FRAME_INDEX)
    [own] = index.filter(pl.col("seq") == span["seq"]).iter_rows(named=True)
    [kept] = index.filter(pl.col("seq") == span["kept_seq"]).iter_rows(named=True)
    [source] = results.rows(TIMELINE).filter(pl.col("chunk") == kept["chunk"])["source"]
    return Moment(
        at_ms=at_ms,
        seq=span["seq"],
        kept_seq=span["kept_seq"],
        shot=span["shot"],
        start_ms=span["start_ms"],
        end_ms=span["end_ms"],
        timeline_ms=own["timeline_ms"],
        until_ms=own["until_ms"],
        source=source,
        source_ms=kept["source_ms"],
        frame_ms=kept["timeline_ms"],
        width_px=kept["width_px"],
        height_px=kept["height_px"],
    )


def at_frame(rows: pl.DataFrame, seqs: Sequence[int]) -> pl.DataFrame:
    """The rows of these frames."""
    return rows.filter(pl.col("seq").is_in(list(seqs)))
