"""The stage: what the routine answers becomes a table; frames are left alone when nothing could be found."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl
import pytest

from gpu_service.client.local import LocalInference
from gpu_service.errors import BadInput
from gpu_service.pictures import Picture, encode_png
from gpu_service.routines import Reference
from gpu_service.routines.detect import Engine
from mpr_assets.stages.detect_objects import (
    SCHEMA,
    DetectObjectsSettings,
    detect_objects,
    routine_settings,
    weak_sentences,
)
from mpr_resources.storage.pictures import Frame
from tests.gpu_service.test_detect import (
    COMB,
    KITE,
    comb,
    ground,
    one,
    put,
    two_instances,
)


def frame(seq: int, pixels: np.ndarray) -> tuple[Frame, int]:
    return Frame(seq, seq * 500, Picture(pixels=pixels)), 0


def test_no_frames_give_an_empty_table() -> None:
    table = detect_objects([], LocalInference(), DetectObjectsSettings(), (KITE,))
    assert table.schema == pl.Schema(SCHEMA)
    assert table.is_empty()


def test_without_references_the_frames_are_not_touched() -> None:
    def frames() -> Iterator[tuple[Frame, int]]:
        pytest.fail("a frame was read")
        yield

    table = detect_objects(frames(), LocalInference(), DetectObjectsSettings(), ())
    assert table.schema == pl.Schema(SCHEMA)
    assert table.is_empty()


def test_rows_follow_the_frames_and_name_brand_engine_and_reference() -> None:
    pictures = [ground("plain"), ground("plain"), ground("plain")]
    one(pictures[0])
    truth = two_instances(pictures[2])
    frames = [frame(seq, pixels) for seq, pixels in zip((3, 4, 7), pictures, strict=True)]
    settings = DetectObjectsSettings(search_every=1)
    table = detect_objects(frames, LocalInference(), settings, (KITE, COMB))
    assert table.schema == pl.Schema(SCHEMA)
    assert table["seq"].to_list() == [3, 7, 7]
    assert set(table.select("label", "engine", "reference").rows()) == {("Kite", "logo_match", "kite.png")}
    assert not table["followed"].any()
    assert not table["hint"].any()
    for row, (_, box) in zip(table.rows(named=True)[1:], truth, strict=True):
        assert [row[k] for k in "xywh"] == pytest.approx([box.x, box.y, box.w, box.h], abs=4)
    for row, (_, box) in zip(table.rows(named=True)[1:], truth, strict=True):
        corners = [(box.x, box.y), (box.x + box.w, box.y), (box.x + box.w, box.y + box.h), (box.x, box.y + box.h)]
        assert row["quad"] == pytest.approx([float(value) for corner in corners for value in corner], abs=4)
    assert table.equals(detect_objects(frames, LocalInference(), settings, (KITE, COMB)))


def test_frames_between_searches_are_filled_from_both_sides() -> None:
    pictures = [ground("textured") for _ in range(6)]
    for pixels in pictures[1:5]:
        one(pixels)
    frames = [frame(seq, pixels) for seq, pixels in enumerate(pictures)]
    table = detect_objects(
        frames, LocalInference(), DetectObjectsSettings(search_every=3, follow_similarity=0.8), (KITE, COMB)
    )
    assert table.select("seq", "followed").rows() == [(1, True), (2, True), (3, False), (4, True)]
    assert set(table.select("label", "engine", "reference").rows()) == {("Kite", "logo_match", "kite.png")}
    assert not table["hint"].any()


def test_a_logo_below_the_threshold_is_a_hint() -> None:
    pixels = ground("plain")
    one(pixels)
    settings = DetectObjectsSettings(logo_threshold=1.0, hint_threshold=0.5)
    [row] = detect_objects([frame(0, pixels)], LocalInference(), settings, (KITE,)).rows(named=True)
    assert (row["label"], row["hint"], row["followed"]) == ("Kite", True, False)
    none = settings.model_copy(update={"hint_threshold": 1.0})
    assert detect_objects([frame(0, pixels)], LocalInference(), none, (KITE,)).is_empty()


@pytest.mark.parametrize(
    ("turn_deg", "first_corner"), [(0, (54, 31)), (25, (40, 55)), (-25, (77, 16))], ids=["upright", "left", "right"]
)
def test_the_quad_turns_with_the_logo(turn_deg: float, first_corner: tuple[int, int]) -> None:
    pixels = ground("plain")
    put(pixels, comb(), (100, 75), 100, (20, 20, 20), turn_deg)
    [row] = detect_objects([frame(0, pixels)], LocalInference(), DetectObjectsSettings(), (COMB,)).rows(named=True)
    assert row["quad"][:2] == pytest.approx(first_corner, abs=4)


def test_the_quad_of_a_logo_that_the_frame_cuts_goes_on_beyond_its_edge() -> None:
    pixels = ground("plain")
    put(pixels, comb(), (100, 75), 100, (20, 20, 20))
    [row] = detect_objects([frame(0, pixels[:, 62:])], LocalInference(), DetectObjectsSettings(), (COMB,)).rows(
        named=True
    )
    assert -10 < row["quad"][0] < 0
    assert row["x"] == 0


@pytest.mark.parametrize(
    ("engines", "says"),
    [((), []), (("clip",), []), (("logo_match",), ["The logo blank.png of Acme is blank"])],
    ids=["no engine", "another engine", "logo_match"],
)
def test_weak_references_are_named_where_they_are_used(engines: tuple[Engine, ...], says: list[str]) -> None:
    blank = Reference("Acme", "blank.png", encode_png(np.full((50, 50, 3), 255, np.uint8)))
    said = weak_sentences(DetectObjectsSettings(engines=engines), [KITE, blank])
    assert [sentence.partition(",")[0] for sentence in said] == says


TOLD: dict[str, tuple[dict[str, object], list[str], tuple[str, ...]]] = {
    "an empty list": ({"engines": ("owlv2",)}, [], ()),
    "the list": ({"engines": ("logo_match", "owlv2")}, ["Acme", "Bolt"], ("Acme", "Bolt")),
    "names of the settings": ({"engines": ("owlv2",), "query_names": ("Acme",)}, ["Acme", "Bolt"], ("Acme",)),
    "no engine that is told": ({"engines": ("logo_match", "yolo")}, ["Acme"], ()),
    "an engine that finds what it is told": ({"engines": ("grounding_dino",)}, ["Acme"], ("Acme",)),
    "as many as it can look for": ({"engines": ("owlv2",)}, ["x"] * 2000, ("x",) * 2000),
}


@pytest.mark.parametrize("case", TOLD)
def test_engines_that_look_for_names_are_told_those_of_the_list(case: str) -> None:
    settings, listed, names = TOLD[case]
    assert routine_settings(DetectObjectsSettings.model_validate(settings), listed).query_names == names


def test_a_list_of_more_names_than_an_engine_can_look_for() -> None:
    with pytest.raises(
        BadInput,
        match=r"^The brand list has 2001 brands, but owlv2 can look for no more than 2000; name those to look for in "
        r"detect_objects\.query_names\.$",
    ):
        routine_settings(DetectObjectsSettings(engines=("owlv2",)), ["x"] * 2001)
