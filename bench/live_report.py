"""A live session's report against that of its recording as one file: `python -m bench.live_report [--seconds N]`.

The demo's broadcast is drawn, played as a stream in windows of 4 s, and run as one file. Both reports are held against
what was drawn, and against each other: each exposure of the one file has one of the session's, whose edges are off by
up to the sampling step, or it is told. What is told lies at a joint: a logo is searched for anew in each window, and
one that only following from the window before would find is found later. One JSON line closes the output.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from bench.live_world import LiveWorld
from bench.score_exposures import score
from demo.broadcast import draw_broadcast
from mpr_assets.definitions import ROOT
from mpr_resources.storage.keys import Keys

SESSION = "session"
STEP_MS = 500
Span = tuple[int, int]


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=20, help="of the broadcast")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        draw_broadcast(folder / "drawn" / "broadcast.mp4", seconds=args.seconds)
        world = LiveWorld(folder / "world")
        world.environ["MPR_PROFILES_DIR"] = str(ROOT / "profiles")
        given = ("--profile", "soccer_broadcast", "--brands", ROOT / "demo" / "brands.yaml", "--name")
        clip = folder / "drawn" / "broadcast.mp4"
        world.mpr("run", clip, *given, "whole")
        world.mpr("live", "start", clip, *given, SESSION, "--window", "4s")
        world.until_over(SESSION)
        store = world.store(SESSION)
        joints_ms = [one.start_ms for one in store.windows()][1:]
        reports = {"file": folder / "file.csv", "session": folder / "session.csv"}
        reports["file"].write_bytes(store.storage.get(Keys.report("whole", "exposures.csv")))
        _write(reports["session"], world.mpr("live", "report", SESSION))
        f1 = {side: score(folder / "drawn" / "truth.csv", path, "any")[1]["f1"] for side, path in reports.items()}
        whole, session = (_spans(path) for path in reports.values())
    off, told = compared(whole, session)
    for one in told:
        print(one)
    figures = {
        "f1_file": f1["file"],
        "f1_session": f1["session"],
        "joints": len(joints_ms),
        "exposures_file": sum(map(len, whole.values())),
        "exposures_session": sum(map(len, session.values())),
        "edges": len(off),
        "edges_equal": sum(one == 0 for one in off),
        "edges_within_a_step": sum(one <= STEP_MS for one in off),
    }
    print(json.dumps({"bench": "live_report", **figures}))
    return 0


def compared(whole: dict[str, list[Span]], session: dict[str, list[Span]]) -> tuple[list[int], list[str]]:
    """How far the edges of each exposure of the one file are off in the session, in ms; and what is told of it."""
    off: list[int] = []
    told: list[str] = []
    for brand in sorted(whole.keys() | session.keys()):
        of_session = session.get(brand, [])
        if len(of_session) != len(whole.get(brand, [])):
            told.append(f"{brand}: {whole.get(brand, [])} in the file, {of_session} in the session")
        for span in whole.get(brand, []):
            near = min(of_session, key=lambda one: abs(one[0] - span[0]) + abs(one[1] - span[1]), default=None)
            edges = [] if near is None else [abs(ours - true) for ours, true in zip(near, span, strict=True)]
            off += edges
            if any(edge > STEP_MS for edge in edges):
                told.append(f"{brand}: {span} is {near} in the session")
    return off, told


def _write(path: Path, report: dict[str, object]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["brand", "start_ms", "end_ms"])
        brands = report["brands"]
        assert isinstance(brands, list)
        table.writerows([brand["brand"], *span] for brand in brands for span in brand["spans_ms"])


def _spans(path: Path) -> dict[str, list[Span]]:
    found: defaultdict[str, list[Span]] = defaultdict(list)
    with path.open(newline="", encoding="utf-8-sig") as file:
        for row in csv.DictReader(file):
            found[row["brand"]].append((int(row["start_ms"]), int(row["end_ms"])))
    return dict(found)


if __name__ == "__main__":
    sys.exit(main())
