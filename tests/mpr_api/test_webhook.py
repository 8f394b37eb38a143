from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from gpu_service.errors import BadInput
from mpr_api import webhook
from mpr_api.webhook import (
    MOST_BYTES,
    BucketEvent,
    bucket_of,
    noticed_keys,
    webhook_app,
)
from mpr_resources.storage.notices import noticed
from mpr_resources.storage.store import Storage

BEARER = {"Authorization": "Bearer secret"}


def record(key: str, event: str = "ObjectCreated:Put", bucket: str = "media") -> dict[str, Any]:
    return {"eventName": event, "s3": {"bucket": {"name": bucket, "arn": "x"}, "object": {"key": key, "size": 1}}}


@pytest.mark.parametrize(
    ("records", "keys"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param([record("in/cup/a.mp4")], ["cup/a.mp4"], id="as AWS says it"),
        pytest.param([record("in/a.mp4", "s3:ObjectCreated:CompleteMultipartUpload")], ["a.mp4"], id="as MinIO does"),
        pytest.param([record("in/cup+2/%C3%A9%2B.mp4")], ["cup 2/é+.mp4"], id="keys are encoded"),
        pytest.param([record("in/a.mp4"), record("in/a.mp4"), record("in/b.mp4")], ["a.mp4", "b.mp4"], id="twice"),
        pytest.param([record("in/a.mp4.yaml")], ["a.mp4"], id="a sidecar"),
        pytest.param([record("in/a.txt")], [], id="no media"),
        pytest.param([record("other/a.mp4")], [], id="beside the prefix"),
        pytest.param([record("in/a.mp4", bucket="x")], [], id="another bucket"),
        pytest.param([record("in/a.mp4", "ObjectRemoved:Delete")], [], id="deleted"),
        pytest.param([record("in/../a.mp4"), record("in/%2e%2e/a.mp4")], [], id="out of the prefix"),
        pytest.param([record("in/x/../../a.mp4"), record("in/./a.mp4")], [], id="out of it further in"),
        pytest.param([record("in//a.mp4"), record("in/x//a.mp4")], [], id="a folder without name"),
        pytest.param([record("in/a%00.mp4"), record("in/a%0A.mp4")], [], id="unprintable"),
        pytest.param([record("in/\ud800.mp4")], [], id="half a character"),
        pytest.param([record("in/" + "a" * 1020 + ".mp4")], ["a" * 1020 + ".mp4"], id="as long as S3 lets it be"),
        pytest.param([record("in/" + "a" * 1021 + ".mp4")], [], id="longer"),
    ],
)
def test_which_files_an_event_is_about(records: list[dict[str, Any]], keys: list[str]) -> None:
    assert noticed_keys(BucketEvent.model_validate({"Records": records}), "media", "in/") == keys


@pytest.mark.parametrize(
    ("url", "expected"),
    [("s3://media", ("media", "")), ("s3://media/", ("media", "")), ("s3://media/in/x/", ("media", "in/x/"))],
)
def test_bucket_of(url: str, expected: tuple[str, str]) -> None:
    assert bucket_of(url) == expected


@pytest.mark.parametrize(
    ("url", "token", "said"),
    [
        pytest.param("s3://media", "", "set MPR_WEBHOOK_TOKEN", id="no token"),
        pytest.param("/media", "secret", "only buckets report new objects", id="a folder"),
        pytest.param("", "secret", "only buckets report new objects", id="nothing watched"),
    ],
)
def test_a_webhook_that_cannot_work_does_not_start(tmp_path: Path, url: str, token: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        webhook_app(Storage.open(str(tmp_path)), url, token)


def post(storage: Storage, body: bytes | AsyncIterator[bytes], headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
    async def answer() -> httpx2.Response:
        transport = httpx2.ASGITransport(app=webhook_app(storage, "s3://media/in", "secret"))
        async with httpx2.AsyncClient(transport=transport, base_url="http://webhook") as http:
            return await http.post("/", content=body, headers=headers)

    answered = asyncio.run(answer())
    return answered.status_code, answered.json()


@pytest.mark.parametrize(
    ("body", "headers", "status", "said"),
    [
        pytest.param(b"", BEARER, 400, "This is not an S3 event: the body: Invalid JSON", id="empty"),
        pytest.param(b"{}", BEARER, 400, "This is not an S3 event: Records: Field required.", id="another document"),
        pytest.param(b'{"Records": [{}]}', BEARER, 400, "This is not an S3 event: Records.0.eventName", id="no name"),
        pytest.param(b"\xff{", BEARER, 400, "This is not an S3 event: the body", id="no text"),
        pytest.param(b" " * (MOST_BYTES + 1), BEARER, 413, "The event is larger than", id="too large"),
        pytest.param(b"{}", {}, 401, "The bearer token is missing or wrong.", id="no token"),
        pytest.param(b"{}", {"Authorization": "Bearer x"}, 401, "The bearer token is missing", id="another token"),
        pytest.param(b"{}", {"Authorization": "secret"}, 401, "The bearer token is missing", id="no bearer"),
        pytest.param(
            b"{}",
            {**BEARER, "Origin": "https://evil.example"},
            403,
            "Pages of other servers may ask nothing",
            id="page",
        ),
    ],
)
def test_what_is_refused(tmp_path: Path, body: bytes, headers: dict[str, str], status: int, said: str) -> None:
    storage = Storage.open(str(tmp_path))
    code, answer = post(storage, body, headers)
    kind = "refused" if status in (401, 403) else "bad_input"
    assert (code, answer["error"][: len(said)], answer["kind"]) == (status, said, kind)
    assert list(noticed(storage)) == []


def test_an_event_that_does_not_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "BODY_TIMEOUT_S", 0.2)

    async def drips() -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(0.05)

    assert post(Storage.open(str(tmp_path)), drips(), BEARER) == (
        408,
        {"error": "The event did not arrive within 0.2 s.", "kind": "busy"},
    )


def test_an_event_leaves_a_notice_of_each_file(tmp_path: Path) -> None:
    storage = Storage.open(str(tmp_path))
    event = {"Records": [record("in/a.mp4"), record("in/cup/b+1.mp4"), record("in/c.txt")]}
    for _ in range(2):
        assert post(storage, json.dumps(event).encode(), BEARER) == (202, {"noticed": 2, "ignored": 1})
    assert sorted(noticed(storage)) == ["a.mp4", "cup/b 1.mp4"]


def test_the_old_command_says_where_the_webhook_went() -> None:
    ran = subprocess.run([sys.executable, "-m", "mpr_assets.webhook"], capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert ran.stderr == "mpr: the webhook is in mpr_api now; start it with: python -m mpr_api.webhook\n"
