"""The error of a run in which a stage failed. Imports no Dagster: the command line tells it from other errors."""

from __future__ import annotations

from collections.abc import Sequence

from gpu_service.errors import MprError


class StageFailed(MprError):
    """A stage of the run failed; what the stages before it made is stored. `doubts`: as those of `LocalRun`;
    `sentence`: why, alone."""

    def __init__(self, sentence: str, run_id: str, doubts: Sequence[str] = ()) -> None:
        super().__init__(f"{sentence}\nFinished stages are kept; run the same command again to continue. Run {run_id}.")
        self.sentence = sentence
        self.run_id = run_id
        self.doubts = tuple(doubts)
