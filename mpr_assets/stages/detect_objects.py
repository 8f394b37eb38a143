"""The `detect_objects` stage: boxes with labels in the kept frames, logos first of all.

The engines are in `gpu_service.routines.detect`; this turns their answers into the stage's table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import polars as pl

from gpu_service.routines import DebugPictures, Inference, Reference
from gpu_service.routines.detect import DETECT, LOGO_ENGINES, DetectSettings
from gpu_service.routines.logos.logo_set import weak_references
from gpu_service.wire import NoItem, Quad
from mpr_assets.engine.settings import StageSettings
from mpr_assets.engine.stage import declare_stage
from mpr_assets.engine.stage_run import Result, StageRun
from mpr_assets.overlays import preview_sheet
from mpr_resources.brands.brand_file import references_hash
from mpr_resources.storage.pictures import Frame
from mpr_resources.storage.tables import StageTable

CODE_VERSION = "2.2"

SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "seq": pl.Int64,
    "x": pl.Int32,
    "y": pl.Int32,
    "w": pl.Int32,
    "h": pl.Int32,
    "quad": pl.List(pl.Float64),
    "label": pl.Utf8,
    "confidence": pl.Float64,
    "engine": pl.Utf8,
    "reference": pl.Utf8,
}


class DetectObjectsSettings(DetectSettings, StageSettings):
    """Settings of `detect_objects`."""


def routine_settings(settings: DetectObjectsSettings) -> DetectSettings:
    """The part of the stage's settings that travels to the routine."""
    return DetectSettings.model_validate({name: getattr(settings, name) for name in DetectSettings.model_fields})


def detect_objects(
    frames: Iterable[Frame], inference: Inference, settings: DetectObjectsSettings, references: Sequence[Reference]
) -> pl.DataFrame:
    """What was found in each frame: a table of `SCHEMA`, boxes in pixels of the full frame, in the frames' order.

    Frames are not touched at all when no engine could find anything: logos alone are asked for and none is given.

    Raises:
        BadInput: a reference or a frame cannot be read.
    """
    if not references and set(settings.engines) <= LOGO_ENGINES:
        return pl.DataFrame(schema=SCHEMA)
    pictures = ((frame.seq, frame.picture, NoItem()) for frame in frames)
    rows: list[tuple[object, ...]] = []
    for seq, answer in inference.map(DETECT, pictures, routine_settings(settings), references):
        rows += [
            (seq, *f.box.xywh, _flat(f.quad), f.label, f.confidence, f.engine, f.reference) for f in answer.objects
        ]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row").sort("seq", "label", "x", "y", "w", "h", maintain_order=True)


def _flat(quad: Quad | None) -> list[float] | None:
    """The corners' x and y. Those outside the frame stay there: how much of the logo it cuts off is of interest."""
    return None if quad is None else [round(value, 2) for corner in quad for value in corner]


def weak_sentences(settings: DetectObjectsSettings, references: Sequence[Reference]) -> tuple[str, ...]:
    """What a user is told of references that are weak, where an engine that uses them as they are is named."""
    if not LOGO_ENGINES & set(settings.engines):
        return ()
    return tuple(weak.sentence for weak in weak_references(references))


def _what_finds(run: StageRun[DetectObjectsSettings]) -> dict[str, str]:
    return {
        "model": run.inference.identity(DETECT, routine_settings(run.settings)),
        "references": references_hash(run.references()),
    }


def _debug(run: StageRun[DetectObjectsSettings], frame: Frame, _inputs: Mapping[str, StageTable]) -> DebugPictures:
    settings, references = routine_settings(run.settings), run.references()
    return run.inference.debug(DETECT, frame.picture, NoItem(), settings, references)[1]


@declare_stage(
    name="detect_objects",
    description="Finds logos by reference pictures, and objects, each with its box.",
    group="regions",
    kinds={"opencv", "inference", "parquet"},
    settings=DetectObjectsSettings,
    schema=SCHEMA,
    columns={
        "quad": "corners of the logo in its pose, clockwise from its own top left: x and y in px of the frame; null: "
        "only its box is known",
        "engine": "what found it",
        "reference": "the brand whose reference picture was found; empty: none",
    },
    code_version=CODE_VERSION,
    inputs=("extract_frames", "filter_scenes"),
    depends_on=_what_finds,
    draw=preview_sheet.boxes("label"),
    debug=_debug,
    per_frame=True,
    reads_annotations=True,
)
def stage(run: StageRun[DetectObjectsSettings], extract_frames: StageTable, filter_scenes: StageTable) -> Result:
    """Logos and objects of each kept frame."""
    references = run.references()
    frames = run.kept_frames(extract_frames, filter_scenes)
    weak = weak_sentences(run.settings, references)
    for sentence in weak:
        run.log(sentence)
    objects = detect_objects(frames, run.inference, run.settings, references)
    return Result(objects, {"objects": objects.height, "references": len(references)}, notes=weak)
