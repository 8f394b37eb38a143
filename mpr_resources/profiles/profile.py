"""A profile: one YAML file for one kind of content. Which file is which, and the brands it looks for, is in `folder`.

What the sections hold is the stages' to say, and is passed in.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import ConfigDict, Field, create_model

from gpu_service.settings import Settings


class Profile(Settings):
    """The head of a profile; the sections of the stages follow, one field each."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    description: str = ""
    brands: str | None = Field(None, description="brand file, relative to the profiles folder")
    logos: str | None = Field(None, description="folder of logos BRAND/*.png, relative to the profiles folder")

    registry: bool = Field(
        True, description="true: also search for the registry's brands; false: only for the brand file's"
    )
    replay: Literal["automatic", "on_request"] = Field(
        "on_request", description="automatic: stages made stale by a changed setting are rematerialized automatically"
    )

    live_lag: Literal["queue", "thin", "skip"] = Field(
        "queue",
        description="what becomes of a live stream's windows that have waited for longer than live_lag_s; queue: they "
        "wait on; thin: fewer frames a second are looked at; skip: they are not analysed, and count as such",
    )
    live_lag_s: float = Field(30, ge=1, le=3600, description="that a window may wait after its end, in seconds")

    @property
    def stages(self) -> list[str]:
        """The stages in their order: they are the sections."""
        return [name for name in type(self).model_fields if name not in Profile.model_fields]

    def section(self, stage: str) -> Settings:
        section: Settings = getattr(self, stage)
        return section


def profile_model(sections: Mapping[str, type[Settings]]) -> type[Profile]:
    """The model of a whole profile, from the settings model of each stage. A section left out has its defaults."""
    fields: dict[str, Any] = {stage: (model, Field(default_factory=model)) for stage, model in sections.items()}
    return create_model("Profile", __base__=Profile, **fields)
