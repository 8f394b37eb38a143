"""`make demo`: draw the broadcast, run the whole graph on it, compare what was found with what was drawn."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from bench.score_exposures import score
from demo.broadcast import draw_broadcast
from gpu_service.errors import MprError
from mpr_assets.definitions import ROOT
from mpr_assets.runs.local_instance import dagster_instance
from mpr_assets.runs.local_storage import storage
from mpr_cli import new_timeline, terminal
from mpr_cli.materialize import materialize
from mpr_cli.report import report_of
from mpr_resources.environment import state_folder
from mpr_resources.storage.keys import Keys

TIMELINE = "demo"
PROFILE = "soccer_broadcast"
BRANDS = Path(__file__).parent / "brands.yaml"


def main() -> int:
    """Exit status 0 when every stage ran, 1 otherwise."""
    argparse.ArgumentParser(prog="python -m demo", description=__doc__).parse_args()
    folder = state_folder() / "demo"
    folder.mkdir(parents=True, exist_ok=True)
    video = folder / "broadcast.mp4"
    terminal.err.print("Drawing 20 seconds of a football broadcast …")
    draw_broadcast(video)
    terminal.err.print("Finding its brands:")
    try:
        spec = new_timeline.timeline_spec([video], PROFILE, [], BRANDS, TIMELINE)
        with dagster_instance() as instance:
            new_timeline.create_timeline(instance, spec, replace=True)
            materialize(instance, TIMELINE, command="demo")
        report_of(TIMELINE).show()
    except MprError as error:
        terminal.err.print(f"demo: {error}")
        return 1
    exposures = folder / "exposures.csv"
    exposures.write_bytes(storage().get(Keys.report(TIMELINE, "exposures.csv")))
    brands, totals = score(folder / "truth.csv", exposures, "any")
    terminal.out.print("\nAgainst what was drawn, in seconds of full view, without the half second at each end:")
    for row in brands:
        terminal.out.print(
            "  {brand:24} present {present_s:5.1f}  found {found_s:5.1f}  missed {missed_s:4.1f}  "
            "falsely claimed {false_s:4.1f}".format(**row),
        )
    terminal.out.print("  F1 {f1}  recall {recall}  precision {precision}".format(**totals))
    return 0


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main())
