"""What marks stand on, in pictures of 200 x 100 px."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl
import pytest

from mpr_assets.report.exposures import ExposureSettings, exposures, frame_spans
from mpr_assets.report.placement import PLACEMENT_SCHEMA, PlacementSettings, Surroundings, placements, surroundings
from mpr_assets.report.presence import presence
from mpr_assets.stages import detect_edges, detect_objects, field_segmentation
from tests.mpr_assets.report.tables import chunks, detection, detections, frames, scenes

FOUR_SECONDS = chunks(("a.mp4", 0, 4000))
SAMPLED = frames(range(0, 4000, 500))
Box = tuple[int, int, int, int]


def at(x: int, y: int = 40) -> Box:
    return (x, y, 20, 10)


@dataclass(frozen=True)
class Case:
    """`places`: of the mark, frame by frame; `pan`: by how much the picture moves to the right from each to the next,
    None where that cannot be told."""

    places: list[Box]
    expected: str
    pan: float | None = 0.0
    shots: list[int] = field(default_factory=lambda: [0] * 8)
    around: Surroundings = field(default_factory=Surroundings)
    on: str = ""
    named: dict[str, str] = field(default_factory=dict)
    dropped: dict[int, int] = field(default_factory=dict)


AROUND = (45, 20, 30, 60)
"""Around the mark of `at(50)`."""


def things(*objects: tuple[Box, str], on: Sequence[int] = range(8)) -> Surroundings:
    return Surroundings(objects=dict.fromkeys(on, objects))


def in_turn(labels: Sequence[str]) -> Surroundings:
    """One object a frame with a mark, all at one place."""
    return Surroundings(objects={seq: [(AROUND, label)] for seq, label in enumerate(labels)})


def boards(*boxes: Box) -> dict[int, list[Box]]:
    return {seq: list(boxes) for seq in range(8)}


ON_THE_FIELD = {seq: [[0.0, 30.0], [200.0, 30.0], [200.0, 100.0], [0.0, 100.0]] for seq in range(8)}
ONE_CUT = [0, 0, 1, 1, 1, 1, 1, 1]
WIDE = (0, 35, 200, 20)
CASES = {
    "on one frame": Case([at(50)], "unknown"),
    "nothing moves": Case([at(50)] * 4, "unknown"),
    "at one place over a cut": Case([at(50)] * 4, "overlay", shots=ONE_CUT),
    "nearly at one place over a cut": Case([at(50), at(50), at(52), at(52)], "overlay", shots=ONE_CUT),
    "elsewhere after a cut": Case([at(50), at(50), at(60), at(60)], "unknown", shots=ONE_CUT),
    "larger after a cut": Case([at(50), at(50), (45, 38, 30, 15)], "unknown", shots=ONE_CUT),
    "still while the camera moves": Case([at(50)] * 3, "overlay", pan=10),
    "still while the camera moves once": Case([at(50)] * 2, "unknown", pan=10),
    "still while it is not known whether the camera moves": Case([at(50)] * 3, "unknown", pan=None),
    "with the picture, on a region": Case([at(10), at(20), at(30)], "board", 10, around=Surroundings(boards(WIDE))),
    "with the picture, on none": Case([at(10), at(20), at(30)], "unknown", 10),
    "in a region, and nothing moves": Case([at(50)] * 3, "unknown", around=Surroundings(boards(WIDE))),
    "in a region over a field": Case([at(50)] * 3, "board", around=Surroundings(boards(WIDE), fields=ON_THE_FIELD)),
    "beside a region": Case([at(50)] * 3, "unknown", around=Surroundings(boards((0, 60, 200, 20)))),
    "on a region, still while the camera moves": Case([at(50)] * 3, "overlay", 10, around=Surroundings(boards(WIDE))),
    "on a person": Case([at(50)] * 3, "shirt", around=things((AROUND, "person")), on="person"),
    "on a person, spelt otherwise": Case([at(50)] * 3, "shirt", around=things((AROUND, "T_Shirt")), on="T_Shirt"),
    "on a person on one frame of three": Case([at(50)] * 3, "unknown", around=things((AROUND, "person"), on=[0])),
    "on a bottle": Case([at(50)] * 3, "product", around=things((AROUND, "bottle")), on="bottle"),
    "on a bottle before a person": Case(
        [at(50)] * 3, "product", around=things(((0, 0, 200, 100), "person"), (AROUND, "bottle")), on="bottle"
    ),
    "on a person before a car": Case(
        [at(50)] * 3, "shirt", around=things((AROUND, "person"), ((0, 0, 200, 100), "car")), on="person"
    ),
    "half on a bottle": Case([at(50)] * 3, "unknown", around=things(((40, 20, 20, 60), "bottle"))),
    "more than half on a bottle": Case(
        [at(50)] * 3, "product", around=things(((40, 20, 21, 60), "bottle")), on="bottle"
    ),
    "on what tells nothing": Case([at(50)] * 3, "unknown", around=things((AROUND, "dog"))),
    "on what tells nothing, before a person": Case(
        [at(50)] * 3, "shirt", around=things((AROUND, "dog"), ((0, 0, 200, 100), "person")), on="person"
    ),
    "on what settings name": Case(
        [at(50)] * 3, "headgear", around=things((AROUND, "Helmet")), on="Helmet", named={"helmet": "headgear"}
    ),
    "on what settings take away": Case(
        [at(50)] * 3, "unknown", around=things((AROUND, "person")), named={"person": "unknown"}
    ),
    "on a shirt, then on a person": Case(
        [at(50)] * 4, "shirt", around=in_turn(["jersey", "person", "person", "dog"]), on="person"
    ),
    "on two things, neither most of the time": Case(
        [at(50)] * 4, "unknown", around=in_turn(["car", "car", "man", "dog"])
    ),
    "on one frame of two, which stands for most of the time": Case(
        [at(50)] * 2, "product", around=things((AROUND, "car"), on=[0]), on="car", dropped={1: 0, 2: 0}
    ),
    "on a car, still while the camera moves": Case([at(50)] * 3, "overlay", 10, around=things((AROUND, "car"))),
    "against the camera, on the field": Case(
        [at(90), at(70), at(50)], "shirt", 10, around=Surroundings(fields=ON_THE_FIELD)
    ),
    "against the camera, elsewhere": Case([at(90), at(70), at(50)], "unknown", 10),
    "over the field while the camera rests": Case(
        [at(90), at(70), at(50)], "shirt", around=Surroundings(fields=ON_THE_FIELD)
    ),
    "letters that run over a board": Case([at(90), at(70), at(50)], "unknown", 10, around=Surroundings(boards(WIDE))),
}


@pytest.mark.parametrize("name", CASES)
def test_placements(name: str) -> None:
    case = CASES[name]
    kept = [seq for seq in range(8) if seq not in case.dropped]
    found = detections(*(detection(seq, box=box) for seq, box in zip(kept, case.places, strict=False)))
    shots = scenes(case.shots, case.dropped)
    spans = frame_spans(SAMPLED, shots, FOUR_SECONDS)
    seen = presence(exposures(found, SAMPLED, shots, FOUR_SECONDS, ExposureSettings()), found, SAMPLED, spans)
    moved = None if case.pan is None else (case.pan, 0.0)
    settings = PlacementSettings(object_placements=case.named)
    table = placements(seen, found, SAMPLED, spans, case.around, lambda _before, _after: moved, settings)
    assert table.schema == pl.Schema(PLACEMENT_SCHEMA)
    assert set(table["placement"]) == {case.expected}
    assert set(table["placement_object"]) == {case.on}
    assert all((reason == "") == (case.expected == "unknown") for reason in table["placement_reason"])


def test_no_exposure() -> None:
    shots, nothing = scenes([0] * 8), detections()
    spans = frame_spans(SAMPLED, shots, FOUR_SECONDS)
    seen = presence(exposures(nothing, SAMPLED, shots, FOUR_SECONDS, ExposureSettings()), nothing, SAMPLED, spans)
    table = placements(seen, nothing, SAMPLED, spans, Surroundings(), lambda _before, _after: None)
    assert table.schema == pl.Schema(PLACEMENT_SCHEMA)
    assert table.is_empty()


def rows(schema: Any, *rows: dict[str, object]) -> pl.DataFrame:
    return pl.DataFrame([dict.fromkeys(schema) | row for row in rows], schema)


def test_surroundings() -> None:
    box = {"x": 1, "y": 2, "w": 3, "h": 4}
    found = surroundings(
        rows(detect_edges.SCHEMA, {"seq": 5, **box}),
        rows(
            detect_objects.SCHEMA,
            {"seq": 5, "label": "person", **box}, {"seq": 6, "label": "car", **box}, {"seq": 6, "label": "dog", **box},
        ),
        rows(field_segmentation.SCHEMA, {"seq": 5, "polygon": [[0.0, 1.0], [2.0, 3.0]]}),
    )  # fmt: skip
    assert found == Surroundings(
        {5: [(1, 2, 3, 4)]},
        {5: [((1, 2, 3, 4), "person")], 6: [((1, 2, 3, 4), "car"), ((1, 2, 3, 4), "dog")]},
        {5: [[0.0, 1.0], [2.0, 3.0]]},
    )
    empty = (pl.DataFrame(schema=one.SCHEMA) for one in (detect_edges, detect_objects, field_segmentation))
    assert surroundings(*empty) == Surroundings()
