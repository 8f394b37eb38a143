"""Routines called in this process: the same interface as the HTTP client, with nothing between."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

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


class LocalInference:
    """Runs each picture as it comes: no batch, no copy, one picture in memory."""

    def map(
        self,
        routine: Routine[S, I, A],
        pictures: Iterable[tuple[T, Picture, I]],
        settings: S,
        references: Sequence[Reference] = (),
    ) -> Iterator[tuple[T, A]]:
        """See `Inference.map`."""
        for token, picture, item in pictures:
            [answer] = routine.run(Batch([picture.pixels], [item], settings, references))
            yield token, answer

    def debug(
        self,
        routine: Routine[S, I, A],
        picture: Picture,
        item: I,
        settings: S,
        references: Sequence[Reference] = (),
    ) -> tuple[A, DebugPictures]:
        [answer] = routine.debug(Batch([picture.pixels], [item], settings, references))
        return answer

    def identity(self, routine: Routine[S, I, A], settings: S) -> str:
        return routine.identity(settings)
