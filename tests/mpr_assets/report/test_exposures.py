"""When a brand was on screen, to the millisecond."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import NamedTuple

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpr_assets.report.exposure_table import EXPOSURE_SCHEMA, inferred_spans
from mpr_assets.report.exposures import (
    ExposureSettings,
    exposures,
    frame_spans,
)
from tests.mpr_assets.report.tables import (
    HEIGHT,
    WIDTH,
    chunks,
    detection,
    detections,
    frames,
    scenes,
)

ONE = chunks(("match.mp4", 0, 4000))
EVERY_HALF = frames(range(0, 4000, 500))
ONE_SHOT = scenes([0] * 8)
NO_GAPS = ExposureSettings(max_gap_ms=0, max_hidden_ms=0)


class Case(NamedTuple):
    found: pl.DataFrame
    expected: list[tuple[str, int, int]]
    frames: pl.DataFrame = EVERY_HALF
    scenes: pl.DataFrame = ONE_SHOT
    chunks: pl.DataFrame = ONE
    settings: ExposureSettings = ExposureSettings()


def found_on(*seqs: int) -> pl.DataFrame:
    return detections(*(detection(seq) for seq in seqs))


TWO_CHUNKS = chunks(("a.mp4", 10_000, 11_000), ("b.mp4", 3_000, 4_000))
TWO_CHUNK_FRAMES = frames([0, 500], [1000, 1500])

SPANS = {
    "nothing found": Case(found_on(), []),
    "no frames at all": Case(found_on(), [], frames=frames([]), scenes=scenes([])),
    "candidates alone": Case(detections(detection(3, brand=None)), []),
    "one frame inside": Case(found_on(3), [("Acme", 1250, 1750)]),
    "the first frame": Case(found_on(0), [("Acme", 0, 250)]),
    "the last frame reaches the end": Case(found_on(7), [("Acme", 3250, 4000)]),
    "every frame": Case(found_on(*range(8)), [("Acme", 0, 4000)]),
    "neighbours touch": Case(found_on(2, 3), [("Acme", 750, 1750)]),
    "gap as long as allowed is bridged": Case(found_on(1, 4), [("Acme", 250, 2250)]),
    "a mark that comes back at its place was hidden": Case(found_on(0, 7), [("Acme", 0, 4000)]),
    "hidden for longer than allowed": Case(
        found_on(0, 7), [("Acme", 0, 250), ("Acme", 3250, 4000)], settings=ExposureSettings(max_hidden_ms=2999)
    ),
    "gap longer than allowed splits": Case(
        found_on(1, 5), [("Acme", 250, 750), ("Acme", 2250, 2750)], settings=ExposureSettings(max_hidden_ms=0)
    ),
    "one that comes back elsewhere was away": Case(
        detections(detection(1), detection(2, box=(150, 80, 20, 10))),
        [("Acme", 250, 1250)],
    ),
    "one that left before another came": Case(
        detections(detection(1), detection(3, box=(150, 80, 20, 10))), [("Acme", 250, 750), ("Acme", 1250, 1750)]
    ),
    "one mark is away while another is there": Case(
        detections(
            detection(1), detection(2), detection(2, box=(150, 80, 20, 10)), detection(4, box=(150, 80, 20, 10))
        ),
        [("Acme", 250, 2250)],
    ),
    "gap across a cut splits": Case(
        found_on(1, 3), [("Acme", 250, 750), ("Acme", 1250, 1750)], scenes=scenes([0, 0, 1, 1, 1, 1, 1, 1])
    ),
    "a cut ends a stay": Case(
        detections(detection(1), detection(2, box=(150, 80, 20, 10))),
        [("Acme", 250, 750), ("Acme", 750, 1250)],
        scenes=scenes([0, 0, 1, 1, 1, 1, 1, 1]),
    ),
    "one of two marks stays at its place over a cut": Case(
        detections(
            detection(1, box=(60, 20, 40, 20)),
            detection(1),
            detection(2, box=(11, 10, 20, 10)),
            detection(2, box=(150, 80, 20, 10)),
        ),
        [("Acme", 250, 1250)],
        scenes=scenes([0, 0, 1, 1, 1, 1, 1, 1]),
    ),
    "a mark that stays at its place goes on over a cut": Case(
        found_on(1, 2), [("Acme", 250, 1250)], scenes=scenes([0, 0, 1, 1, 1, 1, 1, 1])
    ),
    "an abrupt change is the edge": Case(
        found_on(1, 2), [("Acme", 480, 1040)], frames=frames([*range(0, 4000, 500)], cuts={1: 480, 3: 1040})
    ),
    "a change before the first frame of a chunk is none": Case(
        found_on(0), [("Acme", 0, 250)], frames=frames([*range(0, 4000, 500)], cuts={0: -40})
    ),
    "no gap allowed": Case(found_on(1, 3), [("Acme", 250, 750), ("Acme", 1250, 1750)], settings=NO_GAPS),
    "dropped frames inherit": Case(found_on(1), [("Acme", 250, 2250)], scenes=scenes([0] * 8, {2: 1, 3: 1, 4: 1})),
    "a dropped frame's own detection counts": Case(found_on(4), [("Acme", 1750, 2250)], scenes=scenes([0] * 8, {4: 1})),
    "no scenes: each frame stands for itself": Case(found_on(3), [("Acme", 1250, 1750)], scenes=scenes([])),
    "variable frame rate": Case(
        found_on(1, 2), [("Acme", 16, 1075)], frames=frames([0, 33, 150, 2001]), scenes=scenes([0] * 4)
    ),
    "midpoints are floored": Case(found_on(1), [("Acme", 1, 5)], frames=frames([0, 3, 8]), scenes=scenes([0] * 3)),
    "two frames at one time": Case(
        found_on(1), [("Acme", 250, 500)], frames=frames([0, 500, 500, 1000], until={1: 500}), scenes=scenes([0] * 4)
    ),
    "a picture is held until the next one": Case(
        found_on(1),
        [("Acme", 900, 1900)],
        frames=frames([0, 900, 2000], until={0: 900, 1: 1900}),
        scenes=scenes([0] * 3),
    ),
    "a picture held for less than to the middle": Case(
        found_on(0), [("Acme", 0, 1000)], frames=frames([0, 2000], until={0: 900}), scenes=scenes([0] * 2)
    ),
    "an abrupt change after a held picture": Case(
        found_on(1),
        [("Acme", 1200, 3000)],
        frames=frames([0, 1500], until={0: 900}, cuts={1: 1200}),
        scenes=scenes([0] * 2),
    ),
    "the last picture is held to the end": Case(
        found_on(2), [("Acme", 750, 4000)], frames=frames([0, 500, 1000], until={2: 4000}), scenes=scenes([0] * 3)
    ),
    "a late first frame begins at its own time": Case(
        found_on(0), [("Acme", 2000, 2250)], frames=frames([2000, 2500, 3000]), scenes=scenes([0] * 3)
    ),
    "an early last frame reaches one step on": Case(
        found_on(2), [("Acme", 750, 1500)], frames=frames([0, 500, 1000]), scenes=scenes([0] * 3)
    ),
    "the last frame where steps alternate": Case(
        found_on(3), [("Acme", 1240, 2000)], frames=frames([0, 480, 1000, 1480]), scenes=scenes([0] * 4)
    ),
    "a gap is no step": Case(
        found_on(3), [("Acme", 2000, 3500)], frames=frames([0, 500, 1000, 3000]), scenes=scenes([0] * 4)
    ),
    "the only frame lasts to the end of its chunk": Case(
        found_on(0), [("Acme", 1700, 4000)], frames=frames([1700]), scenes=scenes([0])
    ),
    "split at a chunk's edge": Case(
        found_on(0, 1, 2, 3),
        [("Acme", 0, 1000), ("Acme", 1000, 2000)],
        frames=TWO_CHUNK_FRAMES,
        scenes=scenes([0, 0, 1, 1]),
        chunks=TWO_CHUNKS,
    ),
    "two boxes at once are one exposure": Case(
        detections(detection(3, box=(0, 0, 10, 10)), detection(3, box=(50, 50, 10, 10))), [("Acme", 1250, 1750)]
    ),
    "two brands at once": Case(
        detections(detection(3, "Bolt"), detection(3, "Acme")), [("Acme", 1250, 1750), ("Bolt", 1250, 1750)]
    ),
    "never sure enough": Case(detections(detection(3, confidence=0.49), detection(4, confidence=0.4)), []),
    "sure once is enough": Case(
        detections(detection(3, confidence=0.5), detection(4, confidence=0.1)), [("Acme", 1250, 2250)]
    ),
    "too short": Case(
        found_on(1, 4, 5), [("Acme", 1750, 2750)], settings=NO_GAPS.model_copy(update={"min_exposure_ms": 501})
    ),
    "too few boxes": Case(
        found_on(1, 4, 5), [("Acme", 1750, 2750)], settings=NO_GAPS.model_copy(update={"min_detections": 2})
    ),
}


@pytest.mark.parametrize("case", SPANS.values(), ids=SPANS.keys())
def test_spans(case: Case) -> None:
    table = exposures(case.found, case.frames, case.scenes, case.chunks, case.settings)
    assert table.schema == pl.Schema(EXPOSURE_SCHEMA)
    assert table.select("brand", "start_ms", "end_ms").rows() == case.expected


def test_an_exposure_says_what_it_is_made_of() -> None:
    found = detections(
        detection(1, confidence=0.6, box=(0, 0, 20, 10)),
        detection(2, confidence=0.8, box=(0, 0, 20, 10), source="logo"),
        detection(2, confidence=0.7, box=(10, 5, 20, 10)),
        detection(6, confidence=1.0, box=(-50, 0, 100, 100)),
    )
    table = exposures(found, EVERY_HALF, scenes([0] * 8, {3: 2}), ONE, NO_GAPS)
    assert table.rows(named=True) == [
        {
            "brand": "Acme",
            "exposure": 0,
            "start_ms": 250,
            "end_ms": 1750,
            "source": "logo+ocr",
            "confidence": 0.733333,
            "max_confidence": 0.8,
            "frames": 3,
            "detections": 5,
            "mean_area_share": 0.015,
            "max_area_share": 0.0175,
            "best_seq": 2,
            "best_x": 0,
            "best_y": 0,
            "best_w": 20,
            "best_h": 10,
            "chunk": 0,
            "media": "match.mp4",
            "media_start_ms": 250,
            "media_end_ms": 1750,
            "seen_ms": 1500,
            "inferred_ms": 0,
            "inferred": "",
            "start_uncertainty_ms": 250,
            "end_uncertainty_ms": 250,
        },
        {
            "brand": "Acme",
            "exposure": 1,
            "start_ms": 2750,
            "end_ms": 3250,
            "source": "ocr",
            "confidence": 1.0,
            "max_confidence": 1.0,
            "frames": 1,
            "detections": 1,
            "mean_area_share": 0.25,
            "max_area_share": 0.25,
            "best_seq": 6,
            "best_x": -50,
            "best_y": 0,
            "best_w": 100,
            "best_h": 100,
            "chunk": 0,
            "media": "match.mp4",
            "media_start_ms": 2750,
            "media_end_ms": 3250,
            "seen_ms": 500,
            "inferred_ms": 0,
            "inferred": "",
            "start_uncertainty_ms": 250,
            "end_uncertainty_ms": 250,
        },
    ]


INFERRED = {
    "no gap": (found_on(1, 2), 1000, 0, []),
    "one frame missed": (found_on(1, 3), 1000, 500, [(750, 1250)]),
    "two gaps": (found_on(1, 3, 6), 1500, 1500, [(750, 1250), (1750, 2750)]),
}


@pytest.mark.parametrize(("found", "seen_ms", "inferred_ms", "spans"), INFERRED.values(), ids=INFERRED.keys())
def test_bridged_time_is_inferred(
    found: pl.DataFrame, seen_ms: int, inferred_ms: int, spans: list[tuple[int, int]]
) -> None:
    (row,) = exposures(found, EVERY_HALF, ONE_SHOT, ONE, ExposureSettings()).rows(named=True)
    assert (row["seen_ms"], row["inferred_ms"], inferred_spans(row["inferred"])) == (seen_ms, inferred_ms, spans)
    assert row["seen_ms"] + row["inferred_ms"] == row["end_ms"] - row["start_ms"]


def test_inferred_time_does_not_make_an_exposure_long_enough() -> None:
    assert exposures(found_on(1, 3), EVERY_HALF, ONE_SHOT, ONE, ExposureSettings(min_exposure_ms=1001)).is_empty()


class Uncertain(NamedTuple):
    found: pl.DataFrame
    start_ms: int
    end_ms: int
    frames: pl.DataFrame = EVERY_HALF
    scenes: pl.DataFrame = ONE_SHOT


UNCERTAINTIES = {
    "half the sampling step": Uncertain(found_on(2), 250, 250),
    "from the chunk's start, to its end": Uncertain(found_on(0, 7), 0, 499),
    "shown to the chunk's end": Uncertain(found_on(7), 250, 0, frames=frames([*range(0, 4000, 500)], until={7: 4000})),
    "two frames of the source at cuts": Uncertain(
        found_on(1),
        67,
        67,
        frames=frames([*range(0, 4000, 500)], cuts={1: 480, 2: 740}),
        scenes=scenes([0, 1, 2, 2, 2, 2, 2, 2]),
    ),
    "an abrupt change within a shot is no cut": Uncertain(
        found_on(1), 479, 250, frames=frames([*range(0, 4000, 500)], cuts={1: 480})
    ),
    "a picture that is held": Uncertain(
        found_on(1), 0, 100, frames=frames([0, 900, 2000], until={0: 900, 1: 1900}), scenes=scenes([0] * 3)
    ),
}


@pytest.mark.parametrize("case", UNCERTAINTIES.values(), ids=UNCERTAINTIES.keys())
def test_edges_are_uncertain(case: Uncertain) -> None:
    table = exposures(case.found, case.frames, case.scenes, ONE, ExposureSettings())
    (row,) = table.select("start_uncertainty_ms", "end_uncertainty_ms").rows()
    assert row == (case.start_ms, case.end_ms)


def test_the_source_and_its_clock_are_named() -> None:
    table = exposures(found_on(1, 3), TWO_CHUNK_FRAMES, scenes([0, 0, 1, 1]), TWO_CHUNKS, ExposureSettings())
    assert table.select("media", "start_ms", "media_start_ms", "media_end_ms", "chunk").rows() == [
        ("a.mp4", 250, 10_250, 11_000, 0),
        ("b.mp4", 1250, 3250, 4000, 1),
    ]


STRANGERS = {
    "detection on an unknown frame": (found_on(99), EVERY_HALF, ONE, "seq 99"),
    "frame in an unknown chunk": (found_on(), frames([0], [500]), ONE, "chunk 1"),
}


@pytest.mark.parametrize(("found", "sampled", "spans", "says"), STRANGERS.values(), ids=STRANGERS.keys())
def test_tables_that_do_not_fit_are_refused(
    found: pl.DataFrame, sampled: pl.DataFrame, spans: pl.DataFrame, says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        exposures(found, sampled, scenes([]), spans, ExposureSettings())


@st.composite
def worlds(draw: st.DrawFn) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Frames at any times in one to three chunks, any shots, any standing-in, any detections."""
    lengths = draw(st.lists(st.integers(1, 3000), min_size=1, max_size=3))
    starts = [sum(lengths[:chunk]) for chunk in range(len(lengths))]
    times = [
        sorted(draw(st.lists(st.integers(start, start + length), max_size=8)))
        for start, length in zip(starts, lengths, strict=True)
    ]
    count = sum(map(len, times))
    shots = sorted(draw(st.lists(st.integers(0, 3), min_size=count, max_size=count)))
    dropped = draw(st.dictionaries(st.integers(0, count - 1), st.integers(0, count - 1), max_size=4)) if count else {}
    boxes = st.tuples(st.integers(-10, WIDTH), st.integers(-10, HEIGHT), st.integers(0, 99), st.integers(0, 99))
    one = st.builds(
        detection,
        st.integers(0, count - 1),
        st.sampled_from(["Acme", "Bolt", None]),
        st.floats(0, 1),
        boxes,
        st.sampled_from(["ocr", "logo"]),
    )
    found = draw(st.lists(one, max_size=12)) if count else []
    spans = chunks(*(("a.mp4", 700, 700 + length) for length in lengths))
    return detections(*found), frames(*times), scenes(shots, dropped), spans


@settings(max_examples=60, deadline=None)
@given(worlds(), st.integers(0, 2000))
def test_exposures_lie_in_their_chunk_and_never_overlap(
    world: tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, pl.DataFrame], max_gap_ms: int
) -> None:
    found, sampled, shots, spans = world
    table = exposures(found, sampled, shots, spans, ExposureSettings(max_gap_ms=max_gap_ms, min_confidence=0))
    ends = {
        row["chunk"]: row["timeline_start_ms"] + row["end_ms"] - row["start_ms"] for row in spans.iter_rows(named=True)
    }
    begins = dict(spans.select("chunk", "timeline_start_ms").iter_rows())
    for row in table.iter_rows(named=True):
        assert begins[row["chunk"]] <= row["start_ms"] < row["end_ms"] <= ends[row["chunk"]]
        assert row["media_end_ms"] - row["media_start_ms"] == row["end_ms"] - row["start_ms"]
        assert 0 <= row["mean_area_share"] <= row["max_area_share"] <= 1
        assert row["confidence"] <= row["max_confidence"]
        inferred = inferred_spans(row["inferred"])
        assert sum(end - start for start, end in inferred) == row["inferred_ms"]
        assert row["seen_ms"] + row["inferred_ms"] == row["end_ms"] - row["start_ms"]
        assert all(row["start_ms"] < start < end < row["end_ms"] for start, end in inferred)
    for _, group in table.group_by("brand"):
        rows = group.sort("start_ms").rows(named=True)
        assert [row["exposure"] for row in rows] == list(range(len(rows)))
        assert all(earlier["end_ms"] <= later["start_ms"] for earlier, later in pairwise(rows))


@settings(max_examples=40, deadline=None)
@given(worlds())
def test_frame_spans_tile_their_chunk(
    world: tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, pl.DataFrame],
) -> None:
    _, sampled, shots, spans = world
    for _, group in frame_spans(sampled, shots, spans).group_by("chunk"):
        rows = group.sort("start_ms").rows(named=True)
        assert all(earlier["end_ms"] == later["start_ms"] for earlier, later in pairwise(rows))


def test_row_order_does_not_show() -> None:
    found = found_on(1, 2, 3, 6, 7)
    wanted = exposures(found, EVERY_HALF, ONE_SHOT, ONE, ExposureSettings())
    shuffled = exposures(
        found.reverse(),
        EVERY_HALF.sample(fraction=1, shuffle=True, seed=1),
        ONE_SHOT.reverse(),
        ONE,
        ExposureSettings(),
    )
    assert shuffled.equals(wanted)


def test_two_hours_take_seconds() -> None:
    count = 14_400
    one = detections(*(detection(0, f"Brand {number}") for number in range(10)))
    found = pl.concat([one, one.with_columns(pl.col("x") + 5)]).join(pl.DataFrame({"at": range(count)}), how="cross")
    found = found.with_columns(seq=pl.col("at").cast(pl.Int64)).drop("at").filter(pl.col("seq") % 7 < 4)
    long = chunks(("match.mp4", 0, count * 500))
    began = time.process_time()
    table = exposures(
        found, frames(range(0, count * 500, 500)), scenes([0] * count), long, ExposureSettings(max_hidden_ms=0)
    )
    assert len(table) == 10 * 2058
    assert time.process_time() - began < 20
