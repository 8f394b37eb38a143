"""A session's folder: which frames are kept and when they were shown, all of the sound, and lists that survive."""

from __future__ import annotations

import json
import sys
import threading
import time
import wave
from pathlib import Path

import av
import numpy as np
import pytest

from gpu_service.errors import BadInput, TransientError
from gpu_service.pictures import Image, decode
from mpr_assets.sessions.session import RecorderSettings
from mpr_assets.sessions.session_store import SESSION, SessionStore
from mpr_live.control import capture, set_scene_threshold
from mpr_live.ingest import _answer, take_in
from mpr_live.recorder.frames import SceneFrames
from mpr_live.recorder.hooks import Hook
from mpr_live.recorder.index import Index
from mpr_live.recorder.recorder import Recorder
from mpr_live.recording.windows import Recording
from mpr_live.requests import Requests, ask
from mpr_live.sources.reading import Reading
from mpr_resources.storage.store import Storage
from tests.clips import numbered, read_number, write_clip
from tests.mpr_live.servers import live

COLOURS = [(20, 20, 20), (240, 240, 240), (30, 30, 200), (240, 240, 240)]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """4 s of four scenes of a second each, every frame with its number; sound all along."""

    def drawn(at: int) -> Image:
        ground = np.full((384, 160, 3), COLOURS[at // 25], np.uint8)
        return np.concatenate([numbered(at), ground])

    path = tmp_path_factory.mktemp("recorder") / "clip.mp4"
    options = {"g": "10", "bf": "2", "sc_threshold": "0", "preset": "ultrafast"}
    return write_clip(path, [drawn(at) for at in range(100)], options=options, sound_s=4)


def recorded(folder: Path, clip: Path, settings: RecorderSettings, speed: float = 1000) -> None:
    session = live("file").model_copy(update={"speed": speed})
    store = SessionStore(Storage.open(str(folder / "storage")), "derby")
    recorder = Recorder(folder / "session", settings)
    recording = Recording(store, session, folder / "scratch")
    try:
        assert take_in(Reading(session, str(clip), recording.last), recording, threading.Event(), recorder) == 0
    finally:
        recorder.close()


def listed(path: Path) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(path.read_text())
    return found


def frame_of(shade: int, at_ms: int) -> tuple[av.VideoFrame, int]:
    return av.VideoFrame.from_ndarray(np.full((96, 160, 3), shade, np.uint8), "bgr24"), at_ms


def test_a_folder_of_scenes_sound_and_a_recording(tmp_path: Path, clip: Path) -> None:
    recorded(tmp_path, clip, RecorderSettings(folder="", scene_threshold=20, sound_ms=1500))
    folder = tmp_path / "session"
    frames = listed(folder / "frames" / "index.json")
    assert frames == [
        {
            "id": at + 1,
            "timestamp": float(at),
            "reason": "scene",
            "path": f"frames/F{at + 1:06d}.jpg",
            "sent_to_agent": False,
        }
        for at in range(4)
    ]
    numbers = [read_number_of(folder / str(one["path"])) for one in frames]
    assert numbers == [0, 25, 50, 75]
    chunks = listed(folder / "audio" / "index.json")
    assert [one["path"] for one in chunks] == [f"audio/chunk_{at:04d}.wav" for at in range(3)]
    lengths = []
    for one in chunks:
        with wave.open(str(folder / str(one["path"]))) as sound:
            lengths.append(sound.getnframes())
            assert (sound.getframerate(), sound.getsampwidth(), sound.getnchannels()) == (8000, 2, 2)
            assert one["duration"] == round(sound.getnframes() / 8000, 3)
    with av.open(str(clip)) as container:
        first_s = next(one.pts * one.time_base for one in container.demux(audio=0) if one.pts is not None)
    # The sound before the first picture belongs to no window.
    assert sum(lengths) / 8000 == pytest.approx(4.0, abs=0.15)
    assert abs(float(first_s)) < 0.15
    ends = [float(str(one["timestamp"])) + float(str(one["duration"])) for one in chunks]
    assert [float(str(one["timestamp"])) for one in chunks[1:]] == pytest.approx(ends[:-1], abs=0.002)
    with av.open(str(folder / "recording_0000.mp4")) as container:
        assert sum(1 for one in container.demux(video=0) if one.dts is not None) == 100


def read_number_of(path: Path) -> int:
    return read_number(decode(path.read_bytes())[:96])


def test_a_session_that_goes_on_overwrites_nothing(tmp_path: Path, clip: Path) -> None:
    settings = RecorderSettings(folder="", scene_threshold=20, sound_ms=1500)
    recorded(tmp_path, clip, settings)
    before = {path: path.read_bytes() for path in (tmp_path / "session").rglob("*.[jwm]*") if "index" not in path.name}
    (tmp_path / "session" / "frames" / "index.json").write_text("[{broken")
    recorded(tmp_path / "again", clip, settings)  # a storage of its own, so that it plays from the start
    recorder = Recorder(tmp_path / "session", settings)
    recorder.frames.add(*frame_of(9, 7000))
    recorder.close()
    assert {path: path.read_bytes() for path in before} == before
    assert [one["id"] for one in listed(tmp_path / "session" / "frames" / "index.json")] == [1, 2, 3, 4, 5]


def broken_off(journal: Path) -> None:
    journal.write_bytes(journal.read_bytes() + b'{"id": 3, "pa')


@pytest.mark.parametrize(
    ("damage", "ids"),
    [
        (lambda folder: None, [1, 2, 3]),
        (lambda folder: (folder / "index.json").unlink(), [1, 2, 3]),
        (lambda folder: (folder / "index.json").write_text('{"id": 1}'), [1, 2, 3]),
        (lambda folder: (folder / "index.journal").unlink(), [3]),
        (lambda folder: broken_off(folder / "index.journal"), [1, 2, 3]),
    ],
    ids=["none", "no list", "no list of entries", "no journal", "half an entry"],
)
def test_numbers_go_on_whatever_is_damaged(tmp_path: Path, damage: object, ids: list[int]) -> None:
    folder = tmp_path / "frames"
    index = Index(folder, "F{:06d}.jpg", 1)
    index.add(b"one", {"timestamp": 0.0})
    index.add(b"two", {"timestamp": 1.0})
    damage(folder)  # type: ignore[operator]
    assert Index(folder, "F{:06d}.jpg", 1).add(b"three", {"timestamp": 2.0}) == folder / "F000003.jpg"
    assert [one["id"] for one in listed(folder / "index.json")] == ids
    assert [(folder / f"F00000{at}.jpg").read_bytes() for at in (1, 2, 3)] == [b"one", b"two", b"three"]


def test_what_other_programs_set_in_the_list_stays(tmp_path: Path) -> None:
    index = Index(tmp_path / "frames", "F{:06d}.jpg", 1)
    index.add(b"one", {"timestamp": 0.0})
    path = tmp_path / "frames" / "index.json"
    path.write_text(path.read_text().replace("false", "true"))
    index.add(b"two", {"timestamp": 1.0})
    assert [one["sent_to_agent"] for one in listed(path)] == [True, False]


def test_a_threshold_changes_between_two_frames_and_no_scene_is_missed(tmp_path: Path) -> None:
    frames = SceneFrames(tmp_path, 200, Hook(None))
    shades = [10, 10, 60, 60, 200, 200]
    for at, shade in enumerate(shades):
        if at == 4:  # the frame after it begins a scene by the new threshold, compared with the one before
            frames.set_threshold(27)
        frames.add(*frame_of(shade, 1000 * at))
    assert [one["timestamp"] for one in listed(tmp_path / "frames" / "index.json")] == [0.0, 4.0]


def test_the_newest_frame_is_captured_with_its_time(tmp_path: Path) -> None:
    frames = SceneFrames(tmp_path, 200, Hook(None))
    with pytest.raises(BadInput, match="No picture has come yet; ask again once the session is active"):
        frames.capture()
    frames.add(*frame_of(10, 0))
    frames.add(*frame_of(90, 40))
    path, at_ms = frames.capture()
    assert (path.name, at_ms) == ("F000002.jpg", 40)
    assert decode(path.read_bytes()).mean() == pytest.approx(90, abs=2)


@pytest.fixture
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))


@pytest.mark.usefixtures("_home")
def test_a_running_session_is_asked_to_capture_within_300_ms(tmp_path: Path, clip: Path) -> None:
    session = live("file")
    store = SessionStore(Storage.open(str(tmp_path / "storage")), "derby")
    recorder = Recorder(tmp_path / "session", RecorderSettings(folder="", scene_threshold=250))
    requests = Requests("derby", lambda asked: _answer(store, recorder, asked))
    recording = Recording(store, session, tmp_path / "scratch")
    told = threading.Event()
    taking = threading.Thread(target=take_in, args=(Reading(session, str(clip), None), recording, told, recorder))
    taking.start()
    began_s = time.monotonic()
    time.sleep(1.5)
    took_s = []
    for _ in range(5):  # on a machine that does much else, some take longer
        asked_s = time.monotonic()
        said = ask("derby", {"do": "capture"})
        took_s.append(time.monotonic() - asked_s)
    assert ask("derby", {"do": "set", "scene_threshold": 31}) == {"scene_threshold": 31.0}
    told.set()
    taking.join()
    requests.close()
    recorder.close()
    assert min(took_s) < 0.3
    assert read_number_of(Path(said["path"])) * 40 == said["session_ms"]
    assert 0 <= (asked_s - began_s) * 1000 - said["session_ms"] < 1000
    was_set = store.recorder()
    assert was_set is not None
    assert was_set.scene_threshold == 31


@pytest.mark.usefixtures("_home")
def test_a_session_without_a_folder_or_without_a_process_says_so(tmp_path: Path) -> None:
    store = SessionStore(Storage.open(str(tmp_path / "storage")), "derby")
    store.put(SESSION, live("file"))
    with pytest.raises(BadInput, match="'derby' keeps no frames; start one with --recorder FOLDER"):
        capture(store.storage, "derby")
    store.put(SESSION, live("file").model_copy(update={"recorder": RecorderSettings(folder="")}))
    with pytest.raises(TransientError, match="The live session 'derby' does not answer on this machine"):
        capture(store.storage, "derby")
    with pytest.raises(BadInput, match="The scene_threshold 256 is none; give one above 0 and up to 255"):
        set_scene_threshold(store.storage, "derby", 256)


def test_a_command_is_run_for_each_file_in_order_and_may_fail(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    script = tmp_path / "hook.py"
    script.write_text(
        "import sys\n"
        f"with open({str(tmp_path / 'said')!r}, 'a') as said:\n"
        "    print(*sys.argv[1:], file=said)\n"
        "sys.exit('2.jpg' in sys.argv[1])\n"
    )
    hook = Hook(f"{sys.executable} {script}")
    hook.run(Path("1.jpg"), 0.04)
    hook.run(Path("2.jpg"), 1)
    hook.run(Path("3.wav"), 2, 10)
    hook.close()
    assert (tmp_path / "said").read_text().splitlines() == [
        "1.jpg 0.040",
        "2.jpg 1.000",
        "3.wav 2.000 10.000",
    ]
    assert caplog.messages == [f"{sys.executable} for 2.jpg ended with status 1"]
