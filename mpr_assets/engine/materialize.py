"""A stage's table: looked up under its fingerprint, or made now.

The hashes that say whether a result still holds are in `mpr_assets.engine.versions`; how a result is recorded is in
`mpr_assets.orchestration.stage_asset`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace

import polars as pl

from gpu_service.errors import (
    PermanentError,
)
from mpr_assets.engine.open_run import limited_to_frames
from mpr_assets.engine.overrides import NO_OVERRIDES, Overrides
from mpr_assets.engine.stage import Stage, StageOutcome
from mpr_assets.engine.stage_run import Result, StageRun
from mpr_assets.engine.versions import config_version, fingerprint, hashed_settings
from mpr_resources.inference.resumable import ResumableInference
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.store import MissingObject
from mpr_resources.storage.tables import (
    StageTable,
    TableHeader,
    check_schema,
    data_version_of,
    read_table,
)


def stage_config_version(stage: Stage, run: StageRun) -> str:
    """The version of all that the stage depends on outside the graph; without overrides that of `config/<stage>`."""
    settings = hashed_settings(stage.name, run.settings) | ({"enabled": False} if run.skipped else {})
    outside = {} if run.skipped else stage.depends_on(run)
    return config_version(settings, outside | ({} if run.only is None else {"frames": str(sorted(run.only))}))


def materialize_stage(
    stage: Stage,
    run: StageRun,
    inputs: Mapping[str, StageTable],
    prepare: Callable[[], None] = lambda: None,
) -> StageOutcome:
    """The stage's table: what is stored under the fingerprint, or what the body makes now.

    `prepare`: called before the body is.
    """
    skipped, upstream = run.skipped, _upstream(stage, run, inputs)
    run = replace(run, fingerprint=_fingerprint(stage, run, upstream))
    stored = _stored(stage, run)
    if stored is not None:
        asked = {"profile": run.spec.profile, "overrides": run.overrides.record()}
        return StageOutcome(StageTable(stored.rows, stored.header.model_copy(update=asked)), {}, reused=True)
    if skipped is None:
        prepare()
    started_s = time.monotonic()
    result = _made(stage, run, inputs) if skipped is None else Result(pl.DataFrame(schema=dict(stage.schema)))
    check_schema(result.rows, stage.schema, stage.name)
    why = skipped or result.nothing_to_do
    settings = run.settings.model_dump(mode="json")
    header = TableHeader(
        stage=stage.name,
        timeline=run.timeline,
        profile=run.spec.profile,
        fingerprint=run.fingerprint,
        data_version=data_version_of(result.rows, why, result.content),
        code_version=stage.code_version,
        settings=settings,
        overrides=run.overrides.record(),
        model=upstream.get("model", ""),
        upstream=upstream,
        skipped=why or None,
        nothing_to_do=bool(result.nothing_to_do),
    )
    if skipped is None:
        run.keep_seconds(header, time.monotonic() - started_s)
    return StageOutcome(StageTable(result.rows, header), result.counts, reused=False, notes=result.notes)


def never_made(stage: Stage, run: StageRun) -> StageTable:
    """What stands for a stage's table that is not stored, where the profile has the stage switched off, or it has
    nothing to do on the run's timeline: the table that it would make. As of a timeline that was made before there was
    such a stage.

    Args:
        run: of a stage that reads the table.

    Raises:
        MissingObject: it has something to do.
    """
    section = stage.section(run.profile)
    its_own = replace(run, stage=stage.name, settings=section, overrides=NO_OVERRIDES, switched_off=stage.idle(run))
    reason = its_own.skipped
    if reason is None:
        return run.stored(stage.name)
    rows = pl.DataFrame(schema=dict(stage.schema))
    header = TableHeader(
        stage=stage.name,
        timeline=run.timeline,
        profile=run.spec.profile,
        fingerprint="",
        data_version=data_version_of(rows, reason, ""),
        code_version=stage.code_version,
        settings={},
        overrides={},
        model="",
        upstream={},
        skipped=reason,
    )
    return StageTable(rows, header)


def stored_table(stage: Stage, run: StageRun, inputs: Mapping[str, StageTable]) -> StageTable | None:
    """What `materialize_stage` would give as it is stored; None: it would make it now."""
    return _stored(stage, replace(run, fingerprint=_fingerprint(stage, run, _upstream(stage, run, inputs))))


def _upstream(stage: Stage, run: StageRun, inputs: Mapping[str, StageTable]) -> dict[str, str]:
    """Versions of all that the stage reads or uses, by what they are of."""
    read = {name: table.header.data_version for name, table in inputs.items()}
    return read if run.skipped is not None else read | stage.depends_on(run)


def _fingerprint(stage: Stage, run: StageRun, upstream: Mapping[str, str]) -> str:
    hashed = hashed_settings(stage.name, run.settings)
    return fingerprint(stage.name, stage.code_version, hashed, upstream, run.skipped, run.only)


def _made(stage: Stage, run: StageRun, inputs: Mapping[str, StageTable]) -> Result:
    """What the body makes; of the answers that it waits for, those that a run before it had are not asked for again."""
    if not run.run_id or not stage.per_frame or "inference" not in stage.kinds:
        return stage.body(run, **inputs)
    with run.journal() as journal:
        return stage.body(replace(run, inference=ResumableInference(run.inference, journal)), **inputs)


def make_again(tables: Mapping[str, StageTable], stages: Mapping[str, Stage], run: StageRun) -> None:
    """Make again the pictures of these tables' stages where they were cleared and the tables are still there.

    Raises:
        PermanentError: they would not be the same any more.
    """
    for name, table in tables.items():
        stage, header = stages[name], table.header
        if not stage.pictures or header.skipped or stage.complete(run, header):
            continue
        run.log(f"The pictures of {name} were cleared; they are recomputed.")
        inputs = {source: run.stored(source) for source in stage.inputs}
        make_again(inputs, stages, run)
        settings = stage.settings.model_validate(header.settings)
        overrides = Overrides.from_record(header.overrides)
        again = limited_to_frames(replace(run, stage=name, settings=settings, overrides=overrides, only=None))
        made = materialize_stage(stage, again, inputs).table.header
        if (made.fingerprint, made.data_version) != (header.fingerprint, header.data_version):
            raise PermanentError(
                f"The pictures of {name} of the timeline {run.timeline!r} were cleared, and their "
                "inputs have changed since",
                f"materialize {name} first",
            )
        run.storage.delete_below(Keys.parts(run.timeline, name))


def _stored(stage: Stage, run: StageRun) -> StageTable | None:
    """What is stored of this stage if it has the run's fingerprint and all that belongs to it is still there."""
    try:
        table = read_table(run.storage, stage.name, run.timeline)
    except MissingObject:
        return None
    except PermanentError as error:
        run.log(str(error))
        return None
    same = table.header.fingerprint == run.fingerprint and table.rows.schema == pl.Schema(stage.schema)
    return table if same and (table.header.skipped or stage.complete(run, table.header)) else None
