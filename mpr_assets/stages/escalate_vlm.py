"""The `escalate_vlm` stage: sends unresolved candidates to a vision-language model on the inference host.

Candidates are selected in `mpr_assets.escalation.candidates`, answers are judged in `mpr_assets.escalation.verdicts`;
the model is run by the routine `vlm`. Its answers are stored for all timelines, as those of cloud models are.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
from pydantic import Field, model_validator

from gpu_service.pictures import Picture
from gpu_service.routines import Inference
from gpu_service.routines.vlm import VLM, VlmSettings
from gpu_service.wire import VlmAnswer, VlmItem
from mpr_assets.engine.stage import declare_stage
from mpr_assets.engine.stage_run import Result, StageRun
from mpr_assets.escalation.candidates import EscalationSettings, candidates, choose
from mpr_assets.escalation.pictures import CropView, render_crops, to_look_at
from mpr_assets.escalation.session import ask_in_turn
from mpr_assets.escalation.verdicts import frame_sizes, resolve
from mpr_assets.overlays import preview_sheet
from mpr_assets.text.detections import DETECTION_COLUMNS, DETECTION_SCHEMA
from mpr_resources.cloud.answers import Answers, alike, family_of
from mpr_resources.cloud.asking import Outcome
from mpr_resources.cloud.prompt import Answer
from mpr_resources.storage.tables import StageTable, TableHeader, hash_of

CODE_VERSION = "2.1"

SCHEMA = DETECTION_SCHEMA

SOURCE = "local_vlm"

HOW_FAST = {"deadline_s", "batch"}
"""Settings of the routine that an answer does not depend on."""


class EscalateVlmSettings(EscalationSettings):
    """Which model is asked, and how."""

    model: str = Field("", max_length=100, description="short name of a model of the inference host")
    choose: bool = Field(
        False, description="true: the model chooses among the brands of the list; false: it names any brand"
    )
    context: str = Field("", max_length=1000, description="description of the crops for the model's prompt")
    deadline_s: float = Field(60.0, gt=0, le=600, description="time limit for a batch of crops, in seconds")
    batch: int = Field(8, ge=1, le=128, description="crops in one batch")
    side_max_px: int = Field(768, ge=64, le=4096, description="crops with a longer side above this are shrunk")
    max_tokens: int = Field(
        24, ge=1, le=200, description="maximum length of an answer, where the model may name any brand"
    )

    @model_validator(mode="after")
    def _has_a_model(self) -> EscalateVlmSettings:
        if self.enabled and not self.model:
            raise ValueError("enabled needs a model; set model to the name of one that the inference host knows")
        return self

    def without_effect(self) -> dict[str, str]:
        """The length of an answer that is chosen."""
        return {"max_tokens": "choose is true"} if self.choose else {}


def routine_settings(settings: EscalateVlmSettings, brands: Sequence[str]) -> VlmSettings:
    """What the routine is told."""
    same = {name: getattr(settings, name) for name in VlmSettings.model_fields if name != "brands"}
    return VlmSettings(**same, brands=tuple(brands) if settings.choose else ())


def prompt_hash(settings: VlmSettings) -> str:
    """Hash of all that an answer depends on besides crop and model."""
    return hash_of(settings.model_dump(mode="json", exclude=HOW_FAST))


def ask(shown: Sequence[CropView], inference: Inference, settings: VlmSettings, answers: Answers) -> list[Outcome]:
    """What became of each crop: an answer, or `late`. Of crops that show the same one is asked."""
    open_ = [number for number, one in enumerate(shown) if answers.find(one.look) is None]
    groups = alike([shown[number].look for number in open_], answers.likeness)
    leaders = [shown[open_[leader]] for leader in groups]
    pictures = ((one, Picture(pixels=one.picture), VlmItem(text=one.group.text[:500])) for one in leaders)
    for one, answer in inference.map(VLM, pictures, settings):
        if answer.outcome != "late":  # there may be time for it in another run
            answers.keep(one.look, _answer(answer))
    found = [answers.find(one.look) for one in shown]
    return [Outcome(answer, settings.model) if answer else Outcome(why="late") for answer in found]


def _answer(answer: VlmAnswer) -> Answer:
    if answer.outcome == "brand" and answer.brand:
        return Answer(outcome="brand", brand=answer.brand, confidence=answer.confidence)
    if answer.outcome == "none":
        return Answer(outcome="none", confidence=answer.confidence)
    return Answer(outcome="unknown", confidence=answer.confidence, text=answer.text)


def _routine_settings_of(run: StageRun[EscalateVlmSettings]) -> VlmSettings:
    return routine_settings(run.settings, [brand.name for brand in run.brand_list().brands])


def _outside(run: StageRun[EscalateVlmSettings]) -> dict[str, str]:
    settings = _routine_settings_of(run)
    return {
        "model": run.inference.identity(VLM, settings),
        "prompt": prompt_hash(settings),
        "brands": run.brand_list().version,
    }


def _all_answered(run: StageRun[EscalateVlmSettings], _header: TableHeader) -> bool:
    return not run.stored(run.stage).rows["reason"].eq("late").any()


@declare_stage(
    name="escalate_vlm",
    description="Sends unresolved candidates to a vision-language model on the inference host.",
    group="brands",
    kinds={"inference", "parquet"},
    settings=EscalateVlmSettings,
    schema=SCHEMA,
    columns=DETECTION_COLUMNS,
    code_version=CODE_VERSION,
    inputs=("extract_frames", "preprocess", "match_brands"),
    depends_on=_outside,
    complete=_all_answered,
    draw=preview_sheet.boxes("brand"),
    detection_sources=(SOURCE,),
    off_switch="SKIP_VLM",
)
def stage(
    run: StageRun[EscalateVlmSettings],
    extract_frames: StageTable,
    preprocess: StageTable,
    match_brands: StageTable,
) -> Result:
    """Detections by the model, and what is left."""
    rows = candidates(match_brands.rows, preprocess.rows)
    groups, left = choose(rows, run.settings)
    shown, blurred = render_crops(
        groups, run.frames(extract_frames, sorted(to_look_at(groups))), run.settings, context=0
    )
    settings = _routine_settings_of(run)
    family = family_of(run.inference.identity(VLM, settings), prompt_hash(settings))
    answers = Answers(run.storage, family, run.settings.likeness)
    given = ask_in_turn(shown, lambda some: ask(some, run.inference, settings, answers), run.settings)
    sizes = frame_sizes(extract_frames.rows)
    found = resolve(rows, zip(shown, given, strict=True), run.brand_list(), run.settings, SOURCE, sizes)
    detections = found.filter(pl.col("brand").is_not_null())
    counts: dict[str, int | float] = {
        "detections": detections.height,
        "candidates": found.height - detections.height,
        "crops_asked_about": sum(one.why != "session" for one in given),
        "known_by_session": sum(one.why == "session" for one in given),
        "late": sum(one.why == "late" for one in given),
    }
    return Result(found, counts | {f"left_{rule}": number for rule, number in sorted((left + blurred).items())})
