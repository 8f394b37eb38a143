"""Which detections are of one mark, and for how long a mark may be away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import polars as pl
import pytest

from mpr_assets.report.camera import Motion, still
from mpr_assets.report.tracks import AwayLimits, follow
from tests.mpr_assets.report.tables import DETECTIONS, detection, detections

WIDTH, HEIGHT = 1000, 500
LOOKED = {
    "seq": pl.Int64,
    "chunk": pl.Int32,
    "shot": pl.Int32,
    "start_ms": pl.Int64,
    "width_px": pl.Int32,
    "height_px": pl.Int32,
}
REACH = AwayLimits(near_ms=1000, hidden_ms=3000)


def looked(shots: Sequence[int]) -> pl.DataFrame:
    """Two frames a second; a shot for each."""
    rows = [(seq, 0, shot, 500 * seq, WIDTH, HEIGHT) for seq, shot in enumerate(shots)]
    return pl.DataFrame(rows, LOOKED, orient="row")


def moving(steps: Mapping[int, tuple[float, float] | None]) -> Motion:
    """The picture's motion from the frame before each; none elsewhere."""
    return lambda _before, after: steps.get(after, (0.0, 0.0))


def box(x: int, y: int = 100, w: int = 100, h: int = 40) -> tuple[int, int, int, int]:
    return x, y, w, h


def text(
    seq: int, said: str, place: tuple[int, int, int, int], brand: str = "Acme", track: int | None = None
) -> tuple[object, ...]:
    row = dict(zip(DETECTIONS, detection(seq, brand, box=place), strict=True))
    return tuple({**row, "text": said, "track": track}.values())


class Case(NamedTuple):
    found: pl.DataFrame
    marks: tuple[int, ...]
    bridges: Sequence[tuple[int, int, int]] = ()
    shots: Sequence[int] = (0,) * 8
    motion: Motion = still
    reach: AwayLimits = REACH


PAN = moving(dict.fromkeys(range(8), (-150.0, 0.0)))
AND_BACK = moving({1: (-400.0, 0.0), 2: (-400.0, 0.0), 3: (400.0, 0.0), 4: (400.0, 0.0)})

CASES = {
    "nothing found": Case(detections(), ()),
    "one": Case(detections(detection(3)), (0,)),
    "it stays": Case(detections(*(detection(seq, box=box(100)) for seq in (1, 2, 3))), (0, 0, 0)),
    "two found at one place are one mark": Case(
        detections(detection(1, box=box(100)), detection(1, box=box(110), source="logo")), (0, 0)
    ),
    "two that stay": Case(
        detections(*(detection(seq, box=box(x)) for seq in (1, 2) for x in (100, 500))), (0, 1, 0, 1)
    ),
    "two brands": Case(detections(detection(1), detection(2, "Bolt")), (0, 1)),
    "two that the camera takes to each other's places": Case(
        detections(*(detection(seq, box=box(x)) for seq, x in ((1, 400), (1, 700), (2, 250), (2, 550)))),
        (0, 1, 0, 1),
        motion=PAN,
    ),
    "by its own motion": Case(
        detections(*(detection(seq, box=box(x)) for seq, x in ((0, 0), (1, 150), (2, 300), (2, 600)))), (0, 0, 0, 1)
    ),
    "a cut ends it": Case(
        detections(detection(1), detection(2)), (0, 1), shots=(0, 0, 1, 1, 1, 1, 1, 1)
    ),
    "missed once": Case(detections(detection(1), detection(3)), (0, 0), [(1, 3, 3000)]),
    "missed once while it moved": Case(
        detections(detection(1, box=box(100)), detection(3, box=box(250))), (0, 0), [(1, 3, 1000)]
    ),
    "missed once while the camera moved": Case(
        detections(detection(1, box=box(600)), detection(3, box=box(300))), (0, 0), [(1, 3, 3000)], motion=PAN
    ),
    "covered for 2.5 s": Case(detections(detection(0), detection(6)), (0, 0), [(0, 6, 3000)]),
    "covered for too long": Case(
        detections(detection(0), detection(6)), (0, 1), reach=AwayLimits(near_ms=1000, hidden_ms=2499)
    ),
    "away for 2.5 s, and back elsewhere": Case(
        detections(detection(0, box=box(100)), detection(6, box=box(250))), (0, 1)
    ),
    "the camera turns away and back": Case(
        detections(detection(0, box=box(100)), detection(4, box=box(100))), (0, 1), motion=AND_BACK
    ),
    "laid over a picture that turns away and back": Case(
        detections(*(detection(seq, box=box(100)) for seq in (0, 1, 4))),
        (0, 0, 0),
        [(1, 4, 3000)],
        motion=AND_BACK,
    ),
    "the camera's motion is not known": Case(
        detections(detection(0, box=box(100)), detection(4, box=box(100))),
        (0, 0),
        [(0, 4, 3000)],
        motion=moving({2: None}),
    ),
    "another brand takes its place": Case(
        detections(
            text(0, "ACME", box(100)),
            text(1, "BOLT", box(110), "Bolt"),
            text(2, "BOLT", box(110), "Bolt"),
            text(3, "ACME", box(100)),
        ),
        (0, 2, 2, 1),
    ),
    "another brand passes before it": Case(
        detections(
            text(0, "ACME", box(100)), text(1, "BOLT", box(110), "Bolt"), text(4, "ACME", box(100))
        ),
        (0, 1, 0),
        [(0, 4, 3000)],
    ),
    "a small mark of another brand before it": Case(
        detections(
            text(0, "ACME", box(100)), text(1, "BOLT", box(120, 110, 20, 10), "Bolt"), text(2, "ACME", box(100))
        ),
        (0, 1, 0),
        [(0, 2, 3000)],
    ),
    "read as a longer name meanwhile": Case(
        detections(
            text(0, "Acme", box(100)), text(1, "Acme Play", box(100, w=150), "Acme Play"), text(2, "ACME", box(100))
        ),
        (0, 1, 0),
        [(0, 2, 3000)],
    ),
    "a line of text known by its track": Case(
        detections(text(0, "ACME", box(0), track=7), text(1, "ACME", box(800, 400), track=7)), (0, 0)
    ),
    "much larger": Case(
        detections(detection(1, box=box(100, w=20, h=10)), detection(2, box=box(100, w=100, h=50))), (0, 1)
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_marks(case: Case) -> None:
    tracks = follow(case.found, looked(case.shots), case.reach, case.motion)
    assert tracks.marks == case.marks
    assert [(one.from_seq, one.to_seq, one.limit_ms) for one in tracks.bridges] == list(case.bridges)


def test_a_frame_that_was_not_looked_at_has_no_mark() -> None:
    assert follow(detections(detection(99)), looked([0]), REACH, still).marks == (-1,)


def test_the_order_of_rows_does_not_show() -> None:
    found = detections(*(detection(seq, box=box(100 + 10 * seq)) for seq in range(8)), detection(2, box=box(600)))
    assert (
        follow(found.reverse(), looked([0] * 8), REACH, still).marks[::-1]
        == follow(found, looked([0] * 8), REACH, still).marks
    )
