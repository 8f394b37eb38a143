"""Live sessions as they are stored, made without the processes that make them, for tests of what shows them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import av
import cv2
import numpy as np

from gpu_service.pictures import Image
from mpr_assets.sessions.session import LiveSession
from mpr_assets.sessions.session_store import SESSION, SessionStore
from mpr_assets.timelines.partitions import register
from mpr_live.recording.windows import Recording
from mpr_live.sources.copied_streams import CopiedStreams
from mpr_live.worker import window_spec
from tests.clips import numbered, write_clip
from tests.world import BRAND, World

BEGAN_S = 1_800_000_001.0
"""When a session's first picture came."""


def record(world: World, scratch: Path, name: str, clip: Path, times: int = 2) -> SessionStore:
    """A session of a clip in windows of 2 s, played so many times, each an epoch; nothing is analysed."""
    store = SessionStore(world.storage, name)
    session = LiveSession(
        name=name,
        source="clip",
        kind="file",
        profile="board",
        brands=str(world.inputs / "brands.yaml"),
        window_ms=2000,
        started_s=BEGAN_S - 1,
    )
    store.put(SESSION, session)
    recording = Recording(store, session, scratch, lambda: BEGAN_S)
    for _ in range(times):
        with av.open(str(clip)) as container:
            streams = CopiedStreams.of(container, container.streams.video[0])
            recording.opened(streams)
            for packet in container.demux(*streams.all):
                if packet.dts is not None:
                    recording.add(packet)
            recording.close()
    return store


def analyse(world: World, store: SessionStore, number: int, on: Sequence[str] = ()) -> None:
    """Run a window's timeline. `on`: stages that are off in the profile, and are made all the same."""
    window = store.window(number)
    assert window is not None
    spec = window_spec(store, store.session(), window)
    register(world.instance, store.storage, spec)
    assert world.run(timeline=spec.name, overrides={stage: {"enabled": True} for stage in on}).success


def clock_pictures(count: int) -> Iterator[Image]:
    """Pictures with their number as bars at the top, as `numbered` draws it, and a brand that moves on a board."""
    for number in range(count):
        picture = np.full((360, 640, 3), (90, 70, 60), np.uint8)
        picture[:64] = numbered(number, 640, 128)[:64]
        cv2.rectangle(picture, (0, 150), (640, 236), (250, 250, 250), -1)
        left = 60 + number
        cv2.putText(picture, BRAND, (left, 210), cv2.FONT_HERSHEY_SIMPLEX, 1.5, (20, 20, 20), 4, cv2.LINE_AA)
        yield picture


def write_clock(path: Path, count: int) -> Path:
    """A clip of them at 25 a second, with a keyframe every 2 s."""
    options = {"g": "50", "sc_threshold": "0", "bf": "2", "preset": "veryfast"}
    return write_clip(path, clock_pictures(count), fps=25, options=options, sound_s=count / 25)
