"""What the picture does between the last sample of a window and the first of the next, as the decoder sees it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from gpu_service.pictures import Image
from mpr_assets.sampling.between_files import change_between
from mpr_assets.sampling.frames import ChunkRow
from mpr_assets.sessions.session import Window
from mpr_assets.sessions.session_store import SessionStore
from mpr_resources.media.sources import Sources
from mpr_resources.media.streams import StreamPlace
from tests.clips import write_clip
from tests.mpr_live.test_windows import SESSION, file_of, made, recorded

FPS, COUNT, JOINT = 25, 100, 50
PTS = 512
"""Of a picture, in the windows' files."""


def pictures(cut: int | None) -> list[Image]:
    """A ground that moves slowly, another one from the picture `cut` on."""
    random = np.random.default_rng(1)
    grounds = [
        cv2.resize(random.integers(0, 255, (9, 24, 3), np.uint8), (480, 180), interpolation=cv2.INTER_CUBIC)
        for _ in range(2)
    ]
    return [
        np.ascontiguousarray(grounds[cut is not None and at >= cut][:, at : at + 320]).astype(np.uint8)
        for at in range(COUNT)
    ]


def chunk(store: SessionStore, window: Window) -> ChunkRow:
    return ChunkRow(
        chunk=0, source=file_of(store, window), place=StreamPlace(), start_ms=0, end_ms=2000, timeline_start_ms=0
    )


@pytest.mark.parametrize(
    ("cut", "sampled", "seen"),
    [
        (None, 38, None),
        (JOINT, 38, JOINT),
        (45, 38, 45),
        (38, 38, None),  # by then it was sampled
        (60, 38, None),  # after the first sample of the next window
        (JOINT, JOINT - 1, None),  # one step alone: nothing to compare it with
    ],
    ids=["none", "at the joint", "before the joint", "before the last sample", "later", "neighbours"],
)
def test_a_cut_since_the_last_sample_is_seen(tmp_path: Path, cut: int | None, sampled: int, seen: int | None) -> None:
    options = {"g": "25", "bf": "2", "sc_threshold": "0", "preset": "veryfast"}
    clip = write_clip(tmp_path / "clip.mp4", pictures(cut), fps=FPS, options=options)
    store = made(tmp_path)
    recorded(store, clip, tmp_path / "scratch", session=SESSION.model_copy(update={"window_ms": 2000}))
    before, after = store.windows()
    [change] = change_between(chunk(store, before), sampled * PTS, chunk(store, after), JOINT * PTS, Sources())
    assert change.cut_pts == (None if seen is None else seen * PTS)
    assert (change.time_base_num, change.time_base_den) == (1, FPS * PTS)
