"""What only a real S3 server tells: keys, signatures, checksums, buckets, many objects, a server that goes away."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gpu_service.errors import BadInput, PermanentError, TransientError
from mpr_resources.media.probe import probe
from mpr_resources.media.sources import Sources
from mpr_resources.storage.store import MissingObject, Storage
from tests.services.conftest import Bucket
from tests.services.servers import free_port

MANY = 20_000

CALLS: dict[str, Callable[[Storage], object]] = {
    "write": lambda storage: storage.put("a", b"1"),
    "create": lambda storage: storage.create("a", b"1"),
    "read": lambda storage: storage.get("a"),
    "look up": lambda storage: storage.exists("a"),
    "list": lambda storage: list(storage.list("a")),
    "delete": lambda storage: storage.delete(["a"]),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        pytest.param("AWS_SECRET_ACCESS_KEY", "wrong", r"does not know the keys \(SignatureDoes", id="wrong secret"),
        pytest.param("AWS_ACCESS_KEY_ID", "nobody", r"does not know the keys \(InvalidAccess", id="wrong key"),
    ],
)
def test_wrong_keys(
    call: str, variable: str, value: str, says: str, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(PermanentError, match=says) as refused:
        CALLS[call](Storage.open(bucket.url, s3_endpoint_url=bucket.endpoint_url))
    assert not isinstance(refused.value, MissingObject)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("call", CALLS)
def test_a_bucket_that_is_missing(call: str, bucket: Bucket) -> None:
    with pytest.raises(PermanentError, match=r"The bucket of s3://no-bucket.* does not exist") as refused:
        CALLS[call](Storage.open("s3://no-bucket/p", s3_endpoint_url=bucket.endpoint_url))
    assert not isinstance(refused.value, MissingObject)


def test_no_keys(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(BadInput, match="Missing AccessKeyId"):
        Storage.open(bucket.url, s3_endpoint_url=bucket.endpoint_url)


def test_a_server_that_is_not_there(bucket: Bucket) -> None:
    storage = Storage.open(bucket.url, s3_endpoint_url="http://127.0.0.1:9")
    with pytest.raises(TransientError, match=r"at http://127.0.0.1:9 did not read .* \(connection refused\)"):
        storage.get("a")


def test_an_address_expires(s3_storage: Storage, inputs: Path) -> None:
    s3_storage.put("clip.mp4", (inputs / "clip.mp4").read_bytes())
    short, long = s3_storage.link("clip.mp4", 1), s3_storage.link("clip.mp4", 60)
    assert probe(Sources().at(str(long))).frames == 20
    time.sleep(2.1)
    with pytest.raises(BadInput, match=r"clip.mp4 may not be read; passwords and signatures are not stored"):
        probe(Sources().at(str(short)))
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(str(short), timeout=10)


def test_many_objects_are_listed_as_a_stream(s3_storage: Storage) -> None:
    s3_storage.put_many((f"frames/{number:08d}.jpg", b"") for number in range(MANY))
    listing = s3_storage.list("frames")
    start_s = time.monotonic()
    assert next(listing) == "frames/00000000.jpg"
    first_s = time.monotonic() - start_s
    assert list(listing) == [f"frames/{number:08d}.jpg" for number in range(1, MANY)]
    assert first_s < (time.monotonic() - start_s) / 4, "the first come before the last were asked for"
    assert sum(1 for _ in s3_storage.entries("frames")) == MANY


@pytest.fixture
def wire(bucket: Bucket) -> Iterator[Wire]:
    with Wire(bucket.endpoint_url) as between:
        yield between


def test_what_is_damaged_on_the_way_is_not_stored(bucket: Bucket, wire: Wire) -> None:
    storage = Storage.open(bucket.url, s3_endpoint_url=wire.url)
    storage.put("table", b"the old table")
    wire.damage = (b"the new table", b"the new tuble")
    with pytest.raises(TransientError, match="arrived damaged"):
        storage.put("table", b"the new table")
    wire.damage = None
    assert storage.get("table") == b"the old table"


def test_an_upload_that_breaks_off_leaves_the_old_object(bucket: Bucket, wire: Wire) -> None:
    storage = Storage.open(bucket.url, s3_endpoint_url=wire.url)
    storage.put("table", b"old")
    wire.cut_after_bytes = 1_000_000
    with pytest.raises(TransientError):
        storage.put("table", bytes(3_000_000))
    wire.cut_after_bytes = None
    assert storage.get("table") == b"old"
    assert list(storage.list("")) == ["table"]


class Wire:
    """A connection to the server that damages or cuts what is sent; itself on a port of this machine."""

    def __init__(self, url: str) -> None:
        self._server = ("127.0.0.1", int(url.rpartition(":")[2]))
        self._port = free_port()
        # The signature names the host that the client believes to speak with: that is this one, as the server sees it.
        self.url = f"http://127.0.0.1:{self._port}"
        self.damage: tuple[bytes, bytes] | None = None
        self.cut_after_bytes: int | None = None

    def __enter__(self) -> Wire:
        self._listener = socket.create_server(("127.0.0.1", self._port))
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._server)
            threading.Thread(target=self._pump, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self._pump, args=(server, client, False), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, is_request: bool) -> None:
        passed = 0
        try:
            while data := source.recv(65536):
                if is_request:
                    passed += len(data)
                    if self.cut_after_bytes is not None and passed > self.cut_after_bytes:
                        break
                    if self.damage:
                        data = data.replace(*self.damage)
                target.sendall(data)
        except OSError:
            pass
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
