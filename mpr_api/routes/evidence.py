"""Why a brand is in a report or is not, with pictures; and which detections show the same mark."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, Field

from gpu_service.errors import NotThere
from gpu_service.pictures import Image, encode_jpeg
from gpu_service.routines.vectors import VectorSettings
from mpr_api.access.refusals import ErrorAnswer
from mpr_api.routes.pages import Cursor, Limit, Page, page
from mpr_api.routes.tables import DETECTION_STAGES, DetectionRow, found_by
from mpr_api.world.backend import LOG, Backend, Shared, TimelineId
from mpr_assets.corrections.similar import similar
from mpr_assets.crops.similar import cut_out
from mpr_assets.crops.suggestions import suggestions
from mpr_assets.crops.vector_store import ManyPlaces, timeline_places
from mpr_assets.definitions import BY_NAME, SECTIONS
from mpr_assets.engine.open_run import stage_run
from mpr_assets.engine.overrides import NO_OVERRIDES
from mpr_assets.engine.stage_run import StageRun
from mpr_assets.evidence.found import prove
from mpr_assets.evidence.lost import lost
from mpr_assets.evidence.moment import REPORT, StoredResults
from mpr_assets.evidence.pictures import frame_picture, lines_picture, stored_frame
from mpr_assets.evidence.told import ToldWhy, ToldWhyNot, told_why, told_why_not
from mpr_assets.evidence.why import why
from mpr_assets.evidence.why_not import why_not
from mpr_assets.runs.history import read_entries
from mpr_resources.storage.keys import Keys

router = APIRouter(tags=["review"])

QUALITY = 88
LEAST_LIKENESS = 0.8
BrandAsked = Annotated[str, Query(min_length=1, max_length=200, description="a name or an alias", examples=["Acme"])]
AtMs = Annotated[int, Query(ge=0, le=2**53, description="on the timeline's clock")]
MaybeAtMs = Annotated[int | None, Query(ge=0, le=2**53, description="none: the best frame of the longest exposure")]
Px = Annotated[int, Query(ge=0, le=100_000)]
JPEG = {200: {"content": {"image/jpeg": {}}, "description": "the picture"}, 404: {"model": ErrorAnswer}}


class WhyAnswer(BaseModel):
    """The proof of an exposure, and what made it."""

    why: ToldWhy
    picture_url: str = Field(description="the frame with the brand's boxes")
    page_url: str = Field(description="a page that shows it all")


class WhyNotAnswer(BaseModel):
    """Where a brand was lost that the report does not have."""

    why_not: ToldWhyNot
    picture_url: str | None = Field(description="the frame with the text that was read; null: there is no frame")
    page_url: str | None


class LookAlike(BaseModel):
    """A place of a frame, its box in pixels. `likeness`: -1 to 1; `text`: what was read there, or empty."""

    seq: int
    timeline_ms: int
    x: int
    y: int
    w: int
    h: int
    likeness: float
    text: str


class LookAlikes(BaseModel):
    """`looked_at`: places that were compared."""

    looked_at: int
    places: list[LookAlike]


class NamelessMark(BaseModel):
    """A mark that is in no list. `times`: places that show it, on so many `frames`; `text`: what was read there most
    often, or empty. The rest is where it is seen best, its box in pixels.
    """

    text: str
    times: int
    frames: int
    seq: int
    timeline_ms: int
    x: int
    y: int
    w: int
    h: int


@router.get("/timeline/{timeline}/why")
def why_it_is_there(timeline: TimelineId, brand: BrandAsked, backend: Shared, at_ms: MaybeAtMs = None) -> WhyAnswer:
    """What a brand's time on screen stands on: exposure, detections, text or logo, crop, frame, settings, run."""
    run = _run(backend, timeline)
    answer = why(run, BY_NAME, read_entries(backend.instance, SECTIONS, timeline), brand, at_ms)
    return WhyAnswer(
        why=told_why(run, answer),
        picture_url=_picture_url(timeline, "why", brand, at_ms),
        page_url=file_url(timeline, answer.page),
    )


@router.get("/timeline/{timeline}/why-not")
def why_it_is_not_there(timeline: TimelineId, brand: BrandAsked, at_ms: AtMs, backend: Shared) -> WhyNotAnswer:
    """Where a brand was lost that the report does not have at a time: which stage, by which rule and setting."""
    answer = why_not(_run(backend, timeline), brand, at_ms)
    shown = answer.page is not None
    return WhyNotAnswer(
        why_not=told_why_not(timeline, at_ms, answer),
        picture_url=_picture_url(timeline, "why-not", brand, at_ms) if shown else None,
        page_url=file_url(timeline, answer.page) if answer.page is not None else None,
    )


@router.get("/timeline/{timeline}/why.jpg", response_class=Response, responses=JPEG)  # type: ignore[arg-type]
def why_picture(timeline: TimelineId, brand: BrandAsked, backend: Shared, at_ms: MaybeAtMs = None) -> Response:
    """The frame that proves an exposure, with the brand's boxes."""
    run = _run(backend, timeline)
    results = StoredResults.of(run)
    proof = prove(results, brand, at_ms)
    return _jpeg(frame_picture(_pixels(run, results, proof.moment.kept_seq), proof.brand, proof.detections))


@router.get("/timeline/{timeline}/why-not.jpg", response_class=Response, responses=JPEG)  # type: ignore[arg-type]
def why_not_picture(timeline: TimelineId, brand: BrandAsked, at_ms: AtMs, backend: Shared) -> Response:
    """The frame in which a brand was looked for, with the text that was read."""
    run = _run(backend, timeline)
    results = StoredResults.of(run)
    found = lost(results, brand, at_ms, run.brand_list(), run.references())
    if found.moment is None:
        raise NotThere(f"The timeline {timeline!r} has no frame at that time", "name another time")
    return _jpeg(lines_picture(_pixels(run, results, found.moment.kept_seq), found.lines))


@router.get("/timeline/{timeline}/similar", response_model=Page[DetectionRow])
def similar_detections(
    timeline: TimelineId,
    seq: Annotated[int, Query(ge=0, le=10**9)],
    x: Px,
    y: Px,
    w: Px,
    h: Px,
    backend: Shared,
    cursor: Cursor = None,
    limit: Limit = 1000,
) -> Response:
    """Detections and candidates that show the same mark as this place of a frame, itself among them: one correction
    may do for all.
    """
    rows, version = found_by(backend, timeline, DETECTION_STAGES)
    crops = backend.table("preprocess", timeline).rows
    return page(similar(rows, crops, seq, (x, y, w, h)), version, cursor, limit)


@router.get("/timeline/{timeline}/look-alikes")
def look_alikes(
    timeline: TimelineId,
    seq: Annotated[int, Query(ge=0, le=10**9)],
    x: Px,
    y: Px,
    w: Px,
    h: Px,
    backend: Shared,
    least: Annotated[float, Query(ge=-1, le=1, description="likeness at least")] = LEAST_LIKENESS,
    limit: Annotated[int, Query(ge=1, le=1000, description="places at most")] = 20,
) -> LookAlikes:
    """Places anywhere in the timeline that look like this place of a frame, whatever was found there, the likest first.

    The first time, all of its places are looked at, which may take a while; then they are known.
    """
    backend.spec(timeline)
    inference = backend.resources.inference
    known = timeline_places(backend.storage, timeline, inference, VectorSettings())
    if seq not in known.times_ms:
        raise NotThere(
            f"The timeline {timeline!r} has no frame {seq}", f"its frames are 0 to {max(known.times_ms, default=0)}"
        )
    picture = cut_out(known.frames.read(seq).pixels, (x, y, w, h))
    alike = ManyPlaces([known]).likest(backend.storage, picture, inference, VectorSettings(), least, limit)
    return LookAlikes(
        looked_at=known.table.height,
        places=[
            LookAlike(
                seq=one.seq,
                timeline_ms=known.times_ms[one.seq],
                x=one.box[0],
                y=one.box[1],
                w=one.box[2],
                h=one.box[3],
                likeness=one.likeness,
                text=one.text,
            )
            for one in alike
        ],
    )


@router.get("/timeline/{timeline}/unlisted-marks")
def unlisted_marks(
    timeline: TimelineId,
    backend: Shared,
    least: Annotated[int, Query(ge=1, le=10**6, description="frames that a mark is seen on at least")] = 5,
    limit: Annotated[int, Query(ge=1, le=500, description="marks at most")] = 20,
) -> list[NamelessMark]:
    """Marks that are in no list and come back often, those on most frames first, as `mpr brands suggest` shows them.

    The first time, all places of the timeline are looked at, which may take a while; then they are known.
    """
    backend.spec(timeline)
    known = [text for one in backend.registry.entries() for text in (one.name, *one.aliases, *one.listed)]
    inference = backend.resources.inference
    found = suggestions(backend.storage, [timeline], known, inference, least_frames=least, most=limit)
    return [
        NamelessMark(
            text=mark.text,
            times=mark.times,
            frames=mark.frames,
            seq=mark.seq,
            timeline_ms=mark.at_ms,
            x=mark.box[0],
            y=mark.box[1],
            w=mark.box[2],
            h=mark.box[3],
        )
        for mark, _ in found
    ]


@router.get("/timeline/{timeline}/files/{name}", response_class=Response, responses={200: {"description": "the file"}})
def report_file(
    timeline: TimelineId,
    name: Annotated[
        str, Path(pattern=r"^[^/\\]{1,300}$", description="as an answer gave it", examples=["report.html"])
    ],
    backend: Shared,
) -> Response:
    """A file of a timeline's report: `report.html` and `report.json`, and the pages that `why` and `diff` name."""
    backend.spec(timeline)
    kind = next((kind for suffix, kind in KINDS.items() if name.endswith(suffix)), "application/octet-stream")
    return Response(backend.storage.get(Keys.report(timeline, name)), media_type=kind, headers=OWN_ORIGIN)


KINDS = {".html": "text/html; charset=utf-8", ".json": "application/json", ".csv": "text/csv; charset=utf-8"}
OWN_ORIGIN = {
    "Content-Security-Policy": "sandbox allow-scripts allow-popups allow-downloads",
    "X-Content-Type-Options": "nosniff",
}
"""Pages run their scripts in an origin of their own: what they hold of videos may not ask the API."""


def file_url(timeline: str, key: str) -> str:
    """The path of a file of the report."""
    return f"/detect/timeline/{timeline}/files/{key.rpartition('/')[2]}"


def _run(backend: Backend, timeline: str) -> StageRun:
    backend.spec(timeline)
    return stage_run(BY_NAME[REPORT], timeline, NO_OVERRIDES, backend.resources, LOG)


def _pixels(run: StageRun, results: StoredResults, seq: int) -> Image:
    pixels = stored_frame(run, results, seq)
    if pixels is None:
        raise NotThere(f"The frame {seq} is not in the cache", "run extract_frames again")
    return pixels


def _picture_url(timeline: str, what: str, brand: str, at_ms: int | None) -> str:
    query = {"brand": brand} | ({} if at_ms is None else {"at_ms": str(at_ms)})
    return f"/detect/timeline/{timeline}/{what}.jpg?{urlencode(query)}"


def _jpeg(picture: Image) -> Response:
    return Response(encode_jpeg(picture, QUALITY), media_type="image/jpeg", headers={"Cache-Control": "no-store"})
