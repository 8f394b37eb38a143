"""What the registry holds, as plain values. How it is stored and changed is not here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from gpu_service.errors import BadInput
from mpr_resources.brands.folding import fold_key

if TYPE_CHECKING:
    from gpu_service.routines import Reference

MAX_LETTERS = 200
"""Of a name or an alias."""


class Status(StrEnum):
    """What is said of a brand; see the module."""

    CONFIRMED = "confirmed"
    PROPOSED = "proposed"
    EXCLUDED = "excluded"


class BrandOrigin(StrEnum):
    """Who named a brand first."""

    MANUAL = "manual"
    OCR = "ocr"
    LOCAL_VLM = "local_vlm"
    CLOUD_VLM = "cloud_vlm"


@dataclass(frozen=True)
class Airing:
    """When a brand was first and last seen in a timeline, in milliseconds of its clock."""

    first_ms: int
    last_ms: int

    def joined(self, other: Airing) -> Airing:
        return Airing(min(self.first_ms, other.first_ms), max(self.last_ms, other.last_ms))


@dataclass(frozen=True)
class BrandRecord:
    """A brand of the registry.

    Attributes:
        aliases: those that somebody gave it. listed: those that only brand files have.
        everywhere: whether it is looked for in every timeline once confirmed; else where a brand file lists it.
        pictures: reference pictures, PNG, JPEG, WebP or SVG.
        airings: by timeline.
    """

    name: str
    aliases: tuple[str, ...] = ()
    status: Status = Status.CONFIRMED
    source: BrandOrigin = BrandOrigin.MANUAL
    everywhere: bool = True
    listed: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    pictures: tuple[Reference, ...] = field(default=(), repr=False)
    airings: Mapping[str, Airing] = field(default_factory=dict)


@dataclass(frozen=True)
class BrandSighting:
    """A brand that a timeline's report has. `source`: of its detections: `ocr`, `logo`, `cloud_vlm`, …"""

    name: str
    source: str
    airing: Airing


@dataclass(frozen=True)
class RegistryChange:
    """Something that was done to a brand, and by whom. `name`: of the brand at that time."""

    time_ms: int
    who: str
    action: str
    name: str
    detail: str


def squeezed(text: str) -> str:
    """The text without control characters, its white space squeezed."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def key_of(text: str) -> str:
    """What a text is known by.

    Raises:
        BadInput: it cannot be looked for.
    """
    key = fold_key(squeezed(text))
    if not any(character.isalnum() for character in key):
        raise BadInput(f"{text!r} has no letter or digit", "give the text as it appears")
    if len(text) > MAX_LETTERS or len(key) > MAX_LETTERS:
        raise BadInput(f"{text[:40]!r}… has more than {MAX_LETTERS} letters", "give the brand's name alone")
    return key
