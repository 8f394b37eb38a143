"""What is told of runs as events: made of records of Dagster's event log, and of stored progress. Pure.

Names: `run` (queued, running, canceling), `stage` (running, done, skipped, failed, stopped), `progress`, `log`,
`detection`, `segment`, `end`. Who reads the log, and when, is in `event_feed`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property

import dagster as dg
from fastapi.sse import format_sse_event

from mpr_assets.runs.local_run import failure_sentence
from mpr_assets.runs.run_state import PAUSED, RunProgress, stage_event, status_word
from mpr_resources.dagster_internals import PARTITION_NAME_TAG

METADATA = ("dagster/row_count", "seconds", "reused", "skipped")
"""Of a materialization, what is told."""
STATES = {
    dg.DagsterEventType.RUN_ENQUEUED: "queued",
    dg.DagsterEventType.RUN_STARTING: "starting",
    dg.DagsterEventType.RUN_START: "running",
    dg.DagsterEventType.RUN_CANCELING: "canceling",
}
ENDS = {
    dg.DagsterEventType.RUN_SUCCESS: "success",
    dg.DagsterEventType.RUN_FAILURE: "failure",
    dg.DagsterEventType.RUN_CANCELED: "canceled",
}
BrandCounts = Callable[[str, str, str], Mapping[str, int] | None]
"""Detections by brand, of a stage, a timeline and a data version; None: it makes none, or has another table."""


@dataclass(frozen=True)
class ToldEvent:
    """An event as listeners get it.

    Attributes:
        id: of the record in the log that it is made of; None: it is told to those who listen now, and not again.
    """

    name: str
    data: Mapping[str, object]
    id: int | None = field(default=None)

    @cached_property
    def encoded(self) -> bytes:
        """As it goes over the wire; made once for all listeners."""
        return format_sse_event(
            data_str=json.dumps(self.data, ensure_ascii=False),
            event=self.name,
            id=None if self.id is None else str(self.id),
        )


def told(record: dg.EventLogRecord, run: dg.DagsterRun | None, brands: BrandCounts) -> Iterator[ToldEvent]:
    """What a record of the log says. The last event alone has the record's id: who lost it is told all anew.

    Args:
        run: that it is of, as it stands now; None: it was deleted.
    """
    timeline = run.tags.get(PARTITION_NAME_TAG, "") if run is not None else ""
    entry, event = record.event_log_entry, record.event_log_entry.dagster_event
    base: dict[str, object] = {
        "job_id": entry.run_id,
        "timeline_id": timeline,
        "time_ms": round(entry.timestamp * 1000),
    }
    if event is None:
        level = int(entry.level)
        if level >= logging.INFO:
            data = {
                **base,
                "level": logging.getLevelName(level).lower(),
                "stage": entry.step_key,
                "message": entry.user_message,
            }
            yield ToldEvent("log", data, record.storage_id)
        return
    if event.event_type in STATES:
        yield ToldEvent("run", {**base, "status": STATES[event.event_type]}, record.storage_id)
        return
    if event.event_type in ENDS:
        failed = event.event_type is dg.DagsterEventType.RUN_FAILURE
        error = failure_sentence([event, *_first_failure(event)][::-1]) if failed else None
        paused = run is not None and status_word(run) == PAUSED
        status = PAUSED if paused else ENDS[event.event_type]
        yield ToldEvent("end", {**base, "status": status, "error": error}, record.storage_id)
        return
    stage = stage_event(event)
    if stage is None:
        return
    data = {**base, **asdict(stage)}
    if event.is_step_materialization:
        made = event.step_materialization_data.materialization
        said = {name: value.value for name, value in made.metadata.items() if name in METADATA}
        data |= {"rows": said.get("dagster/row_count"), "seconds": said.get("seconds"), "reused": said.get("reused")}
        found = brands(stage.stage, timeline, (made.tags or {}).get("dagster/data_version", ""))
        if found is not None:
            shown = [{"brand": brand, "detections": count} for brand, count in found.items()]
            total = sum(found.values())
            yield ToldEvent("detection", {**base, "stage": stage.stage, "detections": total, "brands": shown})
    yield ToldEvent("stage", data, record.storage_id)


def _first_failure(event: dg.DagsterEvent) -> list[dg.DagsterEvent]:
    first = event.job_failure_data.first_step_failure_event
    return [first] if first is not None else []


def told_progress(run_id: str, timeline: str, progress: RunProgress) -> ToldEvent:
    """How far a run is."""
    elapsed_ms = progress.elapsed_ms or 0
    rate = round(progress.done / elapsed_ms * 1000, 2) if elapsed_ms else None
    return ToldEvent("progress", {"job_id": run_id, "timeline_id": timeline, **asdict(progress), "rate_per_s": rate})
