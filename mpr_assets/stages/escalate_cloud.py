"""The `escalate_cloud` stage: sends still unresolved candidates to a cloud provider's vision-language model.

Candidates are selected in `mpr_assets.escalation.candidates`, answers are judged in `mpr_assets.escalation.verdicts`;
requests, never paid for twice, are in `mpr_resources.cloud.asking`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TypeVar

import polars as pl
from pydantic import Field, field_validator

from gpu_service.pictures import encode_jpeg
from mpr_assets.engine.paid import PaidSettings
from mpr_assets.engine.stage import declare_stage
from mpr_assets.engine.stage_run import Result, StageRun
from mpr_assets.escalation.candidates import EscalationSettings, candidates, choose
from mpr_assets.escalation.pictures import CropView, render_crops, to_look_at
from mpr_assets.escalation.session import ask_in_turn
from mpr_assets.escalation.verdicts import frame_sizes, resolve
from mpr_assets.overlays import preview_sheet
from mpr_assets.text.detections import DETECTION_COLUMNS, DETECTION_SCHEMA
from mpr_resources.cloud.asking import (
    Asker,
    Outcome,
    Plan,
    Question,
)
from mpr_resources.cloud.prompt import PROMPT_HASH
from mpr_resources.cloud.providers import Model, key_of
from mpr_resources.storage.tables import StageTable, TableHeader

T = TypeVar("T")

CODE_VERSION = "2.1"

SCHEMA = DETECTION_SCHEMA

SOURCE = "cloud_vlm"


class EscalateCloudSettings(PaidSettings, EscalationSettings):
    """Who is asked, how, and what it may cost."""

    models: tuple[str, ...] = Field(
        ("anthropic/claude-haiku-5-5",),
        min_length=1,
        max_length=8,
        description="PROVIDER/MODEL, tried in this order; providers: anthropic, gemini, openai, groq, cloud_vision",
    )
    reasons: tuple[str, ...] = Field(
        ("near_miss", "no_brand", "low_confidence", "unread", "unknown", "below_threshold"),
        description="candidates with these reasons are sent; the last two are left by the local model",
    )
    next_below: float = Field(
        0.5,
        ge=0,
        le=1,
        description="candidates answered with unknown or with less confidence are sent to the next model",
    )
    max_candidates: int = Field(
        100, ge=0, le=100_000, description="maximum candidates sent, the longest and largest on screen first"
    )
    context_pictures: int = Field(
        1, ge=0, le=2, description="pictures from shortly before or after, where they differ, sent with each crop"
    )
    crops_per_request: int = Field(4, ge=1, le=20, description="crops in one request")
    wait_hours: float = Field(
        0.0,
        ge=0,
        le=168,
        description="more than 0: anthropic, gemini, openai and groq are asked in batches at half the price, and "
        "waited for so long; what is not answered by then is kept by the next run",
    )
    max_output_tokens: int = Field(
        4096, ge=100, le=64_000, description="maximum length of an answer, thinking included"
    )

    @field_validator("models")
    @classmethod
    def _are_models(cls, models: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(str(Model.parse(one)) for one in models)

    def without_effect(self) -> dict[str, str]:
        """What is for the next model, where there is none."""
        return {"next_below": "models names one model alone"} if len(self.models) == 1 else {}


def questions(shown: Iterable[CropView]) -> list[Question]:
    """The crops as they are sent."""
    return [Question(one.look, encode_jpeg(one.picture), tuple(map(encode_jpeg, one.context))) for one in shown]


def asker(run: StageRun[EscalateCloudSettings], environ: Mapping[str, str]) -> Asker:
    """Who asks for this run.

    Raises:
        BadInput: a key is not set, or the file of prices lacks a model.
    """
    settings = run.settings
    models = [Model.parse(one) for one in settings.models]
    for model in models:
        key_of(model.provider, environ)
    plan = Plan(
        models=settings.priced(models, run.profiles.folder),
        next_below=settings.next_below,
        crops_per_request=settings.crops_per_request,
        in_flight=settings.requests_in_flight,
        attempts=settings.attempts,
        timeout_s=settings.timeout_s,
        longest_wait_s=settings.longest_wait_s,
        max_output_tokens=settings.max_output_tokens,
        requests_per_minute=settings.requests_per_minute,
        likeness=settings.likeness,
        wait_s=settings.wait_hours * 3600,
    )
    label = run.label
    return Asker(run.storage, run.database, environ, plan, settings.limits(label), label)


def _all_asked(run: StageRun[EscalateCloudSettings], _header: TableHeader) -> bool:
    """Whether nothing waits for another day's budget, or for a batch."""
    return not run.stored(run.stage).rows["reason"].is_in(["budget", "late"]).any()


@declare_stage(
    name="escalate_cloud",
    description="Sends candidates that are still unresolved to a cloud provider's vision-language model.",
    group="brands",
    kinds={"cloud", "parquet"},
    settings=EscalateCloudSettings,
    schema=SCHEMA,
    columns=DETECTION_COLUMNS,
    code_version=CODE_VERSION,
    inputs=("extract_frames", "preprocess", "match_brands", "escalate_vlm"),
    depends_on=lambda run: {
        "model": ", ".join(run.settings.models),
        "prompt": PROMPT_HASH,
        "brands": run.brand_list().version,
    },
    complete=_all_asked,
    draw=preview_sheet.boxes("brand"),
    detection_sources=(SOURCE,),
    off_switch="SKIP_CLOUD",
)
def stage(
    run: StageRun[EscalateCloudSettings],
    extract_frames: StageTable,
    preprocess: StageTable,
    match_brands: StageTable,
    escalate_vlm: StageTable,
) -> Result:
    """Detections by the models of the list, and what is left."""
    asking = asker(run, os.environ)
    local = escalate_vlm.header.skipped is None
    rows = (
        escalate_vlm.rows.filter(pl.col("brand").is_null()) if local else candidates(match_brands.rows, preprocess.rows)
    )
    groups, left = choose(rows, run.settings)
    frames = run.frames(extract_frames, sorted(to_look_at(groups)))
    shown, blurred = render_crops(groups, frames, run.settings, run.settings.context_pictures)

    def tracked(items: Iterable[T], total: int) -> Iterable[T]:
        return run.tracked(items, total, "requests")

    given = ask_in_turn(shown, lambda some: asking.answer(questions(some), tracked), run.settings)
    sizes = frame_sizes(extract_frames.rows)
    found = resolve(rows, zip(shown, given, strict=True), run.brand_list(), run.settings, SOURCE, sizes)
    return Result(
        found, _counts(found, given, asking) | {f"left_{rule}": n for rule, n in sorted((left + blurred).items())}
    )


def _counts(found: pl.DataFrame, given: list[Outcome], asking: Asker) -> dict[str, int | float]:
    detections = found.filter(pl.col("brand").is_not_null())
    tally = asking.tally
    answered: dict[str, int | float] = {
        f"answered_by_{model}": sum(one.model == model and one.why != "session" for one in given)
        for model in sorted({one.model for one in given if one.model})
    }
    return {
        "detections": detections.height,
        "candidates": found.height - detections.height,
        "crops_asked_about": sum(one.why != "session" for one in given),
        "known_by_session": sum(one.why == "session" for one in given),
        "requests": tally.requests,
        "requests_retried": tally.retried,
        "answers_known": tally.known,
        "beyond_budget": sum(one.why == "budget" for one in given),
        "waiting_in_batches": sum(one.why == "late" for one in given),
        **{f"batch_requests_{how}": number for how, number in sorted(asking.batch_failures.items())},
        "tokens_in": tally.tokens_in,
        "tokens_out": tally.tokens_out,
        "usd": tally.micro_usd / 1_000_000,
        **answered,
    }
