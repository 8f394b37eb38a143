"""The way of a truth from the command line to its figures."""

from __future__ import annotations

import json
from pathlib import Path

from tests.mpr_cli.conftest import Mpr
from tests.world import BRAND


def refused(mpr: Mpr, *argv: str) -> str:
    said = mpr.said(*argv)
    assert said.status == 2
    return said.err


def test_a_truth_is_given_evaluated_changed_and_removed(mpr: Mpr, home: Path, inputs: Path, tmp_path: Path) -> None:
    mpr("run", str(inputs / "clip.mp4"), "--brands", str(inputs / "brands.yaml"), "--profile", "board")
    assert "has no evaluation; give its truth first: mpr truth clip FILE." in refused(mpr, "evaluation", "clip")
    assert "has no truth; give one with mpr truth clip FILE." in mpr("truth", "clip")
    assert "evaluation          fresh" in mpr("status", "clip")
    file = tmp_path / "truth.csv"
    file.write_text(f"brand,start_s,end_s\n{BRAND},0,2\nNowhere Airlines,0.2,1.9\n")
    said = mpr("truth", "clip", str(file))
    assert said.startswith(f"Truth from truth.csv: 2 stays on screen: {BRAND}, Nowhere Airlines.\n")
    kept = home / "storage" / "annotations" / "clip" / "truth.json"
    assert kept.is_file()
    assert "evaluation          stale  no longer skipped: no truth is given" in mpr("status", "clip")
    assert "make it with mpr replay clip evaluation." in refused(mpr, "evaluation", "clip")

    mpr("replay", "clip", "evaluation")
    assert "evaluation          fresh" in mpr("status", "clip")
    [document] = json.loads(mpr("evaluation", "clip", "--json"))["evaluations"]
    assert document["stale"] == ""
    total = document["evaluation"]["total"]
    assert (total["present_ms"], total["found_ms"], total["missed_ms"], total["false_ms"]) == (1700, 1000, 700, 0)
    shown = mpr("evaluation", "clip")
    assert shown.splitlines()[3].split() == [
        "all",
        "1.7",
        "1.0",
        "0.7",
        "0.0",
        "0.588",
        "1.000",
        "0.741",
        "0.667",
        "0.500",
    ]

    both = json.loads(mpr("evaluation", "clip", "clip", "--json"))
    assert (len(both["evaluations"]), both["pooled"]["timelines"], both["pooled"]["recall"]["value"]) == (2, 2, 0.5882)
    assert "All 2 timelines, and where it lies in 95 of 100 draws of them:\n  recall            0.588  (" in mpr(
        "evaluation", "clip", "clip"
    )

    before = kept.read_bytes()
    wrong = tmp_path / "wrong.csv"
    wrong.write_text(f"brand,start_s,end_s\n{BRAND},0,3\n")
    assert "line 2: it ends at 00:00:03.000, and the timeline at 00:00:02.000" in refused(
        mpr, "truth", "clip", str(wrong)
    )
    assert kept.read_bytes() == before
    assert "cannot be kept and removed at once" in refused(mpr, "truth", "clip", str(file), "--remove")

    file.write_text(f"brand,start_s,end_s\n{BRAND},0,1\n")
    mpr("truth", "clip", str(file))
    said = mpr("evaluation", "clip")
    assert "The truth, or a correction, has changed since. To evaluate anew: mpr replay clip evaluation" in said
    assert "evaluation          stale  the truth, or a correction, changed" in mpr("status", "clip")

    assert "has no truth" in mpr("truth", "clip", "--remove")
    assert "skipped: no truth is given" in mpr("replay", "clip", "evaluation")


def test_a_truth_goes_with_its_timeline(mpr: Mpr, home: Path, inputs: Path, tmp_path: Path) -> None:
    mpr("timeline", "create", str(inputs / "clip.mp4"), "--name", "old", "--profile", "board")
    file = tmp_path / "truth.csv"
    file.write_text("brand,start_s,end_s\n")
    assert "Truth from truth.csv: 0 stays on screen." in mpr("truth", "old", str(file))
    mpr("timeline", "rename", "old", "new", "--yes")
    assert "0 stays on screen" in mpr("truth", "new")
    mpr("timeline", "delete", "new", "--yes")
    assert not [
        path for path in (home / "storage" / "annotations").rglob("*") if path.is_file() and "clip" not in path.parts
    ]
