"""Results of the history as something to compare: `TIMELINE@NUMBER`, numbered as `mpr history` numbers them.

A stage's table is replaced by its next result. What the history keeps of a result is how it was made, its figures and,
of a report, the seconds by brand; its rows are compared where a table with its content is still stored, as the current
one or in a scenario.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

import dagster as dg

from gpu_service.errors import BadInput, PermanentError
from mpr_assets.compare.snapshots import FORMS, Snapshot, find_snapshot, stage_of
from mpr_assets.engine.stage import Stage
from mpr_assets.engine.stage_run import FRAME_INDEX, KEPT_FRAMES
from mpr_assets.freshness.event_log import CLEARED
from mpr_assets.runs.history import HistoryEntry, read_entries
from mpr_assets.timelines.spec_store import load_spec
from mpr_resources.storage.scenario_store import opened, scenarios
from mpr_resources.storage.store import Storage
from mpr_resources.storage.tables import StageTable, TableHeader, read_header, read_table


def is_entry(reference: str) -> bool:
    """Whether a reference names a result of the history; no name of a timeline or a stage has an @ in it."""
    return "@" in reference


def find_any(instance: dg.DagsterInstance, storage: Storage, reference: str, stages: Mapping[str, Stage]) -> Snapshot:
    """What a reference names: a result of the history, or one that is stored; see `find_snapshot`."""
    if is_entry(reference):
        return find_entry(instance, storage, reference, stages)
    return find_snapshot(storage, reference, stages)


def find_entry(instance: dg.DagsterInstance, storage: Storage, reference: str, stages: Mapping[str, Stage]) -> Snapshot:
    """The result that `TIMELINE@NUMBER`, a report, or `TIMELINE:STAGE@NUMBER` names, as far as it is still known.

    Raises:
        BadInput: it is of none of these forms, or names nothing.
    """
    result, _, number = reference.partition("@")
    name, _, named_stage = result.partition(":")
    if not (number.isascii() and number.isdigit()):
        raise BadInput(f"{reference!r} names no result", FORMS)
    timeline, stage = load_spec(storage, name).name, stage_of(result, named_stage, stages)
    made = read_entries(instance, {one.name: one.settings for one in stages.values()}, timeline)
    of_stage = {entry.number: entry for entry in made if entry.stage == stage}
    entry = of_stage.get(int(number))
    if entry is None:
        there = f"has {stage} #1 to #{len(of_stage)}" if of_stage else f"has no {stage}"
        raise BadInput(f"The history of {timeline!r} {there}, and no #{number}", f"see mpr history {timeline} {stage}")
    if entry.note == CLEARED:
        raise BadInput(f"{reference} is the deletion of {stage}, and no result", f"see mpr history {timeline} {stage}")
    lineage = lineage_of(entry, made)
    headers = {one: _header(lineage[one], timeline) for one in stages if one in lineage}
    places = [storage, *(opened(storage, one.label) for one in scenarios(storage) if one.timeline == timeline)]
    needed = {stage, FRAME_INDEX, KEPT_FRAMES}
    if stages[stage].is_report:
        needed |= {one.name for one in stages.values() if one.detection_sources}
    tables = {one: table for one in stages if one in needed & headers.keys() for table in _tables(places, headers[one])}
    counts = {f"{one}: {what}": value for one in headers for what, value in lineage[one].counts.items()}
    return Snapshot(reference, timeline, stage, places, headers, tables, stages, counts, entry.seconds_by_brand)


def lineage_of(entry: HistoryEntry, made: Sequence[HistoryEntry]) -> dict[str, HistoryEntry]:
    """The result and all that it was made from, by stage, as far as the history knows it."""
    by_number = {(one.stage, one.number): one for one in made}
    found: dict[str, HistoryEntry] = {}
    waiting = [entry]
    while waiting:
        one = waiting.pop(0)
        if one.stage not in found:
            found[one.stage] = one
            waiting += [by_number[stage, number] for stage, number in one.parents.items() if number is not None]
    return found


def _header(entry: HistoryEntry, timeline: str) -> TableHeader:
    """The header that the result's table had."""
    return TableHeader(
        stage=entry.stage,
        timeline=timeline,
        profile=entry.profile,
        fingerprint=entry.fingerprint,
        data_version=entry.data_version,
        code_version=entry.code_version,
        settings=dict(entry.settings),
        overrides=dict(entry.overrides),
        model=entry.upstream.get("model", ""),
        upstream=dict(entry.upstream),
        skipped=entry.note or None,
    )


def _tables(places: Sequence[Storage], header: TableHeader) -> list[StageTable]:
    """The first table with this content that is stored; none where none is."""
    for place in places:
        with suppress(PermanentError):  # it is not there, or no table
            if read_header(place, header.stage, header.timeline).data_version == header.data_version:
                return [read_table(place, header.stage, header.timeline)]
    return []
