"""Frames as stages see them. How they are stored and read back is here too; how they are sampled is not."""

from __future__ import annotations

from dataclasses import dataclass

from gpu_service.pictures import Picture


@dataclass(frozen=True)
class Frame:
    """A sampled picture of a timeline."""

    seq: int
    timeline_ms: int
    picture: Picture
