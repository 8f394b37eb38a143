"""The evaluation that is stored of a timeline, and whether it is of the report and the truth as they are now."""

from __future__ import annotations

from pydantic import ValidationError

from gpu_service.errors import NotThere, PermanentError
from mpr_assets.annotations.stored import known_version
from mpr_assets.evaluation.model import Evaluation
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.store import MissingObject, Storage
from mpr_resources.storage.tables import read_header


def read_evaluation(storage: Storage, timeline: str) -> Evaluation:
    """What the stage `evaluation` found.

    Raises:
        NotThere: it has not been made, or there is nothing to hold the report against.
        PermanentError: another version made it.
    """
    try:
        return Evaluation.model_validate_json(storage.get(Keys.evaluation(timeline, "evaluation.json")))
    except MissingObject as error:
        if not known_version(storage, timeline):
            remedy = f"give its truth first: mpr truth {timeline} FILE"
        else:
            remedy = f"make it with mpr replay {timeline} evaluation"
        raise NotThere(f"The timeline {timeline!r} has no evaluation", remedy) from error
    except ValidationError as error:
        raise PermanentError(
            f"The evaluation of the timeline {timeline!r} is not one that this version of MPR can read",
            f"make it again with mpr replay {timeline} evaluation",
        ) from error


def why_stale(storage: Storage, timeline: str) -> str:
    """Why its figures are not of what is known and reported now, in a sentence; empty where they are."""
    upstream = read_header(storage, "evaluation", timeline).upstream
    if upstream.get("truth", "") != known_version(storage, timeline):
        return "The truth, or a correction, has changed since."
    if upstream.get("compile_report") != read_header(storage, "compile_report", timeline).data_version:
        return "The report has changed since."
    return ""
