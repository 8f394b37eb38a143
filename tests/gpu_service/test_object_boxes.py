"""What detectors' rows, the scores of queries and CLIP's vectors become: numbers in, boxes and names out, no model."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from gpu_service.routines.objects import clip
from gpu_service.routines.objects.boxes import ObjectSettings, findings
from gpu_service.routines.objects.grounding_dino import Prompt, prompts
from gpu_service.routines.objects.onnx_detector import boxes_of, fitting
from gpu_service.routines.objects.owlv2 import in_pixels, without_others
from gpu_service.routines.objects.queries import Query, named_boxes
from gpu_service.wire import Box

Floats = NDArray[np.float32]
SETTINGS = ObjectSettings(object_threshold=0.5, object_overlap=0.4)


def rows(*boxes: tuple[float, ...]) -> Floats:
    return np.array(boxes, np.float32)


TWO_OVER_EACH_OTHER = rows((50, 50, 20, 20, 0.9, 0.1), (52, 50, 20, 20, 0.8, 0.1), (52, 50, 20, 20, 0.1, 0.7))
EMPTY_ROWS = np.zeros((6, 8400), np.float32)


@pytest.mark.parametrize(
    ("table", "class_count", "boxes", "classes", "scores"),
    [
        (EMPTY_ROWS, 2, [], [], []),
        (
            np.pad(TWO_OVER_EACH_OTHER.T, ((0, 0), (0, 100))),
            2,
            [[40, 40, 60, 60], [42, 40, 62, 60]],
            [0, 1],
            [0.9, 0.7],
        ),
        (rows((10, 10, 4, 4, 0.9, 0.2, 0.8), (10, 10, 4, 4, 0.6, 0.2, 0.8)), 2, [[8, 8, 12, 12]], [1], [0.72]),
        (
            rows((1, 2, 3, 4, 0.4, 0), (1, 2, 3, 4, 0.6, 7), (5, 6, 7, 8, 0.8, 1)),
            2,
            [[5, 6, 7, 8], [1, 2, 3, 4]],
            [1, 7],
            [0.8, 0.6],
        ),
        (rows((1, 1, 2, 2, 0.5)).T.repeat(2, axis=1), 1, [[0, 0, 2, 2]], [0], [0.5]),
    ],
    ids=[
        "empty",
        "of one label the surer stays",
        "a score for the box (YOLO 5)",
        "sorted out by the model",
        "at the edge",
    ],
)
def test_rows_become_boxes(
    table: Floats, class_count: int, boxes: list[list[int]], classes: list[int], scores: list[float]
) -> None:
    found, labels, sure = boxes_of(table, class_count, SETTINGS)
    assert found.round(3).tolist() == boxes
    assert labels.tolist() == classes
    assert [round(float(score), 5) for score in sure] == scores


def test_rows_of_another_kind_of_model_are_refused() -> None:
    with pytest.raises(ValueError, match="not that of an exported YOLO of 2 classes"):
        boxes_of(np.zeros((9, 100), np.float32), 2, SETTINGS)


@pytest.mark.parametrize(
    ("size", "expected"),
    [((1, 1), (640, 640)), ((1920, 1080), (640, 384)), ((1080, 1920), (384, 640)), ((5000, 3), (640, 32))],
    ids=["one pixel", "wide", "high", "a line"],
)
def test_a_detector_sees_little_grey(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert fitting(size, 640) == expected


@pytest.mark.parametrize(
    ("corners", "expected"),
    [
        ([], []),
        ([[10.4, 20.6, 30.2, 40.9]], [Box(x=10, y=21, w=20, h=20)]),
        ([[-5, -5, 700, 400]], [Box(x=0, y=0, w=640, h=360)]),
        ([[650, 10, 700, 20]], []),
    ],
    ids=["empty", "rounded", "cut to the picture", "outside"],
)
def test_boxes_stay_within_the_picture(corners: list[list[float]], expected: list[Box]) -> None:
    array = np.array(corners, np.float32).reshape(-1, 4)
    found = findings(array, ["a"] * len(array), np.full(len(array), 0.5, np.float32), (640, 360), "onnx")
    assert [finding.box for finding in found] == expected


BY_NAME, BY_PICTURE = Query("Ada", 0.2), Query("Bee", 0.6, "bee.png")
LEFT, RIGHT, NEARLY_LEFT = (0, 0, 40, 20), (60, 0, 100, 20), (2, 0, 42, 20)
Named = list[tuple[str, float, str | None, tuple[int, int, int, int]]]

NAMED: dict[str, tuple[list[tuple[int, ...]], list[list[float]], bool, Named]] = {
    "nothing": ([], [], True, []),
    "below every threshold": ([LEFT], [[0.19, 0.59]], True, []),
    "at a threshold": ([LEFT], [[0.2, 0.1]], True, [("Ada", 0.2, None, LEFT)]),
    "by the multiple of its threshold": ([LEFT], [[0.3, 0.8]], True, [("Ada", 0.3, None, LEFT)]),
    "a picture that is the surer": ([LEFT], [[0.21, 0.8]], True, [("Bee", 0.8, "bee.png", LEFT)]),
    "two places": (
        [LEFT, RIGHT],
        [[0.1, 0.9], [0.5, 0.1]],
        True,
        [("Ada", 0.5, None, (60, 0, 40, 20)), ("Bee", 0.9, "bee.png", LEFT)],
    ),
    "one place twice": ([LEFT, NEARLY_LEFT], [[0.4, 0], [0.5, 0]], True, [("Ada", 0.5, None, (2, 0, 40, 20))]),
    "one place, two names": ([LEFT, NEARLY_LEFT], [[0.8, 0], [0, 0.9]], True, [("Ada", 0.8, None, LEFT)]),
    "two things at one place": (
        [LEFT, NEARLY_LEFT],
        [[0.8, 0], [0, 0.9]],
        False,
        [("Ada", 0.8, None, LEFT), ("Bee", 0.9, "bee.png", (2, 0, 40, 20))],
    ),
    "partly beside the picture": ([(90, 40, 130, 60)], [[0.4, 0]], True, [("Ada", 0.4, None, (90, 40, 10, 10))]),
    "beside the picture": ([(0, 60, 40, 80)], [[0.9, 0.9]], True, []),
}


@pytest.mark.parametrize("case", NAMED)
def test_boxes_are_named_by_what_was_asked_for(case: str) -> None:
    corners, scores, one_label, expected = NAMED[case]
    found = named_boxes(
        np.array(corners, np.float32).reshape(-1, 4),
        np.array(scores, np.float32).reshape(-1, 2),
        [BY_NAME, BY_PICTURE],
        (100, 50),
        "owlv2",
        0.45,
        one_label_a_place=one_label,
    )
    assert [(one.label, one.confidence, one.reference, one.box.xywh) for one in found] == expected


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([], []),
        ([[0.5, 0.5, 0.4]], [[0.5, 0.5]]),
        ([[0.5, 0.5, 0.5]], [[0.0, 0.5]]),
        ([[0.5, 0.5]], [[0.5, 0.5]]),
    ],
    ids=["empty", "less like another thing", "as much like another thing", "no other thing is told"],
)
def test_what_is_like_another_thing_has_no_name(scores: list[list[float]], expected: list[list[float]]) -> None:
    table = np.array(scores, np.float32).reshape(len(scores), -1) if scores else np.zeros((0, 3), np.float32)
    assert without_others(table, [BY_NAME, BY_PICTURE]).tolist() == expected


@pytest.mark.parametrize(
    ("size", "expected"),
    [((100, 100), [25, 25, 75, 75]), ((640, 360), [160, 160, 480, 480]), ((360, 640), [160, 160, 480, 480])],
    ids=["square", "wide", "high"],
)
def test_a_box_in_the_square_is_one_in_the_picture(size: tuple[int, int], expected: list[float]) -> None:
    assert in_pixels(np.array([[0.5, 0.5, 0.5, 0.5]], np.float32), size).tolist() == [expected]


PROMPTS: dict[str, tuple[list[str], str, list[Prompt]]] = {
    "no name": ([], "{} logo", []),
    "two": (["Ada", "BEE"], "a {} logo", [Prompt("a ada logo. a bee logo.", (("Ada", 2, 5), ("BEE", 14, 17)))]),
    "one twice": (["Ada", "Ada"], "{}", [Prompt("ada.", (("Ada", 0, 3),))]),
    "a name with a full stop": (["a.b"], "{}", [Prompt("a.b.", (("a.b", 0, 3),))]),
    "more than one text holds": (
        ["Ada Ada", "Bee", "Cid"],
        "{}",
        [Prompt("ada ada.", (("Ada Ada", 0, 7),)), Prompt("bee. cid.", (("Bee", 0, 3), ("Cid", 5, 8)))],
    ),
    "one that no text holds": (["a b c d"], "{}", [Prompt("a b c d.", (("a b c d", 0, 7),))]),
    "a letter that is longer when it is small": (
        ["İz", "Ada"],
        "{}",
        [Prompt("i̇z. ada.", (("İz", 0, 3), ("Ada", 5, 8)))],
    ),
}


@pytest.mark.parametrize("case", PROMPTS)
def test_names_become_texts(case: str) -> None:
    names, pattern, expected = PROMPTS[case]
    assert prompts(names, pattern, lambda text: len(text.split()), 2 if pattern == "{}" else 9) == expected


X, Y, Z = np.eye(3, dtype=np.float32)
LEAN = np.array([0.8, 0.6, 0], np.float32)


@pytest.mark.parametrize(
    ("seen", "pictures", "owners", "expected"),
    [
        (X, [], [], [1.0, 0.0]),
        (Z, [], [], [0.0, 0.0]),
        (X, [X], [0], [1.0, 0.0]),
        (X, [Z], [0], [0.5, 0.0]),
        (Z, [Z], [0], [0.5, 0.0]),
        (X, [X], [1], [1.0, 0.5]),
        (LEAN, [X, LEAN], [0, 0], [1.0, 0.0]),
    ],
    ids=[
        "the name alone",
        "something else",
        "name and picture",
        "a picture that does not fit halves it",
        "the picture alone does not do",
        "a brand without picture goes by its name",
        "the closest picture counts",
    ],
)
def test_confidence_is_shared_with_other(
    seen: Floats, pictures: list[Floats], owners: list[int], expected: list[float]
) -> None:
    texts = np.stack([X, Y, Z])  # two brands, then one "other"
    known = np.array(pictures, np.float32).reshape(-1, 3)
    shares = clip.confidences(seen[None], texts, 2, 100.0, known, np.array(owners, np.intp), 0.75)
    assert shares[0].round(2).tolist() == expected


@pytest.mark.parametrize(
    ("region", "tiles"),
    [
        (Box(x=5, y=5, w=0, h=10), []),
        (Box(x=5, y=5, w=20, h=10), [(5, 20)]),
        (Box(x=0, y=0, w=40, h=10), [(0, 20), (10, 20), (20, 20)]),
        (Box(x=0, y=0, w=10, h=40), [(0, 10)]),
    ],
    ids=["nothing", "short", "long", "high"],
)
def test_long_regions_are_looked_at_piece_by_piece(region: Box, tiles: list[tuple[int, int]]) -> None:
    image = np.zeros((100, 100, 3), np.uint8)
    settings = clip.ClipSettings(clip_boards=False)
    assert [(box.x, box.w) for box in clip._tiles(image, [region], settings)] == tiles


def test_pieces_with_one_name_become_one_finding() -> None:
    tiles = [Box(x=x, y=0, w=20, h=10) for x in (0, 10, 60, 200)]
    shares = np.array([[0.7, 0.1], [0.9, 0.1], [0.1, 0.8], [0.3, 0.3]], np.float32)
    found = clip._named(tiles, shares, ["Ada", "Bee"], 0.6, "clip")
    assert [(f.label, f.confidence, f.box.x, f.box.w) for f in found] == [("Ada", 0.9, 0, 30), ("Bee", 0.8, 60, 20)]
