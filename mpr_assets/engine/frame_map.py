"""A routine run over frames, each answer with the number of its frame."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from gpu_service.pictures import Picture
from gpu_service.routines import (
    A,
    I,
    Inference,
    Reference,
    Routine,
    S,
)
from mpr_resources.storage.pictures import Frame


def by_seq(
    inference: Inference,
    routine: Routine[S, I, A],
    frames: Iterable[tuple[Frame, I]],
    settings: S,
    references: Sequence[Reference] = (),
) -> Iterator[tuple[int, A]]:
    """The routine's answers as (seq, answer), in the order of the frames; of a frame read ahead only seq is held."""
    waiting: deque[int] = deque()

    def pictures() -> Iterator[tuple[Picture, I]]:
        for frame, item in frames:
            waiting.append(frame.seq)
            yield frame.picture, item

    for answer in inference.map(routine, pictures(), settings, references):
        yield waiting.popleft(), answer
