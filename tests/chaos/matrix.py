"""The matrix: commands, faults, and what becomes of one under the other."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, Literal, TypeAlias

import boto3

from tests.chaos.command import start
from tests.chaos.proxy import Proxy
from tests.world import TIMELINE, listing, write_inputs

LIMIT_S = 600.0
"""A command that takes longer under a fault hangs, where the fault itself does not slow it."""
SHARES = (0.6, 0.4, 0.2, 0.1)
"""Of the time that a command takes undisturbed: when a fault comes; earlier where the command had ended by then."""
Needs: TypeAlias = Literal["files", "bucket", "host"]
PASSING = ("progress/", "notices/")
FINISHED = {"replay": ["run"], "check": ["run", "save"], "export": ["run"]}
"""What has to be there before a command can run."""
COMMANDS: dict[str, list[str]] = {
    "run": ["run", "{in}/clip.mp4", "--name", TIMELINE, "--profile", "board", "--brands", "{in}/brands.yaml"],
    "sensor": ["tick"],
    "replay": ["replay", TIMELINE, "filter_scenes"],
    "check": ["scenario", "check", "kept"],
    "export": ["export", TIMELINE, "--format", "csv", "--format", "xlsx", "--to", "{out}"],
    "save": ["scenario", "save", TIMELINE, "run_ocr", "kept"],
}
"""Arguments of each; the last one only prepares."""
ALL_COMMANDS = ("run", "sensor", "replay", "check", "export")


@dataclass
class Place:
    """Where a command runs: a folder with inputs, storage, home, registry and what is exported.

    `bucket`: where what it stores is, instead of in the folder.
    """

    folder: Path
    extra: dict[str, str] = field(default_factory=dict)
    bucket: Bucket | None = None

    @property
    def storage(self) -> Path:
        return self.folder / "storage"

    @property
    def environ(self) -> dict[str, str]:
        """Of its commands."""
        kept = {name: value for name, value in os.environ.items() if not re.match("MPR_|S3_|AWS_|INFERENCE_", name)}
        return (
            kept
            | {
                "DAGSTER_HOME": str(self.folder / "home"),
                "MPR_STORAGE_URL": str(self.storage),
                "MPR_PROFILES_DIR": str(self.folder / "inputs" / "profiles"),
                "MPR_DATABASE_URL": f"sqlite:///{self.folder / 'registry.sqlite'}",
                "MPR_MEDIA_URL": str(self.folder / "media"),
                "COLUMNS": "300",
            }
            | (self.bucket.environ if self.bucket else {})
            | self.extra
        )

    def start(self, command: str) -> Command:
        """The command's process."""
        names = {"in": str(self.folder / "inputs"), "out": str(self.folder / "out")}
        says = self.folder / "said.txt"
        says.write_text("")
        return Command(start([part.format(**names) for part in COMMANDS[command]], self.environ, says), says)

    def kept(self) -> dict[str, bytes]:
        """All that the commands keep and that does not name a run or a moment."""
        if self.bucket is not None:
            shutil.rmtree(self.storage)
            self.bucket.download(self.storage)
        stored = {f"storage/{key}": data for key, data in listing(self.storage).items() if not key.startswith(PASSING)}
        out = {f"out/{path.name}": path.read_bytes() for path in sorted((self.folder / "out").glob("*"))}
        # A media file's version goes by its inode, which another copy has not.
        specs = re.compile(rb'"(saved|run_id|version)":\s*"[^"]*"')
        return {key: specs.sub(b"", data) for key, data in (stored | out).items() if "/parts/" not in key}


@dataclass
class Command:
    """A process, and what it says."""

    process: ForkServerProcess
    says: Path
    began_s: float = field(default_factory=time.monotonic)

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    def ends_within(self, seconds: float) -> bool:
        """Wait so long at most; whether it has ended."""
        self.process.join(seconds)
        return self.process.exitcode is not None

    def wait(self, limit_s: float = LIMIT_S) -> int | None:
        """Its exit status; None: it hung, and was ended."""
        if self.ends_within(max(1.0, limit_s - (time.monotonic() - self.began_s))):
            return self.process.exitcode
        os.killpg(self.pid, signal.SIGKILL)
        self.process.join()
        return None

    def sentence(self) -> str:
        """The last line that it said, where that is a sentence of ours; empty where it is none."""
        text = self.says.read_text(errors="replace")
        lines = [line for line in text.splitlines() if line.strip()]
        # What `scenario check` answers is a line a scenario, on standard output.
        ours = [line for line in lines if line.startswith(("mpr: ", "differs  "))]
        return "" if "Traceback (most recent call last)" in text or not ours else ours[-1].removeprefix("mpr: ")


@dataclass(frozen=True)
class Fault:
    """What goes wrong.

    Attributes:
        arm: before the command starts: makes the fault, or changes where the command finds things.
        during: while it runs, given the second at which it should come; whether it came before the command had ended.
        mend: takes the fault away, before the command is run again.
        commands: under which it means something.
        finished: whether the timeline was run before, whatever the command.
        limit_s: a command that takes longer hangs.
        needs: what it is made with besides files: storage in a bucket behind a proxy, or inference hosts.
    """

    name: str
    arm: Callable[[Place], None] = lambda _place: None
    during: Callable[[Command, float], bool] = lambda _command, _at_s: True
    mend: Callable[[Place], None] = lambda _place: None
    commands: tuple[str, ...] = ALL_COMMANDS
    finished: bool = False
    limit_s: float = LIMIT_S
    needs: Needs = "files"


@dataclass(frozen=True)
class Cell:
    """What became of a command under a fault: how it ended, after how many seconds, and whether it gives the bytes of
    an undisturbed one when it is run again."""

    fault: str
    command: str
    ended: str
    seconds: float
    sentence: str
    equal: bool

    @property
    def is_bad(self) -> bool:
        return not self.equal or self.ended in ("hangs", "silent")


class Matrix:
    """Makes cells in a folder. What is prepared once is copied for each."""

    def __init__(self, folder: Path, bucket: Callable[[], Bucket]) -> None:
        self.folder = folder
        self._bucket = bucket
        self._usual: dict[tuple[str, tuple[str, ...], bool], tuple[float, dict[str, bytes]]] = {}

    def cell(self, fault: Fault, command: str) -> Cell:
        """One cell."""
        usual_s, expected = self.usual(fault, command)
        for share in SHARES:
            place = self._prepared(fault, command)
            fault.arm(place)
            started = place.start(command)
            is_in_time = fault.during(started, share * usual_s)
            status = started.wait(fault.limit_s)
            seconds, sentence = time.monotonic() - started.began_s, started.sentence()
            said = started.says.read_text(errors="replace")
            fault.mend(place)
            if is_in_time:
                break
        is_equal = status == 0 and place.kept() == expected
        if not is_equal:
            again = place.start(command)
            is_equal = again.wait() == 0 and place.kept() == expected
            if not is_equal:
                sentence += f" [run again: {again.sentence() or again.says.read_text(errors='replace')[-300:]}; " + (
                    ", ".join(_differing(place.kept(), expected)[:4]) + "]"
                )
        ended = _ended(status, sentence)
        if ended == "silent":
            sentence = f"[it said: {said[-300:]}]"
        return Cell(fault.name, command, ended, seconds, sentence, is_equal)

    def usual(self, fault: Fault, command: str) -> tuple[float, dict[str, bytes]]:
        """Seconds and bytes of an undisturbed one, made once for all faults that find the same."""
        kind = command, tuple(_before(fault, command)), fault.needs == "bucket"
        if kind not in self._usual:
            place = self._prepared(fault, command)
            done = place.start(command)
            assert done.wait() == 0, done.says.read_text()
            self._usual[kind] = time.monotonic() - done.began_s, place.kept()
        return self._usual[kind]

    def _prepared(self, fault: Fault, command: str) -> Place:
        """Always in the same folder, since stored addresses name it."""
        before = _before(fault, command)
        template = self.folder / f"before-{'-'.join(before)}"
        if not template.exists():
            self._make(template, before)
        place = Place(self.folder / "cell")
        self._clear(place)
        shutil.copytree(template, place.folder, symlinks=True)
        if fault.needs == "bucket":
            place.bucket = self._bucket()
            place.bucket.upload(place.storage)
        return place

    def clear(self) -> None:
        """Let go of what is mounted."""
        self._clear(Place(self.folder / "cell"))

    def _clear(self, place: Place) -> None:
        for folder in (place.storage, place.folder / "out"):
            if folder.is_mount():
                subprocess.run(["umount", str(folder)], check=True)
        shutil.rmtree(place.folder, ignore_errors=True)

    def _make(self, template: Path, commands: list[str]) -> None:
        place = Place(self.folder / "cell")
        self._clear(place)
        for name in ("inputs", "home", "media/board", "out", "storage"):
            (place.folder / name).mkdir(parents=True)
        write_inputs(place.folder / "inputs")
        shutil.copy(place.folder / "inputs" / "clip.mp4", place.folder / "media" / "board" / "clip.mp4")
        for command in commands:
            done = place.start(command)
            assert done.wait() == 0, done.says.read_text()
        shutil.copytree(place.folder, template, symlinks=True)


def _before(fault: Fault, command: str) -> list[str]:
    return FINISHED.get(command, ["run"] if fault.finished else [])


def _ended(status: int | None, sentence: str) -> str:
    if status is None:
        return "hangs"
    if status == 0:
        return "finished"
    if status in (-signal.SIGKILL, -signal.SIGTERM):
        return "killed"
    return "failed" if sentence else "silent"


def _differing(one: Mapping[str, bytes], other: Mapping[str, bytes]) -> list[str]:
    return [key for key in sorted({*one, *other}) if one.get(key) != other.get(key)]


@dataclass(frozen=True)
class Bucket:
    """An empty bucket of a server of this machine, which commands reach through a proxy."""

    name: str
    proxy: Proxy
    direct_url: str

    @property
    def environ(self) -> dict[str, str]:
        """Of commands that store there."""
        return {
            "MPR_STORAGE_URL": f"s3://{self.name}/mpr",
            "S3_ENDPOINT_URL": self.proxy.url,
            "AWS_ACCESS_KEY_ID": "any",
            "AWS_SECRET_ACCESS_KEY": "any",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def upload(self, folder: Path) -> None:
        """All that lies in the folder."""
        for path in folder.rglob("*"):
            if path.is_file():
                self._client().upload_file(str(path), self.name, f"mpr/{path.relative_to(folder).as_posix()}")

    def download(self, folder: Path) -> None:
        """All that is stored, into a new folder."""
        folder.mkdir()
        for page in self._client().get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix="mpr/"):
            for one in page.get("Contents", []):
                path = folder / one["Key"].removeprefix("mpr/")
                path.parent.mkdir(parents=True, exist_ok=True)
                self._client().download_file(self.name, one["Key"], str(path))

    def _client(self) -> Any:
        keys = {"aws_access_key_id": "any", "aws_secret_access_key": "any", "region_name": "us-east-1"}
        return boto3.client("s3", endpoint_url=self.direct_url, **keys)
