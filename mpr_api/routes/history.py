"""What was tried with a timeline, and what two results differ in."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from mpr_api.routes.evidence import OWN_ORIGIN
from mpr_api.world.backend import Backend, Shared, TimelineId, stage_named
from mpr_assets.compare.snapshots import Comparison, compare_snapshots
from mpr_assets.compare.told_diff import ToldDiff, told_diff
from mpr_assets.definitions import BY_NAME, SECTIONS
from mpr_assets.report.page.diff import diff_page
from mpr_assets.runs.history import read_entries
from mpr_assets.runs.history_snapshots import find_any
from mpr_assets.runs.told_history import ShownEntry, told_entries

router = APIRouter(tags=["history"])

MOST_CHANGES = 1000
_FORMS = (
    "TIMELINE for its report, TIMELINE:STAGE, scenario:LABEL, or TIMELINE:STAGE@NUMBER, an entry's `reference`; "
    "rows are compared where they are still stored"
)
Before = Annotated[str, Query(max_length=900, description=_FORMS, examples=["match:detect_edges@1"])]
After = Annotated[str, Query(max_length=900, description=_FORMS, examples=["match:detect_edges"])]


class HistoryAnswer(BaseModel):
    """The results of a timeline's stages. Without `stage` they are a tree, by `below`, each after its parent."""

    timeline_id: str
    stage: str | None
    entries: list[ShownEntry] = Field(description="with settings, counts, duration and run")


@router.get("/timeline/{timeline}/history")
def show_history(
    timeline: TimelineId,
    backend: Shared,
    stage: Annotated[str | None, Query(max_length=100, description="of this stage only, the first one first")] = None,
) -> HistoryAnswer:
    """Every result that a timeline's stages had: its settings, counts, how long it took, which run made it."""
    backend.spec(timeline)
    only = stage_named(stage).name if stage is not None else None
    made = read_entries(backend.instance, SECTIONS, timeline, only)
    return HistoryAnswer(
        timeline_id=timeline, stage=only, entries=told_entries(timeline, made, None if only else [*BY_NAME])
    )


@router.get("/diff")
def compare_results(
    before: Before,
    after: After,
    backend: Shared,
    limit: Annotated[int, Query(ge=0, le=20_000, description="changed rows of a kind at most")] = MOST_CHANGES,
) -> ToldDiff:
    """What two results of a stage, or two reports, differ in: settings, seconds, rows gained, lost, moved, changed."""
    return told_diff(compared(backend, before, after), limit)


@router.get("/diff.html", response_class=Response, responses={200: {"content": {"text/html": {}}}})
def comparison_page(before: Before, after: After, backend: Shared) -> Response:
    """The same as a page with pictures."""
    return Response(
        diff_page(compared(backend, before, after)), media_type="text/html; charset=utf-8", headers=OWN_ORIGIN
    )


def compared(backend: Backend, before: str, after: str) -> Comparison:
    """Two results side by side."""
    found = [find_any(backend.instance, backend.storage, one, BY_NAME) for one in (before, after)]
    return compare_snapshots(*found)
