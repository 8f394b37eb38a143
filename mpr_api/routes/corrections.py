"""What people say that runs got wrong, or right: given, shown, taken back; and how right the report is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, Field

from gpu_service.errors import BadInput, NotThere
from mpr_api.access.refusals import ErrorAnswer
from mpr_api.world.backend import LOG, Backend, Shared, TimelineId
from mpr_assets.annotations.corrections import (
    Action,
    Correction,
    PixelBox,
    forget_corrections,
    keep_corrections,
    read_corrections,
)
from mpr_assets.annotations.stored import read_truth
from mpr_assets.corrections.asked import LEAST_PX, AskedCorrection
from mpr_assets.corrections.given import TimelineState, corrections_of
from mpr_assets.corrections.review import accepted, contradicted, merged
from mpr_assets.corrections.timeline_state import replay_from, state_of
from mpr_assets.definitions import BY_NAME
from mpr_assets.engine.open_run import stage_run
from mpr_assets.engine.overrides import NO_OVERRIDES
from mpr_assets.evaluation.evaluate import true_spans
from mpr_assets.evaluation.model import Evaluation
from mpr_assets.evaluation.stored import read_evaluation, why_stale
from mpr_assets.stages.evaluation import EvaluationSettings
from mpr_resources.storage.keys import Keys

router = APIRouter(tags=["review"])

MOST = 200
CorrectionName = Annotated[str, Path(pattern="^[0-9a-f]{16}$", description="name of a correction")]
BrandText = Annotated[str, Field(min_length=1, max_length=200)]
Ms = Annotated[int, Field(ge=0, le=2**53)]
Pixels = Annotated[int, Field(ge=0, le=100_000)]
LeastPixels = Annotated[int, Field(ge=LEAST_PX, le=100_000)]
_ACCEPT = {"action": "accept", "brand": "Acme", "seq": 12, "box": {"x": 40, "y": 60, "w": 200, "h": 50}}
_REJECT = {"action": "reject", "brand": "Acme", "start_ms": 4000, "end_ms": 9000}
PNG = {200: {"content": {"image/png": {}}, "description": "the picture"}, 404: {"model": ErrorAnswer}}


class MarkBox(BaseModel):
    """A box in pixels of the full frame."""

    x: Pixels
    y: Pixels
    w: LeastPixels
    h: LeastPixels


class NewCorrection(BaseModel):
    """One correction. When it holds: as long as the frame `seq` or `at_ms` stands for others, or the exposure there
    lasts; or from `start_ms` to `end_ms`.
    """

    action: Literal["accept", "add", "reject", "relabel", "merge"] = Field(
        description="accept: a detection is right; add: a mark was missed; reject: it is not there; relabel: it is "
        "another brand; merge: the exposures of the brand that touch the span are one"
    )
    brand: BrandText = Field(examples=["Acme"])
    to: str = Field("", max_length=200, description="what it really is, where the action is relabel")
    seq: int | None = Field(None, ge=0, le=10**9, description="a sampled frame")
    at_ms: Ms | None = Field(None, description="on the timeline's clock")
    start_ms: Ms | None = None
    end_ms: Ms | None = None
    box: MarkBox | None = Field(None, description="where; null: wherever the brand was found")
    reference: bool = Field(True, description="whether the box is looked for elsewhere, by its picture")
    note: str = Field("", max_length=1000)


class NewCorrections(BaseModel):
    """Several at once, as for marks that look alike; all of them are kept, or none."""

    corrections: list[NewCorrection] = Field(min_length=1, max_length=MOST, examples=[[_ACCEPT, _REJECT]])


class CorrectionAnswer(BaseModel):
    """A correction as it is kept. `name`: a hash of what it says. What was accepted is an `add` without a picture."""

    name: str
    action: Action
    brand: str
    to: str
    start_ms: int
    end_ms: int
    seq: int | None
    box: PixelBox | None
    note: str
    reference_url: str | None = Field(description="path of the reference picture; null: it has none")


class CorrectionList(BaseModel):
    """A timeline's corrections, by time."""

    timeline_id: str
    corrections: list[CorrectionAnswer]


class CorrectionsKept(CorrectionList):
    """What became of a wish. To undo it: delete `new`, and give `gone` again."""

    new: list[str] = Field(description="names of those that were not there before")
    gone: list[CorrectionAnswer] = Field(description="deleted, or replaced, as they said else of the same marks")
    replay_from: str = Field(description="the stage from which a run has them: POST /run with it as `start_stage`")


class EvaluationAnswer(BaseModel):
    """How right the report is."""

    stale: str = Field(description="why the figures are not of the report and the truth as they are; empty: they are")
    evaluation: Evaluation


class TrueStay(BaseModel):
    """A brand is on screen from `start_ms` to before `end_ms`. `optional`: it may be found, and is not missed."""

    brand: str
    start_ms: int
    end_ms: int
    optional: bool


class TruthAnswer(BaseModel):
    """All that is on screen, by a person's word: what is not in it is not there."""

    file: str | None = Field(description="name of the file that it was read from; null: the timeline has no truth")
    stays: list[TrueStay]


@router.get("/timeline/{timeline}/truth")
def show_truth(timeline: TimelineId, backend: Shared) -> TruthAnswer:
    """The timeline's truth, brands under the names that detections have; `mpr truth` gives it one."""
    backend.spec(timeline)
    truth = read_truth(backend.storage, timeline)
    if truth is None:
        return TruthAnswer(file=None, stays=[])
    run = stage_run(BY_NAME["evaluation"], timeline, NO_OVERRIDES, backend.resources, LOG)
    assert isinstance(run.settings, EvaluationSettings)
    spans = true_spans(truth, run.brand_list(), run.settings.kinds)
    stays = [
        TrueStay(brand=brand, start_ms=one.start_ms, end_ms=one.end_ms, optional=one.optional)
        for brand, own in spans.items()
        for one in own
    ]
    return TruthAnswer(file=truth.file, stays=sorted(stays, key=lambda stay: (stay.start_ms, stay.brand)))


@router.get("/timeline/{timeline}/corrections")
def list_corrections(timeline: TimelineId, backend: Shared) -> CorrectionList:
    """The corrections of a timeline, by time."""
    backend.spec(timeline)
    return CorrectionList(timeline_id=timeline, corrections=_all(backend, timeline))


@router.post("/timeline/{timeline}/corrections", status_code=201)
def give_corrections(timeline: TimelineId, body: NewCorrections, backend: Shared) -> CorrectionsKept:
    """Accept, reject, relabel detections, draw a mark that was missed, merge exposures. The next run has it."""
    backend.spec(timeline)
    state = state_of(backend.storage, backend.resources.profiles, timeline, "The corrections")
    asked = [one for number, wish in enumerate(body.corrections) for one in _asked(timeline, number, wish, state)]
    given = corrections_of(asked, state)
    told = [one for one, _ in given]
    before = read_corrections(backend.storage, timeline)
    replaced = contradicted(before, told)
    keep_corrections(backend.storage, timeline, given)
    forget_corrections(backend.storage, timeline, replaced)
    known = {one.name for one in before}
    return _kept(backend, timeline, [one for one in told if one.name not in known], replaced)


@router.delete("/timeline/{timeline}/corrections")
def undo_corrections(
    timeline: TimelineId,
    backend: Shared,
    name: Annotated[list[str], Query(min_length=1, max_length=MOST, description="repeatable")],
) -> CorrectionsKept:
    """Take corrections back; all that are named, or none."""
    backend.spec(timeline)
    kept = {one.name: one for one in read_corrections(backend.storage, timeline)}
    unknown = [one for one in name if one not in kept]
    if unknown:
        raise NotThere(
            f"The timeline {timeline!r} has no correction {unknown[0][:40]!r}", "GET …/corrections lists them"
        )
    gone = [kept[one] for one in name]
    forget_corrections(backend.storage, timeline, gone)
    return _kept(backend, timeline, [], gone)


@router.get("/timeline/{timeline}/corrections/{name}.png", response_class=Response, responses=PNG)  # type: ignore[arg-type]
def correction_picture(timeline: TimelineId, name: CorrectionName, backend: Shared) -> Response:
    """A correction's reference picture."""
    backend.spec(timeline)
    return Response(backend.storage.get(Keys.correction(timeline, f"{name}.png")), media_type="image/png")


@router.get("/timeline/{timeline}/evaluation")
def show_evaluation(timeline: TimelineId, backend: Shared) -> EvaluationAnswer:
    """Recall, precision, events and edges of the report against the timeline's truth and corrections."""
    backend.spec(timeline)
    made = read_evaluation(backend.storage, timeline)
    return EvaluationAnswer(stale=why_stale(backend.storage, timeline), evaluation=made)


def _asked(timeline: str, number: int, wish: NewCorrection, state: TimelineState) -> Iterator[AskedCorrection]:
    where = f"`corrections.{number}`"
    if (wish.start_ms is None) != (wish.end_ms is None):
        raise BadInput(f"{where}: it has a start or an end alone", "send both, or `seq` alone")
    span_ms = (wish.start_ms, wish.end_ms) if wish.start_ms is not None and wish.end_ms is not None else None
    if span_ms is not None and span_ms[1] <= span_ms[0]:
        raise BadInput(f"{where}: it ends at or before its start", "send the earlier time as `start_ms`")
    if span_ms is None and wish.seq is None and wish.at_ms is None:
        raise BadInput(f"{where}: it does not say when", "send `seq`, `at_ms`, or `start_ms` and `end_ms`")
    asked = AskedCorrection(
        where=where,
        timeline=timeline,
        action="add" if wish.action == "accept" or wish.action == "merge" else wish.action,
        brand=wish.brand,
        to=wish.to,
        at_ms=wish.at_ms,
        seq=wish.seq,
        span_ms=span_ms,
        box=None if wish.box is None else PixelBox.model_validate(wish.box.model_dump()),
        note=wish.note,
        reference=wish.reference,
    )
    match wish.action:
        case "merge":
            yield from merged(asked, state)
        case "accept":
            yield accepted(asked)
        case _:
            yield asked.checked()


def _kept(backend: Backend, timeline: str, new: list[Correction], gone: list[Correction]) -> CorrectionsKept:
    return CorrectionsKept(
        timeline_id=timeline,
        corrections=_all(backend, timeline),
        new=[one.name for one in new],
        gone=[_answer(timeline, one) for one in gone],
        replay_from=replay_from([*new, *gone]),
    )


def _all(backend: Backend, timeline: str) -> list[CorrectionAnswer]:
    return [_answer(timeline, one) for one in read_corrections(backend.storage, timeline)]


def _answer(timeline: str, one: Correction) -> CorrectionAnswer:
    return CorrectionAnswer(
        **one.model_dump(exclude={"picture", "box"}),
        name=one.name,
        box=one.box,
        reference_url=f"/detect/timeline/{timeline}/corrections/{one.name}.png" if one.picture else None,
    )
