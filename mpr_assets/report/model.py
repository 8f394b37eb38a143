"""What `report.json` holds. How it is put together from the tables is in `mpr_assets.report.build`.

Fields may be added within a version, never changed or removed.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from mpr_assets.report.media_equivalent import RateCard


class ReportModel(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StageProvenance(ReportModel):
    """What one stage did for this timeline, as its materialization says."""

    stage: str
    status: Literal["materialized", "skipped", "failed"]
    reason: str = Field("", description="why it was skipped or failed")
    settings_hash: str = ""
    settings: dict[str, JsonValue] = {}
    overrides: dict[str, JsonValue] = Field({}, description="settings of the run that differ from the profile")
    code_version: str = ""
    model: str = Field("", description="identity of the model or the engine; empty when it has none")
    counts: dict[str, int | float] = {}
    seconds: float | None = Field(None, description="shown on the page only; report.json leaves it out")


class ReportSource(ReportModel):
    """A video file, as probed."""

    name: str
    version: str
    duration_ms: int
    fps: str = Field(description="frames a second as a fraction, e.g. 30000/1001")
    codec: str
    width_px: int
    height_px: int
    rotation_deg: int


class ReportChunk(ReportModel):
    """A span of a source, and where the timeline has it."""

    chunk: int
    source: str
    start_ms: int
    end_ms: int
    timeline_start_ms: int


class EvidenceBox(ReportModel):
    """A box as parts of the frame, 0 to 1 from its top left."""

    x: float
    y: float
    w: float
    h: float
    confidence: float
    source: str
    stage: str = Field(description="the stage that found it")
    text: str = Field(description="the text that was read; empty for a logo")


class Evidence(ReportModel):
    """The frame that proves an exposure best, with every box of the brand in it."""

    seq: int
    frame: str = Field(description="key of the frame in the storage")
    timeline_ms: int
    media_ms: int = Field(description="the frame's time on its source's clock")
    boxes: tuple[EvidenceBox, ...]


class Exposure(ReportModel):
    """An unbroken stay on screen, `[start_ms, end_ms)` on the timeline's clock."""

    start_ms: int
    end_ms: int
    start_uncertainty_ms: int = Field(0, description="how far off the start may be, before or after")
    end_uncertainty_ms: int = Field(0, description="how far off the end may be, before or after")
    seen_ms: int = Field(0, description="time in which the brand was found")
    inferred_ms: int = Field(0, description="time in which a mark was away and came back; not in `seen_ms`")
    inferred: tuple[tuple[int, int], ...] = Field((), description="when: spans on the timeline's clock, half-open")
    source: str
    confidence: float
    max_confidence: float
    frames: int
    detections: int
    mean_area_share: float
    max_area_share: float
    chunk: int
    media: str
    media_start_ms: int
    media_end_ms: int
    mean_prominence: float | None = Field(None, description="0 to 1; this and what follows is in docs/measures.md")
    max_prominence: float | None = None
    position: str | None = Field(None, description="the cell of the 3 x 3 grid that it stands in on most frames")
    position_share: float | None = Field(None, description="share of its frames on which it stands there")
    centre_distance: float | None = Field(None, description="mean distance from the frame's centre; 1: a corner")
    mean_instances: float | None = Field(None, description="marks of the brand at once")
    max_instances: int | None = None
    clutter: float | None = Field(None, description="mean number of other brands on screen")
    solo_ms: int | None = Field(None, description="how long no other brand is on screen")
    legibility: float | None = Field(
        None, description="mean share of the name's letters that were read; null: nothing of it was read"
    )
    visibility: float | None = Field(None, description="mean share of the mark that is to be seen, 0 to 1")
    sharpness: float | None = Field(None, description="0 to 1; null: not measured")
    contrast: float | None = Field(None, description="0 to 1; null: not measured")
    clarity: float | None = Field(None, description="0 to 1; null: not measured")
    quality: float | None = Field(None, description="0 to 1, by the weights of the profile")
    placement: str | None = Field(
        None, description="board, shirt, overlay, product, what object_placements names, or unknown"
    )
    placement_reason: str | None = Field(None, description="the rule that tells so; empty: none does")
    placement_object: str | None = Field(
        None, description="label of the object that it is on; empty: no object tells the placement"
    )
    counted_ms: int | None = Field(None, description="what counts of it by the report's counting rule")
    nielsen_1s_ms: int | None = None
    mrc_2s_ms: int | None = None
    legible_90_ms: int | None = None
    media_equivalent: float | None = Field(None, description="in the currency of the rate card; null: none is given")
    evidence: Evidence


class BrandReport(ReportModel):
    """A brand's measures and its exposures in the order of time."""

    brand: str
    screen_ms: int
    seconds: float
    share: float
    longest_ms: int
    mean_area_share: float
    max_area_share: float
    mean_confidence: float
    max_confidence: float
    frames: int
    detections: int
    source: str
    first_ms: int
    last_ms: int
    share_of_voice: float | None = Field(None, description="its counted seconds in those of all brands, 0 to 1")
    solo_ms: int | None = Field(None, description="how long no other brand is on screen")
    clutter: float | None = Field(None, description="mean number of other brands on screen")
    mean_prominence: float | None = None
    max_prominence: float | None = None
    position: str | None = Field(None, description="the cell of the 3 x 3 grid that it stands in on most frames")
    centre_distance: float | None = Field(None, description="mean distance from the frame's centre; 1: a corner")
    mean_instances: float | None = Field(None, description="marks of the brand at once")
    max_instances: int | None = None
    legibility: float | None = Field(
        None, description="mean share of the name's letters that were read; null: nothing of it was read"
    )
    visibility: float | None = Field(None, description="mean share of the mark that is to be seen, 0 to 1")
    sharpness: float | None = Field(None, description="0 to 1; null: not measured")
    contrast: float | None = Field(None, description="0 to 1; null: not measured")
    clarity: float | None = Field(None, description="0 to 1; null: not measured")
    quality: float | None = Field(None, description="0 to 1, by the weights of the profile")
    counted_exposures: int | None = Field(None, description="exposures of which anything counts")
    counted_ms: int | None = Field(None, description="what counts by the report's counting rule")
    nielsen_1s_ms: int | None = None
    mrc_2s_ms: int | None = None
    legible_90_ms: int | None = None
    media_equivalent: float | None = Field(None, description="in the currency of the rate card; null: none is given")
    placements_ms: dict[str, int] | None = Field(None, description="time seen by placement")
    cells: tuple[float, ...] | None = Field(
        None, description="share of its frames on which it stands in each cell, row by row from the top left"
    )
    exposures: tuple[Exposure, ...]


class UnlistedText(ReportModel):
    """A text that was read and is like no name of the brands looked for."""

    text: str
    times: int = Field(description="unbroken stays on screen")
    screen_ms: int
    first_ms: int
    last_ms: int


class Mention(ReportModel):
    """A brand that is said, `[start_ms, end_ms)` on the timeline's clock. It is no part of the time on screen."""

    brand: str
    start_ms: int
    end_ms: int
    confidence: float
    text: str = Field(description="the words as they were heard")
    context: str = Field(description="the words around it")


class OnScreenObject(ReportModel):
    """What detectors of objects saw under one label, beside the brands: a person, a car. It is no brand's time."""

    label: str
    screen_ms: int = Field(description="time with at least one on screen")
    share: float = Field(description="that time in the timeline, 0 to 1")
    frames: int = Field(description="sampled frames with at least one")
    mean_at_once: float = Field(description="mean number over the time with at least one")
    max_at_once: int
    confidence: float = Field(description="mean over all boxes, 0 to 1")
    first_ms: int
    last_ms: int
    spans: tuple[tuple[int, int], ...] = Field(description="when: spans on the timeline's clock, half-open")
    brands_ms: dict[str, int] = Field(description="time seen of the exposures that are on such an object, by brand")


class Caption(ReportModel):
    """A line of the transcript."""

    start_ms: int
    end_ms: int
    text: str


class LookSpan(ReportModel):
    """What the picture looks like for a while, `[start_ms, end_ms)` on the timeline's clock."""

    start_ms: int
    end_ms: int
    colours: tuple[tuple[int, int, int], ...] = Field(
        description="dominant colours as red, green, blue, 0 to 255, the one with the largest share first"
    )
    shares: tuple[float, ...] = Field(description="share of the picture that each of them has, 0 to 1")
    brightness: float = Field(description="mean of grey / 255")
    contrast: float = Field(description="standard deviation of grey / 255")
    saturation: float = Field(description="mean of HSV's S / 255")


class MotionSpan(ReportModel):
    """What moves for a while, `[start_ms, end_ms)` on the timeline's clock; null: it cannot be told."""

    start_ms: int
    end_ms: int
    moving_share: float | None = Field(description="share of the picture that moves before its background, 0 to 1")
    camera_px_per_s: float | None = Field(description="how fast the picture as a whole moves, px of the frame a second")


class MotionReport(ReportModel):
    """How much moves in the timeline; null where no frame could be held against another."""

    average_motion: float | None = Field(None, description="mean share of the picture that moves, 0 to 1")
    max_motion: float | None = Field(None, description="the largest")
    activity: float | None = Field(None, description="share of frames in which enough moves, 0 to 1")
    spans: tuple[MotionSpan, ...] = Field((), description="in the order of time, at most 600")


class Counts(ReportModel):
    frames: int
    kept_frames: int
    shots: int
    detections: int
    brands: int
    exposures: int


class Counted(ReportModel):
    """What counts by one rule, all brands together."""

    rule: str
    says: str
    exposures: int = Field(description="of which anything counts")
    brands: int = Field(description="of which anything counts")
    counted_ms: int


class Report(ReportModel):
    """What `report.json` holds. Fields may be added within a version, never changed or removed."""

    version: Literal[1] = 1
    timeline: str
    profile: str
    duration_ms: int
    chunks: tuple[ReportChunk, ...]
    sources: tuple[ReportSource, ...]
    counts: Counts
    looked_for: tuple[str, ...] = Field(description="the brands of the registry")
    cuts_ms: tuple[int, ...] = Field(description="shot boundaries on the timeline's clock, chunk edges left out")
    brands: tuple[BrandReport, ...]
    counting_rule: str = Field("all", description="the rule by which `counted_ms` and `share_of_voice` count")
    rate_card: RateCard | None = Field(
        None, description="of the user, by which `media_equivalent` is; null: none is given"
    )
    counted: tuple[Counted, ...] = Field((), description="what counts by each rule")
    unlisted: tuple[UnlistedText, ...] = Field((), description="what was read and is not in the list, longest first")
    mentions: tuple[Mention, ...] = Field((), description="brands that are said, in the order of time")
    objects: tuple[OnScreenObject, ...] = Field(
        (), description="people and things that detectors of objects saw, those longest on screen first"
    )
    captions: tuple[Caption, ...] = Field((), description="the transcript in lines; empty: nothing was transcribed")
    looks: tuple[LookSpan, ...] = Field(
        (), description="what the picture looks like in the order of time, at most 600; empty: it was not measured"
    )
    motion: MotionReport | None = Field(None, description="null: it was not measured")
    stages: tuple[StageProvenance, ...]
