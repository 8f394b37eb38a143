"""What travels between a stage and a routine: items (the routine's input for each picture) and answers.

Plain typed messages, the same in-process and over HTTP. Boxes and quads are pixels of the picture sent.
The envelopes around them, which exist over HTTP only, are at the end.
"""

from __future__ import annotations

from typing import Annotated, Generic, Literal, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from gpu_service.boxes import XYWH
from gpu_service.settings import Settings

FARTHEST_PX = 1_000_000
"""No coordinate lies farther out: what arrives from a client stays within what arithmetic on pixels can hold."""

Coordinate: TypeAlias = Annotated[float, Field(ge=-FARTHEST_PX, le=FARTHEST_PX)]
Point: TypeAlias = tuple[Coordinate, Coordinate]
Quad: TypeAlias = tuple[Point, Point, Point, Point]
"""Corners clockwise from top left."""


def to_quad(corners: NDArray[np.floating]) -> Quad:
    """Corners, shape (4, 2), as they travel."""
    a, b, c, d = ((float(x), float(y)) for x, y in corners)
    return a, b, c, d


class Message(BaseModel):
    """Frozen and strict about its keys. In JSON, bytes are base64 and numbers are finite."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, ser_json_bytes="base64", val_json_bytes="base64"
    )


class Box(Message):
    """A rectangle in pixels: left, top, width, height."""

    x: int = Field(ge=-FARTHEST_PX, le=FARTHEST_PX)
    y: int = Field(ge=-FARTHEST_PX, le=FARTHEST_PX)
    w: int = Field(ge=0, le=FARTHEST_PX)
    h: int = Field(ge=0, le=FARTHEST_PX)

    @property
    def xywh(self) -> XYWH:
        return self.x, self.y, self.w, self.h


class Region(Message):
    """A box that may hold a brand."""

    box: Box
    label: str
    confidence: float = Field(ge=0, le=1)


class NoItem(Message):
    """For routines that need to be told nothing but the picture."""


class FieldAnswer(Message):
    """The playing field: polygon of its largest areas' outline, empty when there is none."""

    polygon: tuple[Point, ...] = ()
    share: float = Field(0.0, ge=0, le=1, description="share of the frame that the field covers")


class DominantColour(Message):
    """A colour and the share of the picture that is nearest to it."""

    red: int = Field(ge=0, le=255)
    green: int = Field(ge=0, le=255)
    blue: int = Field(ge=0, le=255)
    share: float = Field(ge=0, le=1)


class LookAnswer(Message):
    """What the picture looks like as a whole; each figure but the colours 0 to 1."""

    colours: tuple[DominantColour, ...] = Field((), description="the one with the largest share first")
    brightness: float = Field(0.0, ge=0, le=1, description="mean of grey / 255")
    contrast: float = Field(0.0, ge=0, le=1, description="standard deviation of grey / 255")
    saturation: float = Field(0.0, ge=0, le=1, description="mean of HSV's S / 255")


class EdgesItem(Message):
    """The field's polygon, so that regions can be told from what lies on the pitch; empty when unknown."""

    field: tuple[Point, ...] = Field((), max_length=1000)


class EdgesAnswer(Message):
    regions: tuple[Region, ...] = ()
    horizontal_count: int = Field(0, ge=0, description="near-horizontal lines found")
    pair_count: int = Field(0, ge=0, description="pairs of lines that form a region")


class ObjectFinding(Message):
    """An object or a logo: label is the brand for a logo, the class for an object."""

    box: Box
    label: str
    confidence: float = Field(ge=0, le=1)
    engine: Literal["logo_match", "logo_embed", "owlv2", "grounding_dino", "yolo", "clip", "siglip", "dinov2", "onnx"]
    quad: Quad | None = Field(None, description="corners of the logo in its pose, which may lie outside the picture")
    reference: str | None = Field(None, description="name of the reference picture that matched")


class ObjectsAnswer(Message):
    objects: tuple[ObjectFinding, ...] = ()


class CropBox(Message):
    """What to cut out: an axis-aligned box, or a quad to straighten."""

    box: Box
    quad: Quad | None = None


class PreprocessItem(Message):
    crops: tuple[CropBox, ...] = Field((), max_length=500)


class CropAnswer(Message):
    """One cleaned crop. `to_frame` is the 3x3 homography, row by row, from crop pixels to frame pixels."""

    picture_png: bytes = Field(description="empty: the crop cannot contain text")
    width: int
    height: int
    to_frame: tuple[float, float, float, float, float, float, float, float, float]
    phash: int = Field(description="64-bit perceptual hash, unsigned")
    sharpness: float


class PreprocessAnswer(Message):
    crops: tuple[CropAnswer, ...] = ()


class OcrItem(Message):
    """What to do with the picture: find the lines, recognise the lines of given quads, or both."""

    find: bool = True
    full_scan: bool = Field(
        True,
        validation_alias=AliasChoices("full_scan", "thorough"),
        description="false: a quick scan, which may miss small and faint lines",
    )
    small_text_megapixels: float = Field(
        0.0,
        ge=0,
        le=100,
        description="how much of the enlarged picture a full scan looks through once more, for small text, where the "
        "first pass found none",
    )
    recognise: bool = True
    quads: tuple[Quad, ...] = Field((), max_length=5000, description="lines to recognise when find is false")
    characters: str = Field(
        "", max_length=100_000, description="characters of which to tell those that the recogniser cannot write"
    )


class TextLine(Message):
    """A line of text. `text` is empty and `confidence` 0 where it was found but not recognised."""

    quad: Quad
    text: str = ""
    confidence: float = Field(0.0, ge=0, le=1)


class OcrAnswer(Message):
    lines: tuple[TextLine, ...] = ()
    unwritable: str = Field("", description="those of the item's characters that the recogniser cannot write")


class VlmItem(Message):
    """What is known of the crop: the text that was read in it, empty when nothing was."""

    text: str = Field("", max_length=500)


class VlmAnswer(Message):
    """What a vision-language model says of a crop."""

    outcome: Literal["brand", "none", "unclear", "late"] = Field(
        description="unclear: its output is not an answer; late: no answer by the deadline"
    )
    brand: str | None = Field(None, description="the name, for outcome brand")
    confidence: float = Field(
        0.0, ge=0, le=1, description="the model's probability of its answer, for outcomes brand and none"
    )
    text: str = Field("", description="what the model wrote")


class VectorAnswer(Message):
    """A crop as numbers: the product of two crops' vectors is their likeness, -1 to 1."""

    values: tuple[float, ...]


class TranscribeItem(Message):
    """What is known of a piece of sound before it is heard."""

    hotwords: str = Field("", max_length=5000, description="names that are likely to be said, with commas between")


class SpokenWord(Message):
    """A word that was said, on the clock of its piece of sound."""

    text: str
    start_ms: int = Field(ge=0)
    end_ms: int = Field(ge=0)
    confidence: float = Field(ge=0, le=1)


class TranscribeAnswer(Message):
    words: tuple[SpokenWord, ...] = ()
    speech_ms: int = Field(0, ge=0, description="how long somebody speaks in it")
    language: str = Field("", description="code of the language; empty: nobody speaks")


S = TypeVar("S", bound=Settings)
I = TypeVar("I", bound=Message)
A = TypeVar("A", bound=Message)


class ReferenceKey(Message):
    """A reference picture by its hash: its bytes travel once, not with each request."""

    brand: str = Field(max_length=200)
    name: str = Field(max_length=500)
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="hash of the file's bytes, in lower-case hex")


class Call(Message, Generic[S, I]):
    """The part `request` of a multipart body. The pictures are parts `picture`, as JPEG, PNG or WebP files."""

    settings: S | None = Field(None, description="the routine's defaults when left out")
    items: tuple[I, ...] = Field((), description="one for each picture in order, or none: defaults for all")
    references: tuple[ReferenceKey, ...] = Field(
        (), description="a picture that the host does not know yet is sent as a part `reference`"
    )


class InlineReference(Message):
    """A reference picture with its bytes."""

    brand: str = Field(max_length=200)
    name: str = Field(max_length=500)
    image_b64: str = Field(description="PNG, JPEG or SVG file in base64", json_schema_extra={"format": "byte"})


class SingleCall(Message, Generic[S, I]):
    """One picture as JSON: for a browser or for curl. Many pictures go faster as multipart."""

    image_b64: str = Field(
        description="JPEG, PNG or WebP file in base64, of sound a WAV file; a data: URL is fine",
        json_schema_extra={"format": "byte"},
    )
    settings: S | None = Field(None, description="the routine's defaults when left out")
    item: I | None = Field(None, description="the defaults when left out")
    references: tuple[InlineReference, ...] = ()


class IdentityCall(Message, Generic[S]):
    settings: S | None = Field(None, description="the routine's defaults when left out")


class IdentityAnswer(Message):
    """What would make the answers: engine, version and hashes of model files."""

    routine: str
    identity: str


class Phases(Message):
    """Milliseconds that the pictures of a request spent, added up over its pictures; waiting is the longest."""

    queue_ms: float = Field(ge=0)
    decode_ms: float = Field(ge=0)
    run_ms: float = Field(ge=0)


class RoutineResponse(Message, Generic[A]):
    """Answers in the order of the pictures, one each."""

    routine: str
    identity: str
    ms: Phases
    answers: tuple[A, ...]


class DebugResponse(Message, Generic[A]):
    """The same, with the intermediate pictures of each picture as PNG files, by name, in the order to show them."""

    routine: str
    identity: str
    ms: Phases
    answers: tuple[A, ...]
    pictures: tuple[dict[str, bytes], ...]


class Failure(Message):
    """Every answer that is not 200: one sentence, and what kind of trouble it is."""

    error: str
    kind: Literal["bad_input", "missing_engine", "unknown_reference", "refused", "busy", "host_away", "internal"]
    missing: tuple[str, ...] = Field((), description="hashes of the references to send along, for unknown_reference")
