"""`make bench`: every benchmark, one JSON line each; with CLIPS=FOLDER also those that need real clips.

Each runs in a process of its own, one after another, so that none disturbs another's memory or clock.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def benches(clips: Path | None) -> list[list[str]]:
    """Module and arguments of each."""
    always = [
        ["bench.extract_frames"],
        ["bench.regions"],
        ["bench.service"],
        ["bench.try_stage"],
        ["bench.api"],
        ["bench.memory"],
        ["bench.registry"],
        ["bench.costs"],
        ["bench.replay"],
        ["bench.idle_ticks"],
        ["bench.start_up"],
        ["bench.large_report"],
        ["bench.parity"],
        ["bench.editor"],
        ["bench.live_report"],
        ["bench.live_latency"],
        ["bench.live_page"],
        ["bench.live_faults"],
    ]
    always += [["bench.logos", "--broadcast"]]
    if clips is None:
        return always
    logos = ["bench.logos", "--icons", str(clips / "simple_icons")]
    logos += ["--frames", str(clips / "negative_bottles" / "bottle-detection.mp4")]
    return [*always, logos, ["bench.clips", str(clips)]]


def main() -> int:
    """Exit status 0 when every benchmark ran."""
    folder = os.environ.get("CLIPS")
    failed = 0
    for module, *arguments in benches(Path(folder) if folder else None):
        failed |= subprocess.run([sys.executable, "-m", module, *arguments], check=False).returncode
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
