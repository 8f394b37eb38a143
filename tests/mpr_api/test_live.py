"""Live sessions over HTTP: what is stored of them is told alike by every process, played as HLS, and resumed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import dagster as dg
import httpx2
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from mpr_api.world.backend import Backend
from mpr_assets.sessions.session import Analysed, Ingest, LiveSession, LiveState, RecorderSettings
from mpr_assets.sessions.session_store import INGEST, SESSION, STATE, SessionStore
from mpr_live.recorder.index import Index
from mpr_live.recorder.recorder import session_folder
from tests.live_sessions import analyse, record
from tests.mpr_api.live import config_of, resources_of, served
from tests.world import BRAND, World, seen

TOKEN = "live-token"


@pytest.fixture(scope="module")
def derby(api_world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SessionStore]:
    """Its first window is analysed, its second failed, and it has ended."""
    clip = api_world.inputs / "clip.mp4"
    store = record(api_world, tmp_path_factory.mktemp("scratch"), "derby", clip)
    analyse(api_world, store, 0, on=("visual_properties", "motion"))
    store.put_analysed(
        Analysed(number=0, status="analysed", run_id="r", lag_ms=1500, exposures=1, done_s=1_800_000_004)
    )
    store.put_analysed(Analysed(number=1, status="failed", reason="run_ocr failed", lag_ms=900, done_s=1_800_000_006))
    store.put(INGEST, store.ingest().model_copy(update={"ended": True}))
    store.put(STATE, LiveState(status="inactive", beat_s=1_800_000_007))
    yield store
    store.storage.delete([*store.storage.list("live/derby")])


@pytest.fixture(scope="module")
def two_urls(api_world: World, derby: SessionStore) -> Iterator[list[str]]:
    """Two servers that share nothing but the storage and the Dagster instance; with a token."""
    with dg.DagsterInstance.from_config(api_world.instance.root_directory) as other:
        config = config_of(api_world, token=TOKEN)
        backends = [Backend(config, instance, resources_of(api_world)) for instance in (api_world.instance, other)]
        with served(backends[0]) as one, served(backends[1]) as another:
            yield [one, another]


def client(url: str) -> httpx2.Client:
    return httpx2.Client(base_url=url, timeout=30, headers={"Authorization": f"Bearer {TOKEN}"})


def told(url: str, after: str | None = None, path: str = "derby/events") -> list[tuple[str, str | None, Any]]:
    """Name, id and data of all events until the stream ends."""
    headers = {} if after is None else {"Last-Event-ID": after}
    with client(url) as api, api.stream("GET", f"/detect/live/{path}", headers=headers) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        answer.read()
    events = []
    for block in answer.text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if fields:
            events.append((fields["event"], fields.get("id"), json.loads(fields["data"])))
    return events


def test_there_is_no_session_at_first(api: httpx2.Client) -> None:
    assert [one for one in api.get("/detect/live").json() if one["name"] != "derby"] == []
    for path in ("", "/report", "/live.m3u8", "/windows/0.mp4", "/events"):
        answer = api.get(f"/detect/live/ghost{path}")
        assert (answer.status_code, answer.json()["error"].split(" in ")[0]) == (
            404,
            "There is no live session 'ghost'",
        )


def test_a_session_is_shown(two_urls: list[str]) -> None:
    with client(two_urls[0]) as api:
        shown = api.get("/detect/live/derby").json()
    told = {key: shown[key] for key in ("status", "epoch", "windows", "analysed", "recorded_ms", "zero_at_ms")}
    assert told == {
        "status": "inactive",
        "epoch": 1,
        "windows": 2,
        "analysed": 2,
        "recorded_ms": 4000,
        "zero_at_ms": 1_800_000_001_000,
    }


def test_every_process_tells_the_same_and_goes_on_where_it_was_lost(two_urls: list[str]) -> None:
    events = told(two_urls[0])
    assert [(name, id) for name, id, _ in events] == [
        ("segment", "1.0"),
        ("detection", "1.1"),
        ("segment", "2.1"),
        ("detection", "2.2"),
        ("stream", None),
        ("end", "2.2"),
    ]
    assert told(two_urls[1]) == events
    for at in range(3):
        assert told(two_urls[1], events[at][1]) == events[at + 1 :]
    with client(two_urls[1]) as api:
        assert api.get("/detect/live/derby/events", headers={"Last-Event-ID": "2.2"}).status_code == 204
        assert api.get("/detect/live/derby/events", headers={"Last-Event-ID": "x"}).status_code == 400


def test_what_the_recorder_keeps_is_told_once(two_urls: list[str], api_world: World, tmp_path: Path) -> None:
    store = SessionStore(api_world.storage, "kept")
    session = LiveSession(
        name="kept",
        source="clip",
        kind="file",
        profile="board",
        window_ms=2000,
        started_s=1_800_000_000,
        recorder=RecorderSettings(folder=str(tmp_path)),
    )
    store.put(SESSION, session)
    store.put(INGEST, Ingest(ended=True))
    store.put(STATE, LiveState(status="inactive"))
    folder = session_folder(str(tmp_path), session.started_s)
    frames, sounds = Index(folder / "frames", "F{:06d}.jpg", 1), Index(folder / "audio", "chunk_{:04d}.wav", 0)
    frames.add(b"one", {"timestamp": 0.0, "reason": "scene"})
    frames.add(b"two", {"timestamp": 1.24, "reason": "capture"})
    sounds.add(b"sound", {"timestamp": 0.0, "duration": 10.016})
    with (folder / "frames" / "index.journal").open("ab") as journal:  # a line that is being written
        journal.write(b'{"id": 3, "timest')
    events = told(two_urls[0], path="kept/events?start=0")
    frame = {"session": "kept", "reason": "scene", "path": str(folder / "frames" / "F000001.jpg")}
    second = {"session": "kept", "reason": "capture", "path": str(folder / "frames" / "F000002.jpg")}
    sound = {"session": "kept", "path": str(folder / "audio" / "chunk_0000.wav")}
    assert [one for one in events if one[0] in ("frame", "sound")] == [
        ("frame", "0.0.1.0", frame | {"id": 1, "session_ms": 0}),
        ("frame", "0.0.2.0", second | {"id": 2, "session_ms": 1240}),
        ("sound", "0.0.2.1", sound | {"id": 0, "session_ms": 0, "duration_ms": 10_016}),
    ]
    assert [name for name, _, _ in events[3:]] == ["stream", "end"]
    assert told(two_urls[1], "0.0.1.0", "kept/events") == events[1:]
    with client(two_urls[0]) as api:
        seen = {"Last-Event-ID": "0.0.2.1"}
        assert api.get("/detect/live/kept/events", headers=seen).status_code == 204
    store.storage.delete([*store.storage.list("live/kept")])


def test_a_session_that_broke_off_has_not_ended(two_urls: list[str], api_world: World) -> None:
    store = SessionStore(api_world.storage, "broken")
    session = LiveSession(name="broken", source="x", kind="listen", profile="board", window_ms=2000, started_s=1)
    store.put(SESSION, session)
    store.put(STATE, LiveState(status="active", beat_s=1))  # its supervisor was killed
    seen: list[str] = []
    with client(two_urls[0]) as api, api.stream("GET", "/detect/live/broken/events?start=0") as answer:
        for line in answer.iter_lines():
            if line.startswith("data: "):
                said = json.loads(line.removeprefix("data: "))
                seen.append(said["status"])
                if said["status"] == "error":  # it is started again, and comes to its end
                    store.put(INGEST, Ingest(ended=True))
                    store.put(STATE, LiveState(status="inactive"))
    assert seen == ["error", "inactive", "inactive"]


def test_a_detection_has_boxes_by_epoch_and_pts_and_a_window_that_failed_is_not_an_empty_one(
    two_urls: list[str], derby: SessionStore, api_world: World
) -> None:
    segments = [data for name, _, data in told(two_urls[0]) if name == "segment"]
    assert [one["epoch"] | {"end_ms": one["end_ms"]} for one in segments] == [
        {"number": 0, "start_pts": 0, "start_ms": 0, "time_base": [1, 10240], "end_ms": 2000},
        {"number": 1, "start_pts": 0, "start_ms": 2000, "time_base": [1, 10240], "end_ms": 4000},
    ]
    found, failed = (data for name, _, data in told(two_urls[0]) if name == "detection")
    assert (failed["status"], failed["reason"], failed["frames"]) == ("failed", "run_ocr failed", [])
    assert (found["status"], found["epoch"], found["timeline_id"], found["lag_ms"]) == (
        "analysed",
        0,
        "derby-000000",
        1500,
    )
    kept = api_world.table("filter_scenes", "derby-000000").rows.filter("kept")["seq"].to_list()
    index = api_world.table("extract_frames", "derby-000000").rows
    assert [(one["pts"], one["session_ms"]) for one in found["frames"]] == [
        (index["source_pts"][seq], index["source_ms"][seq]) for seq in kept
    ]
    assert {box["brand"] for frame in found["frames"] for box in frame["detections"]} == {BRAND}
    looks = api_world.table("visual_properties", "derby-000000").rows
    assert [frame["look"] for frame in found["frames"]] == looks.drop("seq").to_dicts()
    moves = api_world.table("motion", "derby-000000").rows
    first, *others = (frame["motion"] for frame in found["frames"])
    assert first is None
    assert [one["moving_share"] for one in others] == moves["moving_share"].to_list()[1:]
    with client(two_urls[1]) as api:
        assert api.get("/detect/live/derby/windows/0").json() == found


def test_the_playlists_lead_to_a_video_that_plays(two_urls: list[str], api_world: World, tmp_path: Path) -> None:
    with client(two_urls[0]) as api:
        sliding, whole = (api.get(f"/detect/live/derby/{name}.m3u8") for name in ("live", "session"))
        assert [answer.headers["content-type"] for answer in (sliding, whole)] == ["application/vnd.apple.mpegurl"] * 2
        assert whole.text.count("#EXT-X-PLAYLIST-TYPE:VOD\n") == 1
        assert "#EXT-X-PLAYLIST-TYPE" not in sliding.text
        # As a player reads it: of each epoch the header, then the fragments of its windows.
        size: str | None = None
        epochs: list[bytes] = []
        for line in whole.text.splitlines():
            if line.startswith("#EXT-X-MAP"):
                length = int(line.split('BYTERANGE="')[1].split("@")[0])
                header = api.get("/detect/live/derby/windows/000000.mp4", headers={"Range": f"bytes=0-{length - 1}"})
                epochs.append(header.content)
            elif line.startswith("#EXT-X-BYTERANGE"):
                size, _, first = line.partition(":")[2].partition("@")
                span = f"bytes={first}-{int(first) + int(size) - 1}"
            elif line.startswith("windows/"):
                answer = api.get(f"/detect/live/derby/{line}", headers={"Range": span})
                assert (answer.status_code, answer.headers["content-type"]) == (206, "video/mp4")
                assert len(answer.content) == int(size or 0)
                epochs[-1] += answer.content
    for data in epochs:
        played = tmp_path / "played.mp4"
        played.write_bytes(data)
        with av.open(str(played)) as video, av.open(str(api_world.inputs / "clip.mp4")) as clip:
            assert [bytes(one) for one in video.demux(video=0)] == [bytes(one) for one in clip.demux(video=0)]


@pytest.mark.parametrize(
    ("asked", "status", "said"),
    [
        pytest.param("", 200, None, id="all of it"),
        pytest.param("bytes=0-0", 206, "bytes 0-0/SIZE", id="one byte"),
        pytest.param("bytes=5-", 206, "bytes 5-LAST/SIZE", id="from there on"),
        pytest.param("bytes=5-99999999", 206, "bytes 5-LAST/SIZE", id="beyond its end"),
        pytest.param("bytes=99999999-", 416, None, id="after its end"),
        pytest.param("bytes=2-1", 416, None, id="backwards"),
        pytest.param("lines=1-2", 200, None, id="another unit"),
    ],
)
def test_bytes_of_a_window(two_urls: list[str], derby: SessionStore, asked: str, status: int, said: str | None) -> None:
    data = derby.storage.get("live/derby/windows/000000.mp4")
    with client(two_urls[0]) as api:
        answer = api.get("/detect/live/derby/windows/0.mp4", headers={"Range": asked} if asked else {})
    range_said = None if said is None else said.replace("LAST", str(len(data) - 1)).replace("SIZE", str(len(data)))
    assert (answer.status_code, answer.headers.get("content-range")) == (status, range_said)
    if status == 200:
        assert answer.content == data


def test_a_session_is_started_within_the_roots_and_up_to_the_limit(
    api: httpx2.Client, api_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {"source": str(api_world.inputs / "clip.mp4"), "name": "cup", "profile": "board"}
    outside = api.post("/detect/live", json=asked | {"source": "/etc/passwd"})
    assert (outside.status_code, outside.json()["kind"]) == (403, "refused")
    other = api.post("/detect/live", json=asked | {"source": "ftp://user:secret@host/a.mp4"})
    assert (other.status_code, "secret" in other.text) == (400, False)
    assert api.post("/detect/live", json=asked | {"profile": "ghost"}).status_code == 404
    assert api.post("/detect/live", json=asked | {"name": "../cup"}).status_code == 400
    monkeypatch.setenv("MPR_LIVE_STREAMS", "0")
    full = api.post("/detect/live", json=asked)
    assert (full.status_code, full.json()["error"]) == (
        409,
        "0 live sessions run (), and MPR_LIVE_STREAMS allows 0; stop one with mpr live stop NAME.",
    )
    elsewhere = api.post("/detect/live", json=asked | {"recorder": "/etc/frames"})
    assert (elsewhere.status_code, elsewhere.json()["kind"]) == (403, "refused")
    for path in ("stop", "capture"):
        assert api.post(f"/detect/live/ghost/{path}").status_code == 404


def test_what_does_not_run_is_not_stopped(two_urls: list[str]) -> None:
    with client(two_urls[0]) as api:
        answer = api.post("/detect/live/derby/stop")
    assert (answer.status_code, answer.json()["error"]) == (
        400,
        "The live session 'derby' does not run: it is inactive",
    )
    with client(two_urls[0]) as api:
        captured = api.post("/detect/live/derby/capture")
        settings = api.put("/detect/live/derby/settings", json={"scene_threshold": 20})
    assert [one.status_code for one in (captured, settings)] == [400, 400]
    assert captured.json()["error"] == settings.json()["error"]


def socket_of(url: str, **headers: str) -> Any:
    return connect(f"{url.replace('http', 'ws')}/ws/stream/", additional_headers=headers)


def test_the_older_sockets_messages(two_urls: list[str]) -> None:
    with socket_of(two_urls[0], Authorization=f"Bearer {TOKEN}") as socket:
        for text in ("", "[]", '{"type": "dance"}', "[" * 4000, b"\xff\xfe", "x" * 5000):
            socket.send(text)
            assert json.loads(socket.recv(5))["type"] == "error"
        socket.send(json.dumps({"type": "ping", "timestamp": 1}))
        assert json.loads(socket.recv(5)) == {"type": "pong"}
        socket.send(json.dumps({"type": "subscribe", "stream_id": "derby", "session_id": "s1"}))
        recent = json.loads(socket.recv(5))
        socket.send(json.dumps({"type": "subscribe", "stream_id": "ghost"}))
        assert json.loads(socket.recv(5))["type"] == "error"
        socket.send(json.dumps({"type": "subscribe", "stream_id": "../../etc/passwd"}))
        assert json.loads(socket.recv(5))["error"].startswith("The session name '../../etc/passwd' holds")
    assert recent["type"] == "recent_analysis"
    analysis = recent["analyses"][-1]
    assert {key: analysis[key] for key in ("stream_id", "session_id", "processing_time", "provider")} == {
        "stream_id": "derby",
        "session_id": "s1",
        "processing_time": 1.5,
        "provider": "mpr",
    }
    visual = analysis["visual"]
    assert {len(colour) for colour in visual["dominant_colors"]} == {3}
    names = ["brightness_level", "contrast_level", "saturation_level", "average_motion", "max_motion", "activity_score"]
    assert list(visual) == ["dominant_colors", *names]
    assert all(0 <= visual[name] <= 1 for name in names)
    [detection] = analysis["detections"]
    assert (detection["label"], detection["detection_type"]) == (BRAND, "text")
    assert all(0 < detection["bbox"][side] < 1 for side in ("x", "y", "width", "height"))


def test_objects_are_told_beside_the_brands(two_urls: list[str], api_world: World) -> None:
    """To the older socket's listeners as what they are; brands read are text to them."""
    with (
        seen(api_world, (0, "person", (64, 36, 128, 72)), timeline="derby-000000"),
        socket_of(two_urls[0], Authorization=f"Bearer {TOKEN}") as socket,
        client(two_urls[0]) as api,
    ):
        found = api.get("/detect/live/derby/windows/0").json()
        socket.send(json.dumps({"type": "subscribe", "stream_id": "derby", "session_id": "s1"}))
        first = json.loads(socket.recv(5))["analyses"][0]
    objects = [frame["objects"] for frame in found["frames"]]
    assert objects == [[{"label": "person", "confidence": 0.75, "x": 64, "y": 36, "w": 128, "h": 72}], [], []]
    assert [(one["label"], one["detection_type"]) for one in first["detections"]] == [
        (BRAND, "text"),
        ("person", "object"),
    ]
    assert first["detections"][1]["bbox"] == {"x": 0.1, "y": 0.1, "width": 0.2, "height": 0.2}
    assert first["detections"][1]["metadata"] == {"source": "object", "track": None}


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="without a token"),
        pytest.param({"Authorization": "Bearer wrong"}, id="with another token"),
        pytest.param({"Authorization": f"Bearer {TOKEN}", "Origin": "https://elsewhere.example"}, id="another's page"),
    ],
)
def test_the_older_socket_opens_to_those_alone_who_may_read(two_urls: list[str], headers: dict[str, str]) -> None:
    with pytest.raises(InvalidStatus, match="403"), socket_of(two_urls[0], **headers):
        pass


def test_the_playlist_of_a_session_that_runs_slides(api: httpx2.Client, api_world: World, tmp_path: Path) -> None:
    store = record(api_world, tmp_path, "cup", api_world.inputs / "clip.mp4")
    try:
        store.put(INGEST, Ingest(windows=2, epoch=1))
        text = api.get("/detect/live/cup/live.m3u8").text
        assert [line for line in text.splitlines() if line.startswith("windows/")] == [
            "windows/000000.mp4",
            "windows/000001.mp4",
        ]
        assert "#EXT-X-ENDLIST" not in text
        assert "#EXT-X-PLAYLIST-TYPE:EVENT" in api.get("/detect/live/cup/session.m3u8").text
    finally:
        store.storage.delete([*store.storage.list("live/cup")])
