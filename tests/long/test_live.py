"""A live session's worker through Dagster's runs: what it does with a window that has waited, and the session's report
against the report of the same recording as one file."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import av
import cv2
import dagster as dg
import numpy as np
import pytest

from gpu_service.pictures import Image
from mpr_assets.report.exposures import ExposureSettings
from mpr_assets.sessions.session import LiveSession
from mpr_assets.sessions.session_report import make_session_report
from mpr_assets.sessions.session_store import SESSION, SessionStore
from mpr_assets.timelines.partitions import register
from mpr_assets.timelines.spec import ChunkSpec, TimelineSpec
from mpr_live.recording.windows import Recording
from mpr_live.sources.copied_streams import CopiedStreams
from mpr_live.worker import Worker
from mpr_resources.environment import dagster_settings
from tests.clips import write_clip
from tests.world import BRAND, World, write_inputs

FPS = 10
LENGTH_MS, WINDOW_MS, STEP_MS = 16_000, 4000, 500
SHOWN_MS = ((0, 5300), (9700, 12_000), (12_000, 14_100))
"""When the brand is on screen: over a joint of windows; from after another one, away for longer than is bridged, up to
a cut at the next; and after that cut at another place."""
CUT_MS = 12_000


def scene(seed: int) -> Image:
    """A ground of lines, which are others for another seed."""
    random = np.random.default_rng(seed)
    picture = np.full((360, 640, 3), (60, 90, 70), np.uint8)
    for _ in range(60):
        start, end = random.integers(0, (640, 360), (2, 2)).tolist()
        cv2.line(picture, start, end, random.integers(0, 255, 3).tolist(), 3)
    return picture


SCENES = scene(1), scene(2)


def pictures() -> Iterator[Image]:
    for at in range(LENGTH_MS * FPS // 1000):
        at_ms = at * 1000 // FPS
        after_cut = at_ms >= CUT_MS
        picture = SCENES[after_cut].copy()
        top = 20 if after_cut else 180
        if any(start <= at_ms < end for start, end in SHOWN_MS):
            cv2.rectangle(picture, (0, top), (640, top + 86), (250, 250, 250), -1)
            left = 60 + at % 40
            cv2.putText(picture, BRAND, (left, top + 60), cv2.FONT_HERSHEY_SIMPLEX, 1.5, (20, 20, 20), 4, cv2.LINE_AA)
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
        window_ms=WINDOW_MS,
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


def farthest_ms(spans: Sequence[tuple[int, int]], others: Sequence[tuple[int, int]]) -> int:
    """How far apart edges are at most, of as many spans."""
    return max(
        abs(ours - theirs) for pair in zip(spans, others, strict=True) for ours, theirs in zip(*pair, strict=True)
    )


@pytest.mark.timeout(600)
def test_the_report_of_a_session_is_that_of_its_recording_as_one_file(world: World, tmp_path: Path) -> None:
    store = recorded(world, tmp_path / "scratch", "board", time.time())
    worker = Worker(world.instance, store)
    while worker.next():
        worker.report()
    assert [(one.goes_on, one.cut_ms) for one in map(store.analysed, range(4)) if one is not None] == [
        (False, None),
        (True, None),
        (True, None),
        (False, CUT_MS),
    ]
    report = make_session_report(store, ExposureSettings())
    [found] = report.brands
    chunk = ChunkSpec(source=str(world.inputs / "broadcast.mp4"))
    whole = TimelineSpec(name="whole", profile="board", chunks=(chunk,), brands=str(world.inputs / "brands.yaml"))
    register(world.instance, world.storage, whole)
    assert world.run(timeline="whole").success
    in_one = world.table("compile_report", "whole").rows.select("start_ms", "end_ms").rows()
    in_session = [(one.start_ms, one.end_ms) for one in found.exposures]
    # The one file has a cut between two samples; in the session it is a joint, whose time is known.
    assert farthest_ms(in_session, in_one) <= STEP_MS
    assert farthest_ms(in_session, SHOWN_MS) <= STEP_MS // 2
    assert found.seconds == pytest.approx(sum(end - start for start, end in in_session) / 1000)
    assert report.recorded_ms == LENGTH_MS
