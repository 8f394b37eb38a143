"""`make fuzz`: every parser of the project for some minutes, and damaged videos; prints a line for each.

`--minutes 10` a parser; `--only brands,svg,media`; `--clips FOLDER` of videos to damage, else some are made;
`--files 200` damaged videos, `--seed 18` of how they are damaged. Inputs that reach something new are kept in
`.mpr/fuzz/`, so that the next time begins there; those at which there was a fault in `.mpr/fuzz/faults/`. Exit status 1
where there was one.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz.media import SEED, clips, try_all
from tests.fuzz.targets import TARGETS

KEPT = Path(".mpr/fuzz")
HANGS_S = 20
MEMORY_MB = 3000
MEDIA = "media"


def main() -> int:
    """Exit status: 1 where there was a fault."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--only", default=",".join([*TARGETS, MEDIA]))
    parser.add_argument("--clips", type=Path)
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--seed", type=int, default=SEED)
    asked = parser.parse_args()
    names = asked.only.split(",")
    unknown = [name for name in names if name not in {*TARGETS, MEDIA}]
    if unknown:
        parser.error(f"there is no target {unknown[0]}; there are {', '.join([*TARGETS, MEDIA])}")
    faults = sum([_fuzzed(name, 60 * asked.minutes) for name in names if name != MEDIA])
    if MEDIA in names:
        faults += _damaged(asked.clips, asked.files, asked.seed)
    print(f"{faults} faults", flush=True)
    return 1 if faults else 0


def _fuzzed(name: str, seconds: float) -> int:
    """Faults of one parser: 0 or 1, as it stops at the first."""
    found = KEPT / "faults" / name
    found.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable,
        "-m",
        "tests.fuzz.with_atheris",
        name,
        str(KEPT / name),
        f"-max_total_time={seconds:.0f}",
    ]
    command += [
        f"-timeout={HANGS_S}",
        f"-rss_limit_mb={MEMORY_MB}",
        f"-artifact_prefix={found}/",
        "-seed=18",
        "-max_len=20000",
    ]
    ran = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    said = ran.stdout + ran.stderr
    tries = re.findall(r"^#(\d+)\s", said, re.MULTILINE)
    print(f"{name}: {tries[-1] if tries else 'no'} inputs, {'no fault' if not ran.returncode else 'FAULT'}", flush=True)
    if ran.returncode:
        print(said[-3000:], flush=True)
    return 1 if ran.returncode else 0


def _damaged(folder: Path | None, count: int, seed: int) -> int:
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mpr-fuzz-clips-") as made:
        outcome = try_all(clips(folder, Path(made)), count, KEPT / "faults" / MEDIA, seed)
    told = ", ".join(f"{number} {what}" for what, number in sorted(outcome.counts.items()))
    took_s = time.monotonic() - began_s
    print(f"{MEDIA}: {count} files in {took_s:.0f} s: {told}; the slowest took {outcome.slowest_s:.1f} s", flush=True)
    for path, fault in outcome.faults:
        print(f"  {path}: {fault}", flush=True)
    return len(outcome.faults)


if __name__ == "__main__":
    sys.exit(main())
