"""Bookmarks in storage: a stage's table and all that it was made from, copied under `scenarios/{label}/`.

A bookmark is laid out like the storage itself and read as one. What a stage needs, and what a bookmark is compared
with, is in `mpr_assets.compare.scenarios`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from gpu_service.errors import BadInput, NotThere, PermanentError
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.store import MissingObject, Storage

MANIFEST = "scenario.json"
CLAIM = "saving"
"""Of those who save under one label at once, who made this object does."""


class Scenario(BaseModel):
    """What a bookmark holds. It is written last: a bookmark without it is not there.

    Attributes:
        saved: when, ISO 8601.
        data_version: of the stage's table.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str
    timeline: str
    stage: str
    profile: str
    saved: str
    saved_by: str
    objects: int
    rows: int
    data_version: str
    code_version: str

    @model_validator(mode="before")
    @classmethod
    def _as_earlier_versions_wrote_it(cls, data: object) -> object:
        """Theirs has a hash of the settings."""
        return {key: value for key, value in data.items() if key != "settings_hash"} if isinstance(data, dict) else data


class StorageBelow(Storage):
    """The objects below a prefix of another storage, as a storage of their own."""

    def __init__(self, storage: Storage, prefix: str) -> None:
        super().__init__(storage.store, storage.url, storage.endpoint)
        self._prefix = prefix

    def put(self, key: str, data: bytes) -> None:
        super().put(f"{self._prefix}/{key}", data)

    def get(self, key: str) -> bytes:
        return super().get(f"{self._prefix}/{key}")

    def exists(self, key: str) -> bool:
        return super().exists(f"{self._prefix}/{key}")

    def list(self, prefix: str) -> Iterator[str]:
        return (key.removeprefix(f"{self._prefix}/") for key in super().list(f"{self._prefix}/{prefix}"))

    def _delete_one(self, key: str) -> None:
        super()._delete_one(f"{self._prefix}/{key}")

    def where(self, key: str) -> str:
        """The address. An error tells the key with the prefix already."""
        return super().where(key if key.startswith(f"{self._prefix}/") else f"{self._prefix}/{key}")


def labels(storage: Storage) -> list[str]:
    """The labels of all bookmarks, sorted."""
    return [label for label in storage.folders("scenarios") if storage.exists(_manifest(label))]


def scenarios(storage: Storage) -> list[Scenario]:
    """All bookmarks, by label."""
    return [load(storage, label) for label in storage.folders("scenarios") if storage.exists(_manifest(label))]


def load(storage: Storage, label: str) -> Scenario:
    """The bookmark of this label.

    Raises:
        BadInput: there is none.
        PermanentError: it cannot be read.
    """
    try:
        return Scenario.model_validate_json(storage.get(_manifest(label)))
    except MissingObject as error:
        known = ", ".join(labels(storage)) or "there is none yet"
        raise NotThere(f"There is no scenario {label!r}", f"known: {known}") from error
    except ValidationError as error:
        raise PermanentError(
            f"{storage.where(_manifest(label))} does not describe a scenario", "save it again with --replace"
        ) from error


def save(storage: Storage, scenario: Scenario, keys: Iterable[str], *, replace: bool = False) -> None:
    """Copy the objects into the bookmark, the manifest last.

    Raises:
        BadInput: the label is taken, or being taken by somebody else, and `replace` is false.
        MissingObject: an object is not there; no bookmark is left.
    """
    if not replace and storage.exists(_manifest(scenario.label)):
        raise BadInput(f"The scenario {scenario.label!r} already exists", "give another label, or --replace")
    folder = Keys.scenario(scenario.label)
    if replace:
        delete(storage, scenario.label)
    if not storage.create(f"{folder}/{CLAIM}", b""):
        raise BadInput(
            f"The scenario {scenario.label!r} is being saved by another process, or saving it was interrupted",
            "wait for it, give another label, or --replace",
        )
    try:
        storage.delete(key for key in list(storage.list(folder)) if key != f"{folder}/{CLAIM}")  # of a save that failed
        storage.copy({key: f"{folder}/{key}" for key in keys})
        storage.put(_manifest(scenario.label), scenario.model_dump_json(indent=2).encode())
    finally:
        storage.delete([f"{folder}/{CLAIM}"])


def delete(storage: Storage, label: str) -> None:
    """Delete the bookmark, the manifest first: none is seen without all it holds."""
    storage.delete([_manifest(label)])
    storage.delete_below(Keys.scenario(label))


def opened(storage: Storage, label: str) -> StorageBelow:
    """What the bookmark holds, as a storage."""
    return StorageBelow(storage, Keys.scenario(label))


def _manifest(label: str) -> str:
    return f"{Keys.scenario(label)}/{MANIFEST}"
