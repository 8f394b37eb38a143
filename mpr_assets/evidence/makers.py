"""What made the tables of a timeline: settings, model, code and run of each stage. What they hold is in `found`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from mpr_assets.engine.stage import Stage
from mpr_assets.evidence.moment import StoredResults
from mpr_assets.runs.history import HistoryEntry
from mpr_resources.storage.tables import TableHeader


@dataclass(frozen=True)
class Maker:
    """What made a stage's table.

    Attributes:
        settings: all of them. not_default: the names of those that differ from the stage's defaults.
        overrides: settings of the run that were not the profile's.
        model: identity of the model or engine; empty: it has none.
        run_id: of the Dagster run whose materialization made it; None: this event log has none that did.
        number: of the result among the stage's, as `mpr history` counts. time_ms: since 1970, UTC.
        skipped: why the stage was switched off; None: it was not.
    """

    stage: str
    settings: Mapping[str, JsonValue]
    not_default: Sequence[str]
    overrides: Mapping[str, JsonValue]
    profile: str
    model: str
    code_version: str
    fingerprint: str
    data_version: str
    run_id: str | None
    number: int | None
    who: str
    time_ms: int | None
    skipped: str | None


def makers(
    results: StoredResults, stages: Mapping[str, Stage], used: Sequence[str], made: Sequence[HistoryEntry]
) -> list[Maker]:
    """What made the tables of the stages `used`, and those that their tables were made from, in the order of a run.

    Args:
        stages: all, by name.
        made: the timeline's history.
    """
    wanted, waiting = set[str](), list(used)
    while waiting:
        stage = waiting.pop()
        if stage in results.tables and stage not in wanted:
            wanted.add(stage)
            waiting += results.header(stage).upstream
    return [_maker(results.header(name), stages[name], made) for name in results.tables if name in wanted]


def _maker(header: TableHeader, stage: Stage, made: Sequence[HistoryEntry]) -> Maker:
    defaults = stage.settings.model_construct().model_dump(mode="json")
    entry = entry_of(header, made)
    return Maker(
        stage=header.stage,
        settings=header.settings,
        not_default=[name for name, value in header.settings.items() if defaults.get(name) != value],
        overrides=header.overrides,
        profile=header.profile,
        model=header.model,
        code_version=header.code_version,
        fingerprint=header.fingerprint,
        data_version=header.data_version,
        run_id=entry.run_id or None if entry else None,
        number=entry.number if entry else None,
        who=entry.who if entry else "",
        time_ms=round(entry.time_s * 1000) if entry else None,
        skipped=header.skipped,
    )


def entry_of(header: TableHeader, made: Sequence[HistoryEntry]) -> HistoryEntry | None:
    """The materialization that stored a table, the last of equals; None where the event log has none that did."""
    mine = [one for one in made if one.stage == header.stage and one.data_version == header.data_version]
    exact = [one for one in mine if one.fingerprint == header.fingerprint]
    return (exact or mine)[-1] if mine else None
