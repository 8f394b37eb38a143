"""What happens to a stream on its way: exactly what is recorded, on which clock, and what is said of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from mpr_assets.sessions.session import Ingest
from mpr_assets.sessions.session_store import SessionStore
from mpr_live.ingest import take_in
from mpr_live.processes import AGAIN, UNUSABLE
from mpr_live.recording.windows import Recording
from mpr_live.sources import limits
from mpr_live.sources.reading import Reading
from mpr_resources.media.probe import probe
from mpr_resources.storage.store import Storage
from tests.clips import write_clip
from tests.gpu_service.live import free_port
from tests.mpr_live.servers import clip_at, live, payloads, publish, units, web


@pytest.fixture(autouse=True)
def _this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPR_LIVE_HOSTS", "127.0.0.1")


class Session:
    """A session that is taken in, in a thread of its own."""

    def __init__(self, folder: Path, address: str, kind: str = "pull", window_ms: int = 1000) -> None:
        self.store = SessionStore(Storage.open(str(folder / "storage")), "derby")
        self.status: int | None = None
        self._told = threading.Event()
        session = live(kind, window_ms)
        recording = Recording(self.store, session, folder / "scratch")
        reading = Reading(session, address, recording.last)

        def work() -> None:
            self.status = take_in(reading, recording, self._told)

        self._thread = threading.Thread(target=work)
        self._thread.start()

    def until(self, ready: str, within_s: float = 10) -> None:
        end_s = time.monotonic() + within_s
        while not any(ready in one for one in (*self.said.happened, self.said.away)) and time.monotonic() < end_s:
            time.sleep(0.02)

    def until_recorded(self, ms: int, within_s: float = 10) -> None:
        end_s = time.monotonic() + within_s
        while self.said.recorded_ms < ms and time.monotonic() < end_s:
            time.sleep(0.02)

    def ended(self, within_s: float = 10) -> int | None:
        """Wait for its end; gives the exit status."""
        self._thread.join(within_s)
        self.stop()
        return self.status

    def stop(self) -> None:
        self._told.set()
        self._thread.join()

    @property
    def said(self) -> Ingest:
        return self.store.ingest()

    @property
    def spans_ms(self) -> list[tuple[int, int, int]]:
        """Epoch, start and end of each window."""
        return [(one.epoch.number, one.start_ms, one.end_ms) for one in self.store.windows()]

    def pictures(self) -> list[tuple[bytes, ...]]:
        """Of all its windows' files."""
        files = [self.store.storage.where(self.store.key(self.store.window_file(one.number))) for one in self.windows]
        return [one for file in files for one in pictures(Path(file))]

    @property
    def windows(self) -> list:  # type: ignore[type-arg]
        return list(self.store.windows())


def pictures(path: Path) -> list[tuple[bytes, ...]]:
    return [units(one) for one in payloads(path)]


def moved(clip: Path, to: Path, by_s: float) -> bytes:
    """The clip with another clock, by packets."""
    with av.open(str(clip)) as source, av.open(str(to), "w", options={"mpegts_copyts": "1"}) as target:
        streams = {one.index: target.add_stream_from_template(one) for one in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                ticks = round(by_s / packet.time_base)
                packet.dts, packet.pts = packet.dts + ticks, (packet.pts or 0) + ticks
                packet.stream = streams[packet.stream.index]
                target.mux(packet)
    return to.read_bytes()


def taken_in(tmp_path: Path, *bodies: bytes, window_ms: int = 1000) -> Session:
    """A session of a transport stream that is one after another of these."""
    with web() as pages:
        pages.has("/live.ts", b"".join(bodies))
        session = Session(tmp_path, f"{pages.address}/live.ts", window_ms=window_ms)
        session.ended()
    return session


def test_a_stream_of_two_sizes_is_two_epochs_and_nothing_of_it_is_lost(tmp_path: Path) -> None:
    small, large = clip_at(tmp_path / "a.ts", 2), clip_at(tmp_path / "b.ts", 2, size=(320, 176))
    session = taken_in(tmp_path, small.read_bytes(), moved(large, tmp_path / "c.ts", 2))
    assert session.spans_ms == [(0, 0, 1200), (0, 1200, 2000), (1, 2000, 3200), (1, 3200, 4000)]
    assert [(one.width_px, one.height_px) for one in session.windows] == [(160, 96)] * 2 + [(320, 176)] * 2
    assert session.pictures() == pictures(small) + pictures(large)
    assert session.said.happened == ("00:00:02.000: a new epoch: its picture became 320x176",)
    seen = [probe(session.store.storage.where(session.store.key(f"windows/{at:06d}.mp4"))) for at in range(4)]
    assert [(one.width_px, one.frames) for one in seen] == [(160, 30), (160, 20), (320, 30), (320, 20)]


@pytest.mark.parametrize("by_s", [3600, -1.5])
def test_a_clock_that_jumps_begins_an_epoch_at_the_next_keyframe(tmp_path: Path, by_s: float) -> None:
    clip = clip_at(tmp_path / "a.ts", 2)
    session = taken_in(tmp_path, clip.read_bytes(), moved(clip, tmp_path / "b.ts", by_s + 2))
    assert session.spans_ms == [(0, 0, 1200), (0, 1200, 2000), (1, 2000, 3200), (1, 3200, 4000)]
    assert session.pictures() == pictures(clip) * 2
    assert session.said.happened == (f"00:00:02.000: a new epoch: its clock jumped by {by_s + 0.04:+.1f} s",)


def test_a_clock_that_wraps_goes_on(tmp_path: Path) -> None:
    clip = clip_at(tmp_path / "a.ts", 4)
    session = taken_in(tmp_path, moved(clip, tmp_path / "b.ts", 2**33 / 90_000 - 3.4))
    assert session.spans_ms == [(0, 0, 1200), (0, 1200, 2400), (0, 2400, 3600), (0, 3600, 4000)]
    assert session.pictures() == pictures(clip)
    assert session.said.happened == ()


def test_garbage_within_a_stream_costs_what_it_covers(tmp_path: Path) -> None:
    clip = clip_at(tmp_path / "a.ts", 4)
    data = clip.read_bytes()
    middle = len(data) // 188 // 2 * 188
    noise = np.random.default_rng(1).integers(0, 256, 188 * 5, np.uint8).tobytes()
    session = taken_in(tmp_path, data[:middle], noise, data[middle + 188 * 5 :])
    assert [one[0] for one in session.spans_ms] == [0] * len(session.spans_ms)
    assert session.spans_ms[-1][2] == 4000
    assert set(pictures(clip)) - set(session.pictures()) != set()
    assert len(session.pictures()) >= 95
    assert session.status == 0


def test_a_stream_without_sound_and_one_whose_sound_goes_are_recorded(tmp_path: Path) -> None:
    with_sound, silent = clip_at(tmp_path / "a.ts", 2), clip_at(tmp_path / "b.ts", 2, sound=False)
    session = taken_in(tmp_path, with_sound.read_bytes(), moved(silent, tmp_path / "c.ts", 2.2))
    assert [one[0] for one in session.spans_ms] == [0, 0, 0, 0]
    assert session.pictures() == pictures(with_sound) + pictures(silent)


def test_sound_alone_is_waited_with_until_a_picture_comes(tmp_path: Path) -> None:
    sound = tmp_path / "sound.ts"
    with av.open(str(sound), "w") as container:
        stream = container.add_stream("aac", rate=48000)
        for at in range(100):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
            frame.sample_rate, frame.pts = 48000, 1024 * at
            container.mux(stream.encode(frame))
    clip = clip_at(tmp_path / "clip.ts", 2)
    with web() as pages:
        pages.has("/live.ts", [sound.read_bytes()])
        session = Session(tmp_path, f"{pages.address}/live.ts")
        session.until("only sound")
        assert session.said.away == "It holds only sound"
        pages.has("/live.ts", clip.read_bytes())
        assert session.ended() == 0
    assert session.pictures() == pictures(clip)
    assert session.said.away == ""


def test_without_a_keyframe_for_20_s_the_window_goes_on_until_one_comes(tmp_path: Path) -> None:
    shades = [np.full((48, 64, 3), at % 256, np.uint8) for at in range(25 * 22)]
    options = {"g": "500", "keyint_min": "500", "sc_threshold": "0", "bf": "0", "preset": "ultrafast"}
    clip = write_clip(tmp_path / "clip.ts", shades, options=options)
    session = taken_in(tmp_path, clip.read_bytes())
    assert session.spans_ms == [(0, 0, 20_000), (0, 20_000, 22_000)]
    assert session.pictures() == pictures(clip)


def test_a_stream_without_any_keyframe_is_cut_after_its_longest_window(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mpr_live.recording.windows.LONGEST_MS", 2000)
    shades = [np.full((48, 64, 3), at % 256, np.uint8) for at in range(100)]
    options = {"g": "500", "keyint_min": "500", "sc_threshold": "0", "bf": "0", "preset": "ultrafast"}
    session = taken_in(tmp_path, write_clip(tmp_path / "clip.ts", shades, options=options).read_bytes())
    assert session.spans_ms == [(0, 0, 2040)]
    assert session.said.lost_packets == 49
    assert session.said.happened == (
        "00:00:00.000: no keyframe came for too long; what follows is passed over until one does",
    )


@pytest.mark.parametrize(
    ("fps", "size", "sentence"),
    [
        (1000, (64, 48), "It sends more than 300 pictures a second"),
        (25, (8448, 16), "It sends pictures of 8448x16; up to 8192 pixels a side are taken"),
    ],
)
def test_a_stream_of_more_than_is_taken_ends_its_session_with_a_reason(
    tmp_path: Path, fps: int, size: tuple[int, int], sentence: str
) -> None:
    pictures = [np.zeros((size[1], size[0], 3), np.uint8)] * 400
    clip = write_clip(
        tmp_path / "clip.ts",
        pictures[: 400 if fps > 25 else 5],
        fps=Fraction(fps),
        options={"g": "10", "bf": "0", "preset": "ultrafast"},
    )
    session = taken_in(tmp_path, clip.read_bytes())
    assert session.status == UNUSABLE
    assert session.said.happened[-1].endswith(sentence)


def test_a_stream_that_stalls_is_opened_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SILENT_S", 2.0)
    clip = clip_at(tmp_path / "clip.ts", 2)

    def stalling() -> Iterator[bytes]:
        yield clip.read_bytes()
        while True:  # what no picture comes of
            time.sleep(0.05)
            yield bytes([0x47, 0x1F, 0xFF, 0x10]) + bytes([0xFF]) * 184

    with web() as pages:
        pages.has("/live.ts", stalling())
        session = Session(tmp_path, f"{pages.address}/live.ts")
        session.until("the source is away")
        assert session.said.happened[-1].endswith("the source is away: no picture came for 2 s")
        pages.has("/live.ts", clip.read_bytes())
        assert session.ended() == 0
    assert session.pictures() == pictures(clip) * 2


def test_an_encoder_that_begins_another_size_on_its_connection_loses_nothing(tmp_path: Path) -> None:
    small, large = clip_at(tmp_path / "a.flv", 2), clip_at(tmp_path / "b.flv", 2, size=(320, 176))
    address = f"rtmp://127.0.0.1:{free_port()}/live/KEY"
    session = Session(tmp_path, address, "listen")
    session.until("no encoder")
    publish(address, small, large)
    session.until_recorded(4000)
    session.stop()
    assert [(one.width_px, one.height_px) for one in session.windows] == [(160, 96)] * 2 + [(320, 176)] * 2
    assert session.pictures() == pictures(small) + pictures(large)
    assert session.status == 0


def test_a_host_that_is_away_from_the_start_is_waited_for(tmp_path: Path) -> None:
    session = Session(tmp_path, f"http://127.0.0.1:{free_port()}/live.ts")
    session.until("does not answer")
    assert session.said.away.endswith("does not answer ([Errno 111] Connection refused)")
    session.stop()
    assert session.status == 0
    assert session.status != AGAIN
