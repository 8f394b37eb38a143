"""What a cloud model is asked about crops, and how its answer is read. Who is asked, and whether, is in `asking`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mpr_resources.storage.tables import hash_of

SYSTEM = """\
You are shown numbered pictures cut out of video frames: perimeter boards, shirts, packs, captions. For each say which \
brand it shows by its name or its logo: a company, product, club, league, broadcaster or sponsor.
- outcome "brand": you see one; brand is its usual name, without legal form or slogan. Of several name the largest.
- outcome "none": nothing in the picture is a brand; scores, clocks, names of persons and plain words are none.
- outcome "unknown": there may be a brand, but you cannot tell which.
- confidence: from 0 to 1, how sure you are of the outcome.
- text: the words that can be read in the picture, exactly as written; empty when there are none.
- brand is empty unless the outcome is "brand". Do not guess from what is likely; go by what can be seen.
Pictures that follow as context show the same place a moment before or after; answer for the numbered pictures alone, \
once each."""

SCHEMA: dict[str, object] = {
    "type": "object",
    "properties": {
        "answers": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "picture": {"type": "integer"},
                    "outcome": {"type": "string", "enum": ["brand", "none", "unknown"]},
                    "brand": {"type": "string"},
                    "confidence": {"type": "number"},
                    "text": {"type": "string"},
                },
                "required": ["picture", "outcome", "brand", "confidence", "text"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["answers"],
    "additionalProperties": False,
}

_Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]

PROMPT_HASH = hash_of([SYSTEM, SCHEMA])
"""Of all that an answer depends on besides the pictures and the model."""


class PictureAnnotation(BaseModel):
    """What a provider that tells places found in a picture: a logo, a word that is read, or an object that is no brand.

    `box`: left, top, width and height as shares of the picture's width and height, so that it holds for like pictures
    of another size.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    kind: Literal["logo", "text", "object"]
    text: str = Field(max_length=500)
    confidence: float = Field(ge=0, le=1)
    box: tuple[_Share, _Share, _Share, _Share]


class Answer(BaseModel):
    """What a model says of a crop. Where it refused, it said nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    outcome: Literal["brand", "none", "unknown", "refused"]
    brand: str = ""
    confidence: float = Field(0.0, ge=0, le=1)
    text: str = ""
    annotations: tuple[PictureAnnotation, ...] = ()


class _NumberedAnswer(BaseModel):
    picture: int
    outcome: Literal["brand", "none", "unknown"]
    brand: str = Field(max_length=500)
    confidence: float = Field(allow_inf_nan=False)
    text: str = Field(max_length=5000)
    annotations: tuple[PictureAnnotation, ...] = ()


class _Answers(BaseModel):
    answers: list[_NumberedAnswer]


def parts(pictures: Sequence[tuple[bytes, Sequence[bytes]]]) -> tuple[str | bytes, ...]:
    """What is shown: each picture with its number, then its context. Pictures are JPEG bytes."""
    shown: list[str | bytes] = []
    for number, (picture, context) in enumerate(pictures, start=1):
        shown += [f"Picture {number}:", picture]
        for other in context:
            shown += [f"Context of picture {number}:", other]
    return tuple(shown)


def read_answers(text: str, count: int) -> list[Answer]:
    """The answers to pictures 1 to `count`, in their order.

    Raises:
        ValueError: it is not the JSON asked for, or a picture is missing.
    """
    try:
        found = {one.picture: one for one in _Answers.model_validate_json(text).answers}
    except ValidationError as error:
        raise ValueError("not the JSON asked for") from error
    if not set(range(1, count + 1)) <= set(found):
        raise ValueError("not every picture is answered")
    return [_answer(found[number]) for number in range(1, count + 1)]


def _answer(one: _NumberedAnswer) -> Answer:
    confidence = min(1.0, max(0.0, one.confidence))
    brand = " ".join(one.brand.split()) if one.outcome == "brand" else ""
    outcome = "unknown" if one.outcome == "brand" and not brand else one.outcome
    text = " ".join(one.text.split())
    return Answer(outcome=outcome, brand=brand, confidence=confidence, text=text, annotations=one.annotations)
