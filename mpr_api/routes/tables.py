"""What the stages found, by windows of time: detections, exposures, lines of text, regions, and any stage's table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import polars as pl
from fastapi import APIRouter, Query, Response
from pydantic import Field

from mpr_api.routes.pages import ROWS, Cursor, EndMs, Limit, Page, StartMs, between, page, row_of_stage
from mpr_api.world.backend import Backend, Shared, StageOfPath, TimelineId
from mpr_assets.definitions import BY_NAME, STAGES
from mpr_assets.engine.stage_run import FRAME_INDEX
from mpr_assets.report.model import Report
from mpr_assets.report.objects import objects_of
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.store import MissingObject
from mpr_resources.storage.tables import StageTable, hash_of

router = APIRouter(tags=["results"])

DETECTION_STAGES = [stage.name for stage in STAGES if stage.detection_sources]
REGION_STAGES = ("detect_edges", "detect_objects")

Stage = (str, Field(description="the stage that found it"))
TimelineMs = (int, Field(description="time of the frame on the timeline's clock"))

DetectionRow: Any = row_of_stage("DetectionRow", BY_NAME["match_brands"], {"stage": Stage, "timeline_ms": TimelineMs})
TextLineRow: Any = row_of_stage("TextLineRow", BY_NAME["run_ocr"], {"timeline_ms": TimelineMs})
RegionRow: Any = row_of_stage("RegionRow", BY_NAME["detect_edges"], {"stage": Stage, "timeline_ms": TimelineMs})
ObjectRow: Any = row_of_stage("ObjectRow", BY_NAME["detect_objects"], {"timeline_ms": TimelineMs})
ExposureRow: Any = row_of_stage("ExposureRow", BY_NAME["compile_report"])

Brand = Annotated[str | None, Query(max_length=200, description="of this brand only")]
MinConfidence = Annotated[float, Query(ge=0, le=1, description="at least so sure, 0 to 1")]


@router.get("/timeline/{timeline}/detections", response_model=Page[DetectionRow])
def list_detections(
    timeline: TimelineId,
    backend: Shared,
    start_ms: StartMs = None,
    end_ms: EndMs = None,
    brand: Brand = None,
    min_confidence: MinConfidence = 0.0,
    candidates: Annotated[
        Literal["leave_out", "include", "only"], Query(description="what no brand was found for")
    ] = "leave_out",
    cursor: Cursor = None,
    limit: Limit = ROWS,
) -> Response:
    """Detections of every stage that makes some, in the order of time."""
    rows, version = found_by(backend, timeline, DETECTION_STAGES)
    if candidates != "include":
        rows = rows.filter(pl.col("brand").is_null() == (candidates == "only"))
    if brand is not None:
        rows = rows.filter(pl.col("brand") == brand)
    rows = rows.filter(pl.col("confidence") >= min_confidence)
    return page(between(rows, start_ms, end_ms), version, cursor, limit)


@router.get("/timeline/{timeline}/exposures", response_model=Page[ExposureRow])
def list_exposures(
    timeline: TimelineId,
    backend: Shared,
    start_ms: StartMs = None,
    end_ms: EndMs = None,
    brand: Brand = None,
    cursor: Cursor = None,
    limit: Limit = ROWS,
) -> Response:
    """Exposures that overlap the window, in the order of time."""
    backend.spec(timeline)
    table = backend.table("compile_report", timeline)
    rows = table.rows.sort("start_ms", "brand", maintain_order=True)
    if brand is not None:
        rows = rows.filter(pl.col("brand") == brand)
    if start_ms is not None:
        rows = rows.filter(pl.col("end_ms") > start_ms)
    if end_ms is not None:
        rows = rows.filter(pl.col("start_ms") < end_ms)
    return page(rows, table.header.data_version, cursor, limit)


@router.get("/timeline/{timeline}/text-lines", response_model=Page[TextLineRow])
def list_text_lines(
    timeline: TimelineId,
    backend: Shared,
    start_ms: StartMs = None,
    end_ms: EndMs = None,
    cursor: Cursor = None,
    limit: Limit = ROWS,
) -> Response:
    """Lines of text that were read, in the order of time."""
    backend.spec(timeline)
    table = backend.table("run_ocr", timeline)
    return page(between(_timed(backend, timeline, table), start_ms, end_ms), _version([table]), cursor, limit)


@router.get("/timeline/{timeline}/regions", response_model=Page[RegionRow])
def list_regions(
    timeline: TimelineId,
    backend: Shared,
    stage: Annotated[Literal["detect_edges", "detect_objects"] | None, Query(description="of this stage only")] = None,
    start_ms: StartMs = None,
    end_ms: EndMs = None,
    cursor: Cursor = None,
    limit: Limit = ROWS,
) -> Response:
    """Boxes that may hold a brand, in the order of time."""
    rows, version = found_by(backend, timeline, [stage] if stage else REGION_STAGES)
    columns = [name for name in RegionRow.model_fields if name in rows.columns]
    return page(between(rows, start_ms, end_ms).select(columns), version, cursor, limit)


class ObjectPage(Page[ObjectRow]):
    """Objects of a window of time."""

    labels: dict[str, int] = Field(description="boxes by label, of the whole timeline")


@router.get("/timeline/{timeline}/objects", response_model=ObjectPage)
def list_objects(
    timeline: TimelineId,
    backend: Shared,
    label: Annotated[str | None, Query(max_length=200, description="with this label only")] = None,
    start_ms: StartMs = None,
    end_ms: EndMs = None,
    cursor: Cursor = None,
    limit: Limit = ROWS,
) -> Response:
    """People and things that detectors saw and that are no brand by their label, in the order of time."""
    backend.spec(timeline)
    tables = [backend.table(stage, timeline) for stage in ("detect_objects", "match_brands")]
    rows = objects_of(*(table.rows for table in tables))
    labels = dict(rows["label"].value_counts(sort=True).iter_rows())
    if label is not None:
        rows = rows.filter(pl.col("label") == label)
    times = backend.table(FRAME_INDEX, timeline).rows.select("seq", "timeline_ms")
    shown = between(rows.join(times, on="seq", how="left", maintain_order="left"), start_ms, end_ms)
    return page(shown, _version(tables), cursor, limit, labels=labels)


@router.get("/timeline/{timeline}/tables/{stage}", response_model=Page[dict[str, Any]])
def stage_table(
    timeline: TimelineId,
    stage: StageOfPath,
    backend: Shared,
    start_ms: StartMs = None,
    end_ms: EndMs = None,
    cursor: Cursor = None,
    limit: Limit = ROWS,
) -> Response:
    """A stage's table as it is stored; rows of frames with `timeline_ms`."""
    backend.spec(timeline)
    table = backend.table(stage.name, timeline)
    timed = "seq" in table.rows.columns or "timeline_ms" in table.rows.columns
    if not timed:
        return page(table.rows, table.header.data_version, cursor, limit)
    return page(between(_timed(backend, timeline, table), start_ms, end_ms), _version([table]), cursor, limit)


@router.get("/timeline/{timeline}/report", response_model=Report)
def report(timeline: TimelineId, backend: Shared) -> Response:
    """`report.json` as the last run compiled it."""
    backend.spec(timeline)
    try:
        stored = backend.storage.get(Keys.report(timeline, "report.json"))
    except MissingObject as error:
        raise MissingObject(f"The timeline {timeline!r} has no report yet", "run it first") from error
    return Response(stored, media_type="application/json")


def found_by(backend: Backend, timeline: str, stages: Sequence[str]) -> tuple[pl.DataFrame, str]:
    """The rows of several stages' tables, those that are stored, in the order of time; and their version."""
    backend.spec(timeline)
    tables = []
    for stage in stages:
        if backend.storage.exists(Keys.table(stage, timeline)):
            tables.append(backend.table(stage, timeline))
    if not tables:
        raise MissingObject(f"Nothing is stored of {' and '.join(stages)} of the timeline {timeline!r}", "run it first")
    timed = [
        _timed(backend, timeline, table).with_columns(pl.lit(table.header.stage).alias("stage")) for table in tables
    ]
    rows = pl.concat(timed, how="diagonal").sort("timeline_ms", "seq", maintain_order=True)
    return rows, _version(tables)


def _timed(backend: Backend, timeline: str, table: StageTable) -> pl.DataFrame:
    """The table's rows with the time of each one's frame."""
    if "timeline_ms" in table.rows.columns:
        return table.rows
    times = backend.table(FRAME_INDEX, timeline).rows.select("seq", "timeline_ms")
    return table.rows.join(times, on="seq", how="left", maintain_order="left")


def _version(tables: Sequence[StageTable]) -> str:
    return hash_of([table.header.data_version for table in tables])
