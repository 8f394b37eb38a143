"""What is told of a live session, as JSON: its windows, and what was found in their pictures.

When it is told, and to whom, is in `live_feed`; the messages of the older analyser are in `old_live_messages`.
"""

from __future__ import annotations

from pydantic import BaseModel, Field


class LiveEpoch(BaseModel):
    """A stretch of the session with one clock: its picture of `start_pts` is at `start_ms` of the session."""

    number: int
    start_pts: int
    start_ms: int
    time_base: tuple[int, int] = Field(description="seconds of a unit of pts, as numerator and denominator")


class LiveWindow(BaseModel):
    """A window that is closed; times of the session in ms, half-open."""

    session: str
    number: int
    timeline_id: str
    epoch: LiveEpoch
    start_pts: int
    end_pts: int
    start_ms: int
    end_ms: int
    closed_at_ms: int = Field(description="since 1970, UTC")
    codec: str
    width_px: int
    height_px: int


class LiveDetection(BaseModel):
    """A brand in a picture; its box is px of the picture. `track`: the same for the same mark, within a window."""

    brand: str
    confidence: float
    source: str
    x: int
    y: int
    w: int
    h: int
    track: int | None


class LiveLook(BaseModel):
    """What a picture looks like as a whole, by `visual_properties`; figures 0 to 1."""

    colours: list[tuple[int, int, int]] = Field(
        description="dominant colours as red, green, blue, 0 to 255, the one with the largest share first"
    )
    shares: list[float] = Field(description="share of the picture that each of them has")
    brightness: float
    contrast: float
    saturation: float


class LiveMotion(BaseModel):
    """What moves in a picture, by `motion`."""

    moving_share: float = Field(description="share of the picture that moves before its background, 0 to 1")
    active: bool
    right_px: float | None = Field(
        description="how far the picture moved since the one before; null: it cannot be told"
    )
    down_px: float | None


class LiveThing(BaseModel):
    """A person or a thing in a picture, no brand; its box is px of the picture."""

    label: str
    confidence: float
    x: int
    y: int
    w: int
    h: int


class LiveFrame(BaseModel):
    """What was found from a picture on: pts of its epoch, in its units, and time of the session."""

    pts: int
    session_ms: int
    detections: list[LiveDetection]
    objects: list[LiveThing]
    look: LiveLook | None = Field(None, description="null: it was not measured")
    motion: LiveMotion | None = Field(
        None, description="null: it was not measured, or the picture is the first of a shot"
    )


class LiveResult(BaseModel):
    """What became of a window. `frames`: in order, each holds until the next; a window that was not analysed has none,
    and `status` says so."""

    session: str
    number: int
    timeline_id: str
    epoch: int
    status: str = Field(description="analysed, failed or skipped")
    reason: str
    thinned: bool = Field(description="whether fewer frames than the profile says were looked at")
    run_id: str
    lag_ms: int = Field(description="from the window's end to its result")
    done_at_ms: int = Field(description="since 1970, UTC")
    frames: list[LiveFrame]
