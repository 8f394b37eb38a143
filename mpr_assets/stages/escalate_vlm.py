"""The `escalate_vlm` stage: what reading left unresolved, put to a vision-language model on the inference host.

No model is called yet. A profile that enables the stage is refused, so that silence is never taken for an answer.
"""

from __future__ import annotations

import polars as pl
from pydantic import Field, field_validator

from mpr_assets.graph import stage
from mpr_assets.stage_run import Result, StageRun
from mpr_assets.stages import StageSettings
from mpr_assets.stages.match_brands import DETECTION_SCHEMA
from mpr_resources.tables import StageTable

CODE_VERSION = "1"

SCHEMA = DETECTION_SCHEMA


class EscalateVlmSettings(StageSettings):
    """Off, and nothing else for now."""

    enabled: bool = Field(False, description="only false: this version cannot escalate yet")

    @field_validator("enabled")
    @classmethod
    def _refuse(cls, enabled: bool) -> bool:
        if enabled:
            raise ValueError("this version of MPR cannot run escalate_vlm yet; set enabled: false")
        return enabled


@stage(
    name="escalate_vlm",
    description="Candidates that reading left unresolved, put to a vision-language model on the inference host.",
    group="brands",
    kinds={"inference", "parquet"},
    settings=EscalateVlmSettings,
    schema=SCHEMA,
    code_version=CODE_VERSION,
    inputs=("match_brands",),
)
def asset(_run: StageRun, **_candidates: StageTable) -> Result:
    """Nothing: the settings refuse to be enabled."""
    return Result(pl.DataFrame(schema=SCHEMA))
