"""What a stage is: its settings, table, body, and how what it made is shown. No Dagster.

What a stage computes is in `mpr_assets.stages`; how it becomes an asset, in `mpr_assets.orchestration`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from gpu_service.pictures import Image
from gpu_service.routines import DebugPictures
from mpr_assets.engine.settings import StageSettings
from mpr_assets.engine.stage_run import Result, StageRun
from mpr_resources.storage.pictures import Frame
from mpr_resources.storage.tables import (
    StageTable,
    TableHeader,
)

Draw = Callable[[Image, pl.DataFrame], Image]
"""Draws a frame's rows on the frame's pixels and gives a new picture."""


Debug = Callable[[StageRun, Frame, Mapping[str, StageTable]], DebugPictures]
"""Runs a stage's routine on a frame, given the tables of its inputs, and gives the pictures of its steps by name."""


@dataclass(frozen=True)
class Stage:
    """A stage as the graph knows it.

    Attributes:
        body: reads, computes, writes what is not its table; thin.
        depends_on: what else the result depends on besides settings, inputs and code: model, brand list, files.
        complete: whether what the body wrote beside its table is still there, and nothing is left that it may do now.
        pictures: whether the body writes pictures beside its table that other stages read, and that may be cleared.
        after: tells others what the table holds, whether it was made or stored already; twice is as good as once.
        draw: draws a frame's rows for the preview; None where there is nothing to see.
        debug: the pictures that show how a frame's rows came about; None where there are none.
        per_frame: whether it goes over the kept frames one by one, so that it can be limited to some of them.
    """

    name: str
    description: str
    group: str
    kinds: frozenset[str]
    settings: type[StageSettings]
    schema: Mapping[str, Any]
    code_version: str
    inputs: tuple[str, ...]
    body: Callable[..., Result]
    depends_on: Callable[[StageRun], dict[str, str]]
    complete: Callable[[StageRun, TableHeader], bool]
    pictures: bool
    after: Callable[[StageRun, StageTable], None]
    draw: Draw | None
    debug: Debug | None
    per_frame: bool


@dataclass(frozen=True)
class StageOutcome:
    """A stage's table, figures worth showing, and whether it was stored already."""

    table: StageTable
    counts: dict[str, int | float]
    reused: bool


def declare_stage(
    *,
    name: str,
    description: str,
    group: str,
    kinds: set[str],
    settings: type[StageSettings],
    schema: Mapping[str, Any],
    code_version: str,
    inputs: tuple[str, ...] = (),
    depends_on: Callable[[StageRun], dict[str, str]] = lambda _run: {},
    complete: Callable[[StageRun, TableHeader], bool] = lambda _run, _header: True,
    pictures: bool = False,
    after: Callable[[StageRun, StageTable], None] = lambda _run, _table: None,
    draw: Draw | None = None,
    debug: Debug | None = None,
    per_frame: bool = False,
) -> Callable[[Callable[..., Result]], Stage]:
    """Make a stage of a body; see `Stage`. The body is called with the run and each input's table by name."""

    def make(body: Callable[..., Result]) -> Stage:
        return Stage(
            name, description, group, frozenset(kinds), settings, schema, code_version, inputs, body,
            depends_on, complete, pictures, after, draw, debug, per_frame,
        )  # fmt: skip

    return make
