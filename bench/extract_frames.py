"""`extract_frames` against the ffmpeg command line writing the same JPEG frames, and its memory on a longer clip.

    python -m bench.extract_frames [--rounds 5] [--memory]
    python -m bench.extract_frames --fence

Makes its clips itself and keeps them in the system's temporary folder. Prints one JSON line: seconds of both, their
ratio (median over rounds run in turns), and with --memory the peak memory of one and of ten minutes. With --fence: what
it costs that decoding has a process of its own, in CPU seconds of all processes.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np

from gpu_service.pictures import Image
from mpr_assets.sampling.frames import ExtractedFrame, extracted, sampled
from mpr_assets.sampling.settings import ExtractFramesSettings
from mpr_assets.stages.extract_frames import chunk_rows
from mpr_assets.stages.timeline import resolve
from mpr_assets.timelines.spec import ChunkSpec, TimelineSpec
from mpr_resources.media.decoding import open_media
from mpr_resources.media.fence import end_idle, fenced
from mpr_resources.media.sources import Sources

WIDTH_PX, HEIGHT_PX, FPS, GOP = 1920, 1080, 30, 60
FFMPEG_JPEG_SCALE = "2"
"""ffmpeg's -q:v whose files are about as large as ours at quality 90."""


def scene(second: float, panorama: Image) -> Image:
    """A camera panning over a textured scene, with boards that move against it."""
    left = int((np.sin(second / 4) + 1) / 2 * (panorama.shape[1] - WIDTH_PX))
    picture = panorama[:, left : left + WIDTH_PX].copy()
    for number in range(8):
        x, y = int((second * 120 + number * 260) % WIDTH_PX), 140 + number * 110
        cv2.rectangle(picture, (x, y), (x + 90, y + 60), (40 * number % 255, 90, 200), -1)
        cv2.putText(picture, f"Board {number}", (x, y + 40), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (255, 255, 255), 2)
    return picture


def make_clip(path: Path, seconds: int) -> None:
    """Write the clip as H.264 with B frames, two key frames a second apart times GOP."""
    noise = np.random.default_rng(0).integers(0, 256, (HEIGHT_PX, 2 * WIDTH_PX, 3), np.uint8)
    panorama = np.asarray(cv2.GaussianBlur(noise, (0, 0), 4), np.uint8)
    panorama = np.clip((panorama.astype(np.int16) - 128) * 6 + 128, 0, 255).astype(np.uint8)
    part = path.with_suffix(".part.mp4")
    with av.open(str(part), "w") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = WIDTH_PX, HEIGHT_PX, "yuv420p"
        stream.options = {"preset": "veryfast", "bf": "3", "g": str(GOP)}
        for number in range(seconds * FPS):
            frame = av.VideoFrame.from_ndarray(scene(number / FPS, panorama), "bgr24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    part.rename(path)


def lengthen(clip: Path, path: Path, times: int) -> None:
    """The clip's packets several times over, without encoding them again."""
    part = path.with_suffix(".part.mp4")
    with av.open(str(part), "w") as target:
        for number in range(times):
            with av.open(str(clip)) as source:
                stream = source.streams.video[0]
                if number == 0:
                    copy = target.add_stream_from_template(stream)
                for packet in source.demux(stream):
                    if packet.dts is None or packet.pts is None or stream.duration is None:
                        continue
                    packet.pts += number * stream.duration
                    packet.dts += number * stream.duration
                    packet.stream = copy
                    target.mux(packet)
    part.rename(path)


def ours(clip: Path, folder: Path) -> int:
    """Write the frames as the stage samples them, in this process; how many."""
    spec = TimelineSpec(name="bench", chunks=(ChunkSpec(source=str(clip)),))
    frames = extracted(chunk_rows(resolve(spec)), ExtractFramesSettings().plain(), open_media, None)
    return sum((folder / f"{frame.row['seq']:06}.jpg").write_bytes(frame.jpeg) > 0 for frame in frames)


def theirs(clip: Path, folder: Path) -> int:
    """Write the frames with ffmpeg; how many."""
    command = ["ffmpeg", "-v", "error", "-i", str(clip), "-vf", "fps=2", "-q:v", FFMPEG_JPEG_SCALE]
    subprocess.run([*command, str(folder / "%06d.jpg")], check=True)
    return len(list(folder.glob("*.jpg")))


def peak_mib(clip: Path) -> float:
    """Peak memory of a process that extracts the clip's frames and keeps none."""
    command = [sys.executable, "-m", "bench.extract_frames", "--peak-of", str(clip)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def fence_cost(rounds: int) -> dict[str, float]:
    """One minute extracted in this process, and in one that is started for it, in turns; medians of CPU seconds."""
    chunks = chunk_rows(resolve(TimelineSpec(name="bench", chunks=(ChunkSpec(source=str(_clip())),))))
    settings, sources = ExtractFramesSettings().plain(), Sources()
    seconds: dict[str, list[float]] = {"in_process": [], "fenced": []}
    for _ in range(rounds):
        for name in seconds:
            end_idle()
            began_s = _cpu_s()
            frames: Iterator[ExtractedFrame]
            if name == "fenced":
                frames = fenced(ExtractedFrame, sampled, chunks, settings, sources, None)
            else:
                frames = sampled(chunks, settings, sources, None)
            assert sum(1 for _ in frames) == 120
            end_idle()
            seconds[name].append(_cpu_s() - began_s)
    medians = {f"{name}_cpu_s": round(statistics.median(values), 3) for name, values in seconds.items()}
    return medians | {"fence_ratio": round(medians["fenced_cpu_s"] / medians["in_process_cpu_s"], 3)}


def _cpu_s() -> float:
    """Of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--fence", action="store_true")
    parser.add_argument("--peak-of", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peak_of:
        with tempfile.TemporaryDirectory() as folder:
            ours(arguments.peak_of, Path(folder))
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        return 0
    if arguments.fence:
        print(json.dumps(fence_cost(arguments.rounds)))
        return 0
    if shutil.which("ffmpeg") is None:
        print("bench.extract_frames needs the ffmpeg command to compare with; install it.", file=sys.stderr)
        return 1
    print(json.dumps(measure(arguments.rounds, memory=arguments.memory)))
    return 0


def _clip() -> Path:
    """One minute, made where it is not there yet."""
    store = Path(tempfile.gettempdir()) / "mpr-bench"
    store.mkdir(exist_ok=True)
    clip = store / "moving-1080p30-60s.mp4"
    if not clip.exists():
        make_clip(clip, 60)
    return clip


def measure(rounds: int, *, memory: bool) -> dict[str, object]:
    """Both on one minute, in turns; medians."""
    clip = _clip()
    seconds: dict[str, list[float]] = {"ours": [], "ffmpeg": []}
    facts: dict[str, object] = {}
    for _ in range(rounds):
        for name, write in (("ours", ours), ("ffmpeg", theirs)):
            with tempfile.TemporaryDirectory() as folder:
                start = time.perf_counter()
                facts[f"{name}_frames"] = write(clip, Path(folder))
                seconds[name].append(time.perf_counter() - start)
                facts[f"{name}_bytes"] = sum(file.stat().st_size for file in Path(folder).iterdir())
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    facts |= {f"{name}_s": round(value, 3) for name, value in medians.items()}
    facts["ratio"] = round(medians["ours"] / medians["ffmpeg"], 3)
    if memory:
        long = clip.with_name("moving-1080p30-600s.mp4")
        if not long.exists():
            lengthen(clip, long, 10)
        one, ten = peak_mib(clip), peak_mib(long)
        facts |= {"peak_1_min_mib": round(one), "peak_10_min_mib": round(ten), "peak_ratio": round(ten / one, 3)}
    return facts


if __name__ == "__main__":
    sys.exit(main())
