"""Inference whose answers are kept while a stage is at work: a run after one that was killed asks only for the rest.

A stage asks in the same order for the same answers whenever it is given the same, so answers are known by their place
in that order, and whatever the stage makes of them, it makes again from them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pydantic import ValidationError

from gpu_service.pictures import Picture
from gpu_service.routines import (
    A,
    DebugPictures,
    I,
    Inference,
    Reference,
    Routine,
    S,
    T,
)
from gpu_service.sound import Sound
from mpr_resources.storage.journal import Journal


class ResumableInference:
    """Inference through another, with a journal of its answers. For one stage's run, from its beginning."""

    def __init__(self, inference: Inference, journal: Journal) -> None:
        self._inference = inference
        self._journal = journal
        self._calls = 0
        self._known: Iterator[Any] = journal.records()
        self._next: Any = next(self._known, None)

    @property
    def recalling(self) -> bool:
        """Whether the next answer is one that is kept."""
        return self._next is not None

    def map(
        self,
        routine: Routine[S, I, A],
        pictures: Iterable[tuple[T, Picture | Sound, I]],
        settings: S,
        references: Sequence[Reference] = (),
    ) -> Iterator[tuple[T, A]]:
        """See `Inference.map`."""
        self._calls += 1
        return self._answers(self._calls, routine, iter(pictures), settings, references)

    def debug(
        self,
        routine: Routine[S, I, A],
        picture: Picture | Sound,
        item: I,
        settings: S,
        references: Sequence[Reference] = (),
    ) -> tuple[A, DebugPictures]:
        """See `Inference.debug`."""
        return self._inference.debug(routine, picture, item, settings, references)

    def identity(self, routine: Routine[S, I, A], settings: S) -> str:
        """See `Inference.identity`."""
        return self._inference.identity(routine, settings)

    def _answers(
        self,
        call: int,
        routine: Routine[S, I, A],
        pictures: Iterator[tuple[T, Picture | Sound, I]],
        settings: S,
        references: Sequence[Reference],
    ) -> Iterator[tuple[T, A]]:
        while self._next is not None and self._next[0] == call:
            # Who gives the pictures is to go on as if they had been asked about.
            asked = next(pictures, None)
            if asked is None:
                self._journal.refuse("it has more answers than there are pictures")
            try:
                answer = routine.answer.model_validate(self._next[1])
            except ValidationError:
                self._journal.refuse("an answer in it has another version")
            self._next = next(self._known, None)
            yield asked[0], answer
        for token, answer in self._inference.map(routine, pictures, settings, references):
            if self._next is not None:
                self._journal.refuse("its answers belong to other requests")
            self._journal.keep((call, answer.model_dump()))
            yield token, answer
