from __future__ import annotations

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from gpu_service.errors import BadInput
from gpu_service.pictures import Image
from gpu_service.routines import Batch
from gpu_service.routines.detect_edges import (
    DETECT_EDGES,
    MOST_REGIONS,
    EdgeSettings,
    find_boards,
)
from gpu_service.wire import EdgesAnswer, EdgesItem, Point

GRASS = (40, 160, 50)
Corners = tuple[int, int, int, int]


def scene(width: int = 1280, height: int = 720, gray: int = 90) -> Image:
    return np.full((height, width, 3), gray, np.uint8)


def boards(*boxes: Corners, color: tuple[int, int, int] = (230, 230, 230), on: Image | None = None) -> Image:
    image = scene() if on is None else on
    for x, y, w, h in boxes:
        cv2.rectangle(image, (x, y), (x + w - 1, y + h - 1), color, -1)
    return image


def lettered(x: int, y: int, w: int, h: int) -> Image:
    image = boards((x, y, w, h))
    for left in range(x + 10, x + w - 150, 180):
        cv2.putText(image, "BRAND", (left, y + h - h // 4), cv2.FONT_HERSHEY_SIMPLEX, h / 44, (160, 40, 20), 3)
    return image


def crossed(x: int, y: int, w: int, h: int) -> Image:
    image = lettered(x, y, w, h)
    for left in (x + w // 3, x + w // 2):
        cv2.rectangle(image, (left, y - 30), (left + 12, y + h + 40), (20, 20, 120), -1)
    return image


def noise(width: int, height: int) -> Image:
    return np.random.default_rng(7).integers(0, 256, (height, width, 3), dtype=np.uint8)


def boxes(answer: EdgesAnswer) -> list[Corners]:
    return sorted((one.box.x, one.box.y, one.box.w, one.box.h) for one in answer.regions)


def near(found: list[Corners], expected: list[Corners], px: int) -> bool:
    return len(found) == len(expected) and bool(np.abs(np.array(found) - np.array(expected)).max(initial=0) <= px)


@pytest.mark.parametrize(
    ("image", "expected", "px"),
    [
        pytest.param(scene(), [], 0, id="nothing"),
        pytest.param(scene(1, 1), [], 0, id="one pixel"),
        pytest.param(scene(2, 300), [], 0, id="two pixels wide"),
        pytest.param(noise(1280, 720), [], 0, id="noise"),
        pytest.param(boards((300, 400, 600, 60)), [(300, 400, 600, 60)], 4, id="a plain board"),
        pytest.param(boards((300, 400, 600, 60), color=(150, 150, 150)), [(300, 400, 600, 60)], 4, id="a faint board"),
        pytest.param(
            boards((300, 400, 600, 60), color=(20, 72, 182)), [(300, 400, 600, 60)], 4, id="as bright as what is behind"
        ),
        pytest.param(lettered(300, 400, 600, 60), [(300, 400, 600, 60)], 6, id="a board with letters"),
        pytest.param(crossed(300, 400, 600, 60), [(300, 400, 600, 60)], 6, id="players before the board"),
        pytest.param(boards((0, 400, 1280, 60)), [(0, 400, 1280, 60)], 4, id="from side to side"),
        pytest.param(
            boards((100, 100, 300, 50), (600, 500, 400, 70)),
            [(100, 100, 300, 50), (600, 500, 400, 70)],
            4,
            id="two boards",
        ),
        pytest.param(boards((300, 400, 600, 8)), [], 0, id="too low a band"),
        pytest.param(boards((300, 200, 600, 400)), [], 0, id="too high a band"),
        pytest.param(boards((300, 400, 60, 60)), [], 0, id="too short a board"),
        pytest.param(
            boards((5000, 30, 600, 40), on=scene(12000, 100)), [(5000, 30, 600, 40)], 8, id="a very wide picture"
        ),
        pytest.param(boards((3000, 2000, 2000, 120), on=scene(7680, 4320)), [(3000, 2000, 2000, 120)], 24, id="8K"),
    ],
)
def test_boards_are_found_where_they_are(image: Image, expected: list[Corners], px: int) -> None:
    found = boxes(find_boards(image, EdgeSettings()))
    assert near(found, expected, px), found


def test_a_sloping_board_lies_in_its_box() -> None:
    image = scene()
    corners = np.array([(200, 300), (1000, 370), (1000, 430), (200, 360)])
    cv2.fillConvexPoly(image, corners, (230, 230, 230), cv2.LINE_AA)
    assert near(boxes(find_boards(image, EdgeSettings())), [(200, 300, 800, 130)], 8)


def test_what_lies_on_the_field_is_no_board() -> None:
    image = scene()
    image[300:] = GRASS
    boards((200, 230, 800, 60), (300, 500, 500, 20), on=image)
    field: tuple[Point, ...] = ((0.0, 292.0), (1280.0, 292.0), (1280.0, 720.0), (0.0, 720.0))
    without = boxes(find_boards(image, EdgeSettings()))
    assert any(y > 450 for _, y, _, _ in without)
    assert near(boxes(find_boards(image, EdgeSettings(), field)), [(200, 230, 800, 60)], 12)


def test_boards_by_the_field_come_before_others() -> None:
    image = boards((200, 40, 800, 60), (200, 430, 800, 60))
    field: tuple[Point, ...] = ((0.0, 495.0), (1280.0, 495.0), (1280.0, 720.0), (0.0, 720.0))
    answer = find_boards(image, EdgeSettings(), field)
    assert [round(region.box.y, -1) for region in answer.regions] == [430, 40]
    first, second = (region.confidence for region in answer.regions)
    assert first > 0.9
    assert second == pytest.approx(0.7 * first, abs=0.05)


def test_confidence_falls_where_a_line_is_not_seen() -> None:
    whole = find_boards(boards((300, 400, 600, 60)), EdgeSettings()).regions[0].confidence
    image = boards((300, 400, 600, 60))
    for x in range(340, 900, 100):
        image[440:500, x : x + 30] = 160
    broken = max(region.confidence for region in find_boards(image, EdgeSettings(edge_hough_max_gap=40)).regions)
    assert 0.95 < whole <= 1
    assert broken < whole - 0.1


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        pytest.param({"edge_pair_max_distance": 50}, 0, id="higher than the highest"),
        pytest.param({"edge_pair_min_distance": 70}, 0, id="lower than the lowest"),
        pytest.param({"edge_hough_min_length": 700}, 0, id="shorter than the shortest line"),
        pytest.param({"edge_canny_low": 1900, "edge_canny_high": 2000}, 0, id="edges too faint"),
        pytest.param({}, 1, id="defaults"),
    ],
)
def test_settings_decide(settings: dict[str, int], found: int) -> None:
    assert len(find_boards(boards((300, 400, 600, 60)), EdgeSettings(**settings)).regions) == found


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"edge_canny_low": 200, "edge_canny_high": 100}, id="canny the wrong way round"),
        pytest.param({"edge_pair_min_distance": 200, "edge_pair_max_distance": 100}, id="distances likewise"),
        pytest.param({"edge_hough_threshold": 0}, id="no votes"),
        pytest.param({"canny_low": 3}, id="misspelt"),
    ],
)
def test_refused_settings(settings: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        EdgeSettings.model_validate(settings)


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(np.repeat(np.arange(1080) // 6 % 2 * 255, 1920).reshape(1080, 1920), id="stripes"),
        pytest.param(np.kron(np.indices((68, 120)).sum(axis=0) % 2, np.ones((16, 16))) * 255, id="chessboard"),
        pytest.param(cv2.blur(noise(1920, 1080), (81, 1))[:, :, 0], id="brushed metal"),
    ],
)
def test_busy_textures_are_bounded(image: np.ndarray) -> None:
    answer = find_boards(cv2.cvtColor(image.astype(np.uint8), cv2.COLOR_GRAY2BGR), EdgeSettings())
    assert len(answer.regions) <= MOST_REGIONS
    assert answer.horizontal_count <= 160
    for x, y, w, h in boxes(answer):
        assert 0 <= x < x + w <= image.shape[1]
        assert 0 <= y < y + h <= image.shape[0]


def test_a_picture_without_pixels_is_refused() -> None:
    with pytest.raises(BadInput, match="0 x 5 pixels"):
        find_boards(np.zeros((5, 0, 3), np.uint8), EdgeSettings())


def test_routine_answers_in_order_and_shows_its_work() -> None:
    batch = Batch([scene(), lettered(300, 400, 600, 60)], [EdgesItem(), EdgesItem()], EdgeSettings())
    answers = DETECT_EDGES.run(batch)
    assert [len(answer.regions) for answer in answers] == [0, 1]
    assert DETECT_EDGES.run(batch) == answers
    assert answers[1].horizontal_count >= 2
    assert answers[1].pair_count >= 1
    assert answers[1].regions[0].label == "board"
    shown = DETECT_EDGES.debug(batch)
    assert [answer for answer, _ in shown] == answers
    for _, pictures in shown:
        assert list(pictures) == ["edges", "lines", "regions"]
        assert {picture.shape for picture in pictures.values()} == {(720, 1280, 3)}
    assert shown[1][1]["edges"][396:405, 400:800].max() == 255
    assert DETECT_EDGES.identity(batch.settings) == f"detect_edges/1/opencv-{cv2.__version__}"
