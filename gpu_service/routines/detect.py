"""Find things in a picture: the brands' logos, and objects. Each engine is a file of its own; this one chooses.

An engine is added by its name in `Engine` and a line in `_find`; a name that is not there is refused by the type.
All but `logo_match` need a model; their packages are imported when an engine is first used. Where both engines of logos
are named, what they find is made one.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Literal, TypeAlias

import cv2
from pydantic import Field
from threadpoolctl import threadpool_limits

from gpu_service.pictures import Image
from gpu_service.routines import Batch, DebugPictures, Routine
from gpu_service.routines.logos import embed, trunk
from gpu_service.routines.logos import match as logo
from gpu_service.routines.logos.fuse import LEAST, fused
from gpu_service.routines.logos.logo_set import logo_set
from gpu_service.routines.objects import clip, grounding_dino, onnx_detector, owlv2, yolo
from gpu_service.settings import Settings
from gpu_service.wire import NoItem, ObjectFinding, ObjectsAnswer

Engine: TypeAlias = Literal[
    "logo_match", "logo_embed", "owlv2", "grounding_dino", "yolo", "onnx", "clip", "siglip", "dinov2"
]
ENGINE_SETTINGS: dict[Engine, type[Settings]] = {
    "logo_match": logo.LogoMatchSettings,
    "logo_embed": embed.LogoEmbedSettings,
    "owlv2": owlv2.Owlv2Settings,
    "grounding_dino": grounding_dino.GroundingDinoSettings,
    "yolo": yolo.YoloSettings,
    "onnx": onnx_detector.OnnxSettings,
    "clip": clip.ClipSettings,
    "siglip": clip.SiglipSettings,
    "dinov2": clip.Dinov2Settings,
}


LOGO_ENGINES: frozenset[Engine] = frozenset({"logo_match", "logo_embed"})
"""Those that look for reference pictures, on the CPU."""
OBJECT_ENGINES: frozenset[Engine] = frozenset({"yolo", "onnx"})
"""Those that find what they were trained for: their labels are of things, and of brands where they are named so."""


NAME_ENGINES: frozenset[Engine] = frozenset({"owlv2", "grounding_dino"})
"""Those that are told names, see `queries.QuerySettings`."""


class DetectSettings(
    logo.LogoMatchSettings,
    embed.LogoEmbedSettings,
    owlv2.Owlv2Settings,
    grounding_dino.GroundingDinoSettings,
    yolo.YoloSettings,
    onnx_detector.OnnxSettings,
    clip.NamingSettings,
):
    """Which engines run, and how."""

    engines: tuple[Engine, ...] = Field(
        default=("logo_match",),
        max_length=9,
        description="engines, in this order; logo_match and logo_embed confirm each other; clip, siglip and dinov2 "
        "name what earlier engines found",
    )

    def without_effect(self) -> dict[str, str]:
        """The settings of engines that are not named."""
        used = {name for engine in self.engines for name in ENGINE_SETTINGS[engine].model_fields}
        idle = {name for model in ENGINE_SETTINGS.values() for name in model.model_fields} - used
        return dict.fromkeys(sorted(idle), f"engines is {', '.join(self.engines) or 'empty'}")


def _find(
    engine: Engine,
    batch: Batch[DetectSettings, NoItem],
    before: Sequence[Sequence[ObjectFinding]],
    debug: Sequence[DebugPictures] | None,
) -> list[list[ObjectFinding]]:
    """What an engine finds in each picture, and `before` it the engines ahead of it."""
    settings = batch.settings
    match engine:
        case "logo_match" | "logo_embed":
            return _logos(batch, debug)
        case "owlv2":
            return owlv2.find_objects(batch.images, batch.references, settings)
        case "grounding_dino":
            return grounding_dino.find_objects(batch.images, settings)
        case "yolo":
            return yolo.find_objects(batch.images, settings)
        case "onnx":
            return onnx_detector.find_objects(batch.images, settings)
        case "clip" | "siglip" | "dinov2":
            regions = [[finding.box for finding in findings] for findings in before]
            return clip.name_regions(batch.images, regions, batch.references, settings, engine)


@cache
def _one_thread_of_algebra() -> None:
    """The products of both engines are small: threads that wait for the next one take several times their time."""
    threadpool_limits(limits=1, user_api="blas")


def _logos(batch: Batch[DetectSettings, NoItem], debug: Sequence[DebugPictures] | None) -> list[list[ObjectFinding]]:
    """Beside an accelerator's engines several pictures come at once: they are spread over the cores."""
    _one_thread_of_algebra()

    def look(index: int) -> list[ObjectFinding]:
        return _logos_of(batch.images[index], batch, debug[index] if debug else None)

    if len(batch.images) == 1:
        return [look(0)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(look, range(len(batch.images))))


def _logos_of(image: Image, batch: Batch[DetectSettings, NoItem], debug: DebugPictures | None) -> list[ObjectFinding]:
    """What the engines of logos that the settings name find, together."""
    settings, references = batch.settings, batch.references
    if not set(settings.engines) >= LOGO_ENGINES:
        if "logo_match" in settings.engines:
            return logo.find_logos(image, references, settings, debug)
        return embed.find_logos(image, references, settings)
    lenient = settings.model_copy(update={"logo_threshold": LEAST})
    matched = logo.find_logos(image, references, lenient, debug)
    silhouettes = {(one.brand, one.name) for one in logo_set(references).logos if one.flat} if references else set()
    pictures = [one for one in references if (one.brand, one.name) not in silhouettes]
    embedded = embed.find_logos(image, pictures, lenient) if pictures else []
    return fused(matched, embedded, settings.logo_threshold, silhouettes)


def _answers(batch: Batch[DetectSettings, NoItem], debug: Sequence[DebugPictures] | None = None) -> list[ObjectsAnswer]:
    found: list[list[ObjectFinding]] = [[] for _ in batch.images]
    looked_for_logos = False
    for engine in batch.settings.engines:
        if engine in LOGO_ENGINES and looked_for_logos:
            continue  # the first of them looked for both
        looked_for_logos |= engine in LOGO_ENGINES
        for findings, more in zip(found, _find(engine, batch, found, debug), strict=True):
            findings += more
    return [ObjectsAnswer(objects=tuple(findings)) for findings in found]


def _run(batch: Batch[DetectSettings, NoItem]) -> list[ObjectsAnswer]:
    return _answers(batch)


def _debug(batch: Batch[DetectSettings, NoItem]) -> list[tuple[ObjectsAnswer, DebugPictures]]:
    pictures: list[DebugPictures] = [{} for _ in batch.images]
    answers = _answers(batch, pictures)
    return [
        (answer, {**some, "found": draw(image, answer)})
        for image, answer, some in zip(batch.images, answers, pictures, strict=True)
    ]


def draw(image: Image, answer: ObjectsAnswer) -> Image:
    """A copy of the picture with each finding's box, label and confidence."""
    canvas = image.copy()
    for finding in answer.objects:
        box = finding.box
        cv2.rectangle(canvas, (box.x, box.y), (box.x + box.w, box.y + box.h), (0, 220, 0), 2)
        text = f"{finding.label} {finding.confidence:.2f}"
        cv2.putText(canvas, text, (box.x, max(12, box.y - 4)), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 220, 0), 1)
    return canvas


def _identity(settings: DetectSettings) -> str:
    return "+".join(_engine_identity(engine, settings) for engine in settings.engines)


def _engine_identity(engine: Engine, settings: DetectSettings) -> str:
    match engine:
        case "logo_match":
            return f"logo_match/{logo.VERSION}/opencv-{cv2.__version__}"
        case "logo_embed":
            return f"logo_embed/{embed.VERSION}/{trunk.identity()}"
        case "owlv2":
            return owlv2.identity(settings)
        case "grounding_dino":
            return grounding_dino.identity(settings)
        case "yolo":
            return yolo.identity(settings)
        case "onnx":
            return onnx_detector.identity(settings)
        case "clip" | "siglip" | "dinov2":
            return clip.identity(settings, engine)


def _max_batch(settings: DetectSettings) -> int:
    return 1 if set(settings.engines) <= LOGO_ENGINES else max(2, settings.object_batch)


DETECT: Routine[DetectSettings, NoItem, ObjectsAnswer] = Routine(
    name="detect",
    settings=DetectSettings,
    item=NoItem,
    answer=ObjectsAnswer,
    run=_run,
    debug=_debug,
    identity=_identity,
    max_batch=_max_batch,
)
