"""What is secret in addresses is nowhere: not in what is stored, logged or printed."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest

from mpr_resources.media import sources
from tests.gpu_service.live import free_port
from tests.mpr_cli.conftest import Mpr, Said
from tests.web_server import guarded
from tests.world import BRAND

USER, PASSWORD, SIGNATURE, TOKEN = "canaryuser", "canaryword", "canarysign", "canarytoken"
SECRETS = (USER, PASSWORD, SIGNATURE, TOKEN)


def texts(folder: Path) -> Iterator[tuple[Path, str]]:
    """All that files hold, with that of tables and databases as text."""
    for path in folder.rglob("*"):
        if path.is_file():
            yield path, path.read_bytes().decode("latin-1")
            if path.suffix == ".parquet":
                yield path, str(pl.read_parquet(path).to_dicts()) + str(pl.read_parquet_metadata(path))
            elif path.read_bytes().startswith(b"SQLite format 3"):
                with closing(sqlite3.connect(path)) as database:
                    yield path, "\n".join(database.iterdump())


def shown(said: Said) -> str:
    return said.out + said.err


def test_nothing_keeps_or_shows_a_secret(
    mpr: Mpr, home: Path, inputs: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    printed: list[str] = []
    content, needs = (inputs / "clip.mp4").read_bytes(), f"Signature={SIGNATURE}"
    with guarded(content, user=USER, password=PASSWORD, needs=needs) as (host, guard):
        plain = f"http://{host}/a/clip.mp4?id=7"
        address = f"http://{USER}:{PASSWORD}@{host}/a/clip.mp4?id=7&token={TOKEN}&Expires=9&Signature={SIGNATURE}"
        ran = mpr.said("run", address, "--brands", str(inputs / "brands.yaml"), "--json")
        assert [one["brand"] for one in json.loads(ran.out)["brands"]] == [BRAND]
        printed.append(shown(ran))
        again = mpr.said("run", address.replace("Expires=9", "Expires=10"), "--brands", str(inputs / "brands.yaml"))
        assert "compile_report: 1 row as stored" in again.err, "signed anew, it is the same video"
        printed.append(shown(again))

        [chunk] = json.loads(mpr("timeline", "show", "clip", "--json"))["chunks"]
        assert re.fullmatch(re.escape(plain) + "&token=~[0-9a-f]{12}", chunk["source"])

        guard.closed = True
        refused = mpr.said("replay", "clip", "extract_frames", "--set", "fps=3")
        assert "clip.mp4?id=7&token=*** may not be read; " in refused.err
        guard.closed = False

        # Another process knows no secret: the video is not asked for, nor found changed.
        monkeypatch.setattr(sources, "_given", {})
        status = mpr.said("status", "clip", "--json")
        assert {one["state"] for one in json.loads(status.out)["timelines"][0]["stages"]} == {"fresh"}
        created = mpr.said("timeline", "create", address, "--name", "later")
        assert "may not be read; passwords and signatures are not stored: give mpr run" in created.err
        printed += map(shown, (status, refused, created))

    # A host that is away, with a password of its own.
    monkeypatch.setenv("INFERENCE_URL", f"http://{USER}:{PASSWORD}@127.0.0.1:{free_port()}")
    monkeypatch.setenv("INFERENCE_GIVE_UP_AFTER_S", "0")
    away = mpr.said("replay", "clip", "run_ocr", "--set", "full_scan_every=3")
    assert "The inference host http://***@127.0.0.1" in away.err
    printed.append(shown(away))
    for argv in (("doctor",), ("run", address, "--nothing")):
        printed.append(shown(mpr.said(*argv)))

    for secret in SECRETS:
        assert [text for text in [*printed, caplog.text] if secret in text] == []
        assert [str(path) for path, text in texts(home) if secret in text] == []
