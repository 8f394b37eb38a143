"""How well a brand's reference pictures work: each tried by itself on pictures that a user gives, then all together.

What is done to pixels is the affair of the engines in `detect`, wherever they run; the command line prints it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gpu_service.errors import BadInput
from gpu_service.pictures import Picture, decode, read_file, refuse_large
from gpu_service.routines import Inference, Reference
from gpu_service.routines.detect import DETECT, DetectSettings
from gpu_service.routines.logos.logo_set import weak_references
from gpu_service.wire import Box, NoItem, ObjectFinding

LEAST_SCORE = 0.02
"""Findings below this are noise."""


@dataclass(frozen=True)
class PictureOutcome:
    """What was found of the brand in a picture.

    Attributes:
        found: whether the score reaches the threshold.
        score: 0 to 1; 0 where nothing is like the brand, and then `box` and `reference` are None.
        reference: which of them gives that score.
        taken_for: where it is not found, another brand that is.
    """

    picture: str
    found: bool
    score: float
    box: Box | None
    reference: str | None
    taken_for: str | None


@dataclass(frozen=True)
class ReferenceOutcome:
    """How a reference does by itself, beside the other brands' ones.

    Attributes:
        scores: of each picture, in their order.
        weak: what is wrong with it; None: nothing that can be seen of it.
    """

    reference: str
    scores: tuple[float, ...]
    weak: str | None


@dataclass(frozen=True)
class BrandOutcome:
    """What came of the test of a brand's references."""

    brand: str
    threshold: float
    pictures: tuple[PictureOutcome, ...]
    references: tuple[ReferenceOutcome, ...]


def check_references(
    brand: str,
    references: Sequence[Reference],
    pictures: Mapping[str, Picture],
    settings: DetectSettings,
    inference: Inference,
) -> BrandOutcome:
    """Look for the brand in the pictures with all references, then with each of its own beside the other brands'.

    Raises:
        BadInput: a reference or a picture cannot be read.
    """
    own = [one for one in references if one.brand == brand]
    others = [one for one in references if one.brand != brand]
    lenient = settings.model_copy(update={"logo_threshold": LEAST_SCORE})

    def look(with_these: Sequence[Reference]) -> list[tuple[ObjectFinding, ...]]:
        asked: Iterable[tuple[str, Picture, NoItem]] = ((name, one, NoItem()) for name, one in pictures.items())
        return [answer.objects for _, answer in inference.map(DETECT, asked, lenient, with_these)]

    together = look(references)
    alone = [look([one, *others]) for one in own]
    weak = {one.name: one.sentence for one in weak_references(references) if one.brand == brand}
    return BrandOutcome(
        brand,
        settings.logo_threshold,
        tuple(
            _picture(brand, name, findings, settings.logo_threshold)
            for name, findings in zip(pictures, together, strict=True)
        ),
        tuple(
            ReferenceOutcome(one.name, tuple(_score(brand, findings) for findings in seen), weak.get(one.name))
            for one, seen in zip(own, alone, strict=True)
        ),
    )


def read_picture(path: Path) -> Picture:
    """A picture to look through.

    Raises:
        BadInput: there is none, it cannot be decoded, or it is larger than any reference picture.
    """
    try:
        encoded = read_file(path)
    except OSError as error:
        raise BadInput(f"The picture {path} cannot be read: {error.strerror}", "correct the path") from None
    try:
        refuse_large(encoded)
        return Picture(pixels=decode(encoded))
    except ValueError as error:
        raise BadInput(f"The picture {path} cannot be used: {error}", "give a smaller one") from None
    except BadInput:
        raise BadInput(f"{path} is no picture that can be decoded", "give a PNG, JPEG or WebP file") from None


def _score(brand: str, findings: Sequence[ObjectFinding]) -> float:
    return max((one.confidence for one in findings if one.label == brand), default=0.0)


def _picture(brand: str, name: str, findings: Sequence[ObjectFinding], threshold: float) -> PictureOutcome:
    best = max((one for one in findings if one.label == brand), key=lambda one: one.confidence, default=None)
    rivals = [one for one in findings if one.label != brand and one.confidence >= threshold]
    rival = max(rivals, key=lambda one: one.confidence, default=None)
    score = best.confidence if best else 0.0
    found = score >= threshold
    return PictureOutcome(
        name,
        found,
        score,
        best.box if best else None,
        best.reference if best else None,
        rival.label if rival and not found else None,
    )
