"""What travels between a stage and a routine: items (what the routine is told of each picture) and answers.

Plain typed messages, the same in-process and over HTTP. Boxes and quads are pixels of the picture sent.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

Point: TypeAlias = tuple[float, float]
Quad: TypeAlias = tuple[Point, Point, Point, Point]
"""Corners clockwise from top left."""


class Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Box(Message):
    """A rectangle in pixels: left, top, width, height."""

    x: int
    y: int
    w: int = Field(ge=0)
    h: int = Field(ge=0)


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
    share: float = Field(0.0, ge=0, le=1, description="share of the frame that is field")


class EdgesItem(Message):
    """The field's polygon, so that regions can be told from what lies on the pitch; empty when unknown."""

    field: tuple[Point, ...] = ()


class EdgesAnswer(Message):
    regions: tuple[Region, ...] = ()
    horizontal_count: int = Field(0, ge=0, description="near-horizontal lines found")
    pair_count: int = Field(0, ge=0, description="pairs of them that make a region")


class ObjectFinding(Message):
    """An object or a logo: label is the brand for a logo, the class for an object."""

    box: Box
    label: str
    confidence: float = Field(ge=0, le=1)
    engine: Literal["logo_match", "yolo", "clip", "onnx"]
    quad: Quad | None = None
    reference: str | None = Field(None, description="name of the reference picture that matched")


class ObjectsAnswer(Message):
    objects: tuple[ObjectFinding, ...] = ()


class CropBox(Message):
    """What to cut out: an axis-aligned box, or a quad to straighten."""

    box: Box
    quad: Quad | None = None


class PreprocessItem(Message):
    crops: tuple[CropBox, ...] = ()


class CropAnswer(Message):
    """One cleaned crop. `to_frame` is the 3x3 homography, row by row, from crop pixels to frame pixels."""

    picture_png: bytes
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
    recognise: bool = True
    quads: tuple[Quad, ...] = Field((), description="lines to recognise when find is false")


class TextLine(Message):
    """A line of text. `text` is empty and `confidence` 0 where it was found but not recognised."""

    quad: Quad
    text: str = ""
    confidence: float = Field(0.0, ge=0, le=1)


class OcrAnswer(Message):
    lines: tuple[TextLine, ...] = ()
