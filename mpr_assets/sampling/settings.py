"""The settings of the stage `extract_frames`, for all that knows of them. What they do is in `frames`."""

from __future__ import annotations

from pydantic import Field, field_validator

from mpr_assets.engine.settings import StageSettings
from mpr_assets.sampling.frames import Sampling
from mpr_resources.media.decoding import Deinterlace
from mpr_resources.media.pixels import color


class ExtractFramesSettings(StageSettings):
    """How densely and in which quality the timeline is sampled."""

    fps: float = Field(2.0, gt=0, le=60, description="sampled frames per second of the timeline")
    jpeg_quality: int = Field(90, ge=1, le=100, description="JPEG quality of the stored frames")
    max_height_px: int | None = Field(
        2160, ge=64, le=16384, description="frames with a shorter side above this are shrunk; none: never"
    )
    decoder_threads: int = Field(
        0, ge=0, le=64, description="threads of the video decoder; 0: chosen by the number of cores"
    )
    background: str = Field(
        "black", description="what is seen through transparent pixels: a colour's name, or #rrggbb in quotes"
    )
    deinterlace: Deinterlace = Field(
        "auto",
        description="which frames show the lines of one moment alone; auto: those that the video calls interlaced",
    )
    allow_damage: bool = Field(False, description="true: skip frames that cannot be decoded instead of failing")

    @field_validator("background")
    @classmethod
    def _is_color(cls, given: str) -> str:
        color(given)
        return given

    def plain(self) -> Sampling:
        """As the process takes them that decodes."""
        return Sampling(**self.model_dump(exclude={"enabled"}))
