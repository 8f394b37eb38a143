"""From a picture's arrival to its detection over SSE: `python -m bench.live_latency`; about three minutes.

A drawn clip is played in real time, one picture a second is looked at, in windows of 4 s and then of 10 s; `mpr serve`
tells what was found. A picture has arrived when the clock of its window says so. Told for each length, in seconds, are
the median and the 95th percentile, and the mean of what they are made of: waiting for the window's end, for the worker,
what the stages compute, what Dagster and the engine add to that, and the way of the event. The first windows, in which
the worker loads its models, are left out. One JSON line. Measure on a machine that does nothing else.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.stream import VideoStream

from bench.live_publisher import FPS, SIZES, drawn
from bench.live_world import Listener, LiveWorld
from gpu_service.pictures import Image
from mpr_assets.definitions import STAGES
from mpr_assets.exports.stored import stage_times
from mpr_assets.sessions.session import timeline_of
from tests.gpu_service.live import free_port

LENGTHS = {4: 64, 10: 80}
"""Seconds of a window, and of the stream."""
WARM_S = 30
"""So much of the stream is not measured."""


def main() -> int:
    """The command."""
    measured = {}
    with tempfile.TemporaryDirectory() as name:
        for window_s, stream_s in LENGTHS.items():
            folder = Path(name) / str(window_s)
            world = LiveWorld(folder, fps=1)
            clip = clip_of(folder / "clip.mp4", stream_s)
            port = free_port()
            with world.running(sys.executable, "-m", "mpr_cli", "serve", "--port", port):
                world.start("latency", clip, f"{window_s}s")
                listener = Listener(f"http://127.0.0.1:{port}", "latency")
                world.until_over("latency")
                listener.wait_for_end(30)
            measured[f"window_{window_s}_s"] = _figures(world, listener)
    print(json.dumps({"bench": "live_latency", **measured}))
    return 0


def _figures(world: LiveWorld, listener: Listener) -> dict[str, float | int]:
    store = world.store("latency")
    told_s = {one.data["number"]: one.at_s for one in listener.told if one.name == "detection"}
    frames_of = {one.data["number"]: one.data["frames"] for one in listener.told if one.name == "detection"}
    latencies: list[float] = []
    parts: list[tuple[float, ...]] = []
    starts: list[float] = []
    for window in store.windows():
        found = store.analysed(window.number)
        if found is None or found.status != "analysed" or window.start_ms < WARM_S * 1000:
            continue
        times = stage_times(store.storage, timeline_of("latency", window.number), [stage.name for stage in STAGES])
        computed_s = sum(one.seconds or 0.0 for one in times.values())
        began_s = found.done_s - found.seconds
        starts.append(began_s - window.closed_s)
        for frame in frames_of[window.number]:
            arrived_s = window.wall_s + (frame["session_ms"] - window.start_ms) / 1000
            latencies.append(told_s[window.number] - arrived_s)
            parts.append(
                (
                    window.closed_s - arrived_s,
                    began_s - window.closed_s,
                    computed_s,
                    found.seconds - computed_s,
                    told_s[window.number] - found.done_s,
                )
            )
    named = zip(("window_s", "worker_s", "stages_s", "dagster_s", "event_s"), np.mean(parts, axis=0), strict=True)
    return {
        "pictures": len(latencies),
        "median_s": round(float(np.median(latencies)), 2),
        "p95_s": round(float(np.percentile(latencies, 95)), 2),
        "run_starts_after_s": round(max(starts), 2),
        **{name: round(float(mean), 2) for name, mean in named},
    }


def clip_of(path: Path, seconds: int, draw: Callable[[int], Image] = drawn) -> Path:
    """A clip with a keyframe each second. `draw`: gives the picture of a number."""
    options = {"preset": "ultrafast", "g": str(FPS), "sc_threshold": "0", "bf": "0"}
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(FPS), options=options)
        assert isinstance(stream, VideoStream)
        (stream.width, stream.height), stream.pix_fmt = SIZES[0], "yuv420p"
        for number in range(seconds * FPS):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(draw(number), "bgr24")))
        container.mux(stream.encode())
    return path


if __name__ == "__main__":
    sys.exit(main())
