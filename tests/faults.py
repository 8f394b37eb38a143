"""`mpr run` in a process of its own that is killed at a named point, in a world where every stage has work to do.

Processes are forked from one that has imported everything, so that a case takes a second or two. What is killed, and
where, is decided here by replacing functions in that process; the product knows nothing of it.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import pickle
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import dagster as dg
import numpy as np
import obstore

from gpu_service.client.local import LocalInference
from gpu_service.pictures import Image
from gpu_service.routines.vlm import VLM
from gpu_service.wire import VlmAnswer
from mpr_assets.engine import materialize
from mpr_assets.engine.stage import Stage
from mpr_assets.engine.stage_run import Result, StageRun
from mpr_cli import app, run
from mpr_resources.storage.pictures import Frame
from mpr_resources.storage.store import Storage
from tests import world
from tests.clips import write_clip

FIRST_FRAMES = 4
"""Frames that a stage takes before it is killed."""
PROFILE = """
description: every stage has work to do
extract_frames: {fps: 5}
filter_scenes: {max_stand_in_ms: 0}
field_segmentation: {enabled: true}
detect_edges: {enabled: true}
run_ocr: {full_scan_every: 4}
escalate_vlm: {enabled: true, model: small}
escalate_cloud: {enabled: true, models: [anthropic/m]}
"""
PRICES = "anthropic/m: {input: 1, output: 4, cached: 0.1}\n"
BRANDS = "brands:\n  - name: Tessarune\n    logos: [symbol.png]\n  - Nowhere Airlines\n"


def pictures() -> Iterator[Image]:
    """Those of `world`, with another word that no brand has, and a symbol."""
    for picture in world.pictures():
        picture[5:105, 500:600] = symbol()
        cv2.putText(picture, "QUORZEN", (40, 70), cv2.FONT_HERSHEY_SIMPLEX, 1.5, (250, 250, 250), 4, cv2.LINE_AA)
        yield picture


def symbol() -> Image:
    """A hundred pixels of coloured triangles on white."""
    generator = np.random.default_rng(4)
    picture = np.full((100, 100, 3), 250, np.uint8)
    for _ in range(8):
        corners = generator.integers(5, 95, (3, 2), dtype=np.int32)
        cv2.fillPoly(picture, [corners], tuple(map(int, generator.integers(0, 200, 3))), cv2.LINE_AA)
    return picture


def write_inputs(folder: Path) -> None:
    write_clip(folder / "clip.mp4", pictures(), fps=10)
    cv2.imwrite(str(folder / "symbol.png"), symbol())
    (folder / "brands.yaml").write_text(BRANDS)
    (folder / "profiles" / "prices").mkdir(parents=True)
    (folder / "profiles" / "prices" / "models.yaml").write_text(PRICES)
    (folder / "profiles" / "all.yaml").write_text(PROFILE)


@dataclass(frozen=True)
class Point:
    """Where a process is killed.

    Attributes:
        where: "in the body" (after some frames, or at the end where it takes none), "before the table" (all beside the
            table is written), or "in a put": half of the object has been written.
        put: how the key of that object ends.
        nth: which of them, from 1.
    """

    stage: str
    where: str
    put: str = ""
    nth: int = 1


@dataclass(frozen=True)
class Place:
    """Where a run finds its inputs, its storage and Dagster.

    Attributes:
        forgets: the Dagster instance is in the process' memory, which takes half of the time.
        says: the file in the home that all goes to that it says.
    """

    inputs: Path
    storage: Path
    home: Path
    environ: Mapping[str, str]
    forgets: bool = True
    says: str = "said.txt"

    def copy(self, storage: Path, folder: Path) -> Place:
        """The same with a copy of a storage, and of the home."""
        place = replace(self, storage=folder / "storage", home=folder / "home")
        if storage.exists():
            shutil.copytree(storage, place.storage)
        shutil.copytree(self.home, place.home)
        return place

    def run(self, prepare: Callable[..., None] | None = None, *arguments: object) -> tuple[int, str]:
        """`mpr run` in a process of its own, in which `prepare(*arguments)` is called first.

        Returns:
            Its exit status, less than 0 when a signal ended it, and all that it said.
        """
        process = self.start(prepare, *arguments)
        process.join(120)
        assert process.exitcode is not None, self.said()
        return process.exitcode, self.said()

    def start(self, prepare: Callable[..., None] | None = None, *arguments: object) -> Any:
        """The process, begun."""
        # A daemon, so that one that a failed test left behind does not hold up the end of the tests.
        process = FORKS.Process(target=_main, args=(self, prepare, arguments), daemon=True)
        process.start()
        return process

    def second(self) -> Place:
        """The same place for another command: what that says is kept apart."""
        return replace(self, says="second.txt")

    def said(self) -> str:
        return (self.home / self.says).read_text()

    def kept(self) -> dict[str, bytes]:
        """What is stored, but what names a run or a moment, and what is to be gone at the end of a stage."""
        passing = "progress/"
        return {
            key: data
            for key, data in world.listing(self.storage).items()
            if not key.startswith(passing) and "/parts/" not in key
        }


FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.faults", "rapidocr", "onnxruntime", "anthropic"])


def _main(place: Place, prepare: Callable[..., None] | None, arguments: Sequence[object]) -> None:
    for name in [name for name in os.environ if name.startswith(("MPR_", "S3_", "AWS_", "INFERENCE_"))]:
        del os.environ[name]
    os.environ.update(place.environ)
    os.environ["MPR_STORAGE_URL"] = str(place.storage)
    os.environ["MPR_PROFILES_DIR"] = str(place.inputs / "profiles")
    os.environ["DAGSTER_HOME"] = str(place.home)
    with (place.home / place.says).open("w") as said:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
    answer_as_a_model(place.inputs / "answers")
    if place.forgets:
        run.dagster_instance = dg.DagsterInstance.ephemeral
    if prepare is not None:
        prepare(*arguments)
    clip, brands = str(place.inputs / "clip.mp4"), str(place.inputs / "brands.yaml")
    sys.argv = ["mpr", "run", clip, "--name", world.TIMELINE, "--profile", "all", "--brands", brands]
    app.main()


def answer_as_a_model(folder: Path) -> None:
    """Let this process' inference know the model `small`, which has heard of one brand. What routines answer is kept in
    the folder for all processes: a case is about what becomes of answers."""
    folder.mkdir(exist_ok=True)
    identity, answers = LocalInference.identity, LocalInference.map

    def named(self: LocalInference, routine: Any, settings: Any) -> str:
        return "vlm/1/small" if routine is VLM else identity(self, routine, settings)

    def answered(
        self: LocalInference, routine: Any, pictures: Iterable[Any], settings: Any, references: Sequence[Any] = ()
    ) -> Iterator[Any]:
        for token, picture, item in pictures:
            if routine is VLM:
                known = item.text.startswith("Acme")
                brand = VlmAnswer(outcome="brand", brand=world.BRAND, confidence=0.8)
                yield token, brand if known else VlmAnswer(outcome="unclear")
                continue
            asked = (routine.name, item.model_dump_json(), settings.model_dump_json())
            digest = hashlib.sha256(picture.pixels.tobytes() + repr(asked).encode()).hexdigest()
            if not (folder / digest).exists():
                [(_, answer)] = answers(self, routine, [(token, picture, item)], settings, references)
                (folder / digest).write_bytes(pickle.dumps(answer))
            yield token, pickle.loads((folder / digest).read_bytes())

    LocalInference.identity = named  # type: ignore[method-assign]
    LocalInference.map = answered  # type: ignore[method-assign]


def copy_before_each_stage(storage: Path, to: Path) -> None:
    """Let this process copy the storage as it is before each stage's body to `to/STAGE`."""
    wrap_bodies(lambda stage, run, body: (shutil.copytree(storage, to / stage.name), body(run))[1])


def die_at(point: Point) -> None:
    """Let this process be killed at the point."""
    if point.where == "in a put":
        _die_in_a_put(point)
        return

    def work(stage: Stage, run: StageRun, body: Callable[[StageRun], Result]) -> Result:
        if stage.name != point.stage:
            return body(run)
        if point.where == "in the body":
            StageRun.frames = _some(StageRun.frames)  # type: ignore[method-assign]
        body(run)
        return die()

    wrap_bodies(work)


def die() -> Any:
    """Be killed; gives nothing."""
    os.kill(os.getpid(), signal.SIGKILL)


def wrap_bodies(work: Callable[[Stage, StageRun, Callable[[StageRun], Result]], Result]) -> None:
    made = materialize._made
    materialize._made = lambda stage, run, inputs: work(stage, run, lambda now: made(stage, now, inputs))


def _some(frames: Callable[..., Iterator[Frame]]) -> Callable[..., Iterator[Frame]]:
    def some(*arguments: Any) -> Iterator[Frame]:
        for number, frame in enumerate(frames(*arguments)):
            if number == FIRST_FRAMES:
                die()
            yield frame

    return some


def _die_in_a_put(point: Point) -> None:
    """Objects are put in two halves; the process is killed between those of one."""
    put, seen = Storage.put, []

    def put_half(self: Storage, key: str, data: bytes) -> None:
        if key.endswith(point.put):
            seen.append(key)
            if len(seen) == point.nth:
                obstore.put(self.store, key, _half(data), use_multipart=True, chunk_size=max(1, len(data) // 4))
        put(self, key, data)

    Storage.put = put_half  # type: ignore[method-assign]


def _half(data: bytes) -> Iterator[bytes]:
    for at in range(0, len(data) // 2, max(1, len(data) // 4)):
        yield data[at : at + max(1, len(data) // 4)]
    die()


def wait_in(stage: str, go: Path) -> None:
    """Let this process wait in the stage's body until the file `go` is there; `go.here` says that it waits."""

    def work(one: Stage, run: StageRun, body: Callable[[StageRun], Result]) -> Result:
        if one.name == stage:
            go.with_suffix(".here").touch()
            while not go.exists():
                time.sleep(0.02)
        return body(run)

    wrap_bodies(work)
