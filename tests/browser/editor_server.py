"""A browser, and a finished timeline with Dagster's daemon and `mpr serve` beside it, for the tests of pages.

    python -m tests.browser.editor_server COMMAND...      runs the command with them, and stops them

The command finds the page at `MPR_EDITOR_URL`, a browser at `CHROMIUM`, this Python at `MPR_PYTHON` and a
video at `MPR_CLIP`. Chromium is fetched from Debian's packages where it is not installed, which takes a user who may.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import dagster as dg
import polars as pl

from bench import browser
from mpr_assets.report.exposures import ExposureSettings
from mpr_assets.sessions.session import Analysed, LiveState
from mpr_assets.sessions.session_report import make_session_report
from mpr_assets.sessions.session_store import INGEST, STATE
from mpr_resources.cloud import ledger
from mpr_resources.database.connection import Database
from mpr_resources.environment import ROOT, dagster_settings
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.store import Storage
from mpr_resources.storage.tables import StageTable, read_table, to_parquet
from tests.gpu_service.live import free_port
from tests.live_sessions import analyse, record, write_clock
from tests.world import BRAND, TIMELINE, World, see, write_inputs

START_S = 60


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="mpr-editor-") as name, ExitStack() as stack:
        folder = Path(name)
        environ = os.environ | {"CHROMIUM": chromium(), **world(folder)}
        url = f"http://127.0.0.1:{(port := free_port())}"
        stack.enter_context(running(environ, "dagster_daemon", "dagster._daemon", "run", "-w", ROOT / "workspace.yaml"))
        stack.enter_context(running(environ, "mpr_serve", "mpr_cli", "serve", "--port", str(port)))
        wait_for(f"{url}/health")
        environ |= {"MPR_EDITOR_URL": url, "MPR_PYTHON": sys.executable}
        return subprocess.run(sys.argv[1:], env=environ, check=False).returncode


def world(folder: Path) -> dict[str, str]:
    """Makes the finished timeline; gives the environment that leads to it."""
    (folder / "inputs").mkdir()
    (folder / "dagster").mkdir()
    write_inputs(folder / "inputs")
    shutil.copy(dagster_settings(), folder / "dagster")
    with dg.DagsterInstance.from_config(str(folder / "dagster")) as instance:
        made = World(folder / "inputs", folder / "storage", instance)
        made.register()
        assert made.run().success
        live_session(made, folder)
        said_and_paid(made)
        looked_at = made.table("filter_scenes", "derby-000000").rows.filter("kept")["seq"]
        see(made, *((seq, "person", (100, 200, 60, 140)) for seq in looked_at), timeline="derby-000000")
        see(made, (2, "person", (100, 200, 60, 140)), (2, "car", (300, 220, 200, 100)))
        return {
            **made.environ,
            "DAGSTER_HOME": str(folder / "dagster"),
            "MPR_MEDIA_URL": str(folder / "media"),
            "MPR_CLIP": str(folder / "inputs" / "clip.mp4"),
            "PYTHONPATH": str(ROOT),
        }


def said_and_paid(made: World) -> None:
    """What the stages that are off would have left: a mention in the sound, a request to a provider."""
    storage = Storage.open(str(made.storage_folder))
    stored = read_table(storage, "match_speech", TIMELINE)
    mention = {"brand": BRAND, "start_ms": 600, "end_ms": 1400, "confidence": 0.8, "source": "speech"}
    rows = pl.DataFrame([{**mention, "text": BRAND, "context": f"by {BRAND}", "chunk": 0}], schema=stored.rows.schema)
    storage.put(Keys.table("match_speech", TIMELINE), to_parquet(StageTable(rows, stored.header)))
    row = ledger.LedgerRow(
        id=ledger.new_id(1),
        time_ms=1,
        timeline=TIMELINE,
        stage="escalate_cloud",
        provider="groq",
        model="m",
        crops=2,
        tokens_in=300,
        tokens_out=20,
        tokens_cached=0,
        micro_usd=123_456,
        milliseconds=900,
        outcome=ledger.ANSWERED,
        run="r",
    )
    Database(made.environ["MPR_DATABASE_URL"]).write(lambda connection: ledger.enter(connection, [row]))


def live_session(made: World, folder: Path) -> None:
    """`derby`, a session of two epochs that has ended; of its four windows the first is analysed."""
    store = record(made, folder / "scratch", "derby", write_clock(folder / "clock.mp4", 100))
    analyse(made, store, 0, on=("visual_properties", "motion"))
    store.put_analysed(Analysed(number=0, status="analysed", lag_ms=1500))
    store.put_analysed(Analysed(number=1, status="failed", reason="run_ocr failed"))
    for number in (2, 3):
        store.put_analysed(Analysed(number=number, status="skipped", reason="the analysis was 9 s behind"))
    store.put(INGEST, store.ingest().model_copy(update={"ended": True}))
    store.put(STATE, LiveState(status="inactive"))
    make_session_report(store, ExposureSettings())


@contextmanager
def running(environ: dict[str, str], name: str, module: str, *arguments: object) -> Iterator[None]:
    """A process of this Python, ended with all that it started; what it printed is shown when it fell over."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, env=environ, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)
        try:
            yield
        finally:
            if process.poll() is not None:
                log.seek(0)
                print(f"{name} ended with {process.returncode}:\n{log.read().decode()}", file=sys.stderr)
            else:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait(timeout=30)


def wait_for(url: str) -> None:
    until_s = time.monotonic() + START_S
    while time.monotonic() < until_s:
        try:
            urllib.request.urlopen(url, timeout=5)
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise SystemExit(f"{url} does not answer after {START_S} s")


def chromium() -> str:
    """The browser's program, installed where it is missing."""
    if browser.chromium() is None and shutil.which("apt-get") and os.geteuid() == 0:
        subprocess.run(["apt-get", "update", "-qq"], check=True)
        subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"], check=True)
    found = browser.chromium()
    if found is None:
        raise SystemExit("No Chromium is on this machine: install it, or name its program in CHROMIUM.")
    return found


if __name__ == "__main__":
    sys.exit(main())
