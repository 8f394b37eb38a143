"""Small stored results for the tests of evidence, made of the tables that the tests of the report have."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from mpr_assets.definitions import BY_NAME
from mpr_assets.evidence.moment import StoredResults
from mpr_assets.report.exposures import ExposureSettings, exposures
from mpr_resources.storage.tables import StageTable, TableHeader
from tests.mpr_assets.report.tables import DETECTIONS, chunks, detections, frames, scenes

TIMELINE = "match"


def header(stage: str, **said: object) -> TableHeader:
    fields: dict[str, object] = {
        "stage": stage,
        "timeline": TIMELINE,
        "profile": "generic",
        "fingerprint": f"fingerprint of {stage}",
        "data_version": f"version of {stage}",
        "code_version": "1",
        "settings": BY_NAME[stage].settings.model_construct().model_dump(mode="json"),
        "overrides": {},
        "model": "",
        "upstream": {name: f"version of {name}" for name in BY_NAME[stage].inputs},
        "skipped": None,
    }
    return TableHeader.model_validate(fields | said)


def results(
    *found: tuple[object, ...],
    settings: ExposureSettings | None = None,
    dropped: Mapping[int, int] | None = None,
    shots: tuple[int, ...] = (0, 0, 0, 0),
    headers: Mapping[str, Mapping[str, object]] | None = None,
    **tables: pl.DataFrame,
) -> StoredResults:
    """A timeline of two seconds with frames at 0, 500, 1000 and 1500 ms, and these detections of `match_brands`.

    Args:
        found: rows of `detection`. tables: of other stages, by name; empty where there is none.
        dropped: for a dropped frame, the one that stands for it.
        headers: what is not usual in the headers, by stage.
    """
    rows: dict[str, pl.DataFrame] = {
        "timeline": chunks(("a.mp4", 5_000, 7_000)),
        "extract_frames": frames([0, 500, 1000, 1500]),
        "filter_scenes": scenes(shots, dict(dropped or {})),
        "match_brands": detections(*found),
        "escalate_vlm": pl.DataFrame(schema=DETECTIONS),
        "escalate_cloud": pl.DataFrame(schema=DETECTIONS),
    } | tables
    for name, stage in BY_NAME.items():
        rows.setdefault(name, pl.DataFrame(schema=dict(stage.schema)))
    detected = pl.concat([rows[name] for name in ("match_brands", "escalate_vlm", "escalate_cloud")])
    rows["compile_report"] = exposures(
        detected, rows["extract_frames"], rows["filter_scenes"], rows["timeline"], settings or ExposureSettings()
    )
    said = headers or {}
    return StoredResults(
        TIMELINE, {name: StageTable(rows[name], header(name, **said.get(name, {}))) for name in BY_NAME}
    )
