"""How a stage becomes an asset: settings from the profile, the look-up of what is stored, the record of what happened.

What a stage computes is in `mpr_assets.stages`; what is wired to what is in `mpr_assets.definitions`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import dagster as dg
import polars as pl

from gpu_service.errors import HostAway, MprError, PermanentError, TransientError
from gpu_service.pictures import encode_png
from gpu_service.routines import DebugPictures
from mpr_assets.checks import CHECKS
from mpr_assets.freshness import StageNode, config_key, config_version, overridden_version, read_observed, report
from mpr_assets.overrides import FRAMES, FrameChoice, differing, from_config, overrides_model, resolve_settings
from mpr_assets.partitions import load_spec, timelines
from mpr_assets.previews import Draw, sheet_markdown
from mpr_assets.provenance import refuse_incompatible
from mpr_assets.scenario_check import scenario_check, scenario_check_spec
from mpr_assets.stage_run import Result, StageRun
from mpr_assets.stages import StageSettings
from mpr_assets.timelines import TimelineSpec
from mpr_resources.frames import Frame
from mpr_resources.io_manager import final_failure
from mpr_resources.kept_answers import KeptAnswers
from mpr_resources.profiles import Profile
from mpr_resources.progress import LogProgress, StoredProgress
from mpr_resources.storage import Keys, MissingObject
from mpr_resources.tables import StageTable, TableHeader, check_schema, content_hash, from_parquet, hash_of

MAX_RETRIES = 3
FIRST_RETRY_S = 1.0
PREVIEWS = 3
OWNERS = ["team:mpr"]
RESOURCES = frozenset({"storage", "inference", "profiles", "progress", "switches"})


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
class Outcome:
    """A stage's table, figures worth showing, and whether it was stored already."""

    table: StageTable
    counts: dict[str, int | float]
    reused: bool


def stage(
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


def stage_asset(stage: Stage, stages: Mapping[str, Stage]) -> dg.AssetsDefinition:
    """The Dagster asset of a stage, partitioned by timeline.

    `stages`: all of them, by name.
    """

    def compute(context: dg.AssetExecutionContext, config: dg.Config, **inputs: StageTable) -> dg.MaterializeResult:  # type: ignore[type-arg]
        try:
            return _materialize(stage, stages, context, config, inputs)
        except TransientError as error:
            if isinstance(error, HostAway) or context.retry_number >= MAX_RETRIES:
                raise final_failure(context.instance, context.run.run_id, error) from error
            raise dg.RetryRequested(MAX_RETRIES, seconds_to_wait=FIRST_RETRY_S * 2**context.retry_number) from error
        except MprError as error:
            raise final_failure(context.instance, context.run.run_id, error) from error

    check = CHECKS.get(stage.name)
    # Dagster reads types, not the strings that annotations are in this module.
    compute.__annotations__ = {"context": dg.AssetExecutionContext, "config": overrides_model(stage)}
    return dg.asset(
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
        check_specs=[*([check.spec(stage.name)] if check else []), scenario_check_spec(stage.name)],
        io_manager_key="tables",
        required_resource_keys={*RESOURCES, "heartbeat"},
        pool="gpu" if "inference" in stage.kinds else None,
        metadata={"dagster/column_schema": column_schema(stage.schema)},
    )


def stage_config_version(stage: Stage, run: StageRun) -> str:
    """The version of all that the stage depends on outside the graph; without overrides that of `config/<stage>`."""
    settings = run.settings.model_dump(mode="json") | ({"enabled": False} if run.skipped else {})
    outside = {} if run.skipped else stage.depends_on(run)
    return config_version(settings, outside | ({} if run.only is None else {"frames": str(sorted(run.only))}))


def column_schema(schema: Mapping[str, Any]) -> dg.TableSchema:
    return dg.TableSchema([dg.TableColumn(name, str(dtype)) for name, dtype in schema.items()])


def materialize_stage(
    stage: Stage,
    run: StageRun,
    inputs: Mapping[str, StageTable],
    prepare: Callable[[], None] = lambda: None,
) -> Outcome:
    """The stage's table: what is stored under the fingerprint, or what the body makes now.

    `prepare`: called before the body is.
    """
    skipped = run.skipped
    settings = run.settings.model_dump(mode="json")
    upstream = {name: table.header.data_version for name, table in inputs.items()}
    if skipped is None:
        upstream |= stage.depends_on(run)
    only = [] if run.only is None else [sorted(run.only)]
    fingerprint = hash_of([stage.name, stage.code_version, settings, upstream, skipped, *only])
    run = replace(run, fingerprint=fingerprint)
    stored = _stored(stage, run)
    if stored is not None:
        asked = {"profile": run.spec.profile, "overrides": dict(run.overrides)}
        return Outcome(StageTable(stored.rows, stored.header.model_copy(update=asked)), {}, reused=True)
    if skipped is None:
        prepare()
    result = _made(stage, run, inputs) if skipped is None else Result(pl.DataFrame(schema=dict(stage.schema)))
    check_schema(result.rows, stage.schema, stage.name)
    header = TableHeader(
        stage=stage.name,
        timeline=run.timeline,
        profile=run.spec.profile,
        fingerprint=fingerprint,
        data_version=content_hash(result.rows, skipped or "", result.content),
        code_version=stage.code_version,
        settings=settings,
        settings_hash=hash_of(settings),
        overrides=dict(run.overrides),
        model=upstream.get("model", ""),
        upstream=upstream,
        skipped=skipped,
    )
    return Outcome(StageTable(result.rows, header), result.counts, reused=False)


def _made(stage: Stage, run: StageRun, inputs: Mapping[str, StageTable]) -> Result:
    """What the body makes; of the answers that it waits for, those that a run before it had are not asked for again."""
    if not run.run_id or not stage.per_frame or "inference" not in stage.kinds:
        return stage.body(run, **inputs)
    with run.journal() as journal:
        return stage.body(replace(run, inference=KeptAnswers(run.inference, journal)), **inputs)


def _make_again(tables: Mapping[str, StageTable], stages: Mapping[str, Stage], run: StageRun) -> None:
    """Make again the pictures of these tables' stages where they were cleared and the tables are still there.

    Raises:
        PermanentError: they would not be the same any more.
    """
    for name, table in tables.items():
        stage, header = stages[name], table.header
        if not stage.pictures or header.skipped or stage.complete(run, header):
            continue
        run.log(f"The pictures of {name} were cleared; they are made again.")
        inputs = {source: run.stored(source) for source in stage.inputs}
        _make_again(inputs, stages, run)
        settings = stage.settings.model_validate(header.settings)
        again = _limited(replace(run, stage=name, settings=settings, overrides=header.overrides, only=None))
        made = materialize_stage(stage, again, inputs).table.header
        if (made.fingerprint, made.data_version) != (header.fingerprint, header.data_version):
            raise PermanentError(
                f"The pictures of {name} of the timeline {run.timeline!r} were cleared, and what they were made from "
                f"has changed since; materialize {name} first."
            )
        run.storage.delete_below(Keys.parts(run.timeline, name))


def _stored(stage: Stage, run: StageRun) -> StageTable | None:
    """What is stored of this stage if it has the run's fingerprint and all that belongs to it is still there."""
    key = Keys.table(stage.name, run.timeline)
    try:
        table = from_parquet(run.storage.get(key), run.storage.where(key))
    except MissingObject:
        return None
    except PermanentError as error:
        run.log(str(error))
        return None
    same = table.header.fingerprint == run.fingerprint and table.rows.schema == pl.Schema(stage.schema)
    return table if same and (table.header.skipped or stage.complete(run, table.header)) else None


def _materialize(
    stage: Stage,
    stages: Mapping[str, Stage],
    context: dg.AssetExecutionContext,
    config: dg.Config,
    inputs: Mapping[str, StageTable],
) -> dg.MaterializeResult[StageTable]:
    started_s = time.monotonic()
    refuse_incompatible(inputs, stages)
    overrides = from_config(config.model_dump())
    run = stage_run(stage, context.partition_key, overrides, context.resources, context.log)
    run_id = context.run.run_id
    run = replace(run, run_id=run_id, progress=StoredProgress(run.progress, run.storage, run.timeline, run_id))
    if not stage.inputs:
        _observe_first(context, list(stages.values()))
    try:
        outcome = materialize_stage(stage, run, inputs, lambda: _make_again(inputs, stages, run))
    except BaseException:
        run.progress.finished()  # a stream that is broken off tells it when it is collected, which may be too late
        raise
    stage.after(run, outcome.table)
    header, rows = outcome.table.header, outcome.table.rows
    metadata: dict[str, Any] = {
        "dagster/row_count": rows.height,
        "dagster/column_schema": column_schema(stage.schema),
        "profile": header.profile,
        "settings": dg.MetadataValue.json(header.settings),
        "settings_hash": header.settings_hash,
        "config_version": stage_config_version(stage, run),
        "overrides": dg.MetadataValue.json(header.overrides),
        "code_version": header.code_version,
        "model": header.model or "none",
        "upstream": dg.MetadataValue.json(header.upstream),
        "fingerprint": header.fingerprint,
        "reused": outcome.reused,
        "table": run.storage.where(Keys.table(stage.name, run.timeline)),
        **outcome.counts,
    }
    if header.skipped is not None:
        metadata["skipped"] = header.skipped
    elif stage.draw is not None:
        try:
            frames = outcome.table if stage.name == "extract_frames" else run.stored("extract_frames")
            metadata |= _previews(stage, stage.draw, run, rows, frames.header.fingerprint, context.run.run_id)
        except MissingObject as error:
            metadata["preview"] = f"The frames to draw on are gone: {error}"
    metadata["seconds"] = seconds = round(time.monotonic() - started_s, 3)
    run.progress.concluded(stage.name, _summary(outcome, seconds))
    if run.overrides:
        # The settings are observed anew, so that what this run made differs from its profile in the UI too.
        as_in_profile = replace(run, settings=run.profile.section(stage.name), only=None)
        version = overridden_version(stage_config_version(stage, as_in_profile), context.run.run_id)
        report(context.instance, [(stage.name, run.timeline, version)])
    return dg.MaterializeResult(
        value=outcome.table,
        data_version=dg.DataVersion(header.data_version),
        metadata=metadata,
        check_results=[
            *([CHECKS[stage.name].result(run, outcome.table)] if stage.name in CHECKS else []),
            scenario_check(stage, run, outcome.table, stages),
        ],
    )


def _observe_first(context: dg.AssetExecutionContext, stages: Sequence[Stage]) -> None:
    """Report the settings of a timeline that nobody has observed yet, before the stages run that depend on them."""
    from mpr_assets.sensors import observe  # it makes its versions of stages, by this module

    observed = read_observed(context.instance, [StageNode(stages[-1].name, (), "")], [context.partition_key])
    if not observed[stages[-1].name]:
        observe(context.instance, stages, [context.partition_key], context.resources, context.log)


def _summary(outcome: Outcome, seconds: float) -> str:
    if outcome.table.header.skipped is not None:
        return f"skipped: {outcome.table.header.skipped}"
    how = "as stored" if outcome.reused else f"in {seconds:.1f} s"
    height = outcome.table.rows.height
    return f"{height} row{'' if height == 1 else 's'} {how}"


def stage_run(
    stage: Stage, timeline: str, overrides: Mapping[str, Any], resources: Any, log: logging.Logger
) -> StageRun:
    """The stage on the timeline, with the resources of a run, an observation or a sensor.

    Raises:
        BadInput: the timeline is not registered; its profile or an override cannot be used.
    """
    spec = load_spec(resources.storage.storage, timeline)
    return run_of(stage, spec, resources.profiles.load(spec.profile), overrides, resources, log)


def run_of(
    stage: Stage,
    spec: TimelineSpec,
    profile: Profile,
    overrides: Mapping[str, Any],
    resources: Any,
    log: logging.Logger,
) -> StageRun:
    """The same where the timeline's spec and profile are at hand."""
    settings = resolve_settings(stage, profile, overrides)
    run = StageRun(
        stage=stage.name,
        spec=spec,
        profile=profile,
        settings=settings,
        overrides=differing(profile.section(stage.name), settings, overrides),
        storage=resources.storage.storage,
        inference=resources.inference,
        decodes_here=not resources.inference.url,
        profiles=resources.profiles,
        cache=resources.storage.cache,
        progress=resources.progress or LogProgress(log.info),
        log=log.warning,
        switched_off=resources.switches.get(stage.name),
    )
    return _limited(run)


def _limited(run: StageRun) -> StageRun:
    """The run with the frames that its overrides limit it to."""
    if FRAMES not in run.overrides:
        return run
    kept_seqs = dict(run.stored("filter_scenes").rows.select("seq", "kept_seq").iter_rows())
    return replace(run, only=FrameChoice.parse(run.overrides[FRAMES]).of(kept_seqs))


def _previews(
    stage: Stage,
    draw: Draw,
    run: StageRun,
    rows: pl.DataFrame,
    made_frames: str,
    run_id: str,
) -> dict[str, Any]:
    """A small contact sheet for the run's page, and the full pictures stored as overlays.

    `made_frames`: fingerprint of the `extract_frames` run whose frames are drawn on.
    """
    seqs = rows["seq"].unique().sort()
    if seqs.is_empty():
        return {}
    chosen = sorted({int(seqs[round(i * (len(seqs) - 1) / (PREVIEWS - 1))]) for i in range(PREVIEWS)})
    drawn = []
    for seq, picture in run.frame_folder(made_frames).stream(chosen):
        drawn.append(draw(picture.pixels, rows.filter(pl.col("seq") == seq)))
        run.storage.put(Keys.overlay(run.timeline, run_id, stage.name, seq, stage.name), encode_png(drawn[-1]))
    folder = Keys.overlay(run.timeline, run_id, stage.name, 0, "").rpartition("/")[0]
    return {
        "preview": dg.MetadataValue.md(sheet_markdown(drawn)),
        "overlays": dg.MetadataValue.path(run.storage.where(folder)),
    }
