"""A timeline's truth: when which brand is on screen, as people wrote it down.

How it is read from a user's file is in `truth_files`, how it is kept in `stored`, how a report is held against it in
`figures`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Literal, TypeAlias

from pydantic import Field

from gpu_service.settings import Settings

Kind: TypeAlias = Literal["text", "logo"]
"""A wordmark, or a symbol."""
OTHER_KINDS = ("", "any")


class TruthRow(Settings):
    """A brand that is on screen in `[start_ms, end_ms)` of the timeline's clock."""

    brand: str
    start_ms: int = Field(ge=0)
    end_ms: int
    kind: Kind | None = Field(None, description="none: a wordmark or a symbol, or both")
    optional: bool = Field(False, description="it can be found but not missed: hard to see, partly covered")
    note: str = ""


TimedBox: TypeAlias = tuple[int, int, int, int, int]
"""When, in ms of the timeline's clock, and where: x, y, w, h in pixels of the full frame."""


class Truth(Settings):
    """All that is on screen: what is not in it is not there."""

    version: Literal[1] = 1
    file: str = Field(description="name of the file that it was read from")
    rows: tuple[TruthRow, ...]
    boxes: Mapping[str, tuple[TimedBox, ...]] = Field({}, description="of some or all frames, by brand")

    @property
    def digest(self) -> str:
        """SHA-256 of what it says, whatever the file was called."""
        return hashlib.sha256(self.model_dump_json(include={"rows", "boxes"}).encode()).hexdigest()
