"""The faults of the matrix: how each is made, and taken away. Disks are tmpfs, which takes a user who may mount."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from tests.chaos.matrix import Command, Fault, Place
from tests.chaos.proxy import Mode, Proxy
from tests.world import TIMELINE

AWAY_S = 30.0
SLOW_LIMIT_S = 1800.0
"""For a command whose every request to the storage takes 2 s: a run makes some hundred, one after another."""
ROOM_KB = 96
"""Left on a disk that is to be full in mid-run; where something is stored already, it is full from the start."""
FILLER = "filler"
INFERRING = ("run", "replay", "check")


def faults(s3: Proxy, host: Proxy, other_port: int) -> dict[str, Fault]:
    """By name, in the order of the table. `other_port`: of an inference host with other models."""
    found = [
        Fault("kill -9", during=_signal(signal.SIGKILL)),
        Fault("SIGTERM", during=_signal(signal.SIGTERM)),
        Fault("disk full", arm=_full, mend=_emptied),
        Fault("storage read-only", arm=_read_only, mend=_remount("rw")),
        Fault("storage away for 30 s", during=_away(s3), needs="bucket"),
        Fault("slow storage", arm=_mode(s3, "slow"), mend=_mode(s3, "through"), limit_s=SLOW_LIMIT_S, needs="bucket"),
        Fault("database away", arm=_database_away, mend=lambda place: place.extra.clear()),
        Fault("clock jumps back 1 h", arm=_clock(-3600), mend=lambda place: place.extra.clear()),
        Fault("clock jumps on 1 day", arm=_clock(86_400), mend=lambda place: place.extra.clear()),
        *(
            Fault(
                f"inference host {name}",
                arm=_host(host, mode),
                mend=_mode(host, "through"),
                commands=INFERRING,
                needs="host",
            )
            for name, mode in (
                ("down", "away"),
                ("hangs", "hangs"),
                ("answers rubbish", "garbage"),
                ("answers 500", "500"),
            )
        ),
        Fault(
            "inference host of other models",
            arm=_host(host, "through"),
            during=_exchanged(host, other_port),
            mend=_back(host),
            commands=INFERRING,
            needs="host",
        ),
        Fault("corrupt Parquet", *_corrupt(f"stages/match_brands/{TIMELINE}.parquet"), finished=True),
        Fault("corrupt index", *_corrupt(f"stages/extract_frames/{TIMELINE}.parquet"), finished=True),
        Fault("corrupt JPEG", *_corrupt("00000003.jpg"), finished=True),
        Fault("corrupt registry", *_corrupt("registry.sqlite"), finished=True),
        Fault("corrupt scenario", *_corrupt(f"scenarios/kept/stages/run_ocr/{TIMELINE}.parquet"), commands=("check",)),
        Fault(
            "DAGSTER_HOME deleted",
            during=_home_deleted,
            mend=lambda place: (place.folder / "home").mkdir(exist_ok=True),
        ),
    ]
    return {one.name: one for one in found}


def _signal(number: signal.Signals) -> Callable[[Command, float], bool]:
    def during(command: Command, at_s: float) -> bool:
        if command.ends_within(at_s):
            return False
        (os.killpg if number == signal.SIGKILL else os.kill)(command.pid, number)
        command.began_s = time.monotonic()
        return command.wait() != 0

    return during


def _own_disks(place: Place) -> None:
    """Put what commands write on file systems of its own."""
    for folder in (place.storage, place.folder / "out"):
        kept = folder.with_name(f"{folder.name}-kept")
        folder.rename(kept)
        folder.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)], check=True)
        shutil.copytree(kept, folder, dirs_exist_ok=True)
        shutil.rmtree(kept)


def _full(place: Place) -> None:
    is_new = not any(place.storage.iterdir())
    _own_disks(place)
    for folder in (place.storage, place.folder / "out"):
        free = shutil.disk_usage(folder).free - (ROOM_KB * 1024 if is_new else 0)
        with suppress(OSError), (folder / FILLER).open("wb", buffering=0) as filler:
            for _ in range(-(-free // 2**12)):
                filler.write(bytes(2**12))


def _emptied(place: Place) -> None:
    for folder in (place.storage, place.folder / "out"):
        (folder / FILLER).unlink()


def _read_only(place: Place) -> None:
    _own_disks(place)
    _remount("ro")(place)


def _remount(option: str) -> Callable[[Place], None]:
    def mend(place: Place) -> None:
        for folder in (place.storage, place.folder / "out"):
            subprocess.run(["mount", "-o", f"remount,{option}", str(folder)], check=True)

    return mend


def _mode(proxy: Proxy, mode: Mode) -> Callable[[Place], None]:
    return lambda _place: proxy.set(mode)


def _away(proxy: Proxy) -> Callable[[Command, float], bool]:
    def during(command: Command, at_s: float) -> bool:
        if command.ends_within(at_s):
            return False
        proxy.set("away")
        command.began_s = time.monotonic()
        command.ends_within(AWAY_S)
        proxy.set("through")
        return True

    return during


def _database_away(place: Place) -> None:
    place.extra["MPR_DATABASE_URL"] = "postgresql://mpr@127.0.0.1:1/mpr"


def _clock(jump_s: int) -> Callable[[Place], None]:
    return lambda place: place.extra.update(CHAOS_CLOCK=str(jump_s))


def _host(proxy: Proxy, mode: Mode) -> Callable[[Place], None]:
    def arm(place: Place) -> None:
        place.extra["INFERENCE_URL"] = proxy.url
        proxy.set(mode)

    return arm


def _exchanged(proxy: Proxy, other_port: int) -> Callable[[Command, float], bool]:
    def during(command: Command, at_s: float) -> bool:
        if command.ends_within(at_s):
            return False
        proxy.target_port = other_port
        proxy.set("away")
        proxy.set("through")
        return True

    return during


def _back(proxy: Proxy) -> Callable[[Place], None]:
    def mend(_place: Place) -> None:
        proxy.target_port = proxy.first_port
        proxy.set("away")
        proxy.set("through")

    return mend


def _corrupt(ending: str) -> Sequence[Callable[..., None]]:
    """Overwrites the middle of the files that end so; takes it back, but from a table, which a run makes anew."""
    before: dict[Path, bytes] = {}

    def arm(place: Place) -> None:
        before.clear()
        for path in sorted(place.folder.rglob("*")):
            if path.is_file() and str(path).endswith(ending) and "media" not in path.parts:
                before[path] = path.read_bytes()
                half = len(before[path]) // 2
                path.write_bytes(before[path][: half // 2] + b"\xa5" * half + before[path][half // 2 + half :])
        assert before, f"nothing ends in {ending}"

    def mend(_place: Place) -> None:
        for path, data in before.items():
            path.write_bytes(data)

    return arm, lambda _command, _at_s: True, mend


def _home_deleted(command: Command, at_s: float) -> bool:
    """In mid-run."""
    if command.ends_within(at_s):
        return False
    shutil.rmtree(command.says.parent / "home", ignore_errors=True)
    command.began_s = time.monotonic()
    return True
