"""Streams by SRT, cameras, and pictures that no browser plays."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import av
import pytest

from gpu_service.errors import BadInput, MissingEngine
from mpr_live.sources import reading, srt
from mpr_live.sources.addresses import read_address
from mpr_live.sources.camera import CameraStream
from mpr_live.sources.limits import Limits
from mpr_live.sources.reachable import Reachable
from mpr_live.sources.reading import Opened, Reading
from tests.clips import numbered, read_number, write_clip
from tests.gpu_service.live import free_port
from tests.mpr_live.servers import clip_at, live, payloads, taken, web


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clip_at(tmp_path_factory.mktemp("srt") / "clip.ts")


@pytest.fixture
def _this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPR_LIVE_HOSTS", "127.0.0.1")


@pytest.fixture
def _own_program() -> Iterator[None]:
    srt.srt_program.cache_clear()
    yield
    srt.srt_program.cache_clear()


def command_lines() -> str:
    return "\n".join(
        path.read_bytes().replace(b"\0", b" ").decode()
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if path.exists()
    )


def test_srt_is_listened_for_and_its_passphrase_is_in_no_list_of_processes(clip: Path) -> None:
    address = f"srt://127.0.0.1:{free_port()}"
    listening = Reading(live("listen"), f"{address}?passphrase=mellon-mellon", None)
    deadline_s = time.monotonic() + 5
    while "mpegts_copyts" not in (seen := command_lines()) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert "mpegts_copyts" in seen
    assert "mellon" not in seen
    publish = ["ffmpeg", "-v", "error", "-re", "-i", str(clip), "-c", "copy", "-f", "mpegts"]
    wrong = subprocess.run([*publish, f"{address}?passphrase=another-word"], capture_output=True, timeout=20)
    assert wrong.returncode != 0
    publishing = subprocess.Popen([*publish, f"{address}?passphrase=mellon-mellon"])
    found = taken(listening, until_away="ended")
    assert publishing.wait(10) == 0
    [pictures] = found.openings
    # What is under way when a publisher goes is lost with it.
    assert pictures == payloads(clip)[: len(pictures)]
    assert len(pictures) > 40


@pytest.mark.usefixtures("_this_machine")
def test_srt_is_called(clip: Path) -> None:
    address = f"srt://127.0.0.1:{free_port()}"
    command = [
        "ffmpeg",
        "-v",
        "error",
        "-re",
        "-i",
        str(clip),
        "-c",
        "copy",
        "-f",
        "mpegts",
        f"{address}?mode=listener",
    ]
    with subprocess.Popen(command) as server:
        found = taken(Reading(live(), f"{address}?mode=caller", None), most=25)
        server.kill()
    assert found.openings[-1][:25] == payloads(clip)[:25]


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("srt://127.0.0.1", "srt://127.0.0.1 has no port; write it like srt://127.0.0.1:9000."),
        ("srt://0.0.0.0:9000", "srt://0.0.0.0:9000 would take a stream from anybody; add ?passphrase="),
        ("srt://127.0.0.1:9000?localport=1", "srt has no parameter 'localport' here; it has latency, mode,"),
    ],
)
def test_addresses_of_srt_that_are_none_are_refused(address: str, sentence: str) -> None:
    with pytest.raises(BadInput) as refused:
        srt.SrtStream(address, Reachable(), Limits(), listens=True)
    assert str(refused.value).startswith(sentence)


def test_srt_is_shown_without_its_passphrase() -> None:
    found = read_address("srt://host:9000?streamid=room&passphrase=word-word-word")
    assert (found.kind, found.shown) == ("pull", "srt://host:9000?streamid=***&passphrase=***")


@pytest.mark.usefixtures("_own_program")
def test_without_a_program_that_speaks_srt_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MPR_FFMPEG", str(tmp_path / "none"))
    with pytest.raises(MissingEngine) as refused:
        srt.SrtStream("srt://127.0.0.1:9000", Reachable(), Limits(), listens=True)
    assert "install one: pip install 'mpr-timeline[srt]', or name it in MPR_FFMPEG." in str(refused.value)


def test_a_camera_gives_pictures_in_h264_with_a_keyframe_each_second(monkeypatch: pytest.MonkeyPatch) -> None:
    def drawn(address: str, kind: str, limits: Limits) -> CameraStream:
        return CameraStream("camera:testsrc2=size=64x48:rate=25:duration=2.5", "lavfi")

    monkeypatch.setattr(reading, "stream_at", drawn)
    taking = Reading(live("camera"), "camera:drawn", None)
    opened = taking.get(10)
    assert isinstance(opened, Opened)
    assert opened.streams.video.codec_context.name == "h264"
    packets = []
    while isinstance(packet := taking.get(5), av.Packet):
        packets.append(packet)
    taking.close()
    assert len(packets) >= 62
    assert [round(float(one.pts * one.time_base), 2) for one in packets if one.is_keyframe and one.pts is not None] == [
        0.0,
        1.0,
        2.0,
    ]


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("camera:", "The address names no camera; write it like camera:/dev/video0"),
        ("camera:/etc/passwd", "/etc/passwd is no camera's device; cameras are below /dev"),
        ("camera:/dev/../etc/passwd", "/dev/../etc/passwd is no camera's device; cameras are below /dev"),
        ("camera:/dev/video0?zoom=2", "A camera has no 'zoom'; ask it for size, fps"),
    ],
)
def test_addresses_of_cameras_that_are_none_are_refused(address: str, sentence: str) -> None:
    with pytest.raises(BadInput) as refused:
        read_address(address)
    assert str(refused.value).startswith(sentence)


def test_a_camera_that_is_not_there_says_so() -> None:
    found = taken(Reading(live("camera"), "camera:/dev/no-such-camera", None))
    assert found.error == "x cannot be read as a stream (no such file or directory)"


@pytest.mark.usefixtures("_this_machine")
def test_mpeg_2_becomes_h264_with_the_same_pictures_at_the_same_times(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.ts", [numbered(at) for at in range(30)], codec="mpeg2video", options={"b": "2M"})
    with web() as pages:
        pages.has("/live.ts", clip.read_bytes())
        taking = Reading(live(), f"{pages.address}/live.ts", None)
        opened = taking.get(10)
        assert isinstance(opened, Opened)
        decoder = opened.streams.video.codec_context
        shown = []
        while isinstance(packet := taking.get(5), av.Packet):
            shown += [(frame.pts, frame.to_ndarray(format="bgr24")) for frame in packet.decode()]
        shown += [(frame.pts, frame.to_ndarray(format="bgr24")) for frame in decoder.decode(None)]
        taking.close()
    with av.open(str(clip)) as container:
        times = [frame.pts for frame in container.decode(video=0)]
    assert decoder.name == "h264"
    assert ([read_number(picture) for _, picture in shown], [pts for pts, _ in shown]) == (list(range(30)), times)
