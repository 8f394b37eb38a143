"""One file a stage: its settings, its pure function and, at the bottom, the thin asset."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from pydantic import Field

from gpu_service.pictures import Picture
from gpu_service.routines import A, I, Inference, Reference, Routine, S
from gpu_service.settings import Settings
from mpr_resources.frames import Frame


class StageSettings(Settings):
    """What every stage's section of a profile has."""

    enabled: bool = Field(True, description="false: the stage materializes at once, empty, and says `skipped`")


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
