"""The report page of a long timeline: 2 hours, 200 brands, 20,000 detections; how Chromium opens and zooms it.

    python -m bench.large_report [--keep FOLDER]

Prints one JSON line: seconds of CPU to make the page, its size, milliseconds to its first paint and until it can be
used, milliseconds of the page's own CPU and of the clock for a frame of zooming. Exit status 1 where it is 25 MB or
more, the first paint comes after 3 s, or a frame of zooming takes more CPU than 33 ms. Without a Chromium the page is
made and weighed only.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import polars as pl

from bench.browser import Tab, chromium, tab
from gpu_service.pictures import Picture
from mpr_assets.report.build import Subject
from mpr_assets.report.model import StageProvenance
from mpr_assets.stages import extract_frames, filter_scenes, match_brands, timeline
from mpr_assets.stages.compile_report import STAGE_OF_SOURCE, CompileReportSettings, compile_report

HOURS, STEP_MS, BRANDS, DETECTIONS = 2, 500, 200, 20_000
WIDTH, HEIGHT = 1280, 720
SHOT_FRAMES = 16
MOST_MB, MOST_PAINT_MS, MOST_ZOOM_MS = 25, 3000, 33
ZOOMS = 60

TIMES = """(async () => {
  const paints = performance.getEntriesByType('paint').map(one => [one.name, one.startTime]);
  return { ...Object.fromEntries(paints), interactive: performance.getEntriesByType('navigation')[0].domInteractive,
           loaded: performance.getEntriesByType('navigation')[0].loadEventEnd };
})()"""
ZOOM = """(async () => {
  const track = document.querySelectorAll('.track')[5], area = track.getBoundingClientRect(), gaps = [];
  const next = () => new Promise(requestAnimationFrame);
  let last = await next();
  for (let step = 0; step < STEPS; step++) {
    const deltaY = step < STEPS / 2 ? -60 : 60;
    track.dispatchEvent(new WheelEvent('wheel', { deltaY, ctrlKey: true, bubbles: true, cancelable: true,
      clientX: area.left + area.width * 0.4, clientY: area.top + 10 }));
    const now = await next();
    gaps.push(now - last);
    last = now;
  }
  return gaps;
})()""".replace("STEPS", str(ZOOMS))
SCROLL = """(async () => {
  const chart = document.getElementById('chart'), gaps = [];
  const next = () => new Promise(requestAnimationFrame);
  let last = await next();
  for (let step = 0; step < 60; step++) {
    chart.scrollTop = step * 60;
    const now = await next();
    gaps.push(now - last);
    last = now;
  }
  return gaps;
})()"""
FILTER = """(async () => {
  const find = document.getElementById('find'), since = performance.now();
  find.value = 'brand 1';
  find.dispatchEvent(new Event('input'));
  await new Promise(requestAnimationFrame);
  return performance.now() - since;
})()"""


def page() -> tuple[str, dict[str, float]]:
    """The page, and what making it cost."""
    frames, scenes, chunks = frame_table(), scene_table(), chunk_table()
    detections = detection_table()
    stages = [StageProvenance(stage="match_brands", status="materialized", counts={"rows": len(detections)})]
    names = [f"Brand {number}" for number in range(BRANDS)]
    subject = Subject("two_hours", "generic", names, stages, lambda seq: f"frames/{seq:08d}.jpg", STAGE_OF_SOURCE)
    since = time.process_time()
    made = compile_report(detections, frames, scenes, chunks, CompileReportSettings(), subject, picture)
    cost = time.process_time() - since
    report = json.loads(made.files["report.json"])
    return made.report_html, {"cpu_s": round(cost, 1), **report["counts"]}


def typed(rows: dict[str, Any], schema: dict[str, Any]) -> pl.DataFrame:
    """A table of this schema; columns that are not named are null."""
    height = max(len(column) for column in rows.values())
    return pl.DataFrame(
        {name: pl.Series(name, rows.get(name, [None] * height), dtype=dtype) for name, dtype in schema.items()}
    )


def frame_table() -> pl.DataFrame:
    count = HOURS * 3_600_000 // STEP_MS
    times = np.arange(count) * STEP_MS
    return typed(
        {
            "seq": np.arange(count), "chunk": np.zeros(count), "source_pts": times, "source_ms": times,
            "timeline_ms": times, "until_ms": times + 40, "width_px": np.full(count, WIDTH),
            "height_px": np.full(count, HEIGHT), "phash": np.zeros(count), "size_bytes": np.full(count, 90_000),
        },
        extract_frames.SCHEMA,
    )  # fmt: skip


def scene_table() -> pl.DataFrame:
    seqs = np.arange(HOURS * 3_600_000 // STEP_MS)
    rows = {"seq": seqs, "shot": seqs // SHOT_FRAMES, "kept": np.ones(len(seqs), bool), "kept_seq": seqs}
    return typed(rows | {"reason": ["kept"] * len(seqs)}, filter_scenes.SCHEMA)


def chunk_table() -> pl.DataFrame:
    ends = HOURS * 3_600_000
    rows = {
        "chunk": [0], "source": ["broadcast.mp4"], "source_version": ["v1"], "start_ms": [0], "end_ms": [ends],
        "timeline_start_ms": [0], "duration_ms": [ends], "fps_num": [25], "fps_den": [1], "time_base_num": [1],
        "time_base_den": [12_800], "codec": ["h264"], "width_px": [WIDTH], "height_px": [HEIGHT], "rotation_deg": [0],
    }  # fmt: skip
    return typed(rows, timeline.SCHEMA)


def detection_table() -> pl.DataFrame:
    """Runs of one to six frames; few brands have many of them, many have few, as on television."""
    rng = np.random.default_rng(14)
    chosen: dict[tuple[int, int], tuple[Any, ...]] = {}
    weights = 1 / np.arange(1, BRANDS + 1) ** 0.7
    frames = HOURS * 3_600_000 // STEP_MS
    while len(chosen) < DETECTIONS:
        brand = int(rng.choice(BRANDS, p=weights / weights.sum()))
        first, length = int(rng.integers(frames)), int(rng.integers(1, 7))
        x, y, w = int(rng.integers(0, 1000)), int(rng.integers(0, 600)), int(rng.integers(60, 260))
        source = ("ocr", "ocr", "logo", "object")[int(rng.integers(4))]
        for seq in range(first, min(first + length, frames, (first // SHOT_FRAMES + 1) * SHOT_FRAMES)):
            box = (x, y, w, w // 3, f"Brand {brand}", float(rng.uniform(0.55, 1)), source)
            chosen.setdefault((brand, seq), (seq, *box, f"BRAND {brand}" if source == "ocr" else "", ""))
    rows = sorted(chosen.values())[:DETECTIONS]
    names = ("seq", "x", "y", "w", "h", "brand", "confidence", "source", "text", "reason")
    return typed({name: [row[at] for row in rows] for at, name in enumerate(names)}, match_brands.SCHEMA)


@cache
def _pool(number: int) -> Picture:
    """As hard to pack as a frame of a broadcast: soft shapes with some grain."""
    rng = np.random.default_rng(number)
    coarse = rng.integers(0, 255, (24, 40, 3), np.uint8)
    fine = rng.normal(0, 9, (HEIGHT // 2, WIDTH // 2, 1)).astype(np.float32)
    soft = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC).astype(np.float32)
    grain = cv2.resize(fine, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)[..., None]
    return Picture(pixels=np.clip(soft + grain, 0, 255).astype(np.uint8))


def picture(seq: int) -> Picture:
    return _pool(seq % 24)


def measured(browser: Tab, path: Path) -> dict[str, Any]:
    """How the browser opens and zooms the page; medians in ms."""
    browser.size(1280, 900)
    browser.open(path)
    times = browser.evaluate(TIMES)
    browser.call("Performance.enable", timeDomain="threadTicks")
    before = _work_s(browser)
    zoom = browser.evaluate(ZOOM)
    work = 1000 * (_work_s(browser) - before) / len(zoom)
    scroll = browser.evaluate(SCROLL)
    filtered = browser.evaluate(FILTER)
    return {
        "first_paint_ms": round(times["first-contentful-paint"]),
        "interactive_ms": round(times["interactive"]),
        "loaded_ms": round(times["loaded"]),
        "zoom_cpu_ms": round(work, 1),
        "zoom_frame_ms": round(float(np.median(zoom)), 1),
        "zoom_frame_p95_ms": round(float(np.percentile(zoom, 95)), 1),
        "zoom_fps": round(1000 * len(zoom) / sum(zoom), 1),
        "scroll_fps": round(1000 * len(scroll) / sum(scroll), 1),
        "filter_ms": round(filtered),
        "messages": browser.messages,
    }


def _work_s(browser: Tab) -> float:
    """Seconds of CPU that the page's main thread has worked: scripts, styles, layout, what is drawn."""
    metrics = {one["name"]: one["value"] for one in browser.call("Performance.getMetrics")["metrics"]}
    return float(metrics["TaskDuration"])


def main() -> int:
    """Exit status 0 when the page keeps within what is said above."""
    parser = argparse.ArgumentParser(prog="python -m bench.large_report", description=__doc__)
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave the page there")
    keep: Path | None = parser.parse_args().keep
    html, told = page()
    line: dict[str, Any] = {"bench": "large_report", **told, "mb": round(len(html.encode()) / 1e6, 2)}
    program = chromium()
    with tempfile.TemporaryDirectory() as scratch:
        path = (keep or Path(scratch)).resolve() / "report.html"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(html, "utf-8")
        if program is not None:
            with tab(program) as browser:
                line |= measured(browser, path)
    print(json.dumps(line))
    slow = line.get("first_paint_ms", 0) > MOST_PAINT_MS or line.get("zoom_cpu_ms", 0) > MOST_ZOOM_MS
    return int(line["mb"] >= MOST_MB or slow or bool(line.get("messages")))


if __name__ == "__main__":
    sys.exit(main())
