from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from demo import script
from demo.boards import Advert
from demo.broadcast import draw_broadcast, main
from demo.drawing import symbol
from demo.recast import Recast
from demo.truth import Exposure, Ledger, Sighting, Truth, view_of
from gpu_service.errors import BadInput
from gpu_service.pictures import Image
from mpr_resources.brands.brand_file import load_brands

BRANDS = Path(__file__).parents[2] / "demo" / "brands.yaml"
SECONDS, FRAMES, CROWD = 3, 75, range(49, 60)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("broadcast")


@pytest.fixture(scope="module")
def truth(folder: Path) -> Truth:
    return draw_broadcast(folder / "broadcast.mp4", seconds=SECONDS)


@pytest.fixture(scope="module")
def frames(folder: Path, truth: Truth) -> list[Image]:
    with av.open(str(folder / "broadcast.mp4")) as container:
        return [np.asarray(frame.to_ndarray(format="bgr24"), np.uint8) for frame in container.decode(video=0)]


def test_the_container_says_what_was_asked_for(folder: Path, truth: Truth) -> None:
    with av.open(str(folder / "broadcast.mp4")) as container:
        stream = container.streams.video[0]
        times = [frame.pts * stream.time_base for frame in container.decode(video=0)]
        assert (stream.codec_context.name, stream.width, stream.height) == ("h264", 1280, 720)
        assert stream.average_rate == 25
    assert times == [Fraction(n, 25) for n in range(FRAMES)]
    assert (truth.frame_count, truth.fps) == (FRAMES, 25)


def test_hard_cuts_are_where_the_truth_says(truth: Truth, frames: list[Image]) -> None:
    before_the_wipe = range(1, CROWD.stop)
    changes = {n: float(np.mean(cv2.absdiff(frames[n - 1], frames[n]))) for n in before_the_wipe}
    assert truth.cuts == (30, 49)
    assert sorted(sorted(changes, key=changes.__getitem__)[-2:]) == [30, 49]


ROWS: list[tuple[str, str, str, list[tuple[float, float, str]]]] = [
    ("never on screen", "Corvanti", "logo", []),
    ("only inside a hashtag", "Northgate FC", "text", []),
    ("on boards throughout the wide shot", "Velquora", "text", [(0.0, 1.2, "perimeter board")]),
    ("on a board until it changes", "Mirvane", "text", [(0.0, 0.6, "perimeter board")]),
    ("on a board once it has changed", "Zarn", "text", [(0.6, 1.2, "perimeter board")]),
    ("wide shot, then end card", "Thrumble Oats", "text", [(0.0, 1.2, "perimeter board"), (2.44, 3.0, "end card")]),
    (
        "symbol in three places",
        "Tessarune",
        "logo",
        [(0.4, 1.04, "corner bug"), (1.44, 1.96, "perimeter board"), (2.44, 3.0, "end card")],
    ),
]


@pytest.mark.parametrize(("brand", "kind", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_exposures(truth: Truth, brand: str, kind: str, expected: list[tuple[float, float, str]]) -> None:
    rows = [row for row in truth.exposures if (row.brand, row.kind) == (brand, kind) and not row.optional]
    assert [(float(row.start_s), float(row.end_s), row.note) for row in rows] == expected


def test_the_crowd_shows_no_brand(truth: Truth) -> None:
    assert [box for box in truth.boxes if box.frame in CROWD] == []
    spans = [(row.start_s * 25, row.end_s * 25) for row in truth.exposures]
    assert [(start, end) for start, end in spans if start < CROWD.stop and end > CROWD.start] == []


def test_boxes_lie_in_the_frame_and_in_their_exposure(truth: Truth) -> None:
    assert len(truth.boxes) > 200
    for box in truth.boxes:
        assert 0 <= box.x < box.x + box.w <= 1280, box
        assert 0 <= box.y < box.y + 14 <= box.y + box.h <= 720, box
        assert box.pts_ms == box.frame * 40
        shown_s = Fraction(box.frame, 25)
        rows = [row for row in truth.exposures if (row.brand, row.kind) == (box.brand, box.kind)]
        assert any(row.start_s <= shown_s < row.end_s for row in rows), box


def test_a_symbol_is_to_be_seen_in_each_of_its_boxes(truth: Truth, frames: list[Image]) -> None:
    boxes = [box for box in truth.boxes if box.brand == "Tessarune"]
    likeness = {}
    for box in boxes:
        sprite = symbol("Tessarune", box.h)
        drawn = cv2.resize(sprite, (box.w, box.h), interpolation=cv2.INTER_AREA)
        seen = frames[box.frame][box.y : box.y + box.h, box.x : box.x + box.w]
        inside = drawn[..., 3] > 200
        likeness[box.frame] = np.corrcoef(drawn[inside][:, :3].ravel(), seen[inside].ravel())[0, 1]
    assert len(boxes) > 30
    assert min(likeness.values()) > 0.5
    assert np.median(list(likeness.values())) > 0.9


READ = [
    ("wide shot", 3, "Velquora"),
    ("short name", 28, "Zarn"),
    ("accent", 31, "Ondélvia"),
    ("end card", 70, "Thrumble Oats"),
]


@pytest.mark.parametrize(("frame", "brand"), [row[1:] for row in READ], ids=[row[0] for row in READ])
def test_words_can_be_read_in_their_box(truth: Truth, frames: list[Image], frame: int, brand: str) -> None:
    from rapidocr import RapidOCR

    reader = RapidOCR(params={"Global.log_level": "error"})
    box = next(box for box in truth.boxes if box.frame == frame and box.brand == brand)
    crop = frames[frame][max(box.y - 4, 0) : box.y + box.h + 4, max(box.x - 4, 0) : box.x + box.w + 4]
    answer = reader(crop, use_det=False, use_cls=False, use_rec=True)
    assert [text.casefold() for text in answer.txts] == [brand.casefold()]


def test_the_files_hold_the_truth(folder: Path, truth: Truth) -> None:
    with (folder / "truth.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["brand", "start_s", "end_s", "kind", "note"]
    assert [(row["brand"], float(row["start_s"]), float(row["end_s"]), row["kind"], row["note"]) for row in rows] == [
        (row.brand, float(row.start_s), float(row.end_s), row.kind, row.note) for row in truth.exposures
    ]
    with (folder / "truth_boxes.csv").open(encoding="utf-8", newline="") as file:
        boxes = list(csv.reader(file))
    assert boxes[0] == ["brand", "kind", "frame", "pts_ms", "x", "y", "w", "h"]
    assert len(boxes) == len(truth.boxes) + 1
    assert sorted(path.name for path in folder.iterdir()) == [
        "broadcast.mp4",
        "truth.csv",
        "truth_boxes.csv",
        "truth_outlines.csv",
        "truth_parts.csv",
        "truth_stays.csv",
    ]


def test_drawn_twice_is_equal_to_the_byte_and_the_seed_changes_no_truth(tmp_path: Path) -> None:
    names = ("broadcast.mp4", "truth.csv", "truth_boxes.csv")
    for name, seed in (("one", 7), ("two", 7), ("other", 8)):
        draw_broadcast(tmp_path / name / names[0], seconds=1, size=(640, 360), fps=Fraction(10), seed=seed)
    one, two, other = ([(tmp_path / name / file).read_bytes() for file in names] for name in ("one", "two", "other"))
    assert one == two
    assert other[0] != one[0]
    assert other[1:] == one[1:]


def test_the_command_draws_into_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr("demo.broadcast.draw_broadcast", lambda path, seconds: asked.append((path, seconds)))
    main([str(tmp_path), "--seconds", "2.5"])
    assert asked == [(tmp_path / "broadcast.mp4", Fraction(5, 2))]


def test_the_command_refuses_in_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([str(tmp_path), "--seconds", "0"])
    assert "A broadcast of 0 s cannot be drawn; ask for at least 1 s." in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


REFUSED = [
    ("nothing", 0, (1280, 720), "at least 1 s"),
    ("half a second", 0.5, (1280, 720), "at least 1 s"),
    ("odd width", 1, (1281, 720), "even numbers"),
    ("too small", 1, (160, 90), "even numbers"),
]


@pytest.mark.parametrize(("seconds", "size", "says"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_cannot_be_drawn(tmp_path: Path, seconds: float, size: tuple[int, int], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        draw_broadcast(tmp_path / "broadcast.mp4", seconds=seconds, size=size)
    assert list(tmp_path.iterdir()) == []


def test_every_advert_is_in_the_brand_file_and_some_brands_are_not_shown() -> None:
    brands = load_brands(BRANDS).brands
    adverts = [*script.TILES, *(advert for advert in vars(script).values() if isinstance(advert, Advert))]
    shown = {advert.brand for advert in adverts}
    assert shown - {None} <= {brand.name for brand in brands}
    assert [brand.name for brand in brands if brand.name not in shown] == [
        "Northgate FC",
        "Corvanti",
        "Lumoqua",
        "Umberlyn",
        "Fennick Tools",
        "Quillomere",
    ]
    assert [brand.name for brand in brands if brand.logos] == ["Tessarune", "Corvanti", "Lumoqua"]


def _sighting(x: float = 20, y: float = 20, w: float = 40, h: float = 20, cap_px: float = 20) -> Sighting:
    corners = np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]], np.float64)
    return Sighting("Acme", "text", "board", corners, cap_px)


VIEWS = [
    ("out of the frame", _sighting(x=200), 0, False, False),
    ("in full view", _sighting(), 0, True, False),
    ("nine tenths inside", _sighting(x=-4), 0, True, False),
    ("four fifths inside", _sighting(x=-8), 0, False, True),
    ("a third inside", _sighting(x=-28), 0, False, False),
    ("a tenth hidden", _sighting(), 24, True, False),
    ("a quarter hidden", _sighting(), 30, False, True),
    ("nearly all hidden", _sighting(), 56, False, False),
    ("hidden, but laid on top", replace(_sighting(), on_top=True), 56, True, False),
    ("too small", _sighting(cap_px=13.9), 0, False, True),
    ("small for a symbol", replace(_sighting(), kind="logo"), 0, False, True),
]


@pytest.mark.parametrize(
    ("sighting", "covered_to_px", "counts", "optional"), [row[1:] for row in VIEWS], ids=[row[0] for row in VIEWS]
)
def test_what_counts(sighting: Sighting, covered_to_px: int, counts: bool, optional: bool) -> None:
    cover = np.zeros((60, 100), np.uint8)
    cover[:, :covered_to_px] = 255
    view = view_of(sighting, cover)
    assert (view.counts, view.optional) == (counts, optional)


STAYS: list[tuple[str, Sequence[tuple[int, str]], list[tuple[float, float, str]]]] = [
    ("nothing", [], []),
    ("never", [(10, "-")], []),
    ("one stay", [(2, "-"), (6, "x")], [(0.2, 0.8, "board")]),
    ("a short loss is bridged", [(6, "x"), (4, "-"), (6, "x")], [(0.0, 1.6, "board")]),
    ("half a second is not", [(6, "x"), (5, "-"), (6, "x")], [(0.0, 0.6, "board"), (1.1, 1.7, "board")]),
    ("nor a loss over a cut", [(6, "x"), (1, "-"), (0, "|"), (6, "x")], [(0.0, 0.6, "board"), (0.7, 1.3, "board")]),
    ("a stay goes on over a cut", [(6, "x"), (0, "|"), (6, "x")], [(0.0, 1.2, "board")]),
    ("a brief stay is optional", [(4, "x")], [(0.0, 0.4, "optional: brief, board")]),
    (
        "partly seen before it counts",
        [(3, "o"), (6, "x")],
        [(0.0, 0.3, "optional: partly seen or small"), (0.3, 0.9, "board")],
    ),
    ("partly seen within a bridge is no row", [(6, "x"), (2, "o"), (6, "x")], [(0.0, 1.4, "board")]),
]


@pytest.mark.parametrize(("runs", "expected"), [row[1:] for row in STAYS], ids=[row[0] for row in STAYS])
def test_frames_become_exposures(runs: list[tuple[int, str]], expected: list[tuple[float, float, str]]) -> None:
    """x: counts, o: partly seen, -: away, |: a cut; ten frames a second."""
    ledger, scene = Ledger(Fraction(10)), 0
    for count, what in runs:
        scene += what == "|"
        seen = {"x": [_sighting()], "o": [_sighting(x=-8)]}.get(what, [])
        for _ in range(count):
            ledger.add(scene, seen, np.zeros((60, 100), np.uint8))
    rows: tuple[Exposure, ...] = ledger.truth([]).exposures
    assert [(float(row.start_s), float(row.end_s), row.note) for row in rows] == expected


def test_other_brands_in_the_same_places(tmp_path: Path) -> None:
    truths = [
        draw_broadcast(tmp_path / name / "broadcast.mp4", seconds=1, size=(640, 360), fps=Fraction(10), cast=cast)
        for name, cast in (("own", script.as_scripted), ("one", Recast(3)), ("same", Recast(3)), ("other", Recast(4)))
    ]
    own, one, same, other = ({row.brand for row in truth.exposures} for truth in truths)
    assert one == same
    assert {len(own), len(one), len(other)} == {len(own)}
    assert own & one == own & other == one & other == {"Tessarune"}
    videos = [(tmp_path / name / "broadcast.mp4").read_bytes() for name in ("own", "one", "same", "other")]
    assert videos[1] == videos[2]
    assert len(set(videos)) == 3


SHAPES = [
    ("a word", script.VELQUORA, 1, True),
    ("two words", script.THRUMBLE, 1, True),
    ("a sign between", script.WEXMOOR, 1, True),
    ("two lines", script.SKYLORN, 2, True),
    ("an accent", script.ONDELVIA, 1, False),
]


@pytest.mark.parametrize(("advert", "lines", "ascii_only"), [row[1:] for row in SHAPES], ids=[row[0] for row in SHAPES])
def test_another_name_has_the_shape_of_the_scripts_own(advert: Advert, lines: int, ascii_only: bool) -> None:
    for seed in range(20):
        cast = Recast(seed)
        other = cast(advert)
        assert cast(advert) is other
        assert other.brand is not None
        assert advert.brand is not None
        assert other.brand.casefold() == " ".join(other.lines).casefold()
        assert len(other.brand.split()) == len(advert.brand.split())
        assert len(other.lines) == lines
        assert other.brand.isascii() == ascii_only
        assert 0.4 < len(other.brand) / len(advert.brand) < 2


def test_symbols_and_words_that_are_nobodys_stay() -> None:
    assert [Recast(3)(advert) for advert in (script.TESSARUNE, script.HASHTAG)] == [script.TESSARUNE, script.HASHTAG]
