"""The interface of OCR engines: settings, heat maps, lines, readings.

The engines are in `rapidocr` and `paddleocr`; the routine that uses them is in `routine`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import AliasChoices, Field

from gpu_service.pictures import Image
from gpu_service.settings import Settings

HeatMap: TypeAlias = NDArray[np.float32]
"""How much each pixel looks like text: shape (height, width) of what the detector saw, 0 to 1."""

Quads: TypeAlias = NDArray[np.float32]
"""Shape (lines, 4, 2): corners x, y clockwise from top left, pixels of the picture."""


class OcrSettings(Settings):
    """How text is found and recognised.

    `det_threshold`, `det_box_threshold`, `unclip_ratio` and `min_confidence` are as in RapidOCR's own config.yaml. To
    the sizes: on one thread text is found in a 1080p frame in 950 ms at full size, in 101, 216 and 384 ms at a longer
    side of 736, 960 and 1280, but there short and small words of broadcast frames, with letters of 12 pixels, are lost.
    Of the other defaults no measurement is known.
    """

    engine: Literal["rapidocr", "paddleocr"] = Field("rapidocr", description="paddleocr: only on an inference host")
    rapid_reader: str = Field(
        "",
        max_length=100,
        description="for rapidocr: short name of a text recogniser for other scripts; empty: its own",
    )
    paddle_finder: str = Field(
        "",
        max_length=100,
        description="for paddleocr: short name of a text detector of the host; empty: PaddleOCR's own",
    )
    paddle_reader: str = Field(
        "",
        max_length=100,
        description="for paddleocr: short name of a text recogniser of the host; empty: PaddleOCR's own",
    )
    threads: int = Field(0, ge=0, le=256, description="threads of the engine; 0: one per core")
    find_side_min_px: int = Field(
        512, ge=32, le=4096, description="pictures with a shorter side below this are enlarged for detection"
    )
    find_enlarge_max: float = Field(2.5, ge=1, le=8, description="maximum enlargement factor for detection")
    find_side_max_px: int = Field(
        2048, ge=64, le=8192, description="pictures with a longer side above this are shrunk for detection"
    )
    quick_share: float = Field(0.5, gt=0, le=1, description="scale of the picture in a quick scan; 1: no quick scans")
    quick_side_min_px: int = Field(
        640, ge=64, le=4096, description="minimum longer side of the picture in a quick scan"
    )
    warm_threshold: float = Field(
        0.05,
        gt=0,
        lt=1,
        description="text probability at which a place without clear text is scanned separately in a quick scan",
    )
    det_threshold: float = Field(
        0.3,
        gt=0,
        lt=1,
        validation_alias=AliasChoices("det_threshold", "heat_threshold"),
        description="minimum text probability of a pixel of a line",
    )
    det_box_threshold: float = Field(
        0.5,
        gt=0,
        lt=1,
        validation_alias=AliasChoices("det_box_threshold", "line_threshold"),
        description="minimum mean text probability of a line",
    )
    unclip_ratio: float = Field(1.6, ge=1, le=4, description="expansion ratio of a detected line's shrunken core")
    space_threshold: float = Field(
        0.03, gt=0, le=1, description="minimum probability of a space between two characters"
    )
    extend: float = Field(
        0.5,
        ge=0,
        le=2,
        description="margin read beyond both ends of a line for cut-off characters, in line heights",
    )
    extend_times: int = Field(3, ge=0, le=20, description="maximum extensions of a line that continues beyond its end")
    turn_ratio: float = Field(
        1.5,
        ge=1,
        le=50,
        description="lines at least this many times as high as wide are read turned by 90°, upwards and downwards",
    )
    min_confidence: float = Field(0.5, ge=0, le=1, description="minimum confidence of a reading")

    def without_effect(self) -> dict[str, str]:
        """The models of the other engine, and the settings of quick scans where there are none."""
        of_other = ("rapid_reader",) if self.engine == "paddleocr" else ("paddle_finder", "paddle_reader")
        idle = dict.fromkeys(of_other, f"engine is {self.engine}")
        quick = dict.fromkeys(("quick_side_min_px", "warm_threshold"), "quick_share is 1: there are no quick scans")
        return idle | (quick if self.quick_share == 1 else {})


@dataclass(frozen=True)
class StripText:
    """What a strip says: its characters, the confidence of each, and where the centre of each is (pixels)."""

    text: str
    confidences: tuple[float, ...]
    centres_px: tuple[float, ...]

    @property
    def confidence(self) -> float:
        """Mean over the characters; 0 where there is none."""
        return sum(self.confidences) / len(self.confidences) if self.confidences else 0.0

    def part(self, start: int, end: int) -> StripText:
        return StripText(self.text[start:end], self.confidences[start:end], self.centres_px[start:end])


class Engine(Protocol):
    """What an engine's file gives. Safe to be called by several threads."""

    @property
    def characters(self) -> Sequence[str]:
        """What it can write; the first is the blank, which it does not."""
        ...

    def heat(self, image: Image) -> HeatMap:
        """The text heat of a picture whose sides are multiples of 32, at the size at which text is to be found."""
        ...

    def quads(self, heat: HeatMap, size: tuple[int, int], settings: OcrSettings) -> Quads:
        """The lines in a heat map, in pixels of a picture of `size` (width, height)."""
        ...

    def read(self, strip: Image, space_threshold: float) -> StripText:
        """The text of a strip, a straightened line `LINE_HEIGHT_PX` high."""
        ...
