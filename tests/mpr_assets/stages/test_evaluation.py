from __future__ import annotations

import dagster as dg
import numpy as np
import polars as pl
import pytest

from gpu_service.errors import PermanentError
from gpu_service.pictures import Image
from mpr_assets.annotations.corrections import Correction, PixelBox
from mpr_assets.annotations.stored import store_truth
from mpr_assets.annotations.truth import Truth, TruthRow
from mpr_assets.compare.scenarios import save_scenario
from mpr_assets.evaluation.evaluate import Claimed, Known, true_boxes_of
from mpr_assets.evaluation.model import Evaluation
from mpr_assets.evaluation.page import FrameEvidence, evaluation_page
from mpr_assets.stages.evaluation import EvaluationSettings, evaluation, table_of
from mpr_resources.brands.brand_file import Brand, BrandList
from tests.mpr_assets.report.tables import detection, detections
from tests.world import BRAND, BY_NAME, TIMELINE, Ran, World

BRANDS = BrandList((Brand(name="Acme", aliases=("Acme Corp",)), Brand(name="Bolt")))
SETTINGS = EvaluationSettings()
LOOKED_AT = pl.DataFrame({"seq": range(10), "timeline_ms": range(0, 10_000, 1000)})


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


def held(told: Truth | None, found: pl.DataFrame, length_ms: int, settings: EvaluationSettings) -> Evaluation:
    return evaluation(
        "match", Known(told, []), Claimed(found, detections(), LOOKED_AT, 40.0, length_ms, BRANDS), settings
    )


def test_nothing_true_and_nothing_found_is_right() -> None:
    made = held(truth(), exposures(), 10_000, SETTINGS)
    assert made.brands == ()
    assert (made.total.recall, made.total.precision, made.total.f1, made.total.average_precision) == (1, 1, 1, None)
    assert table_of(made).is_empty()


def test_the_figures_of_two_brands_and_of_both() -> None:
    told = truth(("ACME CORP", 2000, 4000, "text"), ("Acme", 6000, 9000, "logo"), ("Nowhere", 0, 2000, "text"))
    made = held(told, exposures(("Acme", 2000, 4200, 0.9), ("Bolt", 0, 1000, 0.8)), 10_000, SETTINGS)
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
    made = held(rows, exposures(), 10_000, EvaluationSettings(kinds=("text",)))
    assert [(one.brand, one.missed_ms) for one in made.brands] == [("Acme", 1000), ("Bolt", 0)]


def test_a_truth_of_what_was_longer_once_is_refused() -> None:
    with pytest.raises(PermanentError, match=r"has Acme on screen to 00:00:04.000, and the timeline ends at 00:00:03"):
        held(truth(("Acme", 0, 4000)), exposures(), 3000, SETTINGS)


def test_boxes_and_confidences_are_held_against_the_truth_in_the_frames_that_were_looked_at() -> None:
    told = truth(("Acme", 1000, 4000)).model_copy(
        update={"boxes": {"ACME CORP": tuple((ms, 10, 10, 20, 10) for ms in (1000, 2000, 3000))}}
    )
    found = detections(
        detection(1, confidence=0.9, box=(10, 10, 20, 10)),
        detection(2, confidence=0.8, box=(100, 50, 20, 10)),
        detection(3, confidence=0.9, box=(10, 10, 20, 5), source="manual"),
        detection(8, "Bolt", confidence=0.7),
    )
    shown = exposures(("Acme", 500, 3500, 0.9), ("Bolt", 7500, 8500, 0.7))
    made = evaluation("match", Known(told, []), Claimed(shown, found, LOOKED_AT, 40.0, 10_000, BRANDS), SETTINGS)
    boxes = made.brands[0].boxes
    assert boxes is not None
    assert (boxes.true, boxes.found, boxes.right, boxes.recall, boxes.precision) == (3, 2, 1, 0.3333, 0.5)
    assert (boxes.mean_iou, made.brands[1].boxes, made.total.boxes) == (1.0, None, boxes)
    assert made.calibration is not None
    assert [(one.high, one.count, one.right) for one in made.calibration.bins] == [
        (0.7, 1, 0.0),
        (0.8, 1, 0.0),
        (0.9, 1, 1.0),
    ]
    assert made.calibration.error == pytest.approx((0.7 + 0.8 + 0.1) / 3, abs=1e-4)
    assert [(one.kind, one.brand, one.start_ms, one.end_ms) for one in made.mistakes] == [("false", "Bolt", 7500, 8500)]


def test_what_is_known_by_corrections_alone_is_neither_missed_nor_false_elsewhere() -> None:
    told = [
        Correction(action="add", brand="Acme", start_ms=2000, end_ms=4000, box=PixelBox(x=1, y=1, w=20, h=20)),
        Correction(action="reject", brand="Bolt", start_ms=6000, end_ms=8000),
    ]
    shown = exposures(("Acme", 0, 1000, 0.9), ("Acme", 2000, 3000, 0.9), ("Bolt", 0, 8000, 0.7))
    made = evaluation("match", Known(None, told), Claimed(shown, detections(), LOOKED_AT, 40, 10_000, BRANDS), SETTINGS)
    acme, bolt = made.brands
    assert (made.truth, made.corrections) == ("", 2)
    assert (acme.present_ms, acme.missed_ms, acme.false_ms) == (1000, 500, 0)
    assert (bolt.present_ms, bolt.false_ms) == (0, 1000)


def test_the_page_shows_the_worst_mistakes_on_their_frames() -> None:
    told = Known(truth(("Acme", 2000, 6000), ("Bolt <&>", 8000, 8500)), [])
    claimed = Claimed(exposures(), detections(detection(4, "Zarn")), LOOKED_AT, 40.0, 10_000, BRANDS)
    made = evaluation("match", told, claimed, SETTINGS)
    asked = []

    def pixels(seq: int) -> Image | None:
        asked.append(seq)
        return np.zeros((100, 200, 3), np.uint8) if seq == 4 else None

    html = evaluation_page(made, FrameEvidence(LOOKED_AT, claimed.detections, true_boxes_of(told, claimed), pixels))
    assert asked == [4, 8]
    assert html.count('<img src="data:image/jpeg;base64,') == 1
    assert "Missed: <bdi>Acme</bdi>, 3.0 s</b>00:00:02.500 to 00:00:05.500, frame 4<br>also found in it: Zarn" in html
    assert "<bdi>Bolt &lt;&amp;&gt;</bdi>, 0.5 s</b>00:00:08.000 to 00:00:08.500, frame 8 (no longer stored)" in html


def test_a_report_that_is_less_right_than_in_the_last_scenario_is_warned_of(world: World) -> None:
    def run(*stages: str, **settings: float) -> Ran:
        ran = world.run(*stages, overrides={"compile_report": settings} if settings else None)
        assert ran.failures() == {}
        return ran

    def check(ran: Ran) -> tuple[bool, str | None, dg.AssetCheckSeverity]:
        [one] = [one for one in ran.result.get_asset_check_evaluations() if one.check_name == "f1_not_lower"]
        return one.passed, one.description, one.severity

    rows = (TruthRow(brand=BRAND, start_ms=0, end_ms=2000),)
    store_truth(world.storage, TIMELINE, Truth(file="truth.csv", rows=rows))
    assert check(run("corrections", "compile_report", "evaluation"))[0], "no scenario"
    save_scenario(
        world.storage, BY_NAME["compile_report"], TIMELINE, "good", stages=BY_NAME, saved="2026-01-01", saved_by="me"
    )
    assert check(run("evaluation"))[0], "the same"
    passed, said, severity = check(run("compile_report", "evaluation", min_confidence=1.0))
    assert (passed, severity) == (False, dg.AssetCheckSeverity.WARN)
    assert said is not None
    assert said.startswith("F1 is 0.000 (recall 0.000, precision 1.000), and in the scenario good it is 1.000 (")
    assert said.endswith(f"; {BRAND} has lost most; mpr scenario check shows what is different now")
