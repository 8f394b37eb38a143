"""The REST API measured over HTTP: one JSON line a figure. `python -m bench.api [figure ...]`.

1. `replay`: `replay-stage` of `detect_edges` on one 1080p frame, the world warm, against the routine plus reading the
   frame; and one user who drags, ten requests a second: how many are answered, and how many wait at once.
2. `listeners`: 200 listeners to events, one of them slow, on two API processes: CPU and memory of one, the delay of an
   event.
3. `hostile`: schemathesis, what the document of the API allows and what it does not.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import httpx2
import numpy as np

from bench.service import free_port, service
from bench.try_stage import TIMELINE, prepare
from gpu_service.routines import Batch
from gpu_service.routines.detect_edges import DETECT_EDGES
from gpu_service.wire import EdgesItem
from mpr_api.access.config import ApiConfig
from mpr_api.app import create_app, server_of
from mpr_api.world.backend import Backend
from mpr_assets.stages.detect_edges import DetectEdgesSettings
from mpr_resources.brands.registry import Registry
from mpr_resources.inference.resource import InferenceResource
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.pictures import PictureCache, PictureFolder
from mpr_resources.storage.tables import from_parquet

ROOT = Path(__file__).parents[1]
MOST = 1.3
ROUNDS = 40
DRAG_S, A_SECOND = 10.0, 10
LISTENERS, EVENTS = 200, 40
ENDLESS = "/detect/events"


@contextlib.contextmanager
def api_at(resources: Any, instance: dg.DagsterInstance) -> Iterator[str]:
    """The API in this process, its replays without a limit."""
    port = free_port()
    config = ApiConfig(media_url=tempfile.mkdtemp(), upload_folder=tempfile.mkdtemp(), replays_per_s=1e6)
    server = server_of(create_app(Backend(config, instance, resources)), port=port, log_level="error")
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


def replay() -> dict[str, Any]:
    """Medians in milliseconds of rounds in turns, and the ratio; then the drag."""
    with tempfile.TemporaryDirectory() as folder, dg.DagsterInstance.ephemeral() as instance:
        resources: SimpleNamespace = prepare(Path(folder))
        storage, settings = resources.storage.storage, DetectEdgesSettings()
        index = from_parquet(storage.get(Keys.table("extract_frames", TIMELINE)), "")
        fields = from_parquet(storage.get(Keys.table("field_segmentation", TIMELINE)), "").rows
        item = EdgesItem(field=tuple((x, y) for x, y in fields["polygon"].to_list()[0]))
        frames = Keys.frames(TIMELINE, index.header.fingerprint)
        body = {"timeline_id": TIMELINE, "stage": "detect_edges", "frame_refs": [0]}

        def alone() -> None:
            picture = PictureFolder(storage, frames, "jpg", PictureCache()).read(0)
            DETECT_EDGES.run(Batch([picture.pixels], [item], settings))

        with api_at(resources, instance) as url, httpx2.Client(base_url=url, timeout=60) as http:

            def asked() -> None:
                assert http.post("/detect/replay-stage", json=body).status_code == 200

            spent: dict[str, list[float]] = {"alone_ms": [], "http_ms": []}
            for _ in range(ROUNDS + 3):
                for name, job in (("alone_ms", alone), ("http_ms", asked)):
                    began_s = time.perf_counter()
                    job()
                    spent[name].append(1000 * (time.perf_counter() - began_s))
            dragged = _drag(url, body)
    ratios = np.array(spent["http_ms"][3:]) / np.array(spent["alone_ms"][3:])
    medians = {name: round(statistics.median(times[3:]), 1) for name, times in spent.items()}
    return {"figure": "replay", **medians, "ratio": round(float(np.median(ratios)), 3), "most": MOST, **dragged}


def _drag(url: str, body: dict[str, Any]) -> dict[str, Any]:
    """One user who asks ten times a second, whether he was answered or not."""
    waiting, most_waiting, statuses, took_ms = [0], 0, list[int](), list[float]()

    def ask(low: int) -> None:
        began_s = time.perf_counter()
        changed = body | {"config_overrides": {"edge_canny_low": low}}
        answer = http.post("/detect/replay-stage", json=changed, headers={"MPR-Client": "page"})
        statuses.append(answer.status_code)
        if answer.status_code == 200:
            took_ms.append(1000 * (time.perf_counter() - began_s))
        waiting[0] -= 1

    with httpx2.Client(base_url=url, timeout=60) as http, ThreadPoolExecutor(100) as pool:
        for number in range(round(DRAG_S * A_SECOND)):
            waiting[0] += 1
            most_waiting = max(most_waiting, waiting[0])
            pool.submit(ask, 20 + number % 60)
            time.sleep(1 / A_SECOND)
    return {
        "drag_statuses": {status: statuses.count(status) for status in sorted(set(statuses))},
        "drag_p95_ms": round(float(np.percentile(took_ms, 95)), 1),
        "drag_most_at_once": most_waiting,
    }


def listeners() -> dict[str, Any]:
    """Runs are put into the queue and taken out; how long after it was written an event is told."""
    with tempfile.TemporaryDirectory() as folder:
        environ = os.environ | {"DAGSTER_HOME": f"{folder}/dagster", "MPR_STORAGE_URL": f"{folder}/storage"}
        environ |= {"MPR_MEDIA_URL": f"{folder}/media", "PYTHONPATH": str(ROOT)}
        os.environ.update(environ)
        ports = [free_port(), free_port()]
        command = [sys.executable, "-m", "mpr_cli", "serve", "--port"]
        processes = [subprocess.Popen([*command, str(port)], cwd=ROOT, env=environ) for port in ports]
        try:
            for port in ports:
                _until_healthy(port)
            return _listen(ports, processes[0].pid)
        finally:
            for process in processes:
                process.terminate()
                process.wait(20)


def _until_healthy(port: int) -> None:
    for _ in range(600):
        with contextlib.suppress(httpx2.TransportError):
            if httpx2.get(f"http://127.0.0.1:{port}/health").status_code == 200:
                return
        time.sleep(0.2)
    raise RuntimeError("the API did not start")


def _listen(ports: list[int], first: int) -> dict[str, Any]:
    delays_ms: list[float] = []
    heard, stop = [0] * LISTENERS, threading.Event()

    def listen(number: int) -> None:
        port = ports[number % 2] if number else ports[0]
        with httpx2.stream("GET", f"http://127.0.0.1:{port}/detect/events", timeout=60) as answer:
            for line in answer.iter_lines():
                if stop.is_set():
                    return
                if line.startswith("data: {"):
                    heard[number] += 1
                    time_ms = json.loads(line[6:]).get("time_ms")
                    if time_ms is not None and number:
                        delays_ms.append(time.time() * 1000 - time_ms)
                    if not number:
                        time.sleep(1.0)  # the slow one

    threads = [threading.Thread(target=listen, args=(number,), daemon=True) for number in range(LISTENERS)]
    for thread in threads:
        thread.start()
    time.sleep(5)
    before_s, began_s = _cpu_s(first), time.monotonic()
    with dg.DagsterInstance.get() as instance:
        for number in range(EVENTS):
            run = dg.DagsterRun(job_name="bench", tags={"dagster/partition": f"t{number}"})
            instance.add_run(run)
            instance.report_run_canceled(run)
            time.sleep(0.25)
    time.sleep(3)
    spent_s, lasted_s = _cpu_s(first) - before_s, time.monotonic() - began_s
    stop.set()
    return {
        "figure": "listeners",
        "listeners": LISTENERS,
        "processes": len(ports),
        "events_each": EVENTS,
        "heard_by_all_but_the_slow_one": min(heard[1:]) >= EVENTS,
        "heard_by_the_slow_one": heard[0],
        "delay_p95_ms": round(float(np.percentile(delays_ms, 95)), 1) if delays_ms else None,
        "cpu_share_of_a_process": round(spent_s / lasted_s, 3),
        "memory_mb": _memory_mb(first),
    }


def _cpu_s(process: int) -> float:
    """Seconds of CPU that a process has spent (proc(5), fields 14 and 15 of stat)."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory_mb(process: int) -> int:
    resident = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return round(resident * os.sysconf("SC_PAGE_SIZE") / 1e6)


def hostile() -> dict[str, Any]:
    """Every operation but the one whose stream does not end, which is opened here instead; then what reads a timeline
    once more, of one that is there.
    """
    passes = {
        "any": ("", ()),
        "there": (f'[parameters]\n"path.timeline" = "{TIMELINE}"\n', ("--include-method", "GET")),
    }
    with tempfile.TemporaryDirectory() as folder, dg.DagsterInstance.ephemeral() as instance, service() as host:
        resources = prepare(Path(folder))
        resources.inference = InferenceResource(url=host)
        resources.profiles.registry = Registry(f"sqlite:///{folder}/registry.sqlite")
        with api_at(resources, instance) as url:
            document = httpx2.get(f"{url}/openapi.json", timeout=60).json()
            told = {name: _schemathesis(url, Path(folder), *one) for name, one in passes.items()}
            with httpx2.stream("GET", url + ENDLESS, timeout=60) as answer:
                opened = (answer.status_code, answer.headers["content-type"].partition(";")[0])
            alive = httpx2.get(f"{url}/health").status_code == 200
    return {
        "figure": "hostile",
        "clean": all(one["clean"] for one in told.values()) and opened == (200, "text/event-stream"),
        "operations": sum(len(operations) for operations in document["paths"].values()),
        "tested": told["any"]["tested"] + 1,
        "alive_after": alive,
        **told,
    }


def _schemathesis(url: str, folder: Path, parameters: str, only: tuple[str, ...]) -> dict[str, Any]:
    """One run of it. `parameters`: of its configuration; `only`: options that select operations."""
    toml = '[checks.positive_data_acceptance]\nexpected-statuses = ["2xx", "4xx"]\n'
    toml += '[checks.negative_data_rejection]\nexpected-statuses = ["4xx"]\n'
    config = folder / "schemathesis.toml"
    config.write_text(toml + parameters)
    command = [str(Path(sys.executable).parent / "st"), "--config-file", str(config), "run", f"{url}/openapi.json"]
    command += ["--max-examples", "10", "--phases", "examples,fuzzing", *only]
    command += ["--checks", "not_a_server_error,status_code_conformance,response_schema_conformance"]
    command += ["--exclude-path", ENDLESS, "--request-timeout", "60"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    if done.returncode:
        print(done.stdout, done.stderr, file=sys.stderr)
    tested, cases = (re.search(form, done.stdout) for form in (r"Tested: ([0-9]+)", r"([0-9]+) generated"))
    return {
        "clean": done.returncode == 0,
        "tested": int(tested[1]) if tested else 0,
        "cases": int(cases[1]) if cases else 0,
        "said": [line.strip() for line in done.stdout.splitlines() if line.strip().startswith("- ST")],
    }


FIGURES: dict[str, Callable[[], dict[str, Any]]] = {"replay": replay, "listeners": listeners, "hostile": hostile}


def main(arguments: list[str]) -> None:
    for name in arguments or FIGURES:
        print(json.dumps({"bench": "api", **FIGURES[name]()}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
