"""Frames to an S3 server and back: `PictureFolder` against other ways to do it, in the same run.

    python -m tests.services.servers python -m bench.s3          starts a server for it
    MPR_TEST_S3_ENDPOINT_URL=... MPR_TEST_S3_KEY=... MPR_TEST_S3_SECRET=... python -m bench.s3

Each way writes the same 1080p JPEG frames and reads them back, in turns: ours; one after another through a temporary
file with boto3; boto3 in 16 threads; obstore's own asynchronous calls, 16 at once. One JSON line: frames a second,
written and read back (median over rounds), and the ratios.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import cv2
import numpy as np
import obstore
from botocore.config import Config
from obstore.store import S3Store

from gpu_service.pictures import encode_jpeg
from mpr_resources.storage.pictures import PictureCache, PictureFolder
from mpr_resources.storage.store import PARALLEL_REQUESTS, Storage

DISTINCT = 20
"""Frames that are drawn; they are repeated."""


def draw_frames() -> list[bytes]:
    """1080p JPEG frames of quality 90, as large as those of 720p web video would be at that size: some 250 KB."""
    generator = np.random.default_rng(0)
    frames = []
    for number in range(DISTINCT):
        small = generator.integers(60, 120, (68, 120, 3), dtype=np.uint8)
        picture = np.asarray(cv2.resize(small, (1920, 1080), interpolation=cv2.INTER_CUBIC), np.uint8)
        picture = np.asarray(cv2.add(picture, generator.integers(0, 3, picture.shape, dtype=np.uint8)), np.uint8)
        cv2.putText(picture, f"ACME {number}", (200, 500), cv2.FONT_HERSHEY_SIMPLEX, 6, (255, 255, 255), 16)
        frames.append(encode_jpeg(np.asarray(picture, np.uint8), 90))
    return frames


class Ways:
    """Each method writes the frames and reads them back; gives the bytes read."""

    def __init__(self, url: str, bucket: str, frames: list[bytes], count: int) -> None:
        self.url, self.bucket, self.frames, self.count = url, bucket, frames, count

    def frame(self, number: int) -> bytes:
        return self.frames[number % len(self.frames)]

    def ours(self, prefix: str) -> int:
        storage = Storage.open(f"s3://{self.bucket}", s3_endpoint_url=self.url)
        folder = PictureFolder(storage, prefix, "jpg", PictureCache())
        folder.write((number, self.frame(number)) for number in range(self.count))
        return sum(len(picture.encoded) for _, picture in folder.stream(range(self.count), decode=False))

    def one_by_one(self, prefix: str) -> int:
        client, read = self._boto3(), 0
        for number in range(self.count):
            with tempfile.NamedTemporaryFile() as file:
                file.write(self.frame(number))
                file.flush()
                client.upload_file(file.name, self.bucket, f"{prefix}/{number}.jpg")
        for number in range(self.count):
            with tempfile.NamedTemporaryFile() as file:
                client.download_file(self.bucket, f"{prefix}/{number}.jpg", file.name)
                read += len(Path(file.name).read_bytes())
        return read

    def threads(self, prefix: str) -> int:
        client = self._boto3()

        def write(number: int) -> None:
            client.put_object(Bucket=self.bucket, Key=f"{prefix}/{number}.jpg", Body=self.frame(number))

        def read(number: int) -> int:
            return len(client.get_object(Bucket=self.bucket, Key=f"{prefix}/{number}.jpg")["Body"].read())

        with ThreadPoolExecutor(PARALLEL_REQUESTS) as pool:
            list(pool.map(write, range(self.count)))
            return sum(pool.map(read, range(self.count)))

    def bare(self, prefix: str) -> int:
        store = S3Store(self.bucket, config={"endpoint": self.url}, client_options={"allow_http": True})

        async def go() -> int:
            free = asyncio.Semaphore(PARALLEL_REQUESTS)

            async def write(number: int) -> None:
                async with free:
                    await obstore.put_async(store, f"{prefix}/{number}.jpg", self.frame(number))

            async def read(number: int) -> int:
                async with free:
                    found = await obstore.get_async(store, f"{prefix}/{number}.jpg")
                    return len((await found.bytes_async()).to_bytes())

            await asyncio.gather(*(write(number) for number in range(self.count)))
            return sum(await asyncio.gather(*(read(number) for number in range(self.count))))

        return asyncio.run(go())

    def _boto3(self) -> Any:
        return boto3.client("s3", endpoint_url=self.url, config=Config(max_pool_connections=2 * PARALLEL_REQUESTS))


def main() -> int:
    """One JSON line; 1 without a server."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    url = os.environ.get("MPR_TEST_S3_ENDPOINT_URL")
    if url is None:
        print("bench.s3 needs a server; run: python -m tests.services.servers python -m bench.s3", file=sys.stderr)
        return 1
    os.environ["AWS_ACCESS_KEY_ID"] = os.environ["MPR_TEST_S3_KEY"]
    os.environ["AWS_SECRET_ACCESS_KEY"] = os.environ["MPR_TEST_S3_SECRET"]
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    print(json.dumps({"bench": "s3", **measure(url, arguments.frames, arguments.rounds)}))
    return 0


def measure(url: str, count: int, rounds: int) -> dict[str, object]:
    frames = draw_frames()
    bucket = f"bench-{uuid.uuid4().hex[:8]}"
    boto3.client("s3", endpoint_url=url).create_bucket(Bucket=bucket)
    store = Storage.open(f"s3://{bucket}", s3_endpoint_url=url)
    ways = Ways(url, bucket, frames, count)
    total = sum(len(ways.frame(number)) for number in range(count))
    named: dict[str, Callable[[str], int]] = {
        "ours": ways.ours, "one_by_one": ways.one_by_one, "threads": ways.threads, "bare": ways.bare,
    }  # fmt: skip
    rates: dict[str, list[float]] = {name: [] for name in named}
    for _ in range(rounds):
        for name, way in named.items():
            start = time.perf_counter()
            read = way(name)
            rates[name].append(count / (time.perf_counter() - start))
            if read != total:
                raise SystemExit(f"bench.s3: {name} read other bytes than it wrote")
            store.delete_below(name)  # the server keeps all in memory
    median = {name: statistics.median(values) for name, values in rates.items()}
    return {
        "frames": count,
        "mean_kb": round(total / count / 1000),
        **{f"{name}_per_s": round(value) for name, value in median.items()},
        "against_one_by_one": round(median["ours"] / median["one_by_one"], 2),
        "against_best": round(median["ours"] / max(median["threads"], median["bare"]), 2),
    }


if __name__ == "__main__":
    sys.exit(main())
