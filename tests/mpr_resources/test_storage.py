from __future__ import annotations

from pathlib import Path

import pytest

from gpu_service.errors import BadInput, PermanentError, TransientError
from mpr_resources.storage import Keys, MissingObject, Storage


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage.open(str(tmp_path / "kept"))


@pytest.mark.parametrize("key", ["a", "a/b/c.parquet", "reports/Größe-界_1/x.csv"])
@pytest.mark.parametrize("data", [b"", b"12", bytes(3_000_000)], ids=["empty", "small", "3 MB"])
def test_what_is_put_is_got(storage: Storage, key: str, data: bytes) -> None:
    assert not storage.exists(key)
    storage.put(key, data)
    assert storage.exists(key)
    assert storage.get(key) == data
    assert Path(storage.where(key)).read_bytes() == data


def test_a_put_replaces_and_leaves_nothing_beside(storage: Storage, tmp_path: Path) -> None:
    storage.put("a/b", b"old")
    storage.put("a/b", b"new")
    assert storage.get("a/b") == b"new"
    assert [path.name for path in (tmp_path / "kept" / "a").iterdir()] == ["b"]


def test_a_missing_object_is_named(storage: Storage, tmp_path: Path) -> None:
    with pytest.raises(MissingObject) as error:
        storage.get("stages/x.parquet")
    assert str(error.value) == f"There is nothing at {tmp_path}/kept/stages/x.parquet; materialize what makes it."


def test_a_folder_is_listed_and_deleted(storage: Storage) -> None:
    for key in ("a/1", "a/2", "a/deep/3", "ab/4"):
        storage.put(key, b"")
    assert sorted(storage.list("a")) == ["a/1", "a/2", "a/deep/3"]
    assert list(storage.list("nothing")) == []
    storage.delete(["a/1", "a/not there"])
    assert sorted(storage.list("a")) == ["a/2", "a/deep/3"]
    storage.delete_below("a")
    assert list(storage.list("a")) == []
    assert storage.exists("ab/4")


def test_a_storage_that_is_in_the_way_of_itself_may_be_tried_again(storage: Storage) -> None:
    storage.put("a", b"a file")
    with pytest.raises(TransientError, match=r"The storage did not write .*/kept/a/b \("):
        storage.put("a/b", b"")


OPENED = {
    "a folder": ("{tmp}/new/deep", "{tmp}/new/deep/k"),
    "a file URL": ("file://{tmp}/new", "{tmp}/new/k"),
    "a file URL with a space": ("file://{tmp}/a%20b", "{tmp}/a b/k"),
    "a file URL on localhost": ("file://localhost{tmp}/new", "{tmp}/new/k"),
    "a folder with a space": ("{tmp}/a b#c", "{tmp}/a b#c/k"),
}


@pytest.mark.parametrize("name", OPENED)
def test_a_folder_is_made_where_the_url_says(name: str, tmp_path: Path) -> None:
    url, where = (text.format(tmp=tmp_path) for text in OPENED[name])
    storage = Storage.open(url)
    storage.put("k", b"here")
    assert storage.where("k") == where
    assert Path(where).read_bytes() == b"here"


def test_a_bucket_is_opened_without_asking_it() -> None:
    storage = Storage.open("s3://bucket/some/prefix", s3_endpoint_url="http://127.0.0.1:9")
    assert storage.where("reports/x.html") == "s3://bucket/some/prefix/reports/x.html"


REFUSED = {
    "another scheme": ("ftp://host/x", None, "starts with ftp://"),
    "no bucket": ("s3://", None, "names no bucket"),
    "no bucket but a prefix": ("s3:///prefix", None, "names no bucket"),
    "an endpoint that is no URL": ("s3://b", "minio:9000", "is not a URL"),
    "another host": ("file://data/x", None, "names the host 'data'"),
    "below a file": ("/dev/null/x", None, "cannot be made"),
    "a null byte": ("/tmp/\0", None, "cannot be made"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_url_that_cannot_be_used_is_refused(name: str) -> None:
    url, endpoint, says = REFUSED[name]
    with pytest.raises(BadInput, match=says):
        Storage.open(url, s3_endpoint_url=endpoint)


def test_the_public_layout() -> None:
    made_by = "0123456789abcdef" * 4
    assert [
        Keys.spec("match"),
        Keys.table("run_ocr", "match"),
        Keys.frames("match", made_by),
        Keys.crops("match", made_by),
        Keys.overlay("match", "run-1", "run_ocr", 7, "boxes"),
        Keys.report("match", "report.html"),
    ] == [
        "timelines/match.json",
        "stages/run_ocr/match.parquet",
        "cache/timelines/match/frames/0123456789abcdef",
        "cache/timelines/match/crops/0123456789abcdef",
        "cache/timelines/match/overlays/run-1/run_ocr/00000007_boxes.png",
        "reports/match/report.html",
    ]


def test_missing_is_permanent() -> None:
    assert issubclass(MissingObject, PermanentError)
