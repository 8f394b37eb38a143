"""`make eval CLIPS=FOLDER`: clips with a known truth through the whole graph, scored, beside a plain script.

A clip is a folder with one video and a truth.csv (brand,start_s,end_s,kind,note). The brand list is made from the truth
and 20 brands that are not in it. Each side runs all clips in one process of its own, whose user CPU is measured:
MPR's whole graph (`bench.graph_side`) and RapidOCR as it comes (`bench.plain_script`). Start-up is told apart.

One JSON line closes the output. Exit status 0 when every clip ran, 1 when one did not, 2 when there is none.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import JsonValue

from bench.eval_clips import BROADCAST_HEIGHT_PX, Clip, broadcast, clips_in, copies_of, degraded, height_px, length_s
from bench.eval_sides import Side, SideFailed, run_graph, run_plain
from bench.score_exposures import TOLERANCE_MS, edges, read, score
from gpu_service.errors import BadInput
from mpr_assets.definitions import BY_NAME, ROOT
from mpr_assets.engine.open_run import resolve_settings
from mpr_assets.engine.overrides import parse_overrides
from mpr_assets.evaluation.calibration import Judged, reliability
from mpr_assets.evaluation.spans import EdgeErrors, is_there
from mpr_assets.orchestration.launchpad import as_config
from mpr_assets.runs.local_instance import profiles
from mpr_cli.arguments import stage_name
from mpr_resources.brands.folding import fold_key

MARGIN = 0.01
"""The plain script counts as better where its F1 is higher by more than this."""
NEAR_S = 0.25
"""An edge that is off by no more is as exact as a truth that was set by eye."""
EPILOG = """
--degraded: twenty copies (four of each kind) made by the eval, the same bytes each time: 480p, 360p, a quarter of the
bitrate, a blur of 1.5 px, and a frame that wanders over the picture (it cuts off at most 2 % at an edge, so that all
text stays). MPR alone runs on them.
--broadcast: brands, colours, typefaces, crowd and grass are of the seed N; the truth is that of 720 lines; at 360 lines
(N:360) distant boards have letters 6 to 10 px high.
"""


@dataclass(frozen=True)
class Score:
    """How one side did on a clip."""

    f1: float
    recall: float
    precision: float
    false_s: float


@dataclass(frozen=True)
class Row:
    """A clip with what both sides made of it. `plain`: None where the script did not run."""

    clip: Clip
    graph: Score
    graph_user_s: float
    plain: Score | None
    plain_user_s: float
    edges: EdgeErrors
    brands: list[dict[str, Any]]

    @property
    def plain_is_better(self) -> bool:
        return self.plain is not None and self.plain.f1 > self.graph.f1 + MARGIN

    def __str__(self) -> str:
        one = self.graph
        said = f"{self.clip.name:32} F1 {one.f1:.3f}  recall {one.recall:.3f}  precision {one.precision:.3f}"
        said += f"  false {one.false_s:4.1f} s  user CPU {self.graph_user_s:6.1f} s"
        if self.plain is not None:
            said += f"  | plain: F1 {self.plain.f1:.3f}  user CPU {self.plain_user_s:6.1f} s"
        return said + ("  PLAIN IS BETTER" if self.plain_is_better else "")

    def figures(self) -> dict[str, Any]:
        """For the JSON line."""
        plain = {} if self.plain is None else {"plain_f1": self.plain.f1, "plain_user_s": round(self.plain_user_s, 1)}
        return {
            "name": self.clip.name,
            "f1": self.graph.f1,
            "recall": self.graph.recall,
            "precision": self.graph.precision,
            "false_s": self.graph.false_s,
            "user_s": round(self.graph_user_s, 1),
            **plain,
        }


def row_of(clip: Clip, graph: Side, plain: Side | None, kind: str, length_s: float) -> Row:
    """Score what both sides made of the clip, which is so long."""
    ours = graph.results[clip.name]
    brands, total = score(clip.truth, ours.exposures, kind)
    theirs = None if plain is None else plain.results[clip.name]
    return Row(
        clip,
        Score(**total),
        ours.user_s,
        None if theirs is None else Score(**score(clip.truth, theirs.exposures, kind)[1]),
        0.0 if theirs is None else theirs.user_s,
        edges(clip.truth, ours.exposures, kind, length_s),
        brands,
    )


def summary(rows: Sequence[Row], graph: Side, plain: Side | None) -> dict[str, Any]:
    """What the clips add up to; means are over the clips in which something is to be found."""
    scored = [row for row in rows if row.clip.has_truth()]
    starts = [error / 1000 for row in rows for error in row.edges.starts_ms]
    ends = [error / 1000 for row in rows for error in row.edges.ends_ms]
    figures: dict[str, Any] = {
        "clips": len(rows),
        "mean_f1": _mean([row.graph.f1 for row in scored]),
        "lowest_f1": min((row.graph.f1 for row in scored), default=None),
        "false_s": round(sum(row.graph.false_s for row in rows), 1),
        "false_s_without_truth": round(sum(row.graph.false_s for row in rows if row not in scored), 1),
        "edges": len(starts) + len(ends),
        **_spread("start_error", starts),
        **_spread("end_error", ends),
        "edges_within_250_ms": sum(error <= NEAR_S for error in (*starts, *ends)),
        "user_s": round(graph.user_s, 1),
        "startup_user_s": round(graph.startup_user_s, 1),
    }
    if plain is not None:
        figures |= {
            "plain_mean_f1": _mean([row.plain.f1 for row in scored if row.plain]),
            "plain_false_s": round(sum(row.plain.false_s for row in rows if row.plain), 1),
            "plain_user_s": round(plain.user_s, 1),
            "plain_startup_user_s": round(plain.startup_user_s, 1),
            "user_ratio": round(graph.user_s / plain.user_s, 3),
            "user_ratio_with_startup": round(graph.user_with_startup_s / plain.user_with_startup_s, 3),
            "plain_better_on": [row.clip.name for row in rows if row.plain_is_better],
        }
    return figures


def _mean(values: Sequence[float]) -> float | None:
    return round(statistics.fmean(values), 3) if values else None


def _spread(name: str, errors_s: Sequence[float]) -> dict[str, float | None]:
    if not errors_s:
        return {f"{name}_median_s": None, f"{name}_p90_s": None}
    return {
        f"{name}_median_s": round(float(np.median(errors_s)), 2),
        f"{name}_p90_s": round(float(np.percentile(errors_s, 90)), 2),
    }


def judged(clips: Sequence[Clip], graph: Side) -> Judged:
    """Every detection of text: it is right where the truth has its brand at that time, of any kind, hard or not."""
    rows = []
    for clip in clips:
        results = graph.results[clip.name]
        truth = read(clip.truth, results.exposures, "any").truth
        for brand, time_ms, confidence in results.detections:
            right = is_there(truth.get(fold_key(brand), ()), time_ms, TOLERANCE_MS)
            rows.append((confidence, right, (clip.name, fold_key(brand))))
    return Judged.of(rows)


def in_words(figures: dict[str, Any]) -> str:
    """The sums in sentences."""
    text = (
        "\nmean F1 {mean_f1}, lowest {lowest_f1}; falsely claimed {false_s} s, {false_s_without_truth} s of it where "
        "nothing is to be found\n"
        "edges ({edges}): starts off by {start_error_median_s} s (median), {start_error_p90_s} s (90 %); "
        "ends by {end_error_median_s} s, {end_error_p90_s} s; {edges_within_250_ms} within 0.25 s\n"
        "user CPU {user_s} s, and {startup_user_s} s to start"
    ).format(**figures)
    if "plain_user_s" in figures:
        text += (
            "; plain script {plain_user_s} s, and {plain_startup_user_s} s to start: ratio {user_ratio}, "
            "{user_ratio_with_startup} with start-up for each clip\n"
            "plain script: mean F1 {plain_mean_f1}, falsely claimed {plain_false_s} s; better by more than 0.01 on: "
        ).format(**figures) + (", ".join(figures["plain_better_on"]) or "no clip")
    return text


def chosen_clips(args: argparse.Namespace) -> list[Clip]:
    """The clips that the arguments name; copies and broadcasts are made where they are not there yet.

    Raises:
        BadInput: there is none, or a broadcast cannot be drawn.
    """

    def wanted(name: str) -> bool:
        return not args.clip or name in args.clip

    clips: list[Clip] = []
    if args.folder is not None and args.degraded:
        copies = copies_of(clips_in(args.folder), height_px)
        clips += [degraded(clip, how, args.copies) for clip, how in copies if wanted(f"{clip.name}_{how.name}")]
    elif args.folder is not None:
        clips += [clip for clip in clips_in(args.folder) if wanted(clip.name)]
    for text in args.broadcast:
        seed, colon, height = text.partition(":")
        if not seed.isdecimal() or (colon and not height.isdecimal()):
            raise BadInput(f"The broadcast {text!r} is not SEED or SEED:HEIGHT", "write it like 3 or 3:360")
        clips.append(broadcast(int(seed), int(height) if colon else BROADCAST_HEIGHT_PX, args.copies))
    if not clips:
        raise BadInput(
            f"There is no clip with a truth.csv in {args.folder}", "say make eval CLIPS=FOLDER, or --broadcast SEED"
        )
    return clips


def overrides(assignments: Sequence[str], profile: str) -> dict[str, dict[str, JsonValue]]:
    """`stage.setting=value` as the config of a run.

    Raises:
        BadInput: one is not of that form, or does not fit its stage.
    """
    by_stage: dict[str, list[str]] = {}
    for text in assignments:
        stage, dot, rest = text.partition(".")
        if not dot or "=" not in rest:
            raise BadInput(f"{text!r} does not set anything", "write it as stage.setting=value")
        by_stage.setdefault(stage_name(stage), []).append(rest)
    config = {}
    for stage, rests in by_stage.items():
        parsed = parse_overrides(stage, rests)
        resolve_settings(BY_NAME[stage], profiles().load(profile), parsed)
        config[stage] = as_config(parsed)
    return config


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("folder", type=Path, nargs="?", help="folder of clips")
    add("--clip", action="append", metavar="NAME", help="only this clip or copy, repeatable")
    add("--degraded", action="store_true", help="degraded copies in the place of the clips")
    add("--broadcast", action="append", metavar="N[:H]", default=[], help="also the broadcast of seed N, H lines high")
    add("--profile", default="generic")
    add("--set", action="append", metavar="STAGE.SETTING=VALUE", default=[], help="for this eval only, repeatable")
    add("--kind", choices=["text", "logo", "any"], default="text", help="which rows of the truth must be found")
    add("--no-plain", action="store_true", help="leave the plain script out")
    add("--details", action="store_true", help="seconds by brand")
    add("--keep", type=Path, metavar="FOLDER", help="copy each clip's tables there")
    add("--copies", type=Path, metavar="FOLDER", default=ROOT / ".mpr" / "eval", help="where what is made is kept")
    return parser.parse_args()


def main() -> int:
    """The command."""
    args = arguments()
    try:
        config = overrides(args.set, args.profile)
        clips = chosen_clips(args)
    except BadInput as error:
        print(f"eval: {error}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as scratch:
        try:
            graph = run_graph(clips, args.profile, config, args.keep, Path(scratch))
            plain = None if args.no_plain or args.degraded else run_plain(clips, Path(scratch))
        except SideFailed:
            return 1
        rows = [row_of(clip, graph, plain, args.kind, length_s(clip.video)) for clip in clips]
        table = reliability(judged(clips, graph))
    for row in rows:
        print(row)
        for brand in row.brands if args.details else ():
            seconds = "present {present_s:5}  found {found_s:5}  missed {missed_s:5}  false {false_s:5}".format(**brand)
            print(f"    {brand['brand']:64} {seconds}")
    figures = summary(rows, graph, plain)
    print(in_words(figures))
    if table is not None:
        print("\nof the detections of text with a confidence, the share that is right:")
        print(table)
    print(
        json.dumps(
            {
                "bench": "clips",
                "inputs": "degraded" if args.degraded else "clips",
                "profile": args.profile,
                "set": args.set,
                **figures,
                "calibration_error": None if table is None else round(table.error, 4),
                "reliability": [] if table is None else [one.figures() for one in table.bins],
                "each": [row.figures() for row in rows],
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
