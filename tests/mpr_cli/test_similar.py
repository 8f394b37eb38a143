"""A mark found by one example, made a reference or an alias, and what is in no list."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as PillowImage

from tests.mpr_cli.conftest import Mpr
from tests.world import BRAND, TIMELINE, World

BOARD = "40,112,420,82"


@pytest.fixture
def mpr_there(mpr: Mpr, world: World, monkeypatch: pytest.MonkeyPatch) -> Mpr:
    """Commands where a timeline has been run."""
    for name, value in world.environ.items():
        monkeypatch.setenv(name, value)
    return mpr


def test_a_box_is_found_again_and_becomes_a_reference_or_an_alias(mpr_there: Mpr, world: World) -> None:
    first = json.loads(mpr_there("similar", TIMELINE, "0", BOARD, "--json"))
    assert (first["timelines"], first["stale"], first["replay_from"]) == (1, [], "")
    assert {place["timeline"] for place in first["places"]} == {TIMELINE}
    assert BRAND in {place["text"] for place in first["places"]}
    assert first["places"][0]["likeness"] > 0.7
    assert cv2.imread(first["sheet"]) is not None
    told = mpr_there("similar", TIMELINE, "0", BOARD, "--everywhere", "--make-reference", BRAND)
    assert "The picture is a reference of Acme Motors." in told
    assert "Stale now: detect_objects, preprocess, run_ocr, transcribe, match_brands" in " ".join(told.split())
    assert f"To find it everywhere: mpr replay {TIMELINE} detect_objects" in told
    world.run("detect_objects")
    assert world.table("detect_objects").rows["label"].unique().to_list() == [BRAND]


def test_what_was_read_becomes_an_alias(mpr_there: Mpr) -> None:
    meant = json.loads(mpr_there("similar", TIMELINE, "0", BOARD, "--alias", "Nowhere Airlines", "--json"))
    assert (meant["alias"], meant["alias_of"], meant["replay_from"]) == (BRAND, "Nowhere Airlines", "match_brands")


def test_what_cannot_be_looked_for(mpr_there: Mpr, tmp_path: Path) -> None:
    blank, small, none = tmp_path / "blank.png", tmp_path / "small.png", tmp_path / "none.png"
    cv2.imwrite(str(blank), np.full((40, 90, 3), 200, np.uint8))
    cv2.imwrite(str(small), np.zeros((4, 90, 3), np.uint8))
    none.write_bytes(b"")
    PillowImage.new("1", (20_000, 20_000)).save(tmp_path / "bomb.png")  # 50 KB
    for given, sentence in (
        ((str(blank),), "blank.png is of one colour: nothing is to be seen in it; give one that shows a mark"),
        ((str(small),), "has less than 8 x 8 pixels of the picture of 90x4"),
        ((str(none),), "none.png is no picture that can be decoded"),
        ((str(tmp_path / "bomb.png"),), "it has more than 40 megapixels; give a smaller one"),
        (("0",), "The frame 0 is given without a box"),
        (("0", "9,9"), "'9,9' is no box"),
        (("99", BOARD), "has no frame '99'; its frames are 0 to 3"),
        (("0", "0,300,90,40"), "is of one colour"),
        (("0", "0,300,90,40", "--alias", BRAND), "is of one colour"),
    ):
        said = mpr_there.said("similar", TIMELINE, *given)
        assert (said.status, sentence in " ".join(said.err.split())) == (2, True), said.err


def test_what_is_in_no_list_is_suggested(mpr_there: Mpr, world: World) -> None:
    assert "Nothing that is in no list comes back so often." in mpr_there("brands", "suggest")
    for stage in ("match_brands", "corrections"):
        (world.storage_folder / "stages" / stage / f"{TIMELINE}.parquet").unlink()
    [mark] = json.loads(mpr_there("brands", "suggest", TIMELINE, "--least", "3", "--json"))["marks"]
    assert (mark["text"], mark["frames"], mark["timelines"]) == (BRAND, 3, [TIMELINE])
