"""The references of a call side by side, and what was prepared before: a bounded cache that threads share.

How one reference is read and prepared is in `references`; how logos are found in a picture, in `match`.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gpu_service.routines import Reference
from gpu_service.routines.logos.references import Logo, prepare
from gpu_service.routines.logos.regions import Floats, Mask, Shapes, shapes_of
from gpu_service.routines.logos.weakness import Effect, Weakness, weakness

CACHED_SETS = 8
CACHED_LOGOS = 512


@dataclass(frozen=True)
class LogoSet:
    """All references of a call, their features side by side.

    Attributes:
        logos: sorted by brand and name.
        owner: int32 (n,), the logo that each feature is of.
        brand_of: int32 (logos,), the number of each logo's brand.
    """

    logos: tuple[Logo, ...]

    @cached_property
    def brand_of(self) -> NDArray[np.int32]:
        brands = {brand: i for i, brand in enumerate(sorted({logo.brand for logo in self.logos}))}
        return np.array([brands[logo.brand] for logo in self.logos], np.int32)

    @cached_property
    def owner(self) -> NDArray[np.int32]:
        return np.repeat(np.arange(len(self.logos), dtype=np.int32), [len(logo.points) for logo in self.logos])

    @cached_property
    def shapes(self) -> Shapes:
        """Shapes of the flat ones, for regions to be compared with."""
        return shapes_of([logo.ink if logo.flat else None for logo in self.logos])

    @cached_property
    def flat(self) -> Mask:
        """bool (logos,)."""
        return np.array([logo.flat for logo in self.logos])

    @cached_property
    def doubtful(self) -> Mask:
        """bool (logos,): those whose findings count less."""
        found = [weakness(logo) for logo in self.logos]
        return np.array([one is not None and one.effect is Effect.DOUBTED for one in found])

    @cached_property
    def points(self) -> Floats:
        return np.concatenate([logo.points for logo in self.logos])

    @cached_property
    def sizes(self) -> Floats:
        return np.concatenate([logo.sizes for logo in self.logos])

    @cached_property
    def angles(self) -> Floats:
        return np.concatenate([logo.angles for logo in self.logos])

    @cached_property
    def descriptors(self) -> Floats:
        return np.concatenate([logo.descriptors for logo in self.logos])


@dataclass(frozen=True)
class WeakReference:
    """A reference with what is wrong with it."""

    brand: str
    name: str
    weakness: Weakness

    @property
    def sentence(self) -> str:
        """What a user is told."""
        return self.weakness.sentence(self.brand, self.name)


def weak_references(references: Sequence[Reference]) -> list[WeakReference]:
    """The weak ones, sorted by brand and name.

    Raises:
        BadInput: a reference cannot be read.
    """
    logos = logo_set(references).logos if references else ()
    judged = [(logo, weakness(logo)) for logo in logos]
    return [WeakReference(logo.brand, logo.name, found) for logo, found in judged if found is not None]


_lock = threading.Lock()
_logos: OrderedDict[tuple[str, str, str], Future[Logo]] = OrderedDict()
_sets: OrderedDict[tuple[tuple[str, str, str], ...], LogoSet] = OrderedDict()


def logo_set(references: Sequence[Reference]) -> LogoSet:
    """The references, prepared; what was prepared before comes from a bounded cache. Safe between threads.

    Raises:
        BadInput: see `read_logo`.
    """
    keys = tuple((reference.brand, reference.name, reference.sha256) for reference in references)
    with _lock:
        if keys in _sets:
            _sets.move_to_end(keys)
            return _sets[keys]
        new: list[tuple[tuple[str, str, str], Reference, Future[Logo]]] = []
        for key, reference in zip(keys, references, strict=True):
            if key not in _logos:
                _logos[key] = Future()
                new.append((key, reference, _logos[key]))
            _logos.move_to_end(key)
        logos = [_logos[key] for key in sorted(keys)]
        while len(_logos) > max(CACHED_LOGOS, len(keys)):
            _logos.popitem(last=False)
    # Without the lock: a logo may take seconds, and other calls need other ones.
    for key, reference, logo in new:
        _fulfil(key, reference, logo)
    made = LogoSet(tuple(logo.result() for logo in logos))
    with _lock:
        _sets[keys] = made
        while len(_sets) > CACHED_SETS:
            _sets.popitem(last=False)
    return made


def _fulfil(key: tuple[str, str, str], reference: Reference, logo: Future[Logo]) -> None:
    """Prepare a logo that other threads may wait for; after an error the next call tries again."""
    try:
        logo.set_result(prepare(reference))
    except BaseException as error:
        logo.set_exception(error)
        with _lock:
            if _logos.get(key) is logo:
                del _logos[key]
