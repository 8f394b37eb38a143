"""The live page on a stream that runs, in Chromium: `python -m bench.live_page [--keep FOLDER]`; two minutes.

A drawn clip is played in real time; the page follows it from the first window on, with the delay that it chooses. Of
each picture on screen its number is read from the video's pixels, by its bars, and of one in fifty also by the OCR that
MPR has, and compared with the pts that the page draws boxes for (sync error); and it is told whether its window's
result was there before it was shown, and how long the page said that it waits, mostly for the models to be loaded. One
JSON line; exit status 1 where the 95th percentile is more than a picture at 25 a second, or OCR and bars tell different
numbers. Needs a Chromium and what `make editor` builds. Where analysis is slower than the stream, results cannot come
first: `lag_s`, and `behind_s`, for so long the page said so.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

from bench.browser import chromium, tab
from bench.live_latency import clip_of
from bench.live_publisher import FPS, drawn
from bench.live_world import LiveWorld
from gpu_service.pictures import Image
from gpu_service.routines import Batch
from gpu_service.routines.ocr.engine import OcrSettings
from gpu_service.routines.ocr.routine import OCR
from gpu_service.wire import OcrItem
from mpr_api.editor_page import BUILT
from tests.gpu_service.live import free_port

SESSION = "page"
STREAM_S, SEEN_S = 300, 90
PICTURE_MS = 1000 / FPS
READ_EVERY = 50
LOOK_S = 0.1

WATCH = """(async () => {
  const video = document.querySelector('video')
  video.muted = true
  await video.play()
  const context = new OffscreenCanvas(640, 360).getContext('2d', { willReadFrequently: true })
  const watched = (window.watched = { seen: [], waited: 0, behind: 0 })
  const { seen } = watched
  const look = () => {
    video.requestVideoFrameCallback(look)
    context.drawImage(video, 0, 0, 640, 360)
    const row = context.getImageData(0, 16, 640, 1).data
    let number = 0
    for (let bit = 0; bit < 20; bit++) if (row[4 * (16 + 32 * bit)] > 128) number |= 1 << bit
    const text = seen.length % EVERY ? null : [...context.getImageData(0, 290, 320, 60).data]
    queueMicrotask(() => {
      const { pts, analysed } = video.parentElement.dataset
      seen.push({ number, pts: Number(pts), analysed: analysed === 'true', text })
    })
  }
  video.requestVideoFrameCallback(look)
  setInterval(() => {
    if (document.querySelector('.picture').textContent.includes('Waiting for the results')) watched.waited += 1
    if (document.querySelector('.tools').textContent.includes('more than the player can wait')) watched.behind += 1
  }, LOOK)
})()"""
WATCHED = """({
  ...window.watched,
  delay: document.querySelector('[aria-label="Delay in seconds"]').valueAsNumber,
})"""


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="for a picture of the page")
    args = parser.parse_args()
    program = chromium()
    if program is None or not BUILT.exists():
        print("live_page: needs a Chromium on this machine, and the page that make editor builds", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as name:
        world = LiveWorld(Path(name) / "world", fps=1)
        clip = clip_of(Path(name) / "clip.mp4", STREAM_S, numbered)
        port = free_port()
        store = world.store(SESSION)
        with world.running(sys.executable, "-m", "mpr_cli", "serve", "--port", port):
            world.start(SESSION, clip, "4s")
            world.until("no window is closed", lambda: store.windows_closed() > 0)
            with tab(program) as page:
                page.open(f"http://127.0.0.1:{port}/?live={SESSION}")
                page.evaluate("""new Promise(done => { (function look() {
                  document.querySelector('.picture[data-pts]') ? done(0) : requestAnimationFrame(look)
                })(); })""")
                page.evaluate(WATCH.replace("EVERY", str(READ_EVERY)).replace("LOOK", str(LOOK_S * 1000)))
                for _ in range(SEEN_S // 10):  # the connection is kept by answers that are read
                    page.evaluate("new Promise(done => setTimeout(done, 10_000))")
                found = page.evaluate(WATCHED)
                if args.keep is not None:
                    page.picture(args.keep / "live_page.png")
                complaints = page.messages
            epoch = next(store.windows()).epoch
            lags_s = [one.lag_ms / 1000 for at in range(store.windows_analysed()) if (one := store.analysed(at))]
            world.mpr("live", "stop", SESSION)
            world.until_over(SESSION)
    seen = found["seen"]
    off_ms = [
        abs(float((one["pts"] - epoch.start_pts) * epoch.time_base) * 1000 - one["number"] * PICTURE_MS) for one in seen
    ]
    texts = [(one["number"], _read(one["text"])) for one in seen if one["text"] is not None]
    figures = {
        "pictures": len(seen),
        "sync_error_median_ms": round(float(np.median(off_ms)), 1),
        "sync_error_p95_ms": round(float(np.percentile(off_ms, 95)), 1),
        "results_before_picture": round(sum(one["analysed"] for one in seen) / max(1, len(seen)), 3),
        "waited_s": round(found["waited"] * LOOK_S, 1),
        "behind_s": round(found["behind"] * LOOK_S, 1),
        "delay_s": found["delay"],
        "lag_s": round(float(np.median(lags_s)), 1),
        "read_by_ocr": len(texts),
        "read_otherwise": sum(text != f"{number:05d}" for number, text in texts),
        "complaints": len(complaints),
    }
    print(json.dumps({"bench": "live_page", **figures}))
    return int(figures["sync_error_p95_ms"] > PICTURE_MS or figures["read_otherwise"] > 0)


def numbered(number: int) -> Image:
    """What is published, with the number also as text."""
    picture = drawn(number)
    cv2.putText(picture, f"{number:05d}", (30, 335), cv2.FONT_HERSHEY_SIMPLEX, 1.2, (255, 255, 255), 3, cv2.LINE_AA)
    return picture


def _read(pixels: list[int]) -> str:
    """What OCR reads in the pixels of a canvas."""
    rgba = np.array(pixels, np.uint8).reshape(60, 320, 4)
    [answer] = OCR.run(Batch([cv2.cvtColor(rgba, cv2.COLOR_RGBA2BGR)], [OcrItem()], OcrSettings()))
    return " ".join(line.text for line in answer.lines)


if __name__ == "__main__":
    sys.exit(main())
