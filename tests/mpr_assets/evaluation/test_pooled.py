"""Several timelines together; the evaluations are made by the stage's own function."""

from __future__ import annotations

import pytest

from mpr_assets.evaluation.evaluate import Claimed, Known
from mpr_assets.evaluation.model import Evaluation
from mpr_assets.evaluation.pooled import PooledRate, pooled
from mpr_assets.stages.evaluation import evaluation
from tests.mpr_assets.report.tables import detection, detections
from tests.mpr_assets.stages.test_evaluation import BRANDS, LOOKED_AT, SETTINGS, exposures, truth


def one(*found: tuple[str, int, int, float]) -> Evaluation:
    seen = detections(*(detection(start // 1000 + 1, brand, score) for brand, start, _, score in found))
    claimed = Claimed(exposures(*found), seen, LOOKED_AT, 40.0, 10_000, BRANDS)
    return evaluation("match", Known(truth(("Acme", 2000, 5000)), []), claimed, SETTINGS)


RIGHT, MISSED, FALSE = one(("Acme", 2000, 5000, 0.9)), one(), one(("Bolt", 2000, 4000, 0.7))


def test_one_timeline_has_no_chance_in_it() -> None:
    made = pooled([RIGHT])
    assert (made.timelines, made.f1, made.recall) == (1, PooledRate(1, 1, 1), PooledRate(1, 1, 1))
    assert made.calibration_error == PooledRate(0.1, 0.1, 0.1)


def test_times_and_events_are_added_up_and_timelines_drawn() -> None:
    made = pooled([RIGHT, MISSED, FALSE, RIGHT])
    assert (made.recall.value, made.precision.value) == (0.5, pytest.approx(4000 / 6000, abs=1e-4))
    assert made.f1.value == pytest.approx(2 * 0.5 * 2 / 3 / (0.5 + 2 / 3), abs=1e-4)
    assert made.event_f1.value == pytest.approx(2 * 0.5 * 2 / 3 / (0.5 + 2 / 3), abs=1e-4)
    assert made.f1.low < 0.3 < made.f1.value < 0.85 < made.f1.high
    assert made.calibration_error is not None
    assert made.calibration_error.value == pytest.approx((2 * 0.1 + 0.7) / 3, abs=1e-4)


def test_without_a_detection_nothing_is_said_of_confidences() -> None:
    assert pooled([MISSED, MISSED]).calibration_error is None
