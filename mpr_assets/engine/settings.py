"""What every stage's section of a profile has. The settings of one stage are in its file in `mpr_assets.stages`."""

from __future__ import annotations

from pydantic import Field
from typing_extensions import TypeVar

from gpu_service.settings import Settings


class StageSettings(Settings):
    """What every stage's section of a profile has."""

    enabled: bool = Field(True, description="false: the stage is skipped and materializes an empty table")


SettingsT = TypeVar("SettingsT", bound=StageSettings, default=StageSettings, covariant=True)
"""The settings of one stage. `Stage` and `StageRun` without it are of any stage, whose own settings are not known."""
