"""The truth that is kept of a timeline, and the version of all that is known of it."""

from __future__ import annotations

from pydantic import ValidationError

from gpu_service.errors import PermanentError
from mpr_assets.annotations.corrections import corrections_version
from mpr_assets.annotations.truth import Truth
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.store import MissingObject, Storage
from mpr_resources.storage.tables import hash_of


def read_truth(storage: Storage, timeline: str) -> Truth | None:
    """The truth that is stored of a timeline; None: none is.

    Raises:
        PermanentError: what is stored is no truth.
    """
    key = Keys.truth(timeline)
    try:
        return Truth.model_validate_json(storage.get(key))
    except MissingObject:
        return None
    except ValidationError as error:
        raise PermanentError(
            f"{storage.where(key)} is no truth that this version of MPR can read",
            f"give it again: mpr truth {timeline}",
        ) from error


def store_truth(storage: Storage, timeline: str, truth: Truth) -> None:
    """Keep it, in the place of the one that was there."""
    storage.put(Keys.truth(timeline), truth.model_dump_json(indent=None if truth.boxes else 2).encode())


def known_version(storage: Storage, timeline: str) -> str:
    """SHA-256 of what truth and corrections say of a timeline; empty where there is neither."""
    truth, corrections = read_truth(storage, timeline), corrections_version(storage, timeline)
    return hash_of([truth.digest if truth else "", corrections]) if truth or corrections else ""
