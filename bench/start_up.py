"""CPU seconds that commands cost to start, beside `python -c pass` and `import dagster`.

    python -m bench.start_up [--repeat 3]

One JSON line a command: user and system seconds of its process, the least of the repetitions; their ratio to
`python -c pass`; and what they are over `import dagster`. The last command runs a finished timeline again.
Exit status 1 where a command failed.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.try_stage import write_video

MAIN = "from mpr_cli.app import main; main()"
USED_WRONGLY = 2
"""Exit status of a typo."""


def cpu_s(code: str, arguments: Sequence[str], environ: Mapping[str, str], repeat: int, status: int = 0) -> float:
    """The least CPU seconds of a Python process.

    Raises:
        SystemExit: it ended with another status.
    """
    taken = []
    for _ in range(repeat):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        ran = subprocess.run(
            [sys.executable, "-c", code, *arguments], env=environ, capture_output=True, text=True, check=False
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if ran.returncode != status:
            sys.exit(f"{arguments or code}: exit status {ran.returncode}: {ran.stderr}")
        taken.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    return min(taken)


def measure(folder: Path, repeat: int) -> None:
    """Make a timeline in the folder, then measure the commands on it."""
    write_video(folder / "clip.mp4")
    environ = os.environ | {"MPR_STORAGE_URL": str(folder / "storage"), "DAGSTER_HOME": str(folder / "dagster")}
    run = ["run", str(folder / "clip.mp4"), "--name", "clip"]
    cpu_s(MAIN, run, environ, 1)
    bare_s = cpu_s("pass", [], environ, repeat)
    dagster_s = cpu_s("import dagster", [], environ, repeat)
    commands = {
        "--help": 0, "--version": 0, "rnu": USED_WRONGLY, "profile list": 0, "brands list": 0, "report clip": 0,
        "status": 0, "status clip": 0, "history clip": 0, "try clip detect_edges": 0,
    }  # fmt: skip
    taken = {name: cpu_s(MAIN, name.split(), environ, repeat, status) for name, status in commands.items()}
    taken["run clip.mp4, all stored"] = cpu_s(MAIN, run, environ, repeat)
    for name, seconds in {"python -c pass": bare_s, "import dagster": dagster_s, **taken}.items():
        said = {"command": name, "cpu_s": round(seconds, 2), "times_bare_python": round(seconds / bare_s, 1)}
        print(json.dumps({"bench": "start_up", **said, "over_dagster_s": round(seconds - dagster_s, 2)}), flush=True)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=3)
    repeat: int = parser.parse_args().repeat
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), repeat)
    return 0


if __name__ == "__main__":
    sys.exit(main())
