"""Models' answers about crops, stored for all timelines, so that nothing is requested and paid for twice.

What belongs here: which crops show the same, and where an answer lies. Who may ask is in `claims`; what is asked, and
of whom, is not here either.

Below `answers/{family}/`, a family being one prompt, schema and model, an answer is `{perceptual hash}-{pixel
hash}.json`; the perceptual hash stands first, so that a listing alone tells which crops are near. They are objects and
not rows of the database, because nothing about them needs a transaction: an answer lies under the hash of what it
answers, is written whole by whoever holds the claim, and is never changed; and a copy of the storage has what was paid
for.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import cv2
import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gpu_service.errors import PermanentError
from gpu_service.likeness import Gray, block_change, phash, phash_distance
from gpu_service.pictures import Image
from mpr_resources.cloud.prompt import Answer
from mpr_resources.storage.store import MissingObject, Storage
from mpr_resources.storage.tables import hash_of

THUMBNAIL = (160, 48)
"""Width and height in which two crops are compared."""
BLOCK_PX = 8
"""Of a thumbnail: about a letter."""
CONTRAST = 50
"""Grey levels that the standard deviation of a thumbnail is brought to, so that light and exposure do not count."""
COARSE = (20, 6)
COARSE_CHANGE = 60
"""Thumbnails reduced to so few pixels that differ in one by so many grey levels are not looked at closely. No
measurement is known."""


class _AnswerRecord(BaseModel):
    """An answer as it is stored. `thumbnail`: grey levels of the crop it was given for."""

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_bytes="base64", val_json_bytes="base64")

    answer: Answer
    thumbnail: bytes
    aspect: float = Field(gt=0)


@dataclass(frozen=True)
class AnswerLikeness:
    """When two crops show the same.

    Attributes:
        max_phash_distance: bits of the perceptual hash that may differ.
        max_change: grey levels by which the most changed letter-sized block may differ; see `block_change`.
    """

    max_phash_distance: int
    max_change: float


class Look:
    """What a crop looks like: its name among answers, and what it is compared by."""

    def __init__(self, pixels: Image) -> None:
        gray = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), np.uint8)
        digest = hashlib.sha256(str(pixels.shape).encode())
        digest.update(np.ascontiguousarray(pixels).tobytes())
        self.phash = phash(gray)
        self.name = f"{self.phash:016x}-{digest.hexdigest()[:24]}"
        self.aspect = gray.shape[1] / gray.shape[0]
        self.thumbnail = cv2.resize(gray, THUMBNAIL, interpolation=cv2.INTER_AREA).tobytes()

    @cached_property
    def levels(self) -> Gray:
        return _levels(self.thumbnail)

    def like(self, thumbnail: bytes, aspect: float, likeness: AnswerLikeness) -> bool:
        """Whether the thumbnail and the ratio of sides are of a crop that shows the same."""
        if not 0.87 < aspect / self.aspect < 1.15:
            return False
        return least_change(self.levels, _levels(thumbnail)) <= likeness.max_change

    def near(self, other: Look, likeness: AnswerLikeness) -> bool:
        """Whether another crop shows the same."""
        return phash_distance(self.phash, other.phash) <= likeness.max_phash_distance and self.like(
            other.thumbnail, other.aspect, likeness
        )


def least_change(one: Gray, other: Gray) -> float:
    """The `block_change` of two thumbnails, over the shift of up to a pixel where it is least.

    Args:
        one, other: shape (height, width) of `THUMBNAIL`, uint8, of contrast `CONTRAST`.
    """
    coarse = [cv2.resize(levels, COARSE, interpolation=cv2.INTER_AREA) for levels in (one, other)]
    if int(cv2.absdiff(*coarse).max()) > COARSE_CHANGE:
        return 255.0
    padded = cv2.copyMakeBorder(other, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    height, width = one.shape
    least = 255.0
    for dy, dx in ((1, 1), (0, 1), (1, 0), (1, 2), (2, 1), (0, 0), (0, 2), (2, 0), (2, 2)):
        moved = np.asarray(padded[dy : dy + height, dx : dx + width], np.uint8)
        least = min(least, block_change(one, moved, (BLOCK_PX, BLOCK_PX)))
    return least


def _levels(thumbnail: bytes) -> Gray:
    levels = np.frombuffer(thumbnail, np.uint8).reshape(THUMBNAIL[::-1]).astype(np.float32)
    scaled = (levels - levels.mean()) / max(4.0, float(levels.std())) * CONTRAST + 128
    return np.asarray(np.clip(scaled, 0, 255), np.uint8)


def hash_distance(name: str, look: Look) -> int:
    """Bits in which the perceptual hash of the crop that has this name differs."""
    return phash_distance(_phash(name), look.phash)


def alike(looks: Sequence[Look], likeness: AnswerLikeness) -> dict[int, list[int]]:
    """Crops that show the same, by number: the first of each, with all of them."""
    groups: dict[int, list[int]] = {}
    for number, look in enumerate(looks):
        leader = next((one for one in groups if looks[one].near(look, likeness)), number)
        groups.setdefault(leader, []).append(number)
    return groups


def family_of(model: str, prompt_hash: str) -> str:
    """The folder of all answers that this model gives to this prompt."""
    return hash_of([model, prompt_hash])[:16]


class Answered(Protocol):
    """A crop that an answer is kept for: a `Look`, or what a batch knows of one."""

    @property
    def name(self) -> str: ...

    @property
    def phash(self) -> int: ...

    @property
    def aspect(self) -> float: ...

    @property
    def thumbnail(self) -> bytes: ...


class Answers:
    """The answers of one family. Thread-safe."""

    def __init__(self, storage: Storage, family: str, likeness: AnswerLikeness) -> None:
        self._storage = storage
        self._answers = f"answers/{family}"
        self.likeness = likeness
        self._lock = threading.Lock()
        self._names: dict[str, int] | None = None
        self._kept: dict[str, _AnswerRecord | None] = {}

    def find(self, look: Look) -> Answer | None:
        """The answer to this crop or to one that shows the same."""
        exact = self._read(look.name)
        if exact is not None:
            return exact.answer
        for name in self._near(look):
            kept = self._read(name)
            if kept is not None and look.like(kept.thumbnail, kept.aspect, self.likeness):
                return kept.answer
        return None

    def keep(self, look: Answered, answer: Answer) -> None:
        """Keep the answer, for good."""
        kept = _AnswerRecord(answer=answer, thumbnail=look.thumbnail, aspect=look.aspect)
        self._storage.put(f"{self._answers}/{look.name}.json", kept.model_dump_json().encode())
        with self._lock:
            self._kept[look.name] = kept
            if self._names is not None:
                self._names[look.name] = look.phash

    def refresh(self) -> None:
        """Look again for what others have kept meanwhile."""
        with self._lock:
            self._names = None
            self._kept = {name: kept for name, kept in self._kept.items() if kept is not None}

    def _near(self, look: Look) -> list[str]:
        with self._lock:
            if self._names is None:
                self._names = {}
                for key in self._storage.list(self._answers):
                    name = key.rpartition("/")[2].removesuffix(".json")
                    with suppress(ValueError):  # what others put there is none of ours
                        self._names[name] = _phash(name)
            near = [(phash_distance(number, look.phash), name) for name, number in self._names.items()]
        return [name for distance, name in sorted(near) if distance <= self.likeness.max_phash_distance]

    def _read(self, name: str) -> _AnswerRecord | None:
        with self._lock:
            if name in self._kept:
                return self._kept[name]
        key = f"{self._answers}/{name}.json"
        try:
            kept: _AnswerRecord | None = _AnswerRecord.model_validate_json(self._storage.get(key))
        except MissingObject:
            kept = None
        except ValidationError as error:
            where = self._storage.where(key)
            raise PermanentError(f"{where} is not an answer that this version of MPR can read", "delete it") from error
        with self._lock:
            self._kept[name] = kept
        return kept


def _phash(name: str) -> int:
    return int(name.partition("-")[0], 16)
