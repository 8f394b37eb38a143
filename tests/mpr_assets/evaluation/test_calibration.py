from __future__ import annotations

import pytest

from mpr_assets.evaluation.calibration import Judged, reliability


def judged(*rows: tuple[float, bool, str]) -> Judged:
    return Judged.of([(confidence, right, ("clip", brand)) for confidence, right, brand in rows])


def test_no_detection_has_no_reliability() -> None:
    assert reliability(judged()) is None


def test_reliability_of_a_confidence_that_is_too_high() -> None:
    rows = [(0.95, n % 2 == 0, str(n)) for n in range(40)] + [(0.5, True, str(n)) for n in range(40)]
    table = reliability(judged(*rows))
    assert table is not None
    assert [(one.low, one.high, one.count, one.right) for one in table.bins] == [
        (0.0, 0.5, 40, 1.0),
        (0.9, 0.95, 40, 0.5),
    ]
    assert [one.confidence for one in table.bins] == pytest.approx([0.5, 0.95])
    assert table.error == pytest.approx((40 * 0.5 + 40 * 0.45) / 80)
    low, high = table.bins[1].interval
    assert 0.3 < low < 0.5 < high < 0.7
    assert table.interval[0] < table.error < table.interval[1]


def test_frames_of_one_stay_are_no_more_certain_than_the_stay() -> None:
    apart = reliability(judged(*[(0.9, n < 90, str(n)) for n in range(100)]))
    together = reliability(judged(*[(0.9, n < 90, str(n // 10)) for n in range(100)]))
    assert apart is not None
    assert together is not None
    assert together.bins[0].interval[0] < apart.bins[0].interval[0]
