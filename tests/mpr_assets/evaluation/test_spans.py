"""Exposures against the truth in time. Values of the metrics are worked out by hand from their definitions."""

from __future__ import annotations

import pytest

from mpr_assets.evaluation.spans import (
    TIOU,
    EventCounts,
    FoundSpan,
    GridCounts,
    TruthSpan,
    average_precisions,
    edge_errors,
    event_counts,
    events_of,
    grid_counts,
)

LENGTH_MS = 10_000


def true(*spans: tuple[float, float] | tuple[float, float, str]) -> list[TruthSpan]:
    """Seconds; a third value: it is optional."""
    return [TruthSpan(round(one[0] * 1000), round(one[1] * 1000), len(one) > 2) for one in spans]


def found(*spans: tuple[float, ...]) -> list[FoundSpan]:
    """Seconds; a third value: the confidence."""
    return [FoundSpan(round(one[0] * 1000), round(one[1] * 1000), *one[2:]) for one in spans]


GRID = {
    "nothing": ([], [], GridCounts()),
    "nothing found": (true((2, 4)), [], GridCounts(1000, 0, 1000, 0)),
    "nothing true": ([], found((2, 4)), GridCounts(0, 0, 0, 2000)),
    "found exactly": (true((2, 4)), found((2, 4)), GridCounts(1000, 1000, 0, 0)),
    "within the tolerance": (true((2, 4)), found((1.5, 4.5)), GridCounts(1000, 1000, 0, 0)),
    "a cell too early": (true((2, 4)), found((1.4, 4)), GridCounts(1000, 1000, 0, 100)),
    "half of it": (true((2, 4)), found((3, 4)), GridCounts(1000, 500, 500, 0)),
    "shorter than the tolerance": (true((2, 2.4)), [], GridCounts(400, 0, 400, 0)),
    "may be missed": (true((2, 4, "optional")), [], GridCounts()),
    "may be found": (true((2, 4, "optional")), found((2, 4)), GridCounts()),
    "text and logo at once": (true((2, 4), (2, 4)), found((2, 4)), GridCounts(1000, 1000, 0, 0)),
    "found twice": (true((2, 4)), found((2, 3.5), (2.5, 4)), GridCounts(1000, 1000, 0, 0)),
    "to the end of the timeline": (true((9, 10)), found((8, 10)), GridCounts(1000, 1000, 0, 500)),
    "beyond the end of the timeline": ([], found((9, 12)), GridCounts(0, 0, 0, 1000)),
}


@pytest.mark.parametrize(("truth", "claimed", "expected"), GRID.values(), ids=GRID.keys())
def test_grid(truth: list[TruthSpan], claimed: list[FoundSpan], expected: GridCounts) -> None:
    assert grid_counts(truth, claimed, LENGTH_MS, tolerance_ms=500) == expected


def test_the_grid_without_tolerance_counts_every_cell() -> None:
    assert grid_counts(true((2, 4)), found((3, 5)), LENGTH_MS, tolerance_ms=0) == GridCounts(2000, 1000, 1000, 1000)


EVENTS = {
    "nothing": ([], [], EventCounts()),
    "nothing found": (true((2, 4)), [], EventCounts(1, 0, 0)),
    "nothing true": ([], found((2, 4)), EventCounts(0, 1, 0)),
    "exact": (true((2, 4)), found((2, 4)), EventCounts(1, 1, 1)),
    "start at the collar": (true((2, 4)), found((2.2, 4)), EventCounts(1, 1, 1)),
    "start past the collar": (true((2, 4)), found((2.201, 4)), EventCounts(1, 1, 0)),
    "end within half of the length": (true((2, 4)), found((2, 5)), EventCounts(1, 1, 1)),
    "end past half of the length": (true((2, 4)), found((2, 5.001)), EventCounts(1, 1, 0)),
    "of a short one the collar is more": (true((2, 2.2)), found((2, 2.4)), EventCounts(1, 1, 1)),
    "in pieces": (true((2, 6)), found((2, 3), (3.5, 6)), EventCounts(1, 2, 0)),
    "twice": (true((2, 4)), found((2, 4), (2.1, 4)), EventCounts(1, 2, 1)),
    "the largest matching is taken": (true((2, 4), (4.1, 5)), found((2, 4), (2, 4.2)), EventCounts(2, 2, 1)),
    "each finds its own": (true((2, 4), (2.15, 5)), found((2.15, 4.5), (2, 4)), EventCounts(1, 2, 1)),
    "text and logo at once are one": (true((2, 4), (2, 4)), found((2, 4)), EventCounts(1, 1, 1)),
    "optional and found": (true((2, 4, "optional")), found((2, 4)), EventCounts(0, 0, 0)),
    "optional for the lesser part": (true((2, 4, "optional")), found((2, 7)), EventCounts(0, 1, 0)),
    "optional before it": (true((1, 2, "optional"), (2, 4)), found((1.2, 4)), EventCounts(1, 1, 1)),
    "optional after it": (true((2, 3), (3, 9, "optional")), found((2, 8)), EventCounts(1, 1, 1)),
}


@pytest.mark.parametrize(("truth", "claimed", "expected"), EVENTS.values(), ids=EVENTS.keys())
def test_events_match_within_a_collar_of_200_ms(
    truth: list[TruthSpan], claimed: list[FoundSpan], expected: EventCounts
) -> None:
    assert event_counts(truth, claimed, collar_ms=200, length_share=0.5) == expected


def test_a_pair_is_given_up_where_more_pairs_come_of_it() -> None:
    # The first fits both events, the second only the first event.
    truth = true((2, 4), (4.05, 6))
    claimed = [FoundSpan(2000, 4000), FoundSpan(2100, 4100), FoundSpan(4100, 6000)]
    assert len(events_of(truth)) == 2
    assert event_counts(truth, claimed, collar_ms=200, length_share=0.5) == EventCounts(2, 3, 2)


PRECISION = {
    "nothing found": (true((0, 10)), [], [0.0] * 10),
    "exact": (true((0, 10)), found((0, 10)), [1.0] * 10),
    "an overlap of 0.8": (true((0, 10)), found((0, 8)), [1.0] * 7 + [0.0] * 3),
    "a surer false one first": (true((0, 4)), found((5, 9, 0.9), (0, 4, 0.8)), [0.5] * 10),
    "a false one last": (true((0, 4)), found((0, 4, 0.9), (5, 9, 0.8)), [1.0] * 10),
    "a double counts as false": (
        true((0, 4), (6, 8)),
        found((0, 4, 0.9), (0, 4, 0.8), (6, 8, 0.7)),
        [0.5 + 1 / 3] * 10,
    ),
    "one of two": (true((0, 4), (6, 8)), found((0, 4)), [0.5] * 10),
    "one that may be missed": (true((0, 4), (6, 8, "optional")), found((6, 8, 0.9), (0, 4, 0.8)), [1.0] * 10),
}


@pytest.mark.parametrize(("truth", "claimed", "expected"), PRECISION.values(), ids=PRECISION.keys())
def test_average_precision(truth: list[TruthSpan], claimed: list[FoundSpan], expected: list[float]) -> None:
    made = average_precisions(truth, claimed)
    assert made is not None
    assert made.tolist() == pytest.approx(expected)


def test_there_is_no_average_precision_where_nothing_is_to_be_found() -> None:
    assert TIOU == (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
    assert average_precisions(true((1, 2, "optional")), found((1, 2))) is None


EDGES = {
    "nothing": ([], [], [], []),
    "nothing found": (true((2, 4)), [], [], []),
    "found exactly": (true((2, 4)), found((2, 4)), [0], [0]),
    "early and late": (true((2, 4)), found((1.7, 4.5)), [300], [500]),
    "late and early": (true((2, 4)), found((2.25, 3)), [250], [1000]),
    "in pieces": (true((2, 6)), found((2.5, 3), (4, 5)), [500], [1000]),
    "from the start of the timeline": (true((0, 4)), found((0.5, 4)), [], [0]),
    "to its end": (true((2, 10)), found((2, 9)), [0], []),
    "may be missed": (true((2, 4, "optional")), found((2, 4)), [], []),
    "optional at the same time": (true((2, 4), (2, 4, "optional")), found((2.5, 4)), [500], [0]),
    "optional just before": (true((1, 2, "optional"), (2, 4)), found((1.5, 4)), [], [0]),
    "a gap that was bridged": (true((1, 2), (5, 7)), found((1, 7)), [0, 3000], [3000, 0]),
}


@pytest.mark.parametrize(("truth", "claimed", "starts", "ends"), EDGES.values(), ids=EDGES.keys())
def test_edges(truth: list[TruthSpan], claimed: list[FoundSpan], starts: list[int], ends: list[int]) -> None:
    errors = edge_errors(truth, claimed, LENGTH_MS, tolerance_ms=500)
    assert (list(errors.starts_ms), list(errors.ends_ms)) == (starts, ends)
