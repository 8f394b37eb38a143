"""Packets into windows: where they are cut, what clock they have, and that nothing of the source is lost."""

from __future__ import annotations

import hashlib
from pathlib import Path

import av
import numpy as np
import pytest

from mpr_assets.sessions.session import Epoch, Ingest, LiveSession, Window
from mpr_assets.sessions.session_store import SessionStore
from mpr_live.recording.windows import Recording
from mpr_live.sources.copied_streams import CopiedStreams
from mpr_resources.media.probe import probe
from mpr_resources.storage.store import Storage
from tests.clips import write_clip
from tests.mpr_live.servers import clip_at

SESSION = LiveSession(
    name="derby", source="clip", kind="file", profile="generic", window_ms=1000, started_s=0, speed=1000
)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """3.2 s with a keyframe every 0.4 s, and sound."""
    pictures = [np.full((96, 160, 3), shade, np.uint8) for shade in range(80)]
    options = {"g": "10", "bf": "2", "sc_threshold": "0", "preset": "ultrafast"}
    return write_clip(tmp_path_factory.mktemp("live") / "clip.mp4", pictures, fps=25, options=options, sound_s=3.2)


def recorded(
    store: SessionStore, clip: Path, scratch: Path, *, session: LiveSession = SESSION, most: int = 10**9
) -> None:
    """Take packets of the clip in, as a source that is there anew each time."""
    recording = Recording(store, session, scratch)
    with av.open(str(clip)) as container:
        streams = CopiedStreams.of(container, container.streams.video[0])
        recording.opened(streams)
        packets = [one for one in container.demux(*streams.all) if one.dts is not None]
        for packet in packets[:most]:
            recording.add(packet)
        recording.end()


def payloads(path: str | Path) -> list[str]:
    with av.open(str(path)) as container:
        packets = container.demux(video=0)
        return [hashlib.sha256(bytes(one)).hexdigest() for one in packets if one.dts is not None]


def made(tmp_path: Path) -> SessionStore:
    return SessionStore(Storage.open(str(tmp_path / "storage")), "derby")


def file_of(store: SessionStore, window: Window) -> str:
    return store.storage.where(store.key(store.window_file(window.number)))


def test_a_session_of_nothing_has_no_window(tmp_path: Path, clip: Path) -> None:
    store = made(tmp_path)
    recorded(store, clip, tmp_path / "scratch", most=0)
    assert (list(store.windows()), store.ingest()) == ([], Ingest(ended=True))


def test_windows_are_cut_at_keyframes_and_hold_every_packet_on_the_clock_of_the_source(
    tmp_path: Path, clip: Path
) -> None:
    store = made(tmp_path)
    recorded(store, clip, tmp_path / "scratch")
    windows = list(store.windows())
    assert [(one.start_ms, one.end_ms) for one in windows] == [(0, 1200), (1200, 2400), (2400, 3200)]
    assert {one.epoch for one in windows} == {
        Epoch(number=0, start_pts=0, start_ms=0, time_base_num=1, time_base_den=12800, reason="the session begins")
    }
    files = [file_of(store, one) for one in windows]
    assert [one for file in files for one in payloads(file)] == payloads(clip)
    assert [(one.video_packets, one.codec, one.width_px, one.height_px) for one in windows] == [
        (30, "h264", 160, 96),
        (30, "h264", 160, 96),
        (20, "h264", 160, 96),
    ]
    looked_at = [probe(file) for file in files]
    # Sound that comes before a keyframe belongs to its window, and is where the file's clock shows 0.
    assert [(one.start_pts, one.place.origin_pts, one.frames, one.notes) for one in looked_at] == [
        (0, 0, 30, ()),
        (15360, 14746, 30, ("its picture begins at 00:00:00.048",)),
        (30720, 30720, 20, ()),
    ]
    data = store.storage.get(store.key(store.window_file(1)))
    assert data[windows[1].header_bytes + 4 :][:4] == b"moof"
    assert (len(data), hashlib.sha256(data).hexdigest()) == (windows[1].size_bytes, windows[1].sha256)
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_source_that_begins_again_is_a_new_epoch_after_the_last_window(tmp_path: Path, clip: Path) -> None:
    store = made(tmp_path)
    recorded(store, clip, tmp_path / "scratch")
    recorded(store, clip, tmp_path / "scratch")
    windows = list(store.windows())
    assert [(one.number, one.epoch.number, one.start_ms) for one in windows[2:5]] == [
        (2, 0, 2400),
        (3, 1, 3200),
        (4, 1, 4400),
    ]
    assert store.ingest().happened == ("00:00:03.200: a new epoch: taken up again",)


def test_a_live_source_that_was_away_comes_back_at_the_time_by_the_clock(tmp_path: Path, clip: Path) -> None:
    store = made(tmp_path)
    live = SESSION.model_copy(update={"kind": "pull"})
    now_s = 100.0
    recording = Recording(store, live, tmp_path / "scratch", lambda: now_s)
    for _ in range(2):
        with av.open(str(clip)) as container:
            streams = CopiedStreams.of(container, container.streams.video[0])
            recording.opened(streams)
            for packet in container.demux(*streams.all):
                if packet.dts is not None:
                    recording.add(packet)
            recording.close()
        now_s = 150.0
    assert [one.start_ms for one in store.windows()] == [0, 1200, 2400, 50_000, 51_200, 52_400]


@pytest.mark.parametrize(("packets", "spans_ms"), [(5, []), (15, [(0, 400)]), (75, [(0, 1200), (1200, 2800)])])
def test_what_is_whole_of_a_window_whose_process_was_killed_is_kept(
    tmp_path: Path, packets: int, spans_ms: list[tuple[int, int]]
) -> None:
    clip = clip_at(tmp_path / "clip.mp4", 3.2, sound=False)
    store = made(tmp_path)
    session = SESSION.model_copy(update={"kind": "pull"})
    killed = Recording(store, session, tmp_path / "scratch", lambda: 100.0)
    with av.open(str(clip)) as container:
        streams = CopiedStreams.of(container, container.streams.video[0])
        killed.opened(streams)
        for packet in [one for one in container.demux(*streams.all) if one.dts is not None][:packets]:
            killed.add(packet)
        if packets == 75:  # its first window is closed and stored; the second is open from 1200 ms on
            assert store.windows_closed() == 2
            spans_ms = [(0, 1200), (1200, 2400), (2400, 2800)]
    again = Recording(store, session, tmp_path / "scratch", lambda: 105.0)
    windows = list(store.windows())
    assert [(one.start_ms, one.end_ms) for one in windows] == spans_ms
    assert again.last == (windows[-1] if windows else None)
    assert [one for window in windows for one in payloads(file_of(store, window))] == payloads(clip)[
        : sum(one.video_packets for one in windows)
    ]
    assert list((tmp_path / "scratch").iterdir()) == []
