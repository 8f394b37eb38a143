"""A stored report, read for exports; and files written into a folder of the user's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
from pydantic import ValidationError

from gpu_service.errors import BadInput, PermanentError
from mpr_assets.corrections.applied import without_rejected
from mpr_assets.engine.stage_run import seconds_of
from mpr_assets.exports.tables import Behind, ReportTables, StageTime, brands_of
from mpr_assets.report.exposures import frame_spans
from mpr_assets.report.mark_spans import Marks, marks_of
from mpr_assets.report.model import Report
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.store import MissingObject, Storage
from mpr_resources.storage.tables import StageTable, read_header, read_table

REPORT, TIMELINE, FRAMES, SCENES = "compile_report", "timeline", "extract_frames", "filter_scenes"
CORRECTIONS = "corrections"


def read_report(storage: Storage, timeline: str, detecting: Sequence[str]) -> ReportTables:
    """What is stored of a timeline's report, stale or not.

    Args:
        detecting: stages whose detections make up the report; they are read where a format has boxes.

    Raises:
        BadInput: there is none.
        PermanentError: it cannot be read, or its parts do not belong together.
    """
    try:
        stored = read_table(storage, REPORT, timeline)
        exposures = stored.rows
        report = Report.model_validate_json(storage.get(Keys.report(timeline, "report.json")))
    except MissingObject as error:
        raise BadInput(f"The timeline {timeline!r} has no report yet", "run it first") from error
    except ValidationError as error:
        what = f"The report of the timeline {timeline!r} is not one that this version of MPR can read"
        raise PermanentError(what, f"compile it again: mpr replay {timeline} compile_report") from error
    if report.counts.exposures != exposures.height:
        what = f"The report of the timeline {timeline!r} does not fit its table of exposures"
        raise PermanentError(what, "a run is at work, or was broken off: wait for it, or run it again")
    behind = Behind(
        marks=partial(_marks, storage, stored, detecting),
        times=partial(stage_times, storage, timeline),
        read=storage.get,
        page=partial(storage.get, Keys.report(timeline, "report.html")),
    )
    return ReportTables(report, exposures, brands_of(report), behind)


def stage_times(storage: Storage, timeline: str, stages: Sequence[str]) -> dict[str, StageTime]:
    """When what is stored of these stages was made."""
    times: dict[str, StageTime] = {}
    for stage in stages:
        try:
            header = read_header(storage, stage, timeline)
            entry = storage.entry(Keys.table(stage, timeline))
        except MissingObject:
            continue
        times[stage] = StageTime(entry.modified_s, seconds_of(storage, timeline, header))
    return times


def _marks(storage: Storage, report: StageTable, detecting: Sequence[str]) -> Marks:
    """The marks of a report, from the tables that it was made from.

    Raises:
        BadInput: one of them was made anew since, or is not stored any more.
    """
    timeline = report.header.timeline

    def rows(stage: str) -> pl.DataFrame:
        try:
            table = read_table(storage, stage, timeline)
        except MissingObject:
            table = None
        if table is None or table.header.data_version != report.header.upstream[stage]:
            what = f"{stage} of the timeline {timeline!r} is not stored as its report was made from it"
            raise BadInput(what, f"bring the report up to date: mpr replay {timeline} {REPORT}")
        return table.rows

    frames = rows(FRAMES)
    found = without_rejected(pl.concat([rows(one) for one in detecting]), rows(CORRECTIONS))
    return marks_of(report.rows, found, frames, frame_spans(frames, rows(SCENES), rows(TIMELINE)))


def write_files(folder: Path, files: Mapping[str, bytes]) -> list[Path]:
    """Write files into a folder, which is made where it is not there; those of the same names are replaced.

    None appears before all of them are written whole.

    Raises:
        BadInput: the folder, or a file in it, cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".mpr-export-", dir=folder) as unfinished:
            for name, data in files.items():
                Path(unfinished, name).write_bytes(data)
            for name in files:
                Path(unfinished, name).replace(folder / name)
    except OSError as error:
        what = f"The folder {str(folder)!r} cannot be written ({error.strerror or error})"
        raise BadInput(what, "name another one with --to") from error
    return [folder / name for name in files]
