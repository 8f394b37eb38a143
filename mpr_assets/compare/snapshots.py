"""What can be compared: a stage of a timeline, a whole report, a scenario. Found by reference, compared as a whole.

How rows are matched is in `mpr_assets.compare.table_diff`; the page is in `mpr_assets.report.page.diff`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

import polars as pl
from pydantic import JsonValue

from gpu_service.errors import BadInput, MprError
from gpu_service.pictures import Picture
from mpr_assets.compare.scenarios import validate_label
from mpr_assets.compare.table_diff import (
    NAME_COLUMNS,
    Difference,
    compare,
)
from mpr_assets.engine.settings import differing_settings
from mpr_assets.engine.stage import Stage
from mpr_assets.engine.stage_run import FRAME_INDEX
from mpr_assets.timelines.spec_store import load_spec
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.scenario_store import load, opened
from mpr_resources.storage.store import MissingObject, Storage
from mpr_resources.storage.tables import StageTable, read_table


@dataclass(frozen=True)
class Snapshot:
    """A result that is stored somewhere.

    Attributes:
        reference: as the user wrote it.
        storage: where it and what it was made from is stored.
        elsewhere: where else its frames may lie.
        tables: all that are stored beside it, by stage.
        stages: all, by name.
    """

    reference: str
    timeline: str
    stage: str
    storage: Storage
    elsewhere: Storage
    tables: Mapping[str, StageTable]
    stages: Mapping[str, Stage]

    @property
    def is_report(self) -> bool:
        return self.stages[self.stage].is_report

    @property
    def table(self) -> StageTable:
        return self.tables[self.stage]

    @cached_property
    def times_ms(self) -> dict[int, int]:
        """Time of each frame on the timeline's clock, by seq."""
        index = self.tables.get(FRAME_INDEX)
        return dict(index.rows.select("seq", "timeline_ms").iter_rows()) if index else {}

    @cached_property
    def sections(self) -> dict[str, pl.DataFrame]:
        """The tables to be compared, by what they hold."""
        if self.stages[self.stage].detection_sources:
            found = self.table.rows["brand"].is_not_null()
            return {"detections": self.table.rows.filter(found), "candidates": self.table.rows.filter(~found)}
        if not self.is_report:
            return {self.stage: self.table.rows}
        detecting = [name for name, stage in self.stages.items() if stage.detection_sources]
        finds = [self.tables[name].rows for name in detecting if name in self.tables]
        detections = {"detections": pl.concat(finds).filter(pl.col("brand").is_not_null())} if finds else {}
        return {"exposures": self.table.rows} | detections

    def frame(self, seq: int) -> Picture | None:
        """The picture of a frame; None where it is no longer kept."""
        index = self.tables.get(FRAME_INDEX)
        if index is None:
            return None
        key = f"{Keys.frames(self.timeline, index.header.fingerprint)}/{seq:08d}.jpg"
        for storage in (self.storage, self.elsewhere):
            with suppress(MissingObject):
                return Picture(encoded=storage.get(key))
        return None


@dataclass(frozen=True)
class Section:
    """What differs in one kind of rows. `counts`: figures of both, as (before, after)."""

    title: str
    counts: Mapping[str, tuple[int, int]]
    difference: Difference


@dataclass(frozen=True)
class Comparison:
    """Two states side by side.

    Attributes:
        settings: that are not the same, by `stage.setting`.
        facts: what else made them, as far as it is not the same: profile, code, model, what was read.
        same_frames: whether a frame's number means the same in both.
    """

    before: Snapshot
    after: Snapshot
    settings: Mapping[str, tuple[JsonValue, JsonValue]]
    facts: Mapping[str, tuple[str, str]]
    sections: Sequence[Section]
    same_frames: bool

    @property
    def same(self) -> bool:
        return not any(section.difference.changes for section in self.sections)


def find_snapshot(storage: Storage, reference: str, stages: Mapping[str, Stage]) -> Snapshot:
    """The state that `TIMELINE`, `TIMELINE:STAGE` or `scenario:LABEL` names.

    Raises:
        BadInput: it is of none of these forms, or names nothing.
        MissingObject: the stage is not stored.
    """
    first, colon, second = reference.partition(":")
    if first == "scenario" and colon:
        scenario = load(storage, validate_label(second))
        timeline, stage, place = scenario.timeline, scenario.stage, opened(storage, scenario.label)
        if stage not in stages:
            raise BadInput(f"{reference} is of {stage}, which is no stage any more", "delete the scenario")
        return Snapshot(reference, timeline, stage, place, storage, _tables(place, timeline, stage, stages), stages)
    stage = second if colon else next(name for name, one in stages.items() if one.is_report)
    if stage not in stages:
        raise BadInput(f"{reference!r} names no stage", "write TIMELINE, TIMELINE:STAGE or scenario:LABEL")
    timeline = load_spec(storage, first).name
    return Snapshot(reference, timeline, stage, storage, storage, _tables(storage, timeline, stage, stages), stages)


def _tables(storage: Storage, timeline: str, stage: str, stages: Mapping[str, Stage]) -> dict[str, StageTable]:
    """The stage's table and those beside it that are stored and can be read."""
    tables = {stage: read_table(storage, stage, timeline)}
    for other in stages:
        if other != stage and (stages[stage].is_report or other == FRAME_INDEX):
            with suppress(MprError):
                tables[other] = read_table(storage, other, timeline)
    return tables


def compare_snapshots(before: Snapshot, after: Snapshot) -> Comparison:
    """What differs between two states of one stage.

    Raises:
        BadInput: they are of different stages.
    """
    if before.stage != after.stage:
        raise BadInput(
            f"{before.reference} is a state of {before.stage} and {after.reference} one of {after.stage}",
            "compare two of the same stage",
        )
    same_frames = not before.times_ms or not after.times_ms or before.times_ms == after.times_ms
    times_ms = None if same_frames else (before.times_ms, after.times_ms)
    shared = [title for title in before.sections if title in after.sections]
    sections = [
        Section(
            title,
            _counts(before.sections[title], after.sections[title]),
            compare(before.sections[title], after.sections[title], times_ms),
        )
        for title in shared
    ]
    return Comparison(before, after, _settings(before, after), _facts(before, after), sections, same_frames)


def _settings(before: Snapshot, after: Snapshot) -> dict[str, tuple[JsonValue, JsonValue]]:
    stages = [stage for stage in before.tables if stage in after.tables] if before.is_report else [before.stage]
    return {
        f"{stage}.{name}": values
        for stage in stages
        for name, values in differing_settings(
            before.stages[stage].settings, before.tables[stage].header.settings, after.tables[stage].header.settings
        ).items()
    }


def _facts(before: Snapshot, after: Snapshot) -> dict[str, tuple[str, str]]:
    def told(state: Snapshot) -> dict[str, str]:
        header = state.table.header
        short = {f"read of {name}": version[:8] for name, version in header.upstream.items()}
        made_by = {"profile": header.profile, "code version": header.code_version, "skipped": header.skipped or "no"}
        return made_by | {"content": header.data_version[:8]} | short

    one, other = told(before), told(after)
    return {
        name: (one.get(name, "-"), other.get(name, "-"))
        for name in {**one, **other}
        if one.get(name) != other.get(name)
    }


def _counts(before: pl.DataFrame, after: pl.DataFrame) -> dict[str, tuple[int, int]]:
    counts = {"rows": (before.height, after.height)}
    if "seq" in before.columns:
        counts["frames"] = (before["seq"].n_unique(), after["seq"].n_unique())
    name = next((column for column in NAME_COLUMNS if column in before.columns), None)
    if name is not None:
        counts[f"different {name}s"] = (before[name].drop_nulls().n_unique(), after[name].drop_nulls().n_unique())
    return counts
