"""What can be compared: a stage of a timeline, a whole report, a scenario. Found by reference, compared as a whole.

How rows are matched is in `mpr_assets.compare.table_diff`; the page is in `mpr_assets.report.page.diff`; results of the
history are found in `mpr_assets.runs.history_snapshots`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property

import polars as pl
from pydantic import JsonValue

from gpu_service.errors import BadInput, MprError
from gpu_service.pictures import Picture
from mpr_assets.compare.scenarios import validate_label
from mpr_assets.compare.table_diff import NAME_COLUMNS, Difference, compare
from mpr_assets.engine.overrides import Overrides
from mpr_assets.engine.settings import differing_settings
from mpr_assets.engine.stage import Stage
from mpr_assets.engine.stage_run import FRAME_INDEX, KEPT_FRAMES
from mpr_assets.freshness.stored import changed_outside, outside
from mpr_assets.timelines.spec_store import load_spec
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.scenario_store import load, opened
from mpr_resources.storage.store import MissingObject, Storage
from mpr_resources.storage.tables import StageTable, TableHeader, read_table

FORMS = "write TIMELINE, TIMELINE:STAGE, TIMELINE@NUMBER, TIMELINE:STAGE@NUMBER or scenario:LABEL"


@dataclass(frozen=True)
class Snapshot:
    """A result, as far as it is still known.

    Attributes:
        reference: as the user wrote it.
        places: where its tables and frames are stored, the likeliest first.
        headers: how it and the results that it was made from were made, by stage.
        tables: those of them whose rows are stored.
        stages: all, by name.
        counts: figures, by `stage: what`.
        seconds: on screen, by brand, of a report; None: not known.
    """

    reference: str
    timeline: str
    stage: str
    places: Sequence[Storage]
    headers: Mapping[str, TableHeader]
    tables: Mapping[str, StageTable]
    stages: Mapping[str, Stage]
    counts: Mapping[str, float] = field(default_factory=dict)
    seconds: Mapping[str, float] | None = None

    @property
    def is_report(self) -> bool:
        return self.stages[self.stage].is_report

    @cached_property
    def times_ms(self) -> dict[int, int]:
        """Time of each sampled frame on the timeline's clock, by seq."""
        index = self.tables.get(FRAME_INDEX)
        return dict(index.rows.select("seq", "timeline_ms").iter_rows()) if index else {}

    @cached_property
    def analysed(self) -> frozenset[int]:
        """The frames that its rows can be of, by seq: of most stages those kept, of a limited run those of them."""
        scenes = self.tables.get(KEPT_FRAMES)
        if self.stage in (FRAME_INDEX, KEPT_FRAMES) or scenes is None or scenes.rows.is_empty():
            return frozenset(self.times_ms)
        kept_seqs = dict(scenes.rows.select("seq", "kept_seq").iter_rows())
        seqs = set(scenes.rows.filter("kept")["seq"])
        for header in self.headers.values():
            frames = Overrides.from_record(header.overrides).frames
            with suppress(BadInput):  # the scenes that it was limited by are others by now
                seqs &= seqs if frames is None else frames.of(kept_seqs)
        return frozenset(seqs & self.times_ms.keys())

    def frame(self, seq: int) -> Picture | None:
        """The picture of a frame; None where it is no longer kept."""
        index = self.tables.get(FRAME_INDEX)
        if index is None:
            return None
        key = f"{Keys.frames(self.timeline, index.header.fingerprint)}/{seq:08d}.jpg"
        for storage in self.places:
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
class Frames:
    """Which frames two results have in common.

    Attributes:
        after_of: seq in the result after, by seq in the one before.
        only_before, only_after: how many the other has not.
    """

    after_of: Mapping[int, int]
    only_before: int
    only_after: int

    @cached_property
    def before_of(self) -> dict[int, int]:
        return {after: before for before, after in self.after_of.items()}


@dataclass(frozen=True)
class Comparison:
    """Two results side by side. Frames go by their seq in the one after.

    Attributes:
        settings: that are not the same, by `stage.setting`.
        facts: what else made them, as far as it is not the same, a sentence each.
        counts: figures that are not the same, by `stage: what`, as (before, after).
        seconds: on screen by brand, where they are not the same, as (before, after), the largest difference first.
            None: not known of both.
        frames: that both have; None where it is not known, or does not matter.
        not_compared: what cannot be compared and why, a sentence each.
    """

    before: Snapshot
    after: Snapshot
    settings: Mapping[str, tuple[JsonValue, JsonValue]]
    facts: Sequence[str]
    counts: Mapping[str, tuple[float, float]]
    seconds: Mapping[str, tuple[float, float]] | None
    frames: Frames | None
    sections: Sequence[Section]
    not_compared: Sequence[str]

    @property
    def left_out(self) -> str:
        """Which frames are not compared, in a sentence; empty: all are."""
        if not self.sections or self.frames is None or not (self.frames.only_before or self.frames.only_after):
            return ""
        sides = ((self.before, self.frames.only_before), (self.after, self.frames.only_after))
        told = [f"{number} that only {one.reference} sampled and kept" for one, number in sides if number]
        of_all = " Exposures and seconds are of all frames." if self.before.is_report else ""
        return f"Frames left out: {', '.join(told)}; {len(self.frames.after_of)} are compared.{of_all}"


def find_snapshot(storage: Storage, reference: str, stages: Mapping[str, Stage]) -> Snapshot:
    """The state that `TIMELINE`, `TIMELINE:STAGE` or `scenario:LABEL` names.

    Raises:
        BadInput: it is of none of these forms, or names nothing.
        MissingObject: the stage is not stored.
    """
    first, colon, second = reference.partition(":")
    if first == "scenario" and colon:
        scenario = load(storage, validate_label(second))
        if scenario.stage not in stages:
            raise BadInput(f"{reference} is of {scenario.stage}, which is no stage any more", "delete the scenario")
        places = (opened(storage, scenario.label), storage)
        return _stored(places, reference, scenario.timeline, scenario.stage, stages)
    return _stored((storage,), reference, load_spec(storage, first).name, stage_of(reference, second, stages), stages)


def stage_of(reference: str, name: str, stages: Mapping[str, Stage]) -> str:
    """The stage that a reference names; where it names none, the one that reports.

    Raises:
        BadInput: there is none of this name.
    """
    stage = name or next(name for name, one in stages.items() if one.is_report)
    if stage not in stages or reference.endswith(":"):
        raise BadInput(f"{reference!r} names no stage", FORMS)
    return stage


def _stored(
    places: Sequence[Storage], reference: str, timeline: str, stage: str, stages: Mapping[str, Stage]
) -> Snapshot:
    """The stage's table and those beside it that are stored and can be read."""
    tables = {stage: read_table(places[0], stage, timeline)}
    for other in stages:
        if other != stage and (stages[stage].is_report or other in (FRAME_INDEX, KEPT_FRAMES)):
            with suppress(MprError):
                tables[other] = read_table(places[0], other, timeline)
    headers = {name: table.header for name, table in tables.items()}
    if not stages[stage].is_report:
        headers = {stage: headers[stage]}
    counts = {f"{name}: rows": tables[name].rows.height for name in headers}
    seconds = seconds_by_brand(tables[stage].rows) if stages[stage].is_report else None
    return Snapshot(reference, timeline, stage, places, headers, tables, stages, counts, seconds)


def seconds_by_brand(exposures: pl.DataFrame) -> dict[str, float]:
    """Seconds on screen by brand, of a report's exposures."""
    on_screen = exposures.group_by("brand").agg((pl.col("end_ms") - pl.col("start_ms")).sum() / 1000)
    return dict(on_screen.sort("brand").iter_rows())


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
    frames = _frames(before, after)
    rows = _rows_of_both(before, after)
    sections = [_section(title, one, other, frames) for title, (one, other) in rows.items()]
    seconds = None
    if before.seconds is not None and after.seconds is not None:
        different = _different(before.seconds, after.seconds, 0.0)
        seconds = dict(sorted(different.items(), key=lambda one: (-abs(one[1][1] - one[1][0]), one[0])))
    return Comparison(
        before=before,
        after=after,
        settings=_settings(before, after),
        facts=_facts(before, after),
        counts=_different(before.counts, after.counts),
        seconds=seconds,
        frames=frames,
        sections=sections,
        not_compared=_not_compared(before, after),
    )


def _frames(before: Snapshot, after: Snapshot) -> Frames | None:
    """The frames that both looked at, as their times tell; the frames of a timeline have different times."""
    if not before.times_ms or not after.times_ms:
        return None
    seq_at = {after.times_ms[seq]: seq for seq in sorted(after.analysed)}
    after_of = {seq: seq_at[before.times_ms[seq]] for seq in sorted(before.analysed) if before.times_ms[seq] in seq_at}
    return Frames(after_of, len(before.analysed) - len(after_of), len(after.analysed) - len(after_of))


def _rows_of_both(before: Snapshot, after: Snapshot) -> dict[str, tuple[pl.DataFrame, pl.DataFrame]]:
    """The rows to be compared, by what they hold, as far as both have them."""

    def both(*names: str) -> tuple[pl.DataFrame, pl.DataFrame]:
        one, other = (pl.concat([side.tables[name].rows for name in names]) for side in (before, after))
        return one, other

    def where(kind: pl.Expr, pair: tuple[pl.DataFrame, pl.DataFrame]) -> tuple[pl.DataFrame, pl.DataFrame]:
        return pair[0].filter(kind), pair[1].filter(kind)

    stored = before.tables.keys() & after.tables.keys()
    detecting = [name for name, stage in before.stages.items() if stage.detection_sources]
    found = pl.col("brand").is_not_null()
    rows: dict[str, tuple[pl.DataFrame, pl.DataFrame]] = {}
    if before.is_report:
        if before.stage in stored:
            rows["exposures"] = both(before.stage)
        if stored.issuperset(detecting):
            rows["detections"] = where(found, both(*detecting))
    elif before.stage in stored & set(detecting):
        rows = {"detections": where(found, both(before.stage)), "candidates": where(~found, both(before.stage))}
    elif before.stage in stored:
        rows[before.stage] = both(before.stage)
    return rows


FRAME_COLUMNS = ("seq", "kept_seq", "best_seq")
"""Columns that name a frame."""


def _section(title: str, before: pl.DataFrame, after: pl.DataFrame, frames: Frames | None) -> Section:
    if frames is not None and "seq" in before.columns and "seq" in after.columns:
        before = before.filter(pl.col("seq").is_in(list(frames.after_of)))
        after = after.filter(pl.col("seq").is_in(list(frames.before_of)))
    counts = _counts(before, after)
    if frames is not None and any(one != other for one, other in frames.after_of.items()):
        named = [name for name in FRAME_COLUMNS if name in before.columns]
        before = before.with_columns(
            pl.col(name).replace_strict(frames.after_of, default=None, return_dtype=before.schema[name])
            for name in named
        )
    return Section(title, counts, compare(before, after))


def _settings(before: Snapshot, after: Snapshot) -> dict[str, tuple[JsonValue, JsonValue]]:
    return {
        f"{stage}.{name}": values
        for stage, one, other in _headers_of_both(before, after)
        for name, values in differing_settings(before.stages[stage].settings, one.settings, other.settings).items()
    }


def _headers_of_both(before: Snapshot, after: Snapshot) -> list[tuple[str, TableHeader, TableHeader]]:
    """In the order of a run."""
    return [
        (stage, before.headers[stage], after.headers[stage])
        for stage in before.stages
        if stage in before.headers and stage in after.headers
    ]


def _facts(before: Snapshot, after: Snapshot) -> list[str]:
    told, others = [], []
    for name, one, other in _headers_of_both(before, after):
        inputs = before.stages[name].inputs
        if name == before.stage and one.profile != other.profile:
            told.append(f"profile {one.profile} → {other.profile}")
        if one.code_version != other.code_version:
            told.append(f"{name}: code version {one.code_version} → {other.code_version}")
        if one.skipped != other.skipped:
            was, is_now = (f"skipped ({header.skipped})" if header.skipped else "made" for header in (one, other))
            told.append(f"{name}: {was} → {is_now}")
        elif one.skipped is None:
            changes = changed_outside(outside(before.stages[name], one), outside(before.stages[name], other))
            told += [f"{name}: {change}" for change in changes]
        if name == before.stage:
            others = [read for read in inputs if one.upstream.get(read) != other.upstream.get(read)]
    return [*told, *([f"read other results of {', '.join(others)}"] if others else [])]


def _different(
    before: Mapping[str, float], after: Mapping[str, float], absent: float | None = None
) -> dict[str, tuple[float, float]]:
    """Figures that are not the same. `absent`: what one is that a side lacks; None: such a one is left out."""
    names = dict.fromkeys([*before, *after])
    pairs = {name: (before.get(name, absent), after.get(name, absent)) for name in names}
    return {
        name: (one, other)
        for name, (one, other) in pairs.items()
        if one is not None and other is not None and one != other
    }


def _not_compared(before: Snapshot, after: Snapshot) -> list[str]:
    return [sentence for one in (before, after) for sentence in _not_known(one)]


def _not_known(one: Snapshot) -> Iterator[str]:
    needed = {name for name, stage in one.stages.items() if stage.detection_sources} if one.is_report else set()
    gone = ", ".join(name for name in one.stages if name in needed | {one.stage} and name not in one.tables)
    if gone:
        yield (
            f"The rows of {gone} in {one.reference} are not compared: a stage's next result replaces its table, and no "
            "scenario has this one."
        )
    if one.is_report:
        names = list(one.stages)
        made_from = names[: names.index(one.stage) + 1]
        unknown = ", ".join(name for name in made_from if name not in one.headers)
        if unknown:
            yield f"How {unknown} was made for {one.reference} is not compared: nothing tells it any more."
        if one.seconds is None:
            yield f"The seconds by brand of {one.reference} are not compared: the version that made it noted none."


def _counts(before: pl.DataFrame, after: pl.DataFrame) -> dict[str, tuple[int, int]]:
    counts = {"rows": (before.height, after.height)}
    if "seq" in before.columns:
        counts["frames"] = (before["seq"].n_unique(), after["seq"].n_unique())
    name = next((column for column in NAME_COLUMNS if column in before.columns), None)
    if name is not None:
        counts[f"different {name}s"] = (before[name].drop_nulls().n_unique(), after[name].drop_nulls().n_unique())
    return counts
