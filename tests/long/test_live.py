"""A live session's worker through Dagster's runs: what it does with a window that has waited."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import dagster as dg
import numpy as np
import pytest

from gpu_service.pictures import Image
from mpr_assets.sessions.session import LiveSession
from mpr_assets.sessions.session_store import SESSION, SessionStore
from mpr_live.recording.windows import Recording
from mpr_live.sources.copied_streams import CopiedStreams
from mpr_live.worker import Worker
from mpr_resources.environment import dagster_settings
from tests.clips import write_clip
from tests.world import BRAND, World, write_inputs

FPS = 10
LENGTH_MS = 12_000


def pictures() -> Iterator[Image]:
    for at in range(LENGTH_MS * FPS // 1000):
        picture = np.full((360, 640, 3), (90, 70, 60), np.uint8)
        picture[260:] = (50, 150, 40)
        cv2.rectangle(picture, (0, 110), (640, 196), (250, 250, 250), -1)
        cv2.putText(picture, BRAND, (60 + at, 170), cv2.FONT_HERSHEY_SIMPLEX, 1.5, (20, 20, 20), 4, cv2.LINE_AA)
        yield picture


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The clip, and profiles of which `hasty` thins out what has waited for over a second."""
    (inputs := tmp_path / "inputs").mkdir()
    write_inputs(inputs)
    options = {"g": "20", "sc_threshold": "0", "preset": "ultrafast"}
    write_clip(inputs / "broadcast.mp4", pictures(), fps=FPS, options=options)
    profile = (inputs / "profiles" / "board.yaml").read_text()
    (inputs / "profiles" / "hasty.yaml").write_text(f"{profile}live_lag: thin\nlive_lag_s: 1\n")
    (home := tmp_path / "dagster").mkdir()
    shutil.copy(dagster_settings(), home)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        made = World(inputs, tmp_path / "storage", instance)
        for name, value in {**made.environ, "DAGSTER_HOME": str(home)}.items():
            monkeypatch.setenv(name, value)
        yield made


def recorded(world: World, scratch: Path, profile: str, came_s: float) -> SessionStore:
    store = SessionStore(world.storage, "derby")
    session = LiveSession(
        name="derby",
        source="clip",
        kind="file",
        profile=profile,
        brands=str(world.inputs / "brands.yaml"),
        window_ms=4000,
        started_s=0,
    )
    store.put(SESSION, session)
    recording = Recording(store, session, scratch, lambda: came_s)
    with av.open(str(world.inputs / "broadcast.mp4")) as container:
        streams = CopiedStreams.of(container, container.streams.video[0])
        recording.opened(streams)
        for packet in container.demux(*streams.all):
            if packet.dts is not None:
                recording.add(packet)
        recording.close()
    return store


def test_a_window_that_has_waited_is_looked_at_in_fewer_frames(world: World, tmp_path: Path) -> None:
    store = recorded(world, tmp_path / "scratch", "hasty", 1_700_000_000)
    assert Worker(world.instance, store).next()
    found = store.analysed(0)
    assert found is not None
    assert (found.status, found.thinned) == ("analysed", True)
    frames = world.table("extract_frames", "derby-000000")
    assert (frames.rows.height, frames.header.overrides) == (1, {"fps": 0.25})
