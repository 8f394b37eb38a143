"""Bookmarked states of a timeline at a stage, and whether the stage still makes the same of the same inputs.

How bookmarks are kept is in `mpr_resources.storage.scenario_store`, how tables are compared in
`mpr_assets.compare.table_diff`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pydantic import JsonValue

from gpu_service.errors import BadInput, MprError
from mpr_assets.compare.table_diff import Difference, change_line, compare
from mpr_assets.engine.compatibility import refuse_incompatible
from mpr_assets.engine.materialize import materialize_stage
from mpr_assets.engine.open_run import run_of
from mpr_assets.engine.overrides import NO_OVERRIDES
from mpr_assets.engine.resources import RunResources
from mpr_assets.engine.settings import differing_settings
from mpr_assets.engine.stage import Stage
from mpr_assets.engine.stage_run import FRAME_INDEX, KEPT_FRAMES, StageRun
from mpr_assets.timelines.spec_store import load_spec
from mpr_resources.names import check_name
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.pictures import PictureCache
from mpr_resources.storage.scenario_store import Scenario, opened, save
from mpr_resources.storage.scratch import ScratchStorage
from mpr_resources.storage.store import Storage
from mpr_resources.storage.tables import StageTable, read_table


@dataclass(frozen=True)
class ScenarioResult:
    """A bookmark and what the stage makes of its inputs now.

    Attributes:
        difference: None where the stage could not be run; `problem` says why.
        content: whether what it made beside its table, like crops, is the same too.
        settings: that differ from the bookmark's, as (then, now).
        after: the table made now.
    """

    scenario: Scenario
    before: StageTable
    after: StageTable | None
    difference: Difference | None
    content: bool
    settings: Mapping[str, tuple[JsonValue, JsonValue]]
    problem: str = ""

    @property
    def same(self) -> bool:
        return self.difference is not None and not self.difference.changes and self.content

    def sentence(self) -> str:
        """What came of it, in a line."""
        if self.difference is None:
            return self.problem
        if not self.difference.changes and not self.content:
            return "the same rows, but different pictures or files"
        changed = ", ".join(f"{name} {was} → {now}" for name, (was, now) in self.settings.items())
        return self.difference.summary() + (f" (settings: {changed})" if changed else "")


@dataclass(frozen=True)
class CheckedScenario:
    """`detail`: what came of it in a sentence. `changes`: a line for each row that differs."""

    label: str
    timeline: str
    stage: str
    same: bool
    detail: str
    changes: list[str]


def validate_label(label: str) -> str:
    """The label itself, when it can be a scenario's; see `mpr_resources.names`.

    Raises:
        BadInput: it cannot.
    """
    return check_name(label, "scenario label")


def save_scenario(
    storage: Storage,
    stage: Stage,
    timeline: str,
    label: str,
    *,
    stages: Mapping[str, Stage],
    saved: str,
    saved_by: str,
    replace: bool = False,
) -> Scenario:
    """Bookmark what is stored of a stage of a timeline.

    Args:
        stages: all stages, by name. saved: when. saved_by: who.

    Raises:
        BadInput: the label cannot be used or is taken.
        MissingObject: the stage, or something that it was made from, is not stored.
    """
    validate_label(label)
    table = read_table(storage, stage.name, timeline)
    keys = needed_keys(storage, stage, timeline, stages)
    scenario = Scenario(
        label=label,
        timeline=timeline,
        stage=stage.name,
        profile=table.header.profile,
        saved=saved,
        saved_by=saved_by,
        objects=len(keys),
        rows=table.rows.height,
        data_version=table.header.data_version,
        code_version=table.header.code_version,
    )
    save(storage, scenario, keys, replace=replace)
    return scenario


def needed_keys(storage: Storage, stage: Stage, timeline: str, stages: Mapping[str, Stage]) -> list[str]:
    """Keys of all that the stage's state consists of: spec, tables, annotations, and the frames and crops that it
    reads.

    Raises:
        MissingObject: a table that the stage reads, or its pictures, are not stored.
    """
    before = [name for name in stages if name != stage.name]
    tables = [Keys.table(name, timeline) for name in (*stage.inputs, stage.name)]
    # The report tells how every stage was made; a frame's time and shot help to show any state.
    beside = before if stage.is_report else [FRAME_INDEX, KEPT_FRAMES]
    tables += [key for name in beside if storage.exists(key := Keys.table(name, timeline)) and key not in tables]
    said = storage.list(Keys.annotation(timeline, "").rstrip("/")) if stage.reads_annotations else ()
    return [Keys.spec(timeline), *tables, *said, *_pictures(storage, stage, timeline, stages)]


def _pictures(storage: Storage, stage: Stage, timeline: str, stages: Mapping[str, Stage]) -> list[str]:
    keys = []
    for source in (stages[name] for name in stage.inputs):
        if source.pictures is None:
            continue
        table = read_table(storage, source.name, timeline)
        if table.header.skipped:
            continue
        folder = source.pictures(timeline, table.header.fingerprint)
        if source.name == FRAME_INDEX:
            rows = read_table(storage, KEPT_FRAMES, timeline).rows.filter("kept") if stage.per_frame else table.rows
            keys += [f"{folder}/{seq:08d}.jpg" for seq in rows["seq"]]
        else:
            keys += sorted(set(storage.list(folder)) - {f"{folder}/finished"})
        keys.append(f"{folder}/finished")
    return keys


def check_scenario(
    storage: Storage,
    scenario: Scenario,
    run: StageRun,
    stages: Mapping[str, Stage],
    made: StageTable | None = None,
) -> ScenarioResult:
    """Run the stage on the bookmark's inputs and compare. Nothing is stored.

    Args:
        run: of the stage on the bookmark's timeline, with the settings to be checked.
        stages: the stages as they are now, by name.
        made: what the stage has just made with these settings, which is the answer if it read the same.
    """
    stage = stages[scenario.stage]
    kept = opened(storage, scenario.label)
    before = read_table(kept, scenario.stage, scenario.timeline)
    settings = differing_settings(stage.settings, before.header.settings, run.settings.model_dump(mode="json"))
    scratch = ScratchStorage(kept, hidden=[Keys.table(scenario.stage, scenario.timeline)])
    try:
        inputs = {name: read_table(kept, name, scenario.timeline) for name in stage.inputs}
        refuse_incompatible(inputs, stages)
        run = replace(run, storage=scratch, cache=PictureCache())
        after = made if made and _read_the_same(made, inputs) else None
        after = after or materialize_stage(stage, run, inputs).table
    except MprError as error:
        return ScenarioResult(scenario, before, None, None, False, settings, f"it could not be run: {error}")
    difference = compare(before.rows, after.rows)
    # Equal rows with another content are equal but for what lies beside them, unless columns changed their names.
    content = bool(difference.changes) or before.header.data_version == after.header.data_version
    return ScenarioResult(scenario, before, after, difference, content, settings)


def check_as_it_is_now(
    storage: Storage, scenario: Scenario, resources: RunResources, stages: Mapping[str, Stage], log: logging.Logger
) -> CheckedScenario:
    """The same with the settings that the bookmark's profile has now; what keeps it from being run is told too."""
    which = (scenario.label, scenario.timeline, scenario.stage)
    stage = stages.get(scenario.stage)
    try:
        if stage is None:
            raise BadInput(f"the stage {scenario.stage} no longer exists", "delete the scenario")
        spec = load_spec(opened(storage, scenario.label), scenario.timeline)
        run = run_of(stage, spec, resources.profiles.load(spec.profile), NO_OVERRIDES, resources, log)
    except BadInput as error:
        return CheckedScenario(*which, same=False, detail=str(error), changes=[])
    checked = check_scenario(storage, scenario, run, stages)
    changes = checked.difference.changes if checked.difference else ()
    return CheckedScenario(*which, checked.same, checked.sentence(), [change_line(change) for change in changes])


def _read_the_same(made: StageTable, inputs: Mapping[str, StageTable]) -> bool:
    return all(made.header.upstream.get(name) == table.header.data_version for name, table in inputs.items())


def scenarios_of(scenarios: Sequence[Scenario], timeline: str, stage: str) -> list[Scenario]:
    """Those of a timeline and stage."""
    return [one for one in scenarios if (one.timeline, one.stage) == (timeline, stage)]
