"""The names of stages on the command line."""

from __future__ import annotations

from gpu_service.errors import BadInput
from mpr_assets.definitions import STAGES

BY_NAME = {stage.name: stage for stage in STAGES}
NAMES = list(BY_NAME)


def stage_name(name: str) -> str:
    """The name, when a stage has it.

    Raises:
        BadInput: none has.
    """
    if name not in NAMES:
        raise BadInput(f"There is no stage {name!r}", f"choose one of {', '.join(NAMES)}")
    return name
