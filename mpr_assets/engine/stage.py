"""What a stage is: its settings, table, body, and how what it made is shown. No Dagster.

What a stage computes is in `mpr_assets.stages`; how it becomes an asset, in `mpr_assets.orchestration`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Concatenate, Generic, TypeAlias

import polars as pl

from gpu_service.pictures import Image
from gpu_service.routines import DebugPictures
from mpr_assets.engine.checks import BOXES_IN_FRAME, Check
from mpr_assets.engine.overview import Overview
from mpr_assets.engine.settings import SettingsT
from mpr_assets.engine.stage_run import Result, StageRun
from mpr_resources.profiles.profile import Profile
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.pictures import Frame
from mpr_resources.storage.tables import (
    ColumnTypes,
    StageTable,
    TableHeader,
)

Draw = Callable[[Image, pl.DataFrame], Image]
"""Draws a frame's rows on the frame's pixels and gives a new picture."""


Debug: TypeAlias = Callable[[StageRun[SettingsT], Frame, Mapping[str, StageTable]], DebugPictures]
"""Runs a stage's routine on a frame, given the tables of its inputs, and gives the pictures of its steps by name."""

Body: TypeAlias = Callable[Concatenate[StageRun[SettingsT], ...], Result]
"""Makes a stage's table. Called with the run, and the table of each input by name."""

Overviews: TypeAlias = Callable[[StageRun[SettingsT], StageTable], Overview]
"""Makes what is shown of a stage's table at a glance."""

KeyOf = Callable[[str, str], str]
"""Where something of a timeline lies in the storage: its key, given the timeline and what tells it from its like."""

BOX_COLUMNS = frozenset({"seq", "x", "y", "w", "h"})
"""Columns of a table whose rows have a box in a frame."""


@dataclass(frozen=True)
class Stage(Generic[SettingsT]):
    """A stage as the graph knows it. It is given only runs that have its own settings.

    Attributes:
        columns: what columns hold whose names mean something else here, or stand here alone; the words that tables
            share are in `mpr_assets.orchestration.columns`.
        body: reads, computes, writes what is not its table; thin.
        depends_on: what else the result depends on besides settings, inputs and code: model, brand list, files. Of a
            stage without inputs: its timeline's spec and videos alone; of all others: what many timelines share, and
            of one that `reads_annotations` these too.
        complete: whether what the body wrote beside its table is still there, and nothing is left that it may do now.
        pictures: where the pictures lie that the body writes beside its table for other stages, by the fingerprint
            they were made under; they may be cleared, and are made again. None: it writes none.
        files: where the files lie that the body writes beside its table for people, by their name. None: none.
        after: tells others what the table holds, whether it was made or stored already; twice is as good as once.
        draw: draws a frame's rows for the preview and the overlays; None where there is nothing to see.
        overview: what is shown of its table at a glance; None: the preview alone.
        debug: the pictures that show how a frame's rows came about; None where there are none.
        per_frame: whether it goes over the kept frames one by one, so that it can be limited to some of them, and
            tried. Other stages that read frames read all.
        detection_sources: its words in the column `source`, where its table is one of detections and candidates;
            empty: it is not.
        is_report: whether it reports on the stages before it: it reads what is stored of each, and is what is meant
            where a timeline is named and no stage.
        own_checks: what must hold of its table besides what holds of boxes.
        reads_annotations: whether the result depends on what people say of its timeline: `Keys.annotation`.
        idle: why there is nothing to do on a timeline, told by its annotations; None: there is.
        off_switch: the environment variable that switches it off when set to 1; empty: none does.
    """

    name: str
    description: str
    group: str
    kinds: frozenset[str]
    settings: type[SettingsT]
    schema: ColumnTypes
    columns: Mapping[str, str]
    code_version: str
    inputs: tuple[str, ...]
    body: Body[SettingsT]
    depends_on: Callable[[StageRun[SettingsT]], dict[str, str]]
    complete: Callable[[StageRun[SettingsT], TableHeader], bool]
    pictures: KeyOf | None
    files: KeyOf | None
    after: Callable[[StageRun[SettingsT], StageTable], None]
    draw: Draw | None
    overview: Overviews[SettingsT] | None
    debug: Debug[SettingsT] | None
    per_frame: bool
    detection_sources: tuple[str, ...]
    is_report: bool
    own_checks: tuple[Check, ...]
    reads_annotations: bool
    idle: Callable[[StageRun[SettingsT]], str | None]
    off_switch: str

    @property
    def has_boxes(self) -> bool:
        """Whether each row has a box in a frame; the columns tell."""
        return self.schema.keys() >= BOX_COLUMNS

    @property
    def checks(self) -> tuple[Check, ...]:
        """What must hold of its table."""
        return (*self.own_checks, *([BOXES_IN_FRAME] if self.has_boxes else []))

    def section(self, profile: Profile) -> SettingsT:
        """Its settings as the profile has them."""
        section = profile.section(self.name)
        assert isinstance(section, self.settings)
        return section

    def folders(self, timeline: str) -> list[str]:
        """Where all lies that it writes of this timeline beside its table and its overlays."""
        beside = [key(timeline, "").rstrip("/") for key in (self.pictures, self.files) if key is not None]
        return [Keys.parts(timeline, self.name), *beside]


@dataclass(frozen=True)
class StageOutcome:
    """A stage's table, figures and sentences worth showing, and whether it was stored already."""

    table: StageTable
    counts: dict[str, int | float]
    reused: bool
    notes: tuple[str, ...] = ()

    def summary(self, seconds: float) -> str:
        """What came of it, in a few words. `seconds`: how long it took."""
        if self.table.header.skipped is not None:
            return f"skipped: {self.table.header.skipped}"
        how = "as stored" if self.reused else f"in {seconds:.1f} s"
        height = self.table.rows.height
        return f"{height} row{'' if height == 1 else 's'} {how}"


def never_idle(_run: StageRun[SettingsT]) -> None:
    """For stages that always have something to do."""


def declare_stage(
    *,
    name: str,
    description: str,
    group: str,
    kinds: set[str],
    settings: type[SettingsT],
    schema: ColumnTypes,
    columns: Mapping[str, str] | None = None,
    code_version: str,
    inputs: tuple[str, ...] = (),
    depends_on: Callable[[StageRun[SettingsT]], dict[str, str]] = lambda _run: {},
    complete: Callable[[StageRun[SettingsT], TableHeader], bool] = lambda _run, _header: True,
    pictures: KeyOf | None = None,
    files: KeyOf | None = None,
    after: Callable[[StageRun[SettingsT], StageTable], None] = lambda _run, _table: None,
    draw: Draw | None = None,
    overview: Overviews[SettingsT] | None = None,
    debug: Debug[SettingsT] | None = None,
    per_frame: bool = False,
    detection_sources: tuple[str, ...] = (),
    is_report: bool = False,
    checks: tuple[Check, ...] = (),
    reads_annotations: bool = False,
    idle: Callable[[StageRun[SettingsT]], str | None] = never_idle,
    off_switch: str = "",
) -> Callable[[Body[SettingsT]], Stage[SettingsT]]:
    """Make a stage of a body; see `Stage`. The body is called with the run and each input's table by name."""

    def make(body: Body[SettingsT]) -> Stage[SettingsT]:
        return Stage(
            name, description, group, frozenset(kinds), settings, schema, columns or {}, code_version, inputs, body,
            depends_on, complete, pictures, files, after, draw, overview, debug, per_frame, detection_sources,
            is_report, checks, reads_annotations, idle, off_switch,
        )  # fmt: skip

    return make
