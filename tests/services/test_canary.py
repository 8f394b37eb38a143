"""Keys, passwords and signatures of real services are nowhere: printed, stored, logged, in the list of processes.

The video is at a presigned address of S3, results are in S3, the registry is in PostgreSQL.
"""

from __future__ import annotations

import io
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import polars as pl
import psycopg2
from sqlalchemy.engine import make_url

from mpr_assets.definitions import ROOT
from mpr_resources.storage.store import Storage
from tests.services.conftest import Bucket
from tests.services.servers import free_port
from tests.world import BRAND

PASSWORD = "canaryword"


def mpr(environ: Mapping[str, str], folder: Path, *arguments: str) -> tuple[int, str, list[str]]:
    """Exit status, all that it printed, and the command lines of the processes that it started."""
    with (folder / "said.txt").open("w+") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "mpr_cli", *arguments], cwd=ROOT, env=environ, stdout=said, stderr=said
        )
        seen: set[str] = set()
        while process.poll() is None:
            seen.update(children(process.pid))
            time.sleep(0.05)
    return process.returncode, (folder / "said.txt").read_text(), sorted(seen)


def children(number: int) -> Iterator[str]:
    """What `ps` shows of those that a process started."""
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and int((folder / "stat").read_text().rpartition(")")[2].split()[1]) == number:
                yield (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it ended
            continue


def texts(bucket: Bucket, home: Path, database: str) -> Iterator[tuple[str, str]]:
    """All that is kept, by its place."""
    for key, data in bucket.listing().items():
        yield key, data.decode("latin-1")
        if key.endswith(".parquet"):
            table = io.BytesIO(data)
            yield key, f"{pl.read_parquet(table).to_dicts()} {pl.read_parquet_metadata(io.BytesIO(data))}"
    for path in home.rglob("*"):
        if path.is_file():
            yield str(path), path.read_bytes().decode("latin-1")
            if path.read_bytes().startswith(b"SQLite format 3"):
                with closing(sqlite3.connect(path)) as opened:
                    yield str(path), "\n".join(opened.iterdump())
    plain = make_url(database).set(drivername="postgresql").render_as_string(hide_password=False)
    with closing(psycopg2.connect(plain)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
        for (table,) in cursor.fetchall():
            cursor.execute(f'SELECT * FROM "{table}"')
            yield f"table {table}", str(cursor.fetchall())


def test_nothing_keeps_or_shows_a_key(bucket: Bucket, postgres_url: str, inputs: Path, tmp_path: Path) -> None:
    media = Storage.open(f"s3://{bucket.name}/media", s3_endpoint_url=bucket.endpoint_url)
    media.put("clip.mp4", (inputs / "clip.mp4").read_bytes())
    address = media.link("clip.mp4", 600)
    assert address is not None
    [signature] = parse_qs(urlsplit(address).query)["X-Amz-Signature"]
    database = make_url(postgres_url).set(password=PASSWORD).render_as_string(hide_password=False)
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("MPR_TEST", "INFERENCE"))},
        **bucket.environ,
        "DAGSTER_HOME": str(tmp_path / "home"),
        "MPR_PROFILES_DIR": str(inputs / "profiles"),
        "MPR_DATABASE_URL": database,
    }
    secrets = (signature, PASSWORD, bucket.secret)
    printed: list[str] = []
    run = ("run", address, "--name", "match", "--profile", "board", "--brands", str(inputs / "brands.yaml"))
    status, said, processes = mpr(environ, tmp_path, *run)
    assert (status, BRAND in said) == (0, True), said
    assert [line for line in processes if "fenced_process" in line], "the decoder's process was seen"
    printed += [said, *processes]

    wrong = make_url(database).set(port=free_port()).render_as_string(hide_password=False)
    for changed, expected in (
        ({"MPR_DATABASE_URL": wrong}, "cannot be reached"),
        ({"MPR_DATABASE_URL": wrong.replace("postgresql", "pastgresql")}, "MPR_DATABASE_URL starts with"),
        ({"S3_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}"}, "connection refused"),
        ({}, "may not be read"),
    ):
        # Another process knows no signature.
        again = ("replay", "match", "extract_frames", "--set", "fps=3") if not changed else ("brands", "list")
        again = ("report", "match") if "S3_ENDPOINT_URL" in changed else again
        status, said, processes = mpr(environ | changed, tmp_path, *again)
        assert (status != 0, expected in said, "Traceback" in said) == (True, True, False), said
        printed += [said, *processes]

    for secret in secrets:
        assert [text for text in printed if secret in text] == []
        assert [place for place, text in texts(bucket, tmp_path / "home", database) if secret in text] == []
