from __future__ import annotations

import errno
import os
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest

from gpu_service.errors import BadInput, PermanentError, TransientError
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.store import READ_AHEAD, MissingObject, Storage


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage.open(str(tmp_path / "kept"))


@pytest.fixture(params=["folder", "s3"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """A folder, then a bucket: one code path, one behaviour."""
    if request.param == "folder":
        return Storage.open(str(tmp_path / "kept"))
    bucket, url = request.getfixturevalue("quick_bucket")
    return Storage.open(f"s3://{bucket}/some/prefix", s3_endpoint_url=url)


@pytest.mark.parametrize("count", [0, 1, 16, READ_AHEAD, 2 * READ_AHEAD + 1])
def test_many_are_stored_and_read_back_in_order(count: int, either: Storage) -> None:
    objects = [(f"frames/{number:08d}.jpg", b"%d" % number) for number in range(count)]
    either.put_many(iter(objects))
    assert list(either.get_many(key for key, _ in objects)) == [data for _, data in objects]
    assert sorted(either.list("frames")) == [key for key, _ in objects]


def test_of_many_that_fail_the_first_is_told(either: Storage) -> None:
    either.put("a/1", b"1")
    read = either.get_many(["a/1", "a/2", "a/3"])
    assert next(read) == b"1"
    with pytest.raises(MissingObject, match="a/2; materialize"):
        next(read)


def test_no_more_is_read_ahead_than_said(either: Storage) -> None:
    either.put("one", b"1")
    asked = []
    read = either.get_many(asked.append(number) or "one" for number in range(10 * READ_AHEAD))
    assert asked == []
    next(read)
    assert len(asked) == READ_AHEAD
    read.close()


def test_of_many_who_create_an_object_at_once_one_does(either: Storage) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda number: either.create("claims/x", b"%d" % number), range(8)))
    assert made.count(True) == 1
    assert either.get("claims/x") == b"%d" % made.index(True)
    assert not either.create("claims/x", b"later")


def test_keys_that_cannot_be_used_do_not_hide_the_others(quick_bucket: tuple[str, str]) -> None:
    bucket, url = quick_bucket
    storage = Storage.open(f"s3://{bucket}/in", s3_endpoint_url=url)
    client = boto3.client("s3", endpoint_url=url)
    for key in ("in/a.mp4", "in/cup/b.mp4", "in/folder/", "elsewhere.mp4"):
        client.put_object(Bucket=bucket, Key=key, Body=b"1")
    before, bad = storage.readable_entries()
    assert (sorted(one.key for one in before), bad) == (["a.mp4", "cup/b.mp4", "folder"], [])
    for key in ("in/cup//c.mp4", "in/../d.mp4", "in/./e.mp4"):
        client.put_object(Bucket=bucket, Key=key, Body=b"1")
    client.put_object(Bucket=bucket, Key="in/take\t2.mp4", Body=b"1")
    after, bad = storage.readable_entries()
    assert sorted(after, key=str) == sorted(before, key=str)
    odd = "has an empty part or dots for one"
    assert bad == [
        f"'../d.mp4' ({odd})",
        f"'./e.mp4' ({odd})",
        f"'cup//c.mp4' ({odd})",
        "'take\\t2.mp4' (holds a control character)",
    ]


def not_utf8(folder: Path) -> None:
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff.mp4")).write_bytes(b"1")


ODD_ENTRIES: dict[str, tuple[Callable[[Path], object], list[str]]] = {
    "none": (lambda folder: None, []),
    "a tab": (lambda folder: (folder / "a\tb.mp4").write_bytes(b"1"), ["'a\\tb.mp4' (holds a control character)"]),
    "a line's end": (lambda folder: (folder / "a\nb").write_bytes(b"1"), ["'a\\nb' (holds a control character)"]),
    "DEL": (lambda folder: (folder / "\x7f.mp4").write_bytes(b"1"), ["'\\x7f.mp4' (holds a control character)"]),
    "a link to an ancestor": (
        lambda folder: (folder / "cup/all").symlink_to(folder),
        ["'cup/all' (a link to a folder that it lies in)"],
    ),
    "two links to one another": (
        lambda folder: ((folder / "cup/x").symlink_to(folder / "b"), (folder / "b/y").symlink_to(folder / "cup")),
        ["'b/y/x' (a link to a folder that it lies in)", "'cup/x/y' (a link to a folder that it lies in)"],
    ),
    "a link to itself": (
        lambda folder: (folder / "x").symlink_to("x"),
        ["'x' (cannot be read: Too many levels of symbolic links)"],
    ),
    "a link to nothing": (lambda folder: (folder / "x.mp4").symlink_to("none"), []),
    "not UTF-8": (not_utf8, ["'\\udcff.mp4' (not UTF-8)"]),
    "not UTF-8, beside what looks unfinished": (
        lambda folder: (not_utf8(folder), (folder / "ep #12").write_bytes(b"1")),
        ["'\\udcff.mp4' (not UTF-8)"],
    ),
}


@pytest.mark.parametrize("name", ODD_ENTRIES)
def test_one_entry_never_stops_a_listing(name: str, tmp_path: Path) -> None:
    make, passed_over = ODD_ENTRIES[name]
    storage = Storage.open(str(tmp_path))
    storage.put_many([(key, b"1") for key in ("a.mp4", "b/a.mp4", "cup/c.mp4")])
    before = list(storage.entries())
    make(tmp_path)
    found, bad = storage.readable_entries()
    assert {one.key: one for one in found if "/x/" not in one.key and "/y/" not in one.key} == {
        one.key: one for one in before
    }
    assert bad == passed_over


@pytest.mark.parametrize("also", ["nothing", "what no listing shows"])
def test_a_link_out_of_the_folder_is_passed_over_and_one_within_is_not(also: str, tmp_path: Path) -> None:
    for folder in ("media/cup", "beside"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "a.mp4").write_bytes(b"1")
    (tmp_path / "linked").symlink_to("media")
    (tmp_path / "media/in.mp4").symlink_to("cup/a.mp4")
    (tmp_path / "media/again").symlink_to("cup")
    (tmp_path / "media/out.mp4").symlink_to(tmp_path / "beside/a.mp4")
    (tmp_path / "media/x").symlink_to("../beside")
    (tmp_path / "media/cup/y.mp4").symlink_to("../../beside/../beside/a.mp4")
    odd = []
    if also != "nothing":
        (tmp_path / "media/a\tb").write_bytes(b"1")
        odd = ["'a\\tb' (holds a control character)"]
    found, bad = Storage.open(str(tmp_path / "linked")).readable_entries()
    assert sorted(one.key for one in found) == ["again/a.mp4", "cup/a.mp4", "in.mp4"]
    out = [f"'{key}' (a link out of the folder)" for key in ("cup/y.mp4", "out.mp4", "x/a.mp4")]
    assert bad == sorted([*odd, "'again/y.mp4' (a link out of the folder)", *out])


def test_a_folder_that_may_not_be_read_is_named_and_the_rest_is_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = Storage.open(str(tmp_path))
    storage.put_many([("a.mp4", b"1"), ("locked/b.mp4", b"1")])
    (tmp_path / "x\ty").write_bytes(b"1")  # obstore gives the listing up
    really = os.scandir

    def scandir(folder: Path) -> Any:
        if Path(folder).name == "locked":  # the tests may run as root, who may read everything
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return really(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    found, bad = storage.readable_entries()
    assert [one.key for one in found] == ["a.mp4"]
    assert bad == ["'locked' (cannot be read: Permission denied)", "'x\\ty' (holds a control character)"]


def test_a_key_that_cannot_be_is_refused_in_a_sentence(either: Storage) -> None:
    calls: list[Callable[[str], object]] = [either.get, either.entry, either.exists, lambda key: either.put(key, b"")]
    for call in calls:
        with pytest.raises(BadInput, match=r"a\\tb.mp4' cannot be the name of an object.*rename it\."):
            call("in/a\tb.mp4")


def test_what_a_killed_process_was_writing_is_deleted_after_a_while(tmp_path: Path) -> None:
    storage = Storage.open(str(tmp_path))
    storage.put("frames/1.jpg", b"whole")
    names = ["frames/2.jpg#1", "frames/2.jpg#12", "frames/new.jpg#1", "frames/a#b.jpg"]
    for name in names:
        (tmp_path / name).write_bytes(b"half")
        os.utime(tmp_path / name, (0, 0) if "new" not in name else None)
    storage.delete_unfinished("frames", 3600)
    assert sorted(path.name for path in (tmp_path / "frames").iterdir()) == ["1.jpg", "a#b.jpg", "new.jpg#1"]


@pytest.mark.parametrize(
    ("start", "end", "bytes_"),
    [
        pytest.param(0, 1, b"0", id="the first byte"),
        pytest.param(2, 5, b"234", id="in the middle"),
        pytest.param(8, 99, b"89", id="past the end"),
        pytest.param(0, 10, b"0123456789", id="all"),
    ],
)
def test_a_range_is_read(start: int, end: int, bytes_: bytes, either: Storage) -> None:
    either.put("media/x.mp4", b"0123456789")
    data, entry = either.read_range("media/x.mp4", start, end)
    assert (data, entry) == (bytes_, either.entry("media/x.mp4"))
    assert entry.size_bytes == 10
    assert entry.etag


def test_objects_are_copied_looked_up_and_deleted(either: Storage) -> None:
    either.put_many([("a/1", b"1"), ("a/2", b"22")])
    either.copy({"a/1": "b/1", "a/2": "b/2"})
    assert {entry.key: entry.size_bytes for entry in either.entries("b")} == {"b/1": 1, "b/2": 2}
    assert either.exists("b/1")
    assert either.folders("") == ["a", "b"]
    either.delete_below("b")
    assert not either.exists("b/1")
    assert list(either.entries("b")) == []
    with pytest.raises(MissingObject, match="b/1"):
        either.entry("b/1")


def test_a_link_opens_without_keys(either: Storage) -> None:
    either.put("reports/m/report.html", b"<html>")
    link = either.link("reports/m/report.html", 60)
    if either.where("x").startswith("s3://"):
        with urllib.request.urlopen(str(link), timeout=10) as answer:
            assert answer.read() == b"<html>"
    else:
        assert link is None


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
    "an endpoint with a password": (
        "s3://b",
        "http://me:word@minio:9000",
        "S3_ENDPOINT_URL holds a user or a password",
    ),
    "another host": ("file://data/x", None, "names the host 'data'"),
    "below a file": ("/dev/null/x", None, "cannot be made"),
    "a null byte": ("/tmp/\0", None, "cannot be made"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_url_that_cannot_be_used_is_refused(name: str) -> None:
    url, endpoint, says = REFUSED[name]
    with pytest.raises(BadInput, match=says):
        Storage.open(url, s3_endpoint_url=endpoint)


WEB_URLS = {
    "a host": ("https://reports.example", "https://reports.example/reports/%E8%A9%A6%E5%90%88/report.html"),
    "a path": ("http://h:8001/mpr/", "http://h:8001/mpr/reports/%E8%A9%A6%E5%90%88/report.html"),
    "none": (None, None),
    "a folder": ("/data/mpr", BadInput),
    "a password": ("https://user:secret@h/mpr", BadInput),
    "a signature": ("https://h/mpr?sig=secret", BadInput),
}


@pytest.mark.parametrize("case", WEB_URLS)
def test_the_address_on_the_web(case: str, tmp_path: Path) -> None:
    url, expected = WEB_URLS[case]
    if expected is BadInput:
        with pytest.raises(BadInput, match=r"^MPR_STORAGE_WEB_URL is not a plain http or https address; ") as refused:
            Storage.open(str(tmp_path), web_url=url)
        assert "secret" not in str(refused.value)
    else:
        assert Storage.open(str(tmp_path), web_url=url).web("reports/試合/report.html") == expected


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
