"""The editor's page on a long timeline: 2 hours, 200 brands, 20,000 detections, in Chromium over a live `mpr serve`.

    python -m bench.editor [--scrubs 300] [--minutes 0] [--keep FOLDER]

Prints one JSON line: kB of script at first load (gzip), milliseconds until the lanes can be used, frames a second and
milliseconds of the page's own CPU while the lanes are zoomed and while frames are stepped through, MB of the heap of
JavaScript before and after that, milliseconds from a dragged slider to its overlay on a 720p frame, by the browser's
OpenCV and by the server. --minutes: frames are stepped through for so long, and the heap is told each minute. --keep:
pictures of the page in several sizes are left in the folder. Exit status 1 where the script is 200 kB or more, the heap
grew by half, or the page complained. Needs a Chromium and what `make editor` builds.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from bench.browser import Tab, chromium, tab
from bench.large_report import chunk_table, detection_table, frame_table, scene_table, typed
from bench.many_timelines import Team
from bench.regions import broadcast_frame
from gpu_service.pictures import encode_jpeg
from mpr_api.editor_page import BUILT
from mpr_assets.definitions import BY_NAME
from mpr_assets.report.exposures import exposures
from mpr_assets.stages import field_segmentation
from mpr_assets.stages.compile_report import CompileReportSettings
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.store import Storage
from mpr_resources.storage.tables import StageTable, TableHeader, to_parquet

MOST_KB, MOST_GROWTH = 200, 1.5
PICTURES = 600
"""Frames whose pictures are stored: those that are scrubbed."""
ZOOMS, DRAGS = 60, 40
SIZES = [(1280, 800, False), (1280, 800, True), (3840, 2160, False), (390, 844, False)]

READY = """new Promise(done => { (function look() {
  if (document.body.textContent.includes('found by')) requestAnimationFrame(() => done(performance.now()));
  else requestAnimationFrame(look);
})(); })"""
ZOOM = """(async () => {
  const lanes = document.querySelector('canvas[role=slider]'), area = lanes.getBoundingClientRect(), gaps = [];
  const next = () => new Promise(requestAnimationFrame);
  let last = await next();
  for (let step = 0; step < STEPS; step++) {
    lanes.dispatchEvent(new WheelEvent('wheel', { deltaY: step < STEPS / 2 ? -60 : 60, ctrlKey: true, bubbles: true,
      cancelable: true, clientX: area.left + area.width * 0.4, clientY: area.top + 10 }));
    const now = await next();
    gaps.push(now - last);
    last = now;
  }
  return gaps;
})()""".replace("STEPS", str(ZOOMS))
SCRUB = """(async () => {
  const gaps = [], next = () => new Promise(requestAnimationFrame);
  let last = await next();
  for (let step = 0; step < STEPS; step++) {
    const key = step % 400 < 200 ? '.' : ',';
    dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true }));
    const now = await next();
    gaps.push(now - last);
    last = now;
  }
  return gaps;
})()"""
DRAG = """(async () => {
  const slider = document.querySelector('input[aria-label="edge_canny_low, slider"]'), spent = [];
  const next = () => new Promise(requestAnimationFrame), busy = () => document.querySelector('[data-busy=true]');
  const started = performance.now();
  while (BROWSER && !document.body.textContent.includes('in the browser') && performance.now() - started < 60000) {
    slider.value = 0.2 + Math.random() / 100;
    slider.dispatchEvent(new Event('input', { bubbles: true }));
    await new Promise(done => setTimeout(done, 300));
  }
  for (let step = 0; step < STEPS; step++) {
    while (busy()) await next();
    const before = performance.now();
    slider.value = 0.2 + (step % 20) / 100;
    slider.dispatchEvent(new Event(BROWSER ? 'input' : 'change', { bubbles: true }));
    await Promise.resolve();
    do await next(); while (busy());
    spent.push(performance.now() - before);
  }
  return spent;
})()""".replace("STEPS", str(DRAGS))


def write_timeline(team: Team) -> str:
    """A timeline as finished, with large tables; gives its name."""
    team.grow(1)
    team.finish()
    [name] = team.names
    storage = Storage.open(str(team.folder / "storage"))
    frames, scenes, chunks, detections = frame_table(), scene_table(), chunk_table(), detection_table()
    found = exposures(detections, frames, scenes, chunks, CompileReportSettings())
    fields = {"seq": frames["seq"], "polygon": [[]] * frames.height, "share": [0.0] * frames.height}
    report = {column: found[column] for column in found.columns if column in BY_NAME["compile_report"].schema}
    tables = {
        "timeline": chunks,
        "extract_frames": frames,
        "filter_scenes": scenes,
        "field_segmentation": typed(fields, field_segmentation.SCHEMA),
        "match_brands": detections,
        "compile_report": typed(report, dict(BY_NAME["compile_report"].schema)),
        "detect_edges": pl.DataFrame(schema=BY_NAME["detect_edges"].schema),
    }
    for stage, rows in tables.items():
        storage.put(Keys.table(stage, name), to_parquet(StageTable(rows, _header(stage, name))))
    picture = encode_jpeg(broadcast_frame()[::3, ::3][:360, :640].repeat(2, 0).repeat(2, 1), 90)
    folder = Keys.frames(name, _header("extract_frames", name).fingerprint)
    for seq in range(PICTURES):
        storage.put(f"{folder}/{seq:08d}.jpg", picture)
    return name


def _header(stage: str, timeline: str) -> TableHeader:
    settings = BY_NAME[stage].settings().model_dump(mode="json")
    made = {"fingerprint": "f" * 64, "data_version": f"{stage}-1", "code_version": BY_NAME[stage].code_version}
    nothing: dict[str, Any] = {"overrides": {}, "model": "", "upstream": {}, "skipped": None}
    return TableHeader(stage=stage, timeline=timeline, profile="generic", settings=settings, **made, **nothing)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of an API over the folder's timelines."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environ = os.environ | {
        "DAGSTER_HOME": str(folder / "home"),
        "MPR_STORAGE_URL": str(folder / "storage"),
        "MPR_PROFILES_DIR": str(folder / "profiles"),
        "MPR_DATABASE_URL": f"sqlite:///{folder}/registry.sqlite",
    }
    command = [sys.executable, "-m", "mpr_cli", "serve", "--port", str(port)]
    process = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{url}/health", timeout=5)
                break
            except OSError:  # it does not listen yet, or does not answer in time
                time.sleep(0.2)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=120)


def measured(browser: Tab, url: str, timeline: str, scrubs: int, minutes: int) -> dict[str, Any]:
    """How the page opens, zooms, scrubs and follows a slider."""
    browser.size(1280, 800)
    browser.open(f"{url}/?timeline={timeline}")
    interactive = browser.evaluate(READY)
    browser.call("Performance.enable", timeDomain="threadTicks")
    before_s = _work_s(browser)
    zoom = browser.evaluate(ZOOM)
    zoom_work_s = _work_s(browser) - before_s
    heap = _heap_mb(browser)
    before_s = _work_s(browser)
    scrub = browser.evaluate(SCRUB.replace("STEPS", str(scrubs)))
    scrub_work_s = _work_s(browser) - before_s
    told: dict[str, Any] = {
        "interactive_ms": round(interactive),
        "zoom_cpu_ms": round(1000 * zoom_work_s / len(zoom), 1),
        "zoom_fps": round(1000 * len(zoom) / sum(zoom), 1),
        "step_cpu_ms": round(1000 * scrub_work_s / len(scrub), 1),
        "step_fps": round(1000 * len(scrub) / sum(scrub), 1),
        "heap_mb": [heap, _heap_mb(browser)],
    }
    for _ in range(minutes):
        until_s = time.monotonic() + 60
        while time.monotonic() < until_s:
            told["minutes_steps"] = told.get("minutes_steps", 0) + len(browser.evaluate(SCRUB.replace("STEPS", "300")))
        told["heap_mb"].append(_heap_mb(browser))
    browser.open(f"{url}/?timeline={timeline}&stage=detect_edges&frame=0")
    browser.evaluate(READY)
    for by in ("browser", "server"):
        spent = browser.evaluate(DRAG.replace("BROWSER", "true" if by == "browser" else "false"))
        told[f"drag_{by}_ms"] = {"p50": round(float(np.median(spent))), "p95": round(float(np.percentile(spent, 95)))}
    # The evaluation is said to be made, and is not stored: that it is not there is no fault of the page.
    complaints = [one for one in browser.messages if "status of 404" not in one]
    return told | {"messages": [one[:200] for one in complaints[:5]]}


def _work_s(browser: Tab) -> float:
    """Seconds of CPU of the page's main thread."""
    metrics = {one["name"]: one["value"] for one in browser.call("Performance.getMetrics")["metrics"]}
    return float(metrics["TaskDuration"])


def _heap_mb(browser: Tab) -> float:
    """What JavaScript holds, garbage left out."""
    browser.call("HeapProfiler.collectGarbage")
    return round(float(browser.call("Runtime.getHeapUsage")["usedSize"]) / 1e6, 1)


def main() -> int:
    """Exit status 0 when the page keeps within what is said above."""
    parser = argparse.ArgumentParser(prog="python -m bench.editor", description=__doc__)
    parser.add_argument("--scrubs", type=int, default=300, help="frames stepped through")
    parser.add_argument("--minutes", type=int, default=0, help="of more stepping through frames")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave pictures of the page there")
    arguments = parser.parse_args()
    [script] = (BUILT / "assets").glob("index-*.js")
    line: dict[str, Any] = {"bench": "editor", "script_kb": round(len(gzip.compress(script.read_bytes())) / 1000, 1)}
    program = chromium()
    if program is None:
        sys.exit("No Chromium is on this machine: install it, or name its program in CHROMIUM.")
    with tempfile.TemporaryDirectory(prefix="mpr-editor-") as name:
        team = Team(Path(name), None)
        timeline = write_timeline(team)
        with served(Path(name)) as url, tab(program) as browser:
            line |= measured(browser, url, timeline, arguments.scrubs, arguments.minutes)
            if arguments.keep is not None:
                arguments.keep.mkdir(parents=True, exist_ok=True)
                browser.open(f"{url}/?timeline={timeline}&frame=40")
                browser.evaluate(READY)
                for width, height, dark in SIZES:
                    browser.size(width, height, dark)
                    browser.frame()
                    time.sleep(2)
                    browser.picture(arguments.keep / f"{width}x{height}{'-dark' if dark else ''}.png")
    print(json.dumps(line))
    before, *_, after = line["heap_mb"]
    return int(line["script_kb"] >= MOST_KB or after > MOST_GROWTH * before or bool(line["messages"]))


if __name__ == "__main__":
    sys.exit(main())
