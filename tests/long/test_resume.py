"""A stage that is broken off goes on where it was: nothing is asked twice, and the result is the same to the byte."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from mpr_assets.definitions import ROOT
from mpr_assets.sampling import frames as sampling
from mpr_assets.stages import extract_frames
from mpr_resources.storage import journal
from mpr_resources.storage.journal import Journal
from mpr_resources.storage.keys import Keys
from tests.mpr_assets.settings_matrix import Host
from tests.world import (
    NAMES,
    TIMELINE,
    World,
    listing,
    write_inputs,
)

PROFILE = """
description: every frame is kept and looked at
extract_frames: {fps: 10}
filter_scenes: {max_stand_in_ms: 0}
field_segmentation: {enabled: true}
detect_edges: {enabled: true}
run_ocr: {full_scan_every: 4}
"""
FRAMES = 20


class Mortal(Host):
    """Counts what it answers, in all and by routine. After `lives` answers `die` is called."""

    def __init__(self, lives: int | None = None, die: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self.answered = 0
        self.by_routine: Counter[str] = Counter()
        self.lives = lives
        self.die = die

    def map(self, routine: Any, pictures: Any, settings: Any, references: Any = ()) -> Iterator[Any]:
        for answer in super().map(routine, pictures, settings, references):
            if self.answered == self.lives:
                self.die()
            self.answered += 1
            self.by_routine[routine.name] += 1
            yield answer


UNDISTURBED = Mortal()


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The graph run without a disturbance. Not to be changed."""
    folder = tmp_path_factory.mktemp("done")
    write_inputs(folder)
    (folder / "profiles" / "board.yaml").write_text(PROFILE)
    with dg.DagsterInstance.ephemeral() as instance:
        world = World(folder, folder / "storage", instance)
        world.register()
        assert world.run(*NAMES[:8], inference=UNDISTURBED).success
    return world


@pytest.fixture
def before(done: World, tmp_path: Path) -> Iterator[Callable[[str], World]]:
    """Gives a world in which the stages before one are made."""
    with dg.DagsterInstance.ephemeral() as instance:

        def make(stage: str) -> World:
            shutil.copytree(done.storage_folder, tmp_path / "storage")
            world = World(done.inputs, tmp_path / "storage", instance)
            world.register()
            (world.storage_folder / Keys.table(stage, TIMELINE)).unlink()
            for folder in {"extract_frames": ["frames"], "preprocess": ["crops"]}.get(stage, []):
                shutil.rmtree(world.storage_folder / "cache" / "timelines" / TIMELINE / folder)
            return world

        yield make


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames are made in this process."""
    monkeypatch.setattr(extract_frames, "fenced", lambda _, function, *arguments: function(*arguments))


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every record is written when it is kept."""
    monkeypatch.setattr(journal, "SHARE_LOST", 0.0)
    monkeypatch.setattr(journal, "WRITES_A_TIME", 0.0)


def kept(world: World) -> dict[str, bytes]:
    """What is stored but the spec, and how far a run had got when it was killed."""
    stored = listing(world.storage_folder).items()
    return {key: data for key, data in stored if not key.startswith(("timelines/", "progress/"))}


def killed(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """What a process that is killed does: it writes nothing any more."""

    def die() -> None:
        monkeypatch.setattr(Journal, "flush", lambda self: None)
        raise RuntimeError("killed")

    return die


def test_every_frame_is_looked_at(done: World) -> None:
    assert done.table("filter_scenes").rows["kept"].sum() == FRAMES
    assert done.table("preprocess").rows.height > 0
    assert done.table("run_ocr").rows.height > 0


@pytest.mark.parametrize(
    ("stage", "routine", "lives"),
    [
        pytest.param("field_segmentation", "segment_field", 0, id="field_segmentation, at its beginning"),
        pytest.param("field_segmentation", "segment_field", 13, id="field_segmentation"),
        pytest.param("detect_edges", "detect_edges", 1, id="detect_edges, after a frame"),
        pytest.param("preprocess", "preprocess", 13, id="preprocess"),
        pytest.param("run_ocr", "ocr", 18, id="run_ocr"),
    ],
)
def test_answers_are_not_asked_for_twice(
    done: World,
    before: Callable[[str], World],
    at_once: None,
    monkeypatch: pytest.MonkeyPatch,
    stage: str,
    routine: str,
    lives: int,
) -> None:
    world = before(stage)
    with monkeypatch.context() as patched:
        assert not world.run(stage, inference=Mortal(lives, killed(patched))).success
    rest = Mortal()
    assert world.run(stage, inference=rest).success
    assert kept(world) == kept(done)
    assert rest.answered == UNDISTURBED.by_routine[routine] - lives
    assert UNDISTURBED.by_routine[routine] >= FRAMES


def test_killed_again_and_again_it_still_ends(
    done: World, before: Callable[[str], World], at_once: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = before("preprocess")
    for _ in range(4):
        with monkeypatch.context() as patched:
            assert not world.run("preprocess", inference=Mortal(4, killed(patched))).success
    assert world.run("preprocess", inference=Mortal()).success
    assert kept(world) == kept(done)


@pytest.mark.parametrize("lives", [0, 13])
def test_frames_are_not_extracted_twice(
    done: World, before: Callable[[str], World], at_once: None, here: None, monkeypatch: pytest.MonkeyPatch, lives: int
) -> None:
    world = before("extract_frames")
    encode, made = sampling.encode_jpeg, []

    def encode_or_die(*arguments: Any) -> bytes:
        if len(made) == lives:
            killed(patched)()
        made.append(1)
        return encode(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(sampling, "encode_jpeg", encode_or_die)
        assert not world.run("extract_frames").success
    made.clear()
    monkeypatch.setattr(sampling, "encode_jpeg", lambda *arguments: made.append(1) or encode(*arguments))
    assert world.run("extract_frames").success
    assert kept(world) == kept(done)
    assert len(made) <= FRAMES - lives + sampling.ENCODERS


def test_a_frame_that_is_gone_is_extracted_again(
    done: World, before: Callable[[str], World], at_once: None, here: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = before("extract_frames")
    with monkeypatch.context() as patched:
        patched.setattr(sampling, "frame_phash", lambda image: 7)
        patched.setattr("mpr_resources.storage.pictures.PictureFolder.finish", lambda self, _there: 1 / 0)
        assert not world.run("extract_frames").success
    [frame] = world.storage_folder.rglob("00000005.jpg")
    frame.unlink()
    assert world.run("extract_frames").success
    rows = world.table("extract_frames").rows
    assert rows["phash"].to_list()[:5] == [7] * 5
    assert rows["phash"].to_list()[5:] == done.table("extract_frames").rows["phash"].to_list()[5:]


def test_other_settings_begin_anew(
    before: Callable[[str], World], at_once: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = before("detect_edges")
    with monkeypatch.context() as patched:
        assert not world.run("detect_edges", inference=Mortal(9, killed(patched))).success
    assert list((world.storage_folder / Keys.parts(TIMELINE, "detect_edges")).rglob("*.msgpack"))
    rest = Mortal()
    assert world.run("detect_edges", overrides={"detect_edges": {"edge_canny_low": 40}}, inference=rest).success
    assert rest.answered == FRAMES
    assert not list((world.storage_folder / "cache").rglob("*.msgpack"))


def test_a_journal_that_cannot_be_used_is_forgotten(
    done: World, before: Callable[[str], World], at_once: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = before("detect_edges")
    with monkeypatch.context() as patched:
        assert not world.run("detect_edges", inference=Mortal(9, killed(patched))).success
    for part in (world.storage_folder / Keys.parts(TIMELINE, "detect_edges")).rglob("*.msgpack"):
        part.write_bytes(b"rubbish")
    ran = world.run("detect_edges", inference=Mortal())
    assert (ran.success, ran.attempts_again()) == (True, 1)
    assert kept(world) == kept(done)


SCRIPT = """
import os, signal, sys
from pathlib import Path
import dagster as dg
from mpr_assets.stages import extract_frames
from mpr_assets.sampling import frames as sampling
from tests.long.test_resume import Mortal
from tests.world import World
stage, lives, inputs, storage = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4])
die = lambda: os.kill(os.getpid(), signal.SIGKILL)
encode, made = sampling.encode_jpeg, []
def mortal(*arguments):
    made.append(1)
    return die() if stage == "extract_frames" and len(made) > lives else encode(*arguments)
sampling.encode_jpeg = mortal
extract_frames.fenced = lambda _, function, *arguments: function(*arguments)
with dg.DagsterInstance.ephemeral() as instance:
    world = World(inputs, storage, instance)
    world.register()
    world.run(stage, inference=Mortal(lives, die))
"""


@pytest.mark.parametrize("stage", ["extract_frames", "run_ocr"])
def test_a_process_that_is_killed(done: World, before: Callable[[str], World], stage: str) -> None:
    world = before(stage)
    command = [sys.executable, "-c", SCRIPT, stage, "15", str(world.inputs), str(world.storage_folder)]
    process = subprocess.run(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=False)
    assert process.returncode == -signal.SIGKILL
    assert not (world.storage_folder / Keys.table(stage, TIMELINE)).exists()
    assert world.run(stage, inference=Mortal()).success
    assert kept(world) == kept(done)
