"""Encoders that publish to a session: the key, what is taken of them, and who else connects."""

from __future__ import annotations

import io
import logging
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpu_service.errors import BadInput
from mpr_live.sources.limits import Hostile, Limits
from mpr_live.sources.reading import Reading
from mpr_live.sources.rtmp_listener import RtmpListener
from mpr_live.sources.rtmp_messages import COMMAND, DATA, PICTURE, SET_CHUNK_SIZE, Messages, amf, chunked, values
from tests.gpu_service.live import free_port
from tests.mpr_live.servers import clip_at, live, payloads, taken


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clip_at(tmp_path_factory.mktemp("published") / "clip.flv")


@pytest.fixture
def listening() -> Iterator[tuple[Reading, str]]:
    address = f"rtmp://127.0.0.1:{free_port()}/live/KEY"
    reading = Reading(live("listen"), address, None)
    assert reading.get(5) is not None, "it says that nobody publishes"
    yield reading, address
    reading.close()


def published(clip: Path, address: str) -> subprocess.CompletedProcess[str]:
    command = ["ffmpeg", "-v", "error", "-i", str(clip), "-c", "copy", "-f", "flv", address]
    return subprocess.run(command, capture_output=True, text=True, timeout=20)


def test_what_an_encoder_publishes_comes_as_it_was_sent(listening: tuple[Reading, str], clip: Path) -> None:
    reading, address = listening
    assert published(clip, address).returncode == 0
    assert taken(reading, until_away="it ended").openings == [payloads(clip)]


def test_an_encoder_without_sound_is_not_waited_for_its_sound(listening: tuple[Reading, str], tmp_path: Path) -> None:
    reading, address = listening
    silent = clip_at(tmp_path / "silent.flv", 8, sound=False)
    command = ["ffmpeg", "-v", "quiet", "-re", "-i", str(silent), "-c", "copy", "-f", "flv", address]
    with subprocess.Popen(command) as encoder:
        found = taken(reading, most=1, within_s=6)
        encoder.kill()
    assert found.openings == [payloads(silent)[:1]]


@pytest.mark.parametrize("path", ["live/WRONG", "live/KEY2", "live/KE", "other/KEY", "live/KEY/x"])
def test_a_wrong_key_is_refused_and_told_so(
    listening: tuple[Reading, str], clip: Path, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    reading, address = listening
    caplog.set_level(logging.INFO)
    refused = published(clip, address.replace("live/KEY", path))
    assert refused.returncode != 0
    assert "the stream key is wrong" in refused.stderr
    assert taken(reading, within_s=0.5).openings == []
    assert caplog.messages == ["a publisher from 127.0.0.1 is refused: its stream key is wrong"]


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x03" + bytes(100),
        b"\x03" + bytes(3072) + b"\x03\0\0\0\xff\xff\xff\x14\0\0\0\0",
    ],
    ids=["nothing", "web", "half a greeting", "a message of 16 MB"],
)
def test_strangers_do_not_disturb_the_listener(listening: tuple[Reading, str], clip: Path, sent: bytes) -> None:
    reading, address = listening
    with socket.create_connection(("127.0.0.1", int(address.split(":")[2].partition("/")[0]))) as stranger:
        stranger.sendall(sent)
        assert published(clip, address).returncode == 0
        assert taken(reading, until_away="it ended").openings == [payloads(clip)]


def test_an_encoder_that_comes_again_takes_the_place_of_the_one_before(
    listening: tuple[Reading, str], clip: Path
) -> None:
    reading, address = listening
    command = ["ffmpeg", "-v", "quiet", "-re", "-i", str(clip), "-c", "copy", "-f", "flv", address]
    with subprocess.Popen(command) as first:
        time.sleep(0.7)
        assert published(clip, address).returncode == 0
        assert first.wait(5) != 0, "it was told to go"
    found = taken(reading, until_away="no encoder")
    assert found.openings[-1] == payloads(clip)


def test_a_port_that_is_taken_is_said_in_a_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken_already:
        port = taken_already.getsockname()[1]
        with pytest.raises(BadInput) as refused:
            RtmpListener(f"rtmp://127.0.0.1:{port}/live/KEY", Limits())
    assert (
        str(refused.value) == f"rtmp://127.0.0.1:{port} cannot be listened at (address already in use); give another "
        "port, or end what has it."
    )


@pytest.mark.parametrize("said", [[], ["connect", 1.0, {"app": "live", "inner": {"a": None}}], [None, "é", -2.5]])
def test_values_are_read_as_they_were_written(said: list[object]) -> None:
    assert values(amf(*said)) == said


@pytest.mark.parametrize(
    "body", [b"\x02\xff\xffa", b"\x00\x01", b"\x03" * 2000, b"\x08\xff\xff\xff\xff", b"\x0d", b"\x03\0\x01a"]
)
def test_values_that_are_none_are_left_out(body: bytes) -> None:
    assert values(amf("publish") + body) == ["publish"]


def begun(kind: int, size: int, number: int) -> bytes:
    """The first chunk, of 128 bytes, of a message."""
    return bytes([number]) + bytes(3) + size.to_bytes(3, "big") + bytes([kind]) + bytes(4) + bytes(128)


@pytest.mark.parametrize(
    ("takes_media", "sent", "said"),
    [
        pytest.param(False, begun(PICTURE, 70_000, 3), "a message of 70000 bytes", id="a picture of nobody known"),
        pytest.param(True, begun(PICTURE, 16_000_001, 3), "a message of 16000001 bytes", id="too large a picture"),
        pytest.param(
            True,
            # Chunks of 4 MB from here on, then one of each of six messages.
            chunked(SET_CHUNK_SIZE, (4_000_000).to_bytes(4, "big"))
            + b"".join(begun(PICTURE, 16_000_000, number) + bytes(4_000_000 - 128) for number in range(3, 9)),
            "begins messages of more than 20 MB together",
            id="many that are begun",
        ),
    ],
)
def test_no_more_is_held_than_a_stream_needs(takes_media: bool, sent: bytes, said: str) -> None:
    messages = Messages(io.BytesIO(sent).read)
    messages.takes_media = takes_media
    with pytest.raises(Hostile, match=said):
        next(iter(messages))


def test_what_is_said_back_is_a_number(listening: tuple[Reading, str]) -> None:
    """A text would be longer in UTF-8 than it may be."""
    _, address = listening
    body = amf("connect") + b"\x02" + struct.pack(">H", 60_000) + b"\xff" * 60_000 + amf({"app": "live"})
    with socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2].partition("/")[0]))) as stranger:
        stranger.sendall(b"\x03" + bytes(1536) + bytes(1536) + chunked(COMMAND, body))
        stranger.settimeout(10)
        answer = b""
        while amf("_result", 0.0) not in answer:
            part = stranger.recv(65_536)
            assert part, "it went without an answer"
            answer += part


def test_a_message_in_chunks_is_put_together() -> None:
    body = bytes(range(256)) * 3
    sent = chunked(DATA, body, stream=1) + chunked(DATA, b"", stream=1)
    file = iter(sent)
    messages = iter(Messages(lambda size: bytes(next(file) for _ in range(size))))
    assert [(one.kind, one.stream, one.body) for one in (next(messages), next(messages))] == [
        (DATA, 1, body),
        (DATA, 1, b""),
    ]
