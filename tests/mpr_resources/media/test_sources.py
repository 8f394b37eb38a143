from __future__ import annotations

from pathlib import Path

import pytest

from gpu_service.errors import BadInput, TransientError
from mpr_resources.media.decoding import open_media
from mpr_resources.media.probe import probe
from mpr_resources.media.sources import (
    BLOCK_BYTES,
    BLOCKS_AHEAD,
    RemoteFile,
    Sources,
)
from mpr_resources.storage.store import ObjectInfo, Storage
from tests.web_server import guarded, handing_out


@pytest.fixture
def media(quick_bucket: tuple[str, str]) -> Storage:
    bucket, url = quick_bucket
    return Storage.open(f"s3://{bucket}", s3_endpoint_url=url)


def test_a_video_is_the_same_wherever_it_lies(media: Storage, inputs: Path) -> None:
    media.put("soccer/clip é.mp4", (inputs / "clip.mp4").read_bytes())
    sources = Sources(media.endpoint)
    here = probe(inputs / "clip.mp4")
    for address in (media.where("soccer/clip é.mp4"), media.link("soccer/clip é.mp4", 60)):
        there = probe(sources.at(str(address)))
        assert there.version == here.version
        assert (there.frames, there.duration_ms, there.fps) == (20, 2000, 10)
        assert "Signature" not in there.source
        with open_media(sources.at(str(address))) as video:
            times = video.times()
            wanted = times.pts.tolist()[3::5]
            assert [frame.pts for frame in video.frames(wanted, times)] == wanted


REFUSED = {
    "nothing there": ("none.mp4", "none.mp4 does not exist; check the address."),
    "nothing in it": ("empty.mp4", r"empty.mp4 is empty \(0 bytes\); upload the file again."),
    "no video": ("text.mp4", "text.mp4 cannot be opened as video"),
    "a cut video": ("cut.mp4", "cut.mp4 (is cut off|cannot be opened)"),
    "no key": ("take\t2.mp4", "cannot be the name of an object: .*; rename it."),
    "no object": ("", "names no object; write s3://bucket/path"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_video_is_refused(name: str, media: Storage, inputs: Path) -> None:
    key, says = REFUSED[name]
    clip = (inputs / "clip.mp4").read_bytes()
    media.put_many([("empty.mp4", b""), ("text.mp4", b"no video" * 99), ("cut.mp4", clip[: len(clip) // 2])])
    with pytest.raises(BadInput, match=says):
        probe(Sources(media.endpoint).at(f"{media.url}/{key}"))


def test_a_server_that_sends_whole_files_alone_is_refused(inputs: Path) -> None:
    says = r"clip.mp4 does not support range requests; copy it to this machine"
    with handing_out(inputs) as url, pytest.raises(BadInput, match=says):
        probe(Sources().at(f"{url}/clip.mp4"))


def test_user_and_password_may_be_in_netrc(inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with guarded((inputs / "clip.mp4").read_bytes(), user="me", password="a word") as (host, _):
        address = f"http://{host}/clip.mp4"
        with pytest.raises(BadInput, match=r"clip.mp4 may not be read; passwords and signatures are not stored: give "):
            probe(Sources().at(address))
        (tmp_path / ".netrc").write_text('machine 127.0.0.1 login me password "a word"')
        (tmp_path / ".netrc").chmod(0o600)
        assert probe(Sources().at(address)).frames == 20
        (tmp_path / ".netrc").write_text("machine")
        with pytest.raises(BadInput, match=r"^~/.netrc cannot be read \("):
            Sources().at(address)


class Counted(Storage):
    """Objects in memory, and which ranges were asked for."""

    def __init__(self, data: bytes) -> None:
        self.data, self.etag, self.asked, self.url = data, "1", [], "s3://b"

    def read_range(self, key: str, start: int, end: int) -> tuple[bytes, ObjectInfo]:
        self.asked.append((start, end))
        return self.data[start:end], ObjectInfo(key, len(self.data), 0.0, self.etag)


def test_blocks_are_read_ahead_once_each_and_no_more_than_needed() -> None:
    store = Counted(bytes(range(256)) * (10 * BLOCK_BYTES // 256) + b"end")
    file = RemoteFile(store, "k", "s3://b/k").opened()
    assert file.read(5) == store.data[:5]
    assert max(start // BLOCK_BYTES for start, _ in store.asked) <= BLOCKS_AHEAD
    assert file.read(-1) == store.data[5:]
    assert (file.tell(), file.read(9)) == (len(store.data), b"")
    blocks = [start for start, end in store.asked if end > 1]
    assert sorted(blocks) == [number * BLOCK_BYTES for number in range(11)], "each once"


def test_a_jump_reads_its_own_block_alone() -> None:
    store = Counted(bytes(20 * BLOCK_BYTES))
    file = RemoteFile(store, "k", "s3://b/k").opened()
    file.seek(-5, 2)
    assert file.read(100) == bytes(5)
    assert [start for start, end in store.asked if end > 1] == [19 * BLOCK_BYTES]


def test_a_file_replaced_while_it_is_read_is_told() -> None:
    store = Counted(bytes(20 * BLOCK_BYTES))
    file = RemoteFile(store, "k", "s3://b/k").opened()
    file.read(1)
    store.etag = "2"
    file.seek(15 * BLOCK_BYTES)
    with pytest.raises(TransientError, match="s3://b/k was replaced while it was read; run again"):
        file.read(1)


def test_the_state_is_looked_up_anew() -> None:
    store = Counted(b"123")
    file = RemoteFile(store, "k", "s3://b/k")
    before = file.state()
    assert file.state() == before
    store.etag = "2"
    assert file.state() != before
