"""Find things in a picture: the brands' logos, and later objects. Each engine is a file of its own; this one chooses.

An engine is added by its name in `Engine` and a line in `_find`; a name that is not there is refused by the type.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import cv2
from pydantic import Field

from gpu_service.pictures import Image
from gpu_service.routines import Batch, DebugPictures, Reference, Routine
from gpu_service.routines import logo_match as logo
from gpu_service.wire import NoItem, ObjectFinding, ObjectsAnswer

Engine: TypeAlias = Literal["logo_match"]


class DetectSettings(logo.LogoMatchSettings):
    """Which engines look, and how."""

    engines: tuple[Engine, ...] = Field(
        default=("logo_match",), description="engines that look at every frame, in this order"
    )


def _find(
    engine: Engine, image: Image, settings: DetectSettings, references: Sequence[Reference], debug: DebugPictures | None
) -> list[ObjectFinding]:
    match engine:
        case "logo_match":
            return logo.find_logos(image, references, settings, debug)


def _answer(
    image: Image, settings: DetectSettings, references: Sequence[Reference], debug: DebugPictures | None = None
) -> ObjectsAnswer:
    found = [finding for engine in settings.engines for finding in _find(engine, image, settings, references, debug)]
    return ObjectsAnswer(objects=tuple(found))


def _run(batch: Batch[DetectSettings, NoItem]) -> list[ObjectsAnswer]:
    return [_answer(image, batch.settings, batch.references) for image in batch.images]


def _debug(batch: Batch[DetectSettings, NoItem]) -> list[tuple[ObjectsAnswer, DebugPictures]]:
    answers = []
    for image in batch.images:
        pictures: DebugPictures = {}
        answer = _answer(image, batch.settings, batch.references, pictures)
        answers.append((answer, {**pictures, "found": draw(image, answer)}))
    return answers


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
    names = {"logo_match": f"logo_match/{logo.VERSION}/opencv-{cv2.__version__}"}
    return "+".join(names[engine] for engine in settings.engines)


DETECT: Routine[DetectSettings, NoItem, ObjectsAnswer] = Routine(
    name="detect",
    settings=DetectSettings,
    item=NoItem,
    answer=ObjectsAnswer,
    run=_run,
    debug=_debug,
    identity=_identity,
)
