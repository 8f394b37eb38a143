"""Routines called in this process: the same interface as the HTTP client, with nothing between."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from numpy.typing import NDArray

from gpu_service.pictures import Picture
from gpu_service.routines import (
    A,
    Batch,
    DebugPictures,
    I,
    Reference,
    Routine,
    S,
    T,
)
from gpu_service.sound import Sound


class LocalInference:
    """Runs each picture as it comes: no batch, no copy, one picture in memory."""

    def map(
        self,
        routine: Routine[S, I, A],
        pictures: Iterable[tuple[T, Picture | Sound, I]],
        settings: S,
        references: Sequence[Reference] = (),
    ) -> Iterator[tuple[T, A]]:
        """See `Inference.map`."""
        for token, picture, item in pictures:
            [answer] = routine.run(Batch([_decoded(picture)], [item], settings, references))
            yield token, answer

    def debug(
        self,
        routine: Routine[S, I, A],
        picture: Picture | Sound,
        item: I,
        settings: S,
        references: Sequence[Reference] = (),
    ) -> tuple[A, DebugPictures]:
        [answer] = routine.debug(Batch([_decoded(picture)], [item], settings, references))
        return answer

    def identity(self, routine: Routine[S, I, A], settings: S) -> str:
        return routine.identity(settings)


def _decoded(picture: Picture | Sound) -> NDArray[Any]:
    return picture.samples if isinstance(picture, Sound) else picture.pixels
