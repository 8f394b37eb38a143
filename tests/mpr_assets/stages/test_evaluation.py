from __future__ import annotations

import polars as pl
import pytest

from gpu_service.errors import PermanentError
from mpr_assets.annotations.truth import Truth, TruthRow
from mpr_assets.stages.evaluation import EvaluationSettings, evaluation, table_of
from mpr_resources.brands.brand_file import Brand, BrandList

BRANDS = BrandList((Brand(name="Acme", aliases=("Acme Corp",)), Brand(name="Bolt")))
SETTINGS = EvaluationSettings()


def truth(*rows: tuple[str, int, int] | tuple[str, int, int, str]) -> Truth:
    made = [
        TruthRow.model_validate(dict(zip(("brand", "start_ms", "end_ms", "kind"), row, strict=False))) for row in rows
    ]
    return Truth(file="truth.csv", rows=tuple(made))


def exposures(*rows: tuple[str, int, int, float]) -> pl.DataFrame:
    sourced = [(*row, "ocr") for row in rows]
    schema = {
        "brand": pl.String,
        "start_ms": pl.Int64,
        "end_ms": pl.Int64,
        "max_confidence": pl.Float64,
        "source": pl.String,
    }
    return pl.DataFrame(sourced, schema=schema, orient="row")


def test_nothing_true_and_nothing_found_is_right() -> None:
    made = evaluation("match", truth(), [], exposures(), BRANDS, 10_000, SETTINGS)
    assert made.brands == ()
    assert (made.total.recall, made.total.precision, made.total.f1, made.total.average_precision) == (1, 1, 1, None)
    assert table_of(made).is_empty()


def test_the_figures_of_two_brands_and_of_both() -> None:
    made = evaluation(
        "match",
        truth(("ACME CORP", 2000, 4000, "text"), ("Acme", 6000, 9000, "logo"), ("Nowhere", 0, 2000, "text")),
        [],
        exposures(("Acme", 2000, 4200, 0.9), ("Bolt", 0, 1000, 0.8)),
        BRANDS,
        10_000,
        SETTINGS,
    )
    acme, bolt, nowhere = made.brands
    assert [(one.brand, one.listed) for one in made.brands] == [("Acme", True), ("Bolt", True), ("Nowhere", False)]
    assert (acme.present_ms, acme.found_ms, acme.missed_ms, acme.false_ms) == (3000, 1000, 2000, 0)
    assert (acme.recall, acme.precision, acme.f1) == (0.3333, 1.0, 0.5)
    assert (acme.events, acme.found_events, acme.matched_events, acme.event_f1) == (2, 1, 1, 0.6667)
    assert (acme.average_precision, acme.average_precision_by_tiou) == (0.45, (0.5,) * 9 + (0.0,))
    assert (acme.starts.count, acme.starts.median_ms, acme.ends.median_ms, acme.ends.p90_ms) == (1, 0, 200, 200)
    assert (bolt.false_ms, bolt.precision, bolt.recall, bolt.average_precision) == (1000, 0.0, 1.0, None)
    assert (nowhere.missed_ms, nowhere.recall) == (1000, 0.0)
    total = made.total
    assert (total.present_ms, total.found_ms, total.missed_ms, total.false_ms) == (4000, 1000, 3000, 1000)
    assert (total.recall, total.precision, total.f1) == (0.25, 0.5, 0.3333)
    assert (total.events, total.found_events, total.matched_events) == (3, 2, 1)
    assert total.average_precision == pytest.approx(0.225), "the mean over the two brands that are to be found"


def test_kinds_that_are_not_asked_for_may_be_missed() -> None:
    rows = truth(("Acme", 2000, 4000, "text"), ("Bolt", 2000, 4000, "logo"))
    made = evaluation("match", rows, [], exposures(), BRANDS, 10_000, EvaluationSettings(kinds=("text",)))
    assert [(one.brand, one.missed_ms) for one in made.brands] == [("Acme", 1000), ("Bolt", 0)]


def test_a_truth_of_what_was_longer_once_is_refused() -> None:
    with pytest.raises(PermanentError, match=r"has Acme on screen to 00:00:04.000, and the timeline ends at 00:00:03"):
        evaluation("match", truth(("Acme", 0, 4000)), [], exposures(), BRANDS, 3000, SETTINGS)
