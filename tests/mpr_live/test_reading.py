"""Packets of a source as they come: all of them, in order, and where a file is gone on with."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import av
import numpy as np
import pytest
from av.packet import Packet

from gpu_service.errors import BadInput
from mpr_assets.sessions.session import LiveSession
from mpr_live.sources.reading import Ended, Opened, Reading
from tests.clips import write_clip

SESSION = LiveSession(
    name="derby", source="clip", kind="file", profile="generic", window_ms=1000, started_s=0, speed=1000
)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pictures = [np.full((96, 160, 3), shade, np.uint8) for shade in range(50)]
    return write_clip(
        tmp_path_factory.mktemp("live") / "clip.mp4", pictures, options={"g": "10", "preset": "ultrafast"}
    )


def test_every_packet_comes_though_the_source_has_ended_before_it_is_taken(clip: Path) -> None:
    reading = Reading(SESSION, str(clip), None)
    time.sleep(0.3)
    taken = []
    while not isinstance(came := reading.get(5), Ended):
        if isinstance(came, Packet):
            assert came.stream.index == 0
            taken.append(hashlib.sha256(bytes(came)).hexdigest())
        else:
            assert isinstance(came, Opened)
    assert came.error is None
    with av.open(str(clip)) as container:
        assert taken == [hashlib.sha256(bytes(one)).hexdigest() for one in container.demux() if one.dts is not None]


def test_a_source_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    sound = tmp_path / "sound.wav"
    with av.open(str(sound), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
    came = Reading(SESSION, str(sound), None).get(5)
    assert isinstance(came, Ended)
    assert isinstance(came.error, BadInput)
    assert str(came.error) == f"{sound} holds only sound; name a file that holds video."


def test_a_list_that_names_another_file_is_refused(clip: Path) -> None:
    playlist = clip.with_name("list.mp4")
    playlist.write_text(f"ffconcat version 1.0\nfile {clip.name}\n")
    came = Reading(SESSION, str(playlist), None).get(5)
    assert isinstance(came, Ended)
    assert isinstance(came.error, BadInput)
    assert "it names other media, which are not followed" in str(came.error)
