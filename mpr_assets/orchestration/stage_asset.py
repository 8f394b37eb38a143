"""A stage as a Dagster asset: it reads its inputs, asks the engine for the table, and records what happened as
metadata.

What a stage is and how its table is made is in `mpr_assets.engine`, which knows no Dagster.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

import dagster as dg
import polars as pl

from gpu_service.errors import (
    HostAway,
    MprError,
    TransientError,
)
from gpu_service.masking import masked_errors
from gpu_service.pictures import encode_png
from mpr_assets.engine.compatibility import refuse_incompatible
from mpr_assets.engine.materialize import (
    make_again,
    materialize_stage,
    never_made,
    stage_config_version,
)
from mpr_assets.engine.open_run import stage_run
from mpr_assets.engine.overview import SECONDS_BY_BRAND, Overview
from mpr_assets.engine.stage import Draw, Stage
from mpr_assets.engine.stage_run import FRAME_INDEX, StageRun
from mpr_assets.freshness.config_versions import observe
from mpr_assets.freshness.event_log import config_key, read_observed, report
from mpr_assets.freshness.judge import StageNode, overridden_version
from mpr_assets.orchestration.checks import check_result, check_spec
from mpr_assets.orchestration.columns import column_schema
from mpr_assets.orchestration.launchpad import from_config, overrides_model
from mpr_assets.orchestration.markdown import bullets, table
from mpr_assets.orchestration.scenario_check import NAME as SCENARIO_CHECK
from mpr_assets.orchestration.scenario_check import scenario_check_spec, scenario_checks
from mpr_assets.overlays.preview_sheet import frames_to_show, sheet_markdown
from mpr_assets.timelines.partitions import timelines
from mpr_resources.dagster_internals import allow_no_result
from mpr_resources.progress import StoredProgress
from mpr_resources.run_queue import end_as_paused, is_to_pause
from mpr_resources.step_failure import RETRIES, final_failure, retry
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.store import MissingObject
from mpr_resources.storage.tables import (
    StageTable,
)

SKIPPED_TAG = "mpr/skipped"
"""On the materialization of a stage that was not made: switched off by its profile or the environment, or with nothing
to do."""
PREVIEWS = 3
OWNERS = ["team:mpr"]
Metadata: TypeAlias = (
    dg.JsonMetadataValue
    | dg.MarkdownMetadataValue
    | dg.PathMetadataValue
    | dg.UrlMetadataValue
    | dg.TableSchema
    | str
    | float
    | bool
)
RESOURCES = frozenset({"storage", "inference", "profiles", "progress", "switches", "database"})


def stage_asset(stage: Stage, stages: Mapping[str, Stage]) -> dg.AssetsDefinition:
    """The Dagster asset of a stage, partitioned by timeline.

    `stages`: all of them, by name.
    """

    def compute(
        context: dg.AssetExecutionContext, config: dg.Config, **inputs: StageTable | None
    ) -> Iterator[dg.MaterializeResult[StageTable]]:
        if is_to_pause(context.instance, context.run):
            end_as_paused(context.instance, context.run)
        try:
            with masked_errors():  # Dagster stores them with all that they go back to
                result = _materialize(stage, stages, context, config, inputs)
            # Dagster asks of one that returns its result for a result of every check.
            yield result
        except TransientError as error:
            if isinstance(error, HostAway) or context.retry_number >= RETRIES.max_retries:
                raise final_failure(context.instance, context.run.run_id, error) from error
            raise retry(context.retry_number) from error
        except MprError as error:
            raise final_failure(context.instance, context.run.run_id, error) from error

    # Dagster reads types, not the strings that annotations are in this module.
    compute.__annotations__ = {"context": dg.AssetExecutionContext, "config": overrides_model(stage)}
    made = dg.asset(
        compute,
        name=stage.name,
        description=stage.description,
        ins={name: dg.AssetIn() for name in stage.inputs},
        deps=[config_key(stage.name)],
        partitions_def=timelines,
        group_name=stage.group,
        kinds=set(stage.kinds),
        owners=OWNERS,
        code_version=stage.code_version,
        check_specs=[*(check_spec(one, stage.name) for one in stage.checks), scenario_check_spec(stage.name)],
        io_manager_key="tables",
        required_resource_keys={*RESOURCES, "heartbeat"},
        pool="gpu" if "inference" in stage.kinds else None,
        metadata={"dagster/column_schema": column_schema(stage)},
    )
    allow_no_result(made, SCENARIO_CHECK)
    return made


def _materialize(
    stage: Stage,
    stages: Mapping[str, Stage],
    context: dg.AssetExecutionContext,
    config: dg.Config,
    stored: Mapping[str, StageTable | None],
) -> dg.MaterializeResult[StageTable]:
    started_s = time.monotonic()
    refuse_incompatible({name: table for name, table in stored.items() if table is not None}, stages)
    overrides = from_config(config.model_dump())
    run = stage_run(stage, context.partition_key, overrides, context.resources, context.log)
    inputs = {name: never_made(stages[name], run) if table is None else table for name, table in stored.items()}
    run_id = context.run.run_id
    run = replace(run, run_id=run_id, progress=StoredProgress(run.progress, run.storage, run.timeline, run_id))
    if not stage.inputs:
        _observe_first(context, list(stages.values()))
    try:
        outcome = materialize_stage(stage, run, inputs, lambda: make_again(inputs, stages, run))
    except BaseException:
        run.progress.finished()  # a stream that is broken off tells it when it is collected, which may be too late
        raise
    stage.after(run, outcome.table)
    header, rows = outcome.table.header, outcome.table.rows
    shown: dict[str, Metadata] = {}
    if header.skipped is not None:
        shown["skipped"] = header.skipped
    elif stage.draw is not None:
        try:
            frames = {**inputs, stage.name: outcome.table}.get(FRAME_INDEX) or run.stored(FRAME_INDEX)
            shown |= _previews(stage, stage.draw, run, rows, frames.header.fingerprint, context.run.run_id)
        except MissingObject as error:
            shown["preview"] = f"The frames to draw on are gone: {error}"
    kept: dict[str, Metadata] = {}
    if header.skipped is None and stage.overview is not None:
        overview = stage.overview(run, outcome.table)
        shown |= _overview(overview, run)
        kept = {SECONDS_BY_BRAND: dg.MetadataValue.json(dict(overview.seconds))}
    if outcome.notes:
        shown["notes"] = dg.MetadataValue.md(bullets(outcome.notes))
    seconds = round(time.monotonic() - started_s, 3)
    run.progress.concluded(stage.name, outcome.summary(seconds))
    # In the order in which the UI shows it: what came of it, what it was made with, what tells results apart.
    metadata: dict[str, Metadata] = {
        **shown,
        **outcome.counts,
        "dagster/row_count": rows.height,
        "seconds": seconds,
        "reused": outcome.reused,
        "table": run.storage.where(Keys.table(stage.name, run.timeline)),
        "profile": header.profile,
        "overrides": dg.MetadataValue.json(header.overrides),
        "settings": dg.MetadataValue.json(header.settings),
        **kept,
        "model": header.model or "none",
        "dagster/column_schema": column_schema(stage),
        "code_version": header.code_version,
        "upstream": dg.MetadataValue.json(header.upstream),
        "config_version": stage_config_version(stage, run),
        "fingerprint": header.fingerprint,
    }
    if run.overrides:
        # The settings are observed anew, so that what this run made differs from its profile in the UI too.
        as_in_profile = replace(run, settings=stage.section(run.profile), only=None)
        version = overridden_version(stage_config_version(stage, as_in_profile), context.run.run_id)
        section = as_in_profile.settings.model_dump(mode="json")
        report(context.instance, [(stage.name, run.timeline, version)], lambda _stage, _timeline: section)
    return dg.MaterializeResult(
        value=outcome.table,
        data_version=dg.DataVersion(header.data_version),
        metadata=metadata,
        tags={SKIPPED_TAG: "true"} if header.skipped is not None else None,
        check_results=[
            *(check_result(one, run, outcome.table) for one in stage.checks),
            *scenario_checks(stage, run, outcome.table, stages),
        ],
    )


def _observe_first(context: dg.AssetExecutionContext, stages: Sequence[Stage]) -> None:
    """Report the settings of a timeline that nobody has observed yet, before the stages run that depend on them."""
    observed = read_observed(context.instance, [StageNode(stages[-1].name, (), "")], [context.partition_key])
    if not observed[stages[-1].name]:
        observe(context.instance, stages, [context.partition_key], context.resources, context.log)


def _overview(made: Overview, run: StageRun) -> dict[str, Metadata]:
    picture = base64.b64encode(made.svg.encode()).decode()
    link = run.storage.web(made.page)
    # A browser opens no file from a page of http, as the UI is: a path, which the UI lets be copied, says no less.
    page = dg.MetadataValue.url(link) if link else dg.MetadataValue.path(run.storage.where(made.page))
    return {
        **({"picture": dg.MetadataValue.md(f"![timeline](data:image/svg+xml;base64,{picture})")} if made.svg else {}),
        "report": page,
        "table_of_brands": dg.MetadataValue.md(table(made.columns, made.rows)),
    }


def _previews(
    stage: Stage,
    draw: Draw,
    run: StageRun,
    rows: pl.DataFrame,
    made_frames: str,
    run_id: str,
) -> dict[str, Metadata]:
    """A small contact sheet for the run's page, and the full pictures stored as overlays.

    `made_frames`: fingerprint of the `extract_frames` run whose frames are drawn on.
    """
    chosen = frames_to_show(rows, PREVIEWS)
    if not chosen:
        return {}
    drawn = []
    for seq, picture in run.frame_folder(made_frames).stream(chosen):
        drawn.append(draw(picture.pixels, rows.filter(pl.col("seq") == seq)))
        run.storage.put(Keys.overlay(run.timeline, run_id, stage.name, seq, stage.name), encode_png(drawn[-1]))
    folder = Keys.overlay(run.timeline, run_id, stage.name, 0, "").rpartition("/")[0]
    return {
        "preview": dg.MetadataValue.md(sheet_markdown(drawn)),
        "overlays": dg.MetadataValue.path(run.storage.where(folder)),
    }
