"""`make soak`: timelines one after another through one Dagster daemon; what grows with each of them.

    python -m bench.soak [--timelines 200] [--every 5] [--folder FOLDER] [--seconds 0]

A `dagster dev` as users start it, with the project's definitions, on SQLite and a local folder. Each timeline is a clip
of two seconds with a board, run through all stages. Measured after every few: of each process that goes on (daemon,
code server, webserver) memory, open files and threads; the size of Dagster's database, of its other files, of the
registry and of the storage. Prints one JSON line: for each the first value, the last, and the slope a timeline by least
squares over the second half, as the first half warms caches up. `--seconds`: end after so long, whatever was done.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from bench.daemon import Daemon, dagster_dev
from mpr_assets.definitions import ROOT
from tests.world import write_inputs

MIB = 2**20


def processes(daemon_environ: str) -> dict[str, int]:
    """The numbers of the processes that go on, by what they are; runs' own come and go, and are left out."""
    kinds = {
        "daemon": "dagster._daemon",
        "code server": "api grpc",
        "code server's proxy": "code-server start",
        "webserver": "dagster_webserver",
    }
    found: dict[str, int] = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if daemon_environ.encode() not in (folder / "environ").read_bytes():
                continue
        except OSError:  # ended meanwhile, or another user's
            continue
        for kind, part in kinds.items():
            if part in command and "execute_run" not in command:
                found.setdefault(kind, int(folder.name))
    return found


def of_process(number: int) -> dict[str, float]:
    """Memory of its own, open files and threads."""
    folder = Path("/proc") / str(number)
    status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
    return {
        "memory_mib": int(status["RssAnon"].split()[0]) / 1024,
        "open_files": len(list((folder / "fd").iterdir())),
        "threads": int(status["Threads"]),
    }


def size_mib(paths: Sequence[Path]) -> float:
    """Of the files below."""
    return sum(file.stat().st_size for path in paths for file in path.rglob("*") if file.is_file()) / MIB


def sizes(folder: Path) -> dict[str, float]:
    """Of what is kept on disk."""
    home = folder / "dagster"
    databases = [home / name for name in ("history", "schedules", "storage")]
    others = [path for path in home.iterdir() if path not in databases and path.is_dir()]
    return {
        "dagster_database_mib": size_mib([path for path in databases if path.exists()]),
        "dagster_other_files_mib": size_mib(others),
        "storage_mib": size_mib([folder / "storage"]),
        "registry_mib": sum(file.stat().st_size for file in folder.glob("registry.sqlite*")) / MIB,
    }


def look(folder: Path) -> dict[str, float]:
    """All that is measured, by name."""
    seen = sizes(folder)
    for kind, number in processes(str(folder / "dagster")).items():
        seen |= {f"{kind} {name}": value for name, value in of_process(number).items()}
    return seen


def slopes(done: Sequence[int], seen: Sequence[dict[str, float]]) -> dict[str, dict[str, float]]:
    """First, last and slope a timeline of each figure that every look has."""
    half = len(done) // 2 if len(done) >= 6 else 0
    told = {}
    for name in seen[0]:
        if all(name in one for one in seen):
            values = [one[name] for one in seen]
            slope = float(np.polyfit(done[half:], values[half:], 1)[0]) if len(set(done[half:])) > 1 else 0.0
            told[name] = {"first": round(values[0], 3), "last": round(values[-1], 3), "a_timeline": round(slope, 5)}
    return told


def soak(folder: Path, timelines: int, every: int, seconds: float) -> dict[str, object]:
    """The figures."""
    write_inputs(folder)
    (folder / "dagster").mkdir()
    shutil.copy(ROOT / "dagster.yaml", folder / "dagster")
    environ = {
        "DAGSTER_HOME": str(folder / "dagster"),
        "MPR_STORAGE_URL": str(folder / "storage"),
        "MPR_PROFILES_DIR": str(folder / "profiles"),
        "MPR_DATABASE_URL": f"sqlite:///{folder / 'registry.sqlite'}",
    }
    done, seen, run_s = [], [], []
    with dagster_dev(environ) as daemon:
        began_s = time.monotonic()
        for number in range(1, timelines + 1):
            run_s.append(_one(daemon, folder, f"soak-{number}"))
            if number % every == 0 or number == 1:
                done.append(number)
                seen.append(look(folder))
                print(json.dumps({"timelines": number, **seen[-1]}), file=sys.stderr, flush=True)
            if seconds and time.monotonic() - began_s > seconds:
                break
    halves = run_s[: len(run_s) // 2] or run_s, run_s[len(run_s) // 2 :]
    return {
        "bench": "soak",
        "timelines": len(run_s),
        "run_s": [round(float(np.median(half)), 1) for half in halves],
        "figures": slopes(done, seen),
    }


def _one(daemon: Daemon, folder: Path, name: str) -> float:
    clip, brands = str(folder / "clip.mp4"), str(folder / "brands.yaml")
    daemon.mpr("timeline", "create", clip, "--name", name, "--profile", "board", "--brands", brands)
    return daemon.succeed(daemon.launch(name))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--timelines", type=int, default=200)
    parser.add_argument("--every", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.0)
    parser.add_argument("--folder", type=Path)
    asked = parser.parse_args()
    with ExitStack() as stack:
        folder = asked.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mpr-soak-")))
        folder.mkdir(parents=True, exist_ok=True)
        print(json.dumps(soak(folder, asked.timelines, asked.every, asked.seconds)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
