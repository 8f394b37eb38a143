"""Timelines' specs as the storage has them. Imports no Dagster, whose partitions are in `partitions`."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from pydantic import ValidationError

from gpu_service.errors import MprError, NotThere, PermanentError
from mpr_assets.timelines.spec import TimelineSpec, validate_timeline_name
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.store import PARALLEL_REQUESTS, MissingObject, Storage

SPECS = Keys.spec("").rpartition("/")[0]
"""The folder of all specs."""


def load_spec(storage: Storage, timeline: str) -> TimelineSpec:
    """The timeline as it was registered.

    Raises:
        BadInput: it was not (NotThere), or the name is none.
        PermanentError: what is stored is no spec.
    """
    key = Keys.spec(validate_timeline_name(timeline))
    try:
        return TimelineSpec.model_validate_json(storage.get(key))
    except MissingObject as error:
        raise NotThere(
            f"The timeline {timeline!r} is not registered in {storage.url}",
            f"create it with mpr timeline create VIDEO --name {timeline}",
        ) from error
    except ValidationError as error:
        raise PermanentError(
            f"{storage.where(key)} does not describe a timeline", "register it again with --replace"
        ) from error


def load_specs(storage: Storage, timelines: Sequence[str]) -> dict[str, TimelineSpec | MprError]:
    """Many timelines as they were registered, read at once; of those that cannot be read, why."""

    def load(timeline: str) -> TimelineSpec | MprError:
        try:
            return load_spec(storage, timeline)
        except MprError as error:
            return error

    with ThreadPoolExecutor(PARALLEL_REQUESTS) as pool:
        return dict(zip(timelines, pool.map(load, timelines), strict=True))


def spec_states(storage: Storage) -> dict[str, str]:
    """What changes when a timeline's spec does, by timeline: one listing, in which nothing is read."""
    states = {entry.key: f"{entry.etag} {entry.size_bytes} {entry.modified_s}" for entry in storage.entries(SPECS)}
    return {key.removeprefix(f"{SPECS}/").removesuffix(".json"): state for key, state in states.items()}
