"""Streams that are pulled: what comes of them is what was sent, and nothing is asked of hosts that may not be."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from gpu_service.errors import BadInput
from mpr_live.sources import limits
from mpr_live.sources.addresses import Address, read_address
from mpr_live.sources.reachable import Reachable
from mpr_live.sources.reading import Reading
from tests.gpu_service.live import free_port
from tests.mpr_live.servers import clip_at, live, payloads, rtsp, taken, web

LIST = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:0\n"


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clip_at(tmp_path_factory.mktemp("pulled") / "clip.ts")


@pytest.fixture
def _this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPR_LIVE_HOSTS", "127.0.0.1")


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("https://me:word@host/a.m3u8?token=abc", Address("pull", "", "https://host/a.m3u8?token=~6249234e5974")),
        ("RTSP://me:word@host/cam", Address("pull", "", "RTSP://me:***@host/cam")),
        ("rtmp://host/live/KEY", Address("pull", "", "rtmp://host/live/***")),
        ("rtmp://127.0.0.1:1935/live/KEY", Address("listen", "", "rtmp://127.0.0.1:1935/live/***")),
        ("rtmp://0.0.0.0/live/KEY", Address("listen", "", "rtmp://0.0.0.0/live/***")),
    ],
)
def test_an_address_says_what_it_is_and_is_shown_without_its_secrets(said: str, meant: Address) -> None:
    found = read_address(said)
    assert (found.kind, found.shown) == (meant.kind, meant.shown)
    assert found.whole.lower() == said.lower()


def test_a_server_of_this_machine_is_pulled_where_that_is_said() -> None:
    assert read_address("rtmp://localhost/live/KEY", pull=True).kind == "pull"


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("", " is no file; check the path."),
        ("nowhere.mp4", "nowhere.mp4 is no file; check the path."),
        ("file:///etc/passwd", "file:///etc/passwd is of a kind that MPR does not take in;"),
        ("concat://a", "concat://a is of a kind that MPR does not take in;"),
        ("http://", "http:// is no address; it looks like https://host/live.m3u8."),
        ("http://host:99999/a", "http://host:99999/a is no address (Port out of range"),
        ("rtmp://127.0.0.1/live", "rtmp://127.0.0.1/live has no stream key;"),
    ],
)
def test_other_addresses_are_refused(said: str, sentence: str) -> None:
    with pytest.raises(BadInput) as refused:
        read_address(said)
    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "2130706433",
        "0.0.0.0",
        "10.1.2.3",
        "192.168.0.9",
        "169.254.169.254",
        "100.64.0.1",
        "224.0.0.1",
        "::1",
        "fe80::1",
        "fd00::1",
        "::ffff:127.0.0.1",
        "64:ff9b::a00:1",
        "2002:a00:1::",
    ],
)
def test_this_machine_and_private_networks_are_reached_by_nobody(host: str) -> None:
    with pytest.raises(BadInput, match="of this machine or of a private network"):
        Reachable.listed("").addresses(host, 80)


@pytest.mark.parametrize(
    ("listed", "resolves_to", "reached"),
    [
        ("", ["8.8.8.8", "10.0.0.1"], ["8.8.8.8"]),
        ("10.0.0.0/8", ["10.0.0.1", "192.168.0.1"], ["10.0.0.1"]),
        ("Camera.local", ["192.168.0.1"], ["192.168.0.1"]),
        ("fd00::/8", ["fd00::5"], ["fd00::5"]),
    ],
)
def test_listed_hosts_are_reached_at_the_addresses_that_were_looked_at(
    listed: str, resolves_to: list[str], reached: list[str]
) -> None:
    asked = []

    def resolve(host: str, *_: object) -> list[tuple[object, ...]]:
        asked.append(host)
        return [(0, 0, 0, "", (one, 80)) for one in resolves_to]

    here = Reachable.listed(listed)
    assert Reachable(here.names, here.networks, resolve).addresses("camera.local", 80) == reached
    assert asked == ["camera.local"], "a name is resolved once: a second answer may be another"


def test_a_list_of_hosts_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(BadInput, match=r"MPR_LIVE_HOSTS lists '10.0.0.0/99'; list names"):
        Reachable.listed("10.0.0.0/99")


@pytest.mark.usefixtures("_this_machine")
def test_a_transport_stream_comes_as_it_was_sent(clip: Path) -> None:
    with web() as pages:
        pages.has("/live.ts", clip.read_bytes())
        found = taken(Reading(live(), f"{pages.address}/live.ts", None))
    assert found.openings == [payloads(clip)]
    assert found.ended is not None
    assert found.ended.error is None


@pytest.mark.usefixtures("_this_machine")
def test_a_stream_that_breaks_off_is_opened_again(clip: Path) -> None:
    with web() as pages:
        pages.has("/live.ts", [clip.read_bytes()])  # of no length that was told
        found = taken(Reading(live(), f"{pages.address}/live.ts", None), most=2 * len(payloads(clip)))
    assert found.openings == [payloads(clip)] * 2
    assert found.away == ["it ended"]


@pytest.mark.usefixtures("_this_machine")
def test_hls_comes_as_it_was_sent_and_is_over_where_its_list_says_so(clip: Path) -> None:
    data = clip.read_bytes()
    half = len(data) // 188 // 2 * 188
    with web() as pages:
        pages.has("/a.m3u8", f"{LIST}#EXTINF:1,\n0.ts\n#EXTINF:1,\n/1.ts\n#EXT-X-ENDLIST\n".encode())
        pages.has("/0.ts", data[:half])
        pages.has("/1.ts", data[half:])
        found = taken(Reading(live(), f"{pages.address}/a.m3u8", None))
    assert found.openings == [payloads(clip)]
    assert pages.asked == ["/a.m3u8", "/0.ts", "/1.ts"]
    assert found.error == "None"


@pytest.mark.usefixtures("_this_machine")
def test_rtsp_comes_as_it_was_sent(clip: Path) -> None:
    with rtsp(clip.read_bytes()) as address:
        found = taken(Reading(live(), address, None), until_away="it ended")
    # Where the last picture of a transport stream ends only the next would tell.
    assert found.openings == [payloads(clip)[:-1]]


@pytest.mark.usefixtures("_this_machine")
def test_rtmp_comes_as_it_was_sent(clip: Path) -> None:
    address = f"rtmp://127.0.0.1:{free_port()}/live/one"
    command = ["ffmpeg", "-v", "error", "-i", str(clip), "-c", "copy", "-f", "flv", "-listen", "1", address]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as server:
        found = taken(Reading(live(), address, None), most=len(payloads(clip)))
        server.kill()
    assert len(found.openings[-1]) == len(payloads(clip))


@pytest.mark.usefixtures("_this_machine")
@pytest.mark.parametrize("to", ["http://127.0.0.2:PORT/live.ts", "http://localhost:PORT/live.ts"])
def test_a_server_that_sends_on_to_a_host_that_may_not_be_reached_is_not_followed(clip: Path, to: str) -> None:
    with web() as pages, web("127.0.0.2") as private:
        private.has("/live.ts", clip.read_bytes())
        port = private.address.rpartition(":")[2]
        pages.sends_on("/live.ts", to.replace("PORT", port).replace("localhost", "127.0.0.2"))
        found = taken(Reading(live(), f"{pages.address}/live.ts", None))
    assert found.error.startswith("127.0.0.2 is of this machine or of a private network, where no session is sent to")
    assert private.asked == []


@pytest.mark.usefixtures("_this_machine")
@pytest.mark.parametrize(
    ("page", "sentence"),
    [
        ((404, b""), "/live answers 404; check the address and its password."),
        ((200, b""), "x cannot be read as a stream (invalid data found when"),
        ((200, b"<html>no stream</html>" * 100), "x cannot be read as a stream (invalid data found when"),
        ((200, LIST + "#EXTINF:1,\nhttp://127.0.0.2:9/0.ts\n"), "127.0.0.2 is of this machine or of a private network"),
        ((200, LIST + "#EXTINF:1,\nfile:///etc/passwd\n"), "Its list names file:///etc/passwd, which is not"),
        ((200, LIST + '#EXT-X-KEY:METHOD=AES-128,URI="http://127.0.0.2:9/k"\n#EXTINF:1,\n0.ts\n'), "127.0.0.2 is of"),
        ((200, LIST + '#EXT-X-KEY:METHOD=AES-128,URI="/live"\n#EXTINF:1,\n0.ts\n'), "encrypted, which is not read"),
        ((200, [LIST.encode(), b"# nothing\n" * 110_000]), "is larger than 1 MB"),
        ((200, [b"FLV\x01\x05\0\0\0\x09\0\0\0\0", b"\x12\0\xff\xff\0\0\0\0\0\0\0" * 200_000]), "It sends 2 MB without"),
    ],
    ids=["missing", "empty", "page", "other host", "file", "key", "encrypted", "list", "metadata"],
)
def test_what_cannot_be_taken_in_says_so(
    monkeypatch: pytest.MonkeyPatch, page: tuple[int, object], sentence: str
) -> None:
    monkeypatch.setattr(limits, "PICTURELESS_BYTES", 2_000_000)
    status, body = page
    with web() as pages:
        pages.has("/live", body.encode() if isinstance(body, str) else body, status)  # type: ignore[arg-type]
        found = taken(Reading(live(), f"{pages.address}/live", None))
    assert sentence in found.error
    assert found.openings == []


@pytest.mark.usefixtures("_this_machine")
def test_rtsp_that_sends_on_is_not_followed(clip: Path) -> None:
    with rtsp(clip.read_bytes()) as other, rtsp(b"", sends_on=other) as address:
        found = taken(Reading(live(), address, None))
    assert found.error == "It sends on to another address, which is not followed"
