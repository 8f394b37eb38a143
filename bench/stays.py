"""Exposures against drawn broadcasts with camera moves and players before the boards: `python -m bench.stays`.

Each seed draws another broadcast, whose truth is exact, and runs it through the whole graph. Told are exposures that
were split or merged wrongly, how far seconds of brands are off, how far starts and ends are, and how far sizes; see
`bench.score_stays` and `bench.score_sizes`. One JSON line closes the output. Exit status 0 when every broadcast ran, 1
when one did not.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bench.clips import overrides
from bench.eval_clips import varied_broadcast
from bench.eval_sides import SideFailed, run_graph
from bench.score_sizes import Size, sizes
from bench.score_stays import StayScore, score_stays
from gpu_service.errors import BadInput
from mpr_assets.definitions import ROOT

EXACT_S = 0.1
NEAR_SIZE = 0.05
"""Of a size by which it may be off."""


def in_words(name: str, score: StayScore, measured: Sequence[Size]) -> str:
    off_s = max((off for off, _ in score.seconds_off_s.values()), default=0.0)
    said = f"{name:12} {score.found} of {score.stays} stays found, {score.exposures} exposures: {score.split} split, "
    said += (
        f"{score.merged} merged; a brand's seconds off by up to {off_s:.2f}; edges off by {_spread(score.edges_off_s)}"
    )
    far = [
        f"size: {one.brand} {(one.start_ms / 1000, one.end_ms / 1000)} {one.measured:.3%}, truly {one.true:.3%}: "
        f"off by {one.off:+.1%}"
        for one in measured
        if abs(one.off) > NEAR_SIZE
    ]
    return "\n    ".join([said, *score.said, *far])


def _spread(errors_s: tuple[float, ...]) -> str:
    if not errors_s:
        return "nothing"
    median, most = np.percentile(errors_s, [50, 90])
    return f"{median:.3f} s (median), {most:.3f} s (90 %)"


def figures(scores: list[StayScore], step_s: float) -> dict[str, float | int]:
    """What the broadcasts add up to; a brand is within a step where it is off by less than one for each exposure."""
    brands = [one for score in scores for one in score.seconds_off_s.values()]
    edges = np.array([error for score in scores for error in score.edges_off_s])
    return {
        "broadcasts": len(scores),
        "stays": sum(score.stays for score in scores),
        "found": sum(score.found for score in scores),
        "exposures": sum(score.exposures for score in scores),
        "split": sum(score.split for score in scores),
        "merged": sum(score.merged for score in scores),
        "brands": len(brands),
        "brands_within_a_step": sum(off_s <= step_s * count for off_s, count in brands),
        "seconds_off_an_exposure": round(max((off_s / count for off_s, count in brands), default=0.0), 3),
        "edges": len(edges),
        "edges_within_100_ms": int((edges <= EXACT_S).sum()),
        "edges_within_a_step": int((edges <= step_s).sum()),
        "edge_error_median_s": round(float(np.median(edges)), 3) if len(edges) else 0.0,
        "edge_error_p90_s": round(float(np.percentile(edges, 90)), 3) if len(edges) else 0.0,
    }


def size_figures(measured: Sequence[Size]) -> dict[str, float | int]:
    """What the sizes of exposures add up to."""
    off = np.array([abs(one.off) for one in measured])
    return {
        "sizes": len(off),
        "sizes_within_5_percent": int((off <= NEAR_SIZE).sum()),
        "sizes_within_10_percent": int((off <= 2 * NEAR_SIZE).sum()),
        "size_error_median": round(float(np.median(off)), 3) if len(off) else 0.0,
    }


def seeds(text: str) -> list[int]:
    """`1-20` or `3`."""
    first, _, last = text.partition("-")
    return list(range(int(first), int(last or first) + 1))


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=seeds, default=seeds("1-20"), metavar="N[-M]")
    parser.add_argument("--profile", default="soccer_broadcast")
    parser.add_argument("--set", action="append", metavar="STAGE.SETTING=VALUE", default=[], help="repeatable")
    parser.add_argument("--step", type=float, default=0.5, metavar="SECONDS", help="between samples")
    parser.add_argument("--copies", type=Path, metavar="FOLDER", default=ROOT / ".mpr" / "eval")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="copy each broadcast's tables there")
    args = parser.parse_args()
    try:
        config = overrides(args.set, args.profile)
    except BadInput as error:
        print(f"stays: {error}", file=sys.stderr)
        return 2
    clips = [varied_broadcast(seed, args.copies) for seed in args.seeds]
    with tempfile.TemporaryDirectory() as scratch:
        try:
            side = run_graph(clips, args.profile, config, args.keep, Path(scratch))
        except SideFailed:
            return 1
        found = [(clip.video.parent, side.results[clip.name].exposures) for clip in clips]
        scores = [score_stays(*one) for one in found]
        measured = [sizes(*one) for one in found]
    for clip, score, of_clip in zip(clips, scores, measured, strict=True):
        print(in_words(clip.name, score, of_clip))
    told = figures(scores, args.step) | size_figures([size for of_clip in measured for size in of_clip])
    print(json.dumps({"bench": "stays", "profile": args.profile, "set": args.set, **told}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
