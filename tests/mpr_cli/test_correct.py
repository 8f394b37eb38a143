"""A mark that was missed is corrected once, and found elsewhere by the next run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from gpu_service.pictures import Image
from mpr_resources.storage.tables import from_parquet
from tests.clips import write_clip
from tests.gpu_service.test_detect import ground, kite, put
from tests.mpr_cli.conftest import Mpr
from tests.world import BRAND, PROFILE

HEAD = "timeline,action,brand,to,at_s,frame,start_s,end_s,x,y,w,h\n"
PLACES = ((100, 75), (210, 100), None)


def shots() -> Iterator[Image]:
    """Three shots of two seconds: the kite, the kite elsewhere on another ground, and none."""
    for number, place in enumerate(PLACES):
        picture = ground("noise" if number == 1 else "plain")
        if number == 2:
            picture[:] = (60, 90, 40)
        if place is not None:
            put(picture, kite(), place, 90, (235, 235, 235))
        for _ in range(8):
            yield picture


@pytest.fixture(scope="module")
def flying(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the clip of the shots, and a brand file without a picture."""
    folder = tmp_path_factory.mktemp("flying")
    write_clip(folder / "flying.mp4", shots(), fps=4)
    (folder / "brands.yaml").write_text("brands: [Kite, Bolt]\n")
    (folder / "profiles").mkdir()
    (folder / "profiles" / "logos.yaml").write_text("run_ocr: {enabled: false}\nfield_segmentation: {enabled: false}\n")
    return folder


@pytest.fixture
def fly(mpr: Mpr, flying: Path, monkeypatch: pytest.MonkeyPatch) -> Mpr:
    """Commands with a profile that looks for logos alone."""
    monkeypatch.setenv("MPR_PROFILES_DIR", str(flying / "profiles"))
    return mpr


def exposures(home: Path) -> list[tuple[str, int, int, str]]:
    data = (home / "storage/stages/compile_report/flying.parquet").read_bytes()
    rows = from_parquet(data, "flying").rows.sort("start_ms")
    return rows.select("brand", "start_ms", "end_ms", "source").rows()


def given(folder: Path, *lines: str) -> str:
    path = folder / "corrections.csv"
    path.write_text(HEAD + "".join(f"{line}\n" for line in lines))
    return str(path)


def test_a_missed_logo_is_found_elsewhere_by_the_next_run(fly: Mpr, home: Path, flying: Path, tmp_path: Path) -> None:
    fly("run", str(flying / "flying.mp4"), "--brands", str(flying / "brands.yaml"), "--profile", "logos")
    assert exposures(home) == []
    said = fly("correct", given(tmp_path, "flying,add,kite,,0.5,,,,55,30,90,90"))
    assert said == "flying: 1 new correction, 1 in all.\nTo apply: mpr replay flying detect_objects\n"
    status = fly("status", "flying")
    assert "detect_objects      stale  the reference pictures changed" in status
    assert "corrections         stale  no longer skipped: no correction is given (mpr correct)" in status
    fly("replay", "flying", "detect_objects")
    assert exposures(home) == [("Kite", 0, 2000, "logo+manual"), ("Kite", 2000, 3750, "logo")]
    logos = from_parquet((home / "storage/stages/match_brands/flying.parquet").read_bytes(), "").rows
    assert sorted(logos.filter(pl.col("brand") == "Kite")["seq"].unique().to_list())[-1] >= 4, "in the other shot"
    assert "stale" not in fly("status", "flying")
    told = json.loads(fly("evaluation", "flying", "--json"))["evaluations"][0]["evaluation"]
    assert (told["truth"], told["corrections"], told["total"]["missed_ms"]) == ("", 1, 0)

    [kept] = json.loads(fly("corrections", "flying", "--json"))["corrections"]
    assert (kept["brand"], kept["box"], kept["start_ms"]) == ("Kite", [55, 30, 90, 90], 0)
    assert (home / "storage" / kept["reference"]).is_file()
    assert "flying: no new corrections, 1 in all." in fly(
        "correct", given(tmp_path, "flying,add,Kite,,0.5,,,,55,30,90,90")
    )
    said = fly("corrections", "flying", "--remove", kept["name"])
    assert said == "The timeline flying has no correction; give some with mpr correct FILE.\n"
    assert "detect_objects      stale  the reference pictures changed" in fly("status", "flying")


REFUSED = {
    "of no timeline": ("nowhere,add,Kite,,0.5,,,,55,30,90,90", "The timeline 'nowhere' is not registered in "),
    "past the end": (
        "flying,add,Kite,,6,,,,55,30,90,90",
        "00:00:06.000 is past the timeline's end at 00:00:06.000; times are on the timeline's clock",
    ),
    "of a frame that is not there": (
        "flying,add,Kite,,,12,,,55,30,90,90",
        "there is no frame 12 in the timeline 'flying'; its frames are 0 to 11.",
    ),
    "ending past the end": (
        "flying,add,Kite,,,,5,7,55,30,90,90",
        "it ends at 00:00:07.000, and the timeline at 00:00:06.000; end it there",
    ),
    "outside the picture": (
        "flying,add,Kite,,0.5,,,,255,30,90,90",
        "the box 255,30 90x90 is not in the frame of 320x180; give x, y, w and h in px of the full frame.",
    ),
    "of a brand that is not looked for": (
        "flying,add,Kit,,0.5,,,,55,30,90,90",
        "'Kit' is not looked for in the timeline 'flying'; correct the name, or add the brand to the brand file",
    ),
    "of what was not found": (
        "flying,reject,Bolt,,0.5,,,,,,,",
        "the report of 'flying' has no Bolt from 00:00:00.000 to 00:00:02.000; correct the brand or the time.",
    ),
    "twice": (
        "flying,add,Kite,,0.5,,,,55,30,90,90\nflying,add,kite,,,,0,1,60,35,80,80",
        "line 3: a line before it says the same of 00:00:00.000; leave one of them out.",
    ),
}


@pytest.mark.parametrize(("line", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_a_correction_that_cannot_be_is_refused_and_nothing_kept(
    fly: Mpr, home: Path, tmp_path: Path, line: str, said: str
) -> None:
    refused = fly.said("correct", given(tmp_path, "flying,add,Bolt,,4.5,,,,10,10,40,40", line))
    number = 2 + 1 + line.count("\n")
    assert (refused.status, refused.out) == (2, "")
    assert said.replace("line 3", f"line {number}") in refused.err
    assert f"corrections.csv, line {number}: " in refused.err
    assert json.loads(fly("corrections", "flying", "--json"))["corrections"] == []


def test_what_is_wrong_is_rejected_or_relabelled(mpr: Mpr, home: Path, inputs: Path, tmp_path: Path) -> None:
    mpr("run", str(inputs / "clip.mp4"), "--brands", str(inputs / "brands.yaml"), "--profile", "board")
    table = home / "storage/stages/compile_report/clip.parquet"
    [whole] = from_parquet(table.read_bytes(), "").rows.select("brand", "start_ms", "end_ms").rows()
    assert whole[0] == BRAND
    said = mpr("correct", given(tmp_path, f"clip,relabel,{BRAND},nowhere airlines,1,,,,,,,"))
    assert "To apply: mpr replay clip corrections" in said
    mpr("replay", "clip", "corrections")
    rows = from_parquet(table.read_bytes(), "").rows.select("brand", "start_ms", "end_ms", "source").rows()
    assert rows == [("Nowhere Airlines", *whole[1:], "manual")]
    assert PROFILE in (inputs / "profiles/board.yaml").read_text()
    refused = mpr.said("corrections", "clip", "--remove", "none")
    assert (refused.status, refused.err) == (
        2,
        "mpr: The timeline 'clip' has no correction 'none'; mpr corrections clip lists them.\n",
    )
