"""Files that name other files and addresses: wherever they lie, they are refused and nothing is fetched."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gpu_service.errors import BadInput
from mpr_resources.media.probe import probe
from mpr_resources.media.sources import Source, Sources
from mpr_resources.storage.store import Storage
from tests.clips import write_numbered


class Trick:
    """What a hostile file may name: another video of this machine, and an address that counts who comes."""

    def __init__(self, folder: Path) -> None:
        self.other = write_numbered(folder / "other.mp4", 5)
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.port = self.socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/other.mp4"

    def visits(self) -> int:
        try:
            self.socket.accept()[0].close()
        except BlockingIOError:
            return 0
        return 1 + self.visits()


@pytest.fixture
def trick(tmp_path: Path) -> Iterator[Trick]:
    (tmp_path / "other").mkdir()
    made = Trick(tmp_path / "other")
    yield made
    made.socket.close()


def playlist(entry: str, *, end: bool = True) -> bytes:
    return f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{entry}\n{'#EXT-X-ENDLIST' * end}\n".encode()


def dash(entry: str) -> bytes:
    return (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
        'mediaPresentationDuration="PT5S"><Period><AdaptationSet mimeType="video/mp4"><Representation id="1" '
        f'bandwidth="1"><BaseURL>{entry}</BaseURL></Representation></AdaptationSet></Period></MPD>'
    ).encode()


def box(kind: bytes, *content: bytes) -> bytes:
    body = b"".join(content)
    return (8 + len(body)).to_bytes(4, "big") + kind + body


def reference_movie(entry: str) -> bytes:
    address = entry.encode() + b"\0"
    reference = box(b"rdrf", bytes(4), b"url ", len(address).to_bytes(4, "big"), address)
    return box(b"ftyp", b"qt  ", bytes(4)) + box(b"moov", box(b"rmra", box(b"rmda", reference)))


def outside_track(clip: bytes, entry: str) -> bytes:
    """The clip, its track's data said to lie in another file (an alias in `dref`, as QuickTime writes it)."""
    path = entry.encode()
    alias = bytes(8) + bytes(2) + bytes(28) + bytes(12 + 64 + 16 + 8) + (2).to_bytes(2, "big")
    alias += len(path).to_bytes(2, "big") + path + b"\0" * (len(path) % 2) + b"\xff\xff\0\0"
    old, new = box(b"url ", b"\0\0\0\1"), box(b"alis", bytes(4), alias)
    at = clip.index(old)
    grown = bytearray(clip[:at] + new + clip[at + len(old) :])
    for name in (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"):
        start = grown.index(name) - 4
        size = int.from_bytes(grown[start : start + 4], "big") + len(new) - len(old)
        grown[start : start + 4] = size.to_bytes(4, "big")
    return bytes(grown)


LIST = "names other media, which are not followed; name the video files themselves"
Make = Callable[[Trick], bytes]
TRICKS: dict[str, tuple[str, Make, str]] = {
    "nothing": ("clip.mp4", lambda t: b"", r"empty \(0 bytes\)"),
    "HLS, another file": ("clip.mp4", lambda t: playlist(str(t.other)), LIST),
    "HLS named as a query": ("clip.m3u8?x.mp4", lambda t: playlist(str(t.other)), LIST),
    "HLS, file address": ("clip.m3u8", lambda t: playlist(f"file://{t.other}"), LIST),
    "HLS, an address": ("clip.m3u8", lambda t: playlist(t.url), LIST),
    "HLS without end": ("clip.ts", lambda t: playlist(t.url, end=False), LIST),
    "HLS, key at an address": (
        "clip.m3u8",
        lambda t: playlist(f'x.ts\n#EXT-X-KEY:METHOD=AES-128,URI="{t.url}"'),
        LIST,
    ),
    "HLS, part of a file": ("clip.m3u8", lambda t: playlist(f"subfile,,start,0,end,0,,:{t.other}"), LIST),
    "HLS, crypto": ("clip.m3u8", lambda t: playlist(f"crypto:{t.other}"), LIST),
    "HLS, data": ("clip.m3u8", lambda t: playlist("data:video/mp4;base64,AAAA"), LIST),
    "DASH, an address": ("clip.mpd", lambda t: dash(t.url), LIST),
    "DASH named mp4": ("clip.mp4", lambda t: dash(str(t.other)), LIST),
    "concat, another file": ("clip.mp4", lambda t: f"ffconcat version 1.0\nfile '{t.other}'\n".encode(), LIST),
    "concat, an address": ("clip.mkv", lambda t: f"ffconcat version 1.0\nfile {t.url}\n".encode(), LIST),
    "concat, itself": ("clip.mp4", lambda t: b"ffconcat version 1.0\nfile clip.mp4\nfile clip.mp4\n", LIST),
    "concat, many": ("clip.mp4", lambda t: b"ffconcat version 1.0\n" + b"file clip.mp4\n" * 200_000, LIST),
    "SDP": (
        "clip.sdp",
        lambda t: (
            b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=video 5004 RTP/AVP 96\r\n"
            b"a=rtpmap:96 H264/90000\r\n"
        ),
        LIST,
    ),
    "SDP named mp4": ("clip.mp4", lambda t: b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\nm=video 5004 RTP/AVP 96\r\n", LIST),
    "ASX": ("clip.asx", lambda t: f'<ASX version="3.0"><ENTRY><REF HREF="{t.url}"/></ENTRY></ASX>'.encode(), LIST),
    "ASF reference": ("clip.wmv", lambda t: f"[Reference]\r\nRef1={t.url}\r\n".encode(), LIST),
    "PLS": ("clip.mp4", lambda t: f"[playlist]\nFile1={t.url}\n".encode(), LIST),
    "reference movie, another file": ("clip.mov", lambda t: reference_movie(f"file://{t.other}"), "holds no video"),
    "reference movie, an address": ("clip.mov", lambda t: reference_movie(t.url), "holds no video"),
    "a track elsewhere": (
        "clip.mov",
        lambda t: outside_track(t.other.read_bytes(), str(t.other)),
        "cannot be|damaged|without a frame",
    ),
    "numbered pictures": ("clip%03d.png", lambda t: b"\x89PNG\r\n\x1a\n" + bytes(99), "is a picture|cannot be opened"),
}


@pytest.fixture(params=["folder", "bucket", "web"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str, bytes], Source]:
    """Puts a file where videos may lie and opens it from there."""
    if request.param == "folder":

        def save(name: str, content: bytes) -> Source:
            (tmp_path / name).write_bytes(content)
            return Sources().at(str(tmp_path / name))

        return save
    bucket, url = request.getfixturevalue("quick_bucket")
    store = Storage.open(f"s3://{bucket}", s3_endpoint_url=url)

    def put(name: str, content: bytes) -> Source:
        store.put(name, content)
        address = store.where(name) if request.param == "bucket" else store.link(name, 60)
        return Sources(store.endpoint).at(str(address))

    return put


@pytest.mark.parametrize("name", TRICKS)
def test_a_file_that_names_media_is_refused(name: str, trick: Trick, place: Callable[[str, bytes], Source]) -> None:
    file, make, says = TRICKS[name]
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    began = time.monotonic()
    source = place(file, make(trick))
    with pytest.raises(BadInput, match=says):
        probe(source)
    assert time.monotonic() - began < 10
    assert trick.visits() == 0
    assert (
        len(list(Path("/proc/self/fd").iterdir())) <= descriptors + 8
    )  # connections to the file's own server are kept open


@pytest.mark.parametrize("address", ["subfile,,start,0,end,0,,:a.mp4", "concat:a.mp4|b.mp4", "data:a", "file:a.mp4"])
def test_a_protocol_is_no_address(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_numbered(tmp_path / "a.mp4", 2)
    with pytest.raises(BadInput, match="does not exist; check the path"):
        probe(address)
