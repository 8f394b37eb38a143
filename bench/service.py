"""The inference host measured: one JSON line a figure. `python -m bench.service [FRAMES] [figure ...]`.

1. `streaming`: 1080p frames through two routines over loopback, against the same in this process and against one POST
   of base64 in JSON for each frame.
2. `crowd`: eight clients at once, the bound of the queue, memory over many requests.
3. `killed`: the service killed in the middle and started again; and left dead.
4. `hostile`: schemathesis, all its phases. The table of bad requests is tests/gpu_service/test_bad_requests.py.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import httpx2
import numpy as np
import requests

from gpu_service.client.http import ClientConfig, HttpInference
from gpu_service.client.local import LocalInference
from gpu_service.errors import TransientError
from gpu_service.pictures import (
    Image,
    Picture,
    decode,
    encode_jpeg,
    encode_png,
)
from gpu_service.routines import Inference
from gpu_service.routines.detect_edges import DETECT_EDGES
from gpu_service.routines.segment_field import SEGMENT_FIELD
from gpu_service.wire import EdgesItem, Message, NoItem

ROOT = Path(__file__).parents[1]


def frame(number: int) -> Image:
    """A 1080p picture somewhat like football: stands, two rows of boards with words, grass with lines; panning."""
    rng = np.random.default_rng(number)
    image = np.full((1080, 1920, 3), (60, 140, 60), np.uint8)
    image[:420] = rng.integers(30, 120, (105, 480, 1)).repeat(4, 0).repeat(4, 1).astype(np.uint8)
    shift = number * 7 % 480
    for row, (top, bottom) in enumerate(((300, 350), (420, 490))):
        for board in range(-1, 5):
            left = board * 480 - shift * (row + 1) % 480
            colour = [int(c) for c in np.random.default_rng(board * 2 + row + 9).integers(0, 256, 3)]
            cv2.rectangle(image, (left, top), (left + 470, bottom), colour, -1)
            cv2.putText(image, f"BRAND {board}", (left + 60, bottom - 12), cv2.FONT_HERSHEY_SIMPLEX, 1.5, (255,) * 3, 3)
    for line in range(4):
        cv2.line(image, (line * 600 - shift, 1080), (line * 600 + 200 - shift, 490), (235, 235, 235), 5)
    noise = rng.integers(0, 12, image.shape, dtype=np.uint8)
    return np.asarray(cv2.add(image, noise), np.uint8)


def frames(count: int) -> list[bytes]:
    return [encode_jpeg(frame(number)) for number in range(count)]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def start(port: int, *flags: str) -> subprocess.Popen[bytes]:
    """The service as users start it; returns when it is healthy."""
    command = [sys.executable, "-m", "gpu_service", "--host", "127.0.0.1", "--port", str(port), "--log-level", "error"]
    process = subprocess.Popen([*command, "--preload", "segment_field,detect_edges", *flags], cwd=ROOT)
    with httpx2.Client() as http:
        while process.poll() is None:
            with contextlib.suppress(httpx2.TransportError):
                if http.get(f"http://127.0.0.1:{port}/health").status_code == 200:
                    return process
            time.sleep(0.1)
    raise RuntimeError("the service did not start")


@contextlib.contextmanager
def service(*flags: str) -> Iterator[str]:
    port = free_port()
    process = start(port, *flags)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def both_routines(inference: Inference, pictures: list[bytes]) -> list[Message]:
    """What two stages do: the field of every frame, then the boards of every frame. Starts from JPEG bytes."""
    asked = ((picture, Picture(encoded=picture), NoItem()) for picture in pictures)
    fields = list(inference.map(SEGMENT_FIELD, asked, SEGMENT_FIELD.settings()))
    located = ((None, Picture(encoded=picture), EdgesItem(field=field.polygon)) for picture, field in fields)
    edges = inference.map(DETECT_EDGES, located, DETECT_EDGES.settings())
    return [answer for _, answer in fields] + [answer for _, answer in edges]


def post_by_post(url: str, pictures: list[bytes]) -> list[dict[str, Any]]:
    """The same as a plain client does: a `requests.post` of base64 in JSON a frame, one after another."""

    def ask(path: str, picture: bytes, item: dict[str, Any]) -> dict[str, Any]:
        body: dict[str, Any] = {"image_b64": base64.b64encode(picture).decode(), "item": item}
        answer: dict[str, Any] = requests.post(url + path, json=body, timeout=60).json()["answers"][0]
        return answer

    fields = [ask("/segment_field", picture, {}) for picture in pictures]
    items = [{"field": field["polygon"]} for field in fields]
    return fields + [ask("/detect_edges", p, item) for p, item in zip(pictures, items, strict=True)]


def cost(action: Callable[[], object], url: str) -> tuple[float, float]:
    """Seconds on the clock, and seconds of CPU that this process and the service spend."""
    began, began_cpu = time.monotonic(), cpu_seconds(url)
    action()
    return time.monotonic() - began, cpu_seconds(url) - began_cpu


def cpu_seconds(url: str) -> float:
    lines = httpx2.get(f"{url}/metrics", verify=False).text.splitlines()
    served = next(line for line in lines if line.startswith("process_cpu_seconds_total"))
    return time.process_time() + float(served.split()[1])


def streaming(count: int) -> dict[str, Any]:
    """Milliseconds a call (a frame and a routine), of each way the least of three rounds.

    A stage has its frames as JPEG; `routines` is the time in process less that of decoding. With `posts_png` the plain
    client has pixels and sends each as PNG, which takes so long that it is asked with a tenth of the frames.
    """
    pictures = frames(count)
    few = [decode(picture) for picture in pictures[: max(1, count // 10)]]
    local = LocalInference()
    with service() as url, HttpInference([url]) as remote:
        equal = both_routines(local, pictures[:8]) == both_routines(remote, pictures[:8])
        ways: dict[str, tuple[int, Callable[[], object]]] = {
            "decode": (count, lambda: [decode(picture).size for picture in pictures]),
            "in_process": (2 * count, lambda: both_routines(local, pictures)),
            "streamed": (2 * count, lambda: both_routines(remote, pictures)),
            "posts": (2 * count, lambda: post_by_post(url, pictures)),
            "posts_png": (2 * len(few), lambda: post_by_post(url, [encode_png(image) for image in few])),
        }
        rounds = [{name: cost(way, url) for name, (_, way) in ways.items()} for _ in range(3)]
    ms, cpu_ms = (
        {name: min(spent[name][kind] for spent in rounds) / calls * 1000 for name, (calls, _) in ways.items()}
        for kind in (0, 1)
    )
    return {
        "figure": "streaming",
        "frames": count,
        "cores": os.cpu_count(),
        "frame_kb": round(statistics.mean(map(len, pictures)) / 1000),
        "equal_to_in_process": equal,
        "ms_a_call": {name: round(value, 2) for name, value in ms.items()},
        "cpu_ms_a_call": {name: round(value, 2) for name, value in cpu_ms.items()},
        "streamed_over_in_process": round(ms["streamed"] / ms["in_process"], 2),
        "streamed_over_routines": round(ms["streamed"] / (ms["in_process"] - ms["decode"]), 2),
        "posts_over_streamed": round(ms["posts"] / ms["streamed"], 2),
        "posts_png_over_streamed": round(ms["posts_png"] / ms["streamed"], 2),
    }


def seconds(action: Callable[[], object]) -> float:
    began = time.monotonic()
    action()
    return time.monotonic() - began


def percentiles(values: list[float]) -> tuple[float, float]:
    """Median and 99th percentile."""
    ordered = sorted(values)
    return ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100]


def memory_bytes(http: httpx2.Client) -> int:
    return int(http.get("/info").json()["memory_bytes"])


def crowd(count: int) -> dict[str, Any]:
    """Eight clients with small pictures and with /health, which shows how quiet the machine is, then a full queue.

    Memory is that after 500 and after all requests.
    """
    many = 10_000 if count >= 300 else 3_000
    pictures = [encode_jpeg(np.ascontiguousarray(frame(number)[::6, number::6])) for number in range(5)]
    with service("--queue-pictures", "64") as url, httpx2.Client(base_url=url, timeout=60) as http:
        asked = ((None, Picture(encoded=picture), NoItem()) for picture in pictures)
        found = LocalInference().map(SEGMENT_FIELD, asked, SEGMENT_FIELD.settings())
        truths = [json.loads(answer.model_dump_json()) for _, answer in found]

        def ask(number: int) -> tuple[float, bool]:
            which = number % len(pictures)
            began = time.monotonic()
            response = http.post("/segment_field", files=[("picture", ("p", pictures[which]))])
            right = response.status_code == 200 and response.json()["answers"] == [truths[which]]
            return (time.monotonic() - began) * 1000, right

        with ThreadPoolExecutor(8) as pool:
            first = list(pool.map(ask, range(500)))
            after_500 = memory_bytes(http)
            rest = list(pool.map(ask, range(many - 500)))
            after_all = memory_bytes(http)
            idle = list(pool.map(lambda _: seconds(lambda: http.get("/health")), range(1000)))
        flood = [("picture", ("p", pictures[0]))] * 16
        with ThreadPoolExecutor(16) as pool:
            answers = [pool.submit(http.post, "/segment_field", files=flood) for _ in range(64)]
            waiting = [int(http.get("/info").json()["waiting_pictures"]) for _ in range(10)]
            statuses = [answer.result().status_code for answer in answers]
    p50, p99 = percentiles([ms for ms, _ in rest])
    idle_p50, idle_p99 = percentiles(idle)
    return {
        "figure": "crowd",
        "requests": many,
        "wrong_or_failed": sum(not right for _, right in first + rest),
        "p50_ms": round(p50, 1),
        "p99_ms": round(p99, 1),
        "p99_over_p50": round(p99 / p50, 2),
        "p99_over_p50_of_health": round(idle_p99 / idle_p50, 2),
        "flood_statuses": {status: statuses.count(status) for status in sorted(set(statuses))},
        "most_waiting_pictures": max(waiting),
        "bound": 64,
        "memory_after_500_mb": round(after_500 / 1e6, 1),
        "memory_after_all_mb": round(after_all / 1e6, 1),
        "memory_growth": round(after_all / after_500 - 1, 4),
    }


def killed(count: int) -> dict[str, Any]:
    pictures = frames(count)
    port = free_port()
    undisturbed = both_routines(LocalInference(), pictures)
    process = start(port)
    restarted: list[subprocess.Popen[bytes]] = []

    def kill_and_start_again() -> None:
        process.send_signal(signal.SIGKILL)
        process.wait()
        time.sleep(10)
        restarted.append(start(port))

    with HttpInference([f"http://127.0.0.1:{port}"]) as remote:
        thread = threading.Timer(0.5, kill_and_start_again)
        thread.start()
        began = time.monotonic()
        same = both_routines(remote, pictures) == undisturbed
        took_s = time.monotonic() - began
        thread.join()
    restarted[0].kill()
    restarted[0].wait()
    with HttpInference([f"http://127.0.0.1:{port}"], config=ClientConfig(give_up_after_s=3)) as remote:
        began = time.monotonic()
        try:
            both_routines(remote, pictures)
            said = ""
        except TransientError as error:
            said = str(error)
    return {
        "figure": "killed",
        "frames": count,
        "same_result": same,
        "took_s": round(took_s, 1),
        "away_at_least_s": 10,
        "left_dead_error": said,
        "left_dead_gave_up_after_s": round(time.monotonic() - began, 1),
    }


def hostile(_: int) -> dict[str, Any]:
    toml = 'hooks = "tests.gpu_service.test_openapi"\n[checks.positive_data_acceptance]\n'
    toml += 'expected-statuses = ["2xx", "413", "422", "424"]\n[checks.negative_data_rejection]\n'
    toml += 'expected-statuses = ["400", "404", "405", "413", "415", "422", "424"]\n'
    with service() as url, tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "schemathesis.toml"
        config.write_text(toml)
        command = [str(Path(sys.executable).parent / "st"), "--config-file", str(config), "run"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [*command, f"{url}/openapi.json", "--max-examples", "20"],
            capture_output=True,
            text=True,
            env=environment,
            cwd=folder,
        )
        alive = httpx2.get(f"{url}/health").status_code == 200
    said = [line.strip() for line in done.stdout.splitlines() if "generated" in line or line.strip().startswith("- ST")]
    if done.returncode:
        print(done.stdout, file=sys.stderr)
    return {"figure": "hostile", "clean": done.returncode == 0, "alive_after": alive, "said": said}


FIGURES: dict[str, Callable[[int], dict[str, Any]]] = {
    "streaming": streaming,
    "crowd": crowd,
    "killed": killed,
    "hostile": hostile,
}


def main(arguments: list[str]) -> None:
    count = int(arguments[0]) if arguments else 300
    for name in arguments[1:] or FIGURES:
        print(json.dumps(FIGURES[name](count)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
