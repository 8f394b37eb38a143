"""A correction: what a person says that a run got wrong, and how corrections are kept.

Each is an object of its own, named by the hash of what it says: one that is given again is the same, and of two people
who correct at once neither loses anything. Its reference picture lies beside it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Literal, TypeAlias

from pydantic import Field, ValidationError

from gpu_service.errors import PermanentError
from gpu_service.routines import Reference
from gpu_service.settings import Settings
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.store import Storage
from mpr_resources.storage.tables import hash_of

Action: TypeAlias = Literal["add", "reject", "relabel"]


class PixelBox(Settings):
    """A box in pixels of the full frame."""

    x: int = Field(ge=0)
    y: int = Field(ge=0)
    w: int = Field(gt=0)
    h: int = Field(gt=0)


class Correction(Settings):
    """What was missed (`add`), is not there (`reject`) or is another brand (`relabel`) in `[start_ms, end_ms)`.

    Times are on the timeline's clock.
    """

    action: Action
    brand: str
    to: str = Field("", description="the brand that it really is, where it is relabelled; else empty")
    start_ms: int = Field(ge=0)
    end_ms: int
    seq: int | None = Field(None, description="the sampled frame that it was told of; none: a span of time was")
    box: PixelBox | None = Field(None, description="where; none: wherever the brand was found")
    picture: str = Field("", description="SHA-256 of the reference picture, a PNG beside it; empty: it has none")
    note: str = ""

    @property
    def name(self) -> str:
        """What tells it from others: a hash of what it says."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]

    @property
    def shown(self) -> str:
        """The brand whose mark its box holds."""
        return self.to or self.brand


def read_corrections(storage: Storage, timeline: str) -> list[Correction]:
    """The corrections of a timeline, by start and what they say.

    Raises:
        PermanentError: what is stored is none.
    """
    keys = _keys(storage, timeline)
    found = []
    for key, data in zip(keys, storage.get_many(keys), strict=True):
        try:
            found.append(Correction.model_validate_json(data))
        except ValidationError as error:
            raise PermanentError(
                f"{storage.where(key)} is no correction that this version of MPR can read", "delete it"
            ) from error
    return sorted(found, key=lambda one: (one.start_ms, one.end_ms, one.name))


def corrections_version(storage: Storage, timeline: str) -> str:
    """SHA-256 of all that they say; nothing is read for it but a listing. Empty where there is none."""
    keys = _keys(storage, timeline)
    return hash_of([key.rpartition("/")[2] for key in keys]) if keys else ""


def correction_references(storage: Storage, timeline: str) -> list[Reference]:
    """The reference pictures that corrections of the timeline gave."""
    told = [one for one in read_corrections(storage, timeline) if one.picture] if _keys(storage, timeline) else []
    keys = [Keys.correction(timeline, f"{one.name}.png") for one in told]
    return [
        Reference(one.shown, f"correction {one.name}.png", data)
        for one, data in zip(told, storage.get_many(keys), strict=True)
    ]


def keep_corrections(storage: Storage, timeline: str, told: Sequence[tuple[Correction, bytes]]) -> None:
    """Keep corrections with their pictures, PNG or empty. A picture is there before what names it."""
    storage.put_many((Keys.correction(timeline, f"{one.name}.png"), data) for one, data in told if data)
    storage.put_many(
        (Keys.correction(timeline, f"{one.name}.json"), one.model_dump_json(indent=2).encode()) for one, _ in told
    )


def forget_corrections(storage: Storage, timeline: str, told: Iterable[Correction]) -> None:
    """Forget corrections. What names a picture goes before it."""
    names = [one.name for one in told]
    storage.delete([Keys.correction(timeline, f"{name}.json") for name in names])
    storage.delete([Keys.correction(timeline, f"{name}.png") for name in names])


def _keys(storage: Storage, timeline: str) -> list[str]:
    below = storage.list(Keys.correction(timeline, "").rstrip("/"))
    return sorted(key for key in below if key.endswith(".json"))
