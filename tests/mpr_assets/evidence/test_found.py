from __future__ import annotations

import polars as pl
import pytest

from gpu_service.errors import BadInput
from mpr_assets.definitions import BY_NAME
from mpr_assets.evidence.found import prove
from mpr_assets.evidence.makers import makers
from mpr_assets.evidence.moment import StoredResults
from mpr_assets.report.exposures import ExposureSettings
from tests.mpr_assets.evidence.results import results
from tests.mpr_assets.report.tables import detection

THREE = results(
    detection(0),
    detection(1, confidence=0.95),
    detection(3),
    detection(2, "Other", box=(150, 60, 20, 10), source="logo"),
)
"""Acme on the frames at 0, 500 and 1500 ms; the gap between them is bridged."""


def line(seq: int, text: str, box: tuple[int, int, int, int] = (10, 10, 20, 10), **said: object) -> dict[str, object]:
    x, y, w, h = box
    quad = [float(n) for corner in ((x, y), (x + w, y), (x + w, y + h), (x, y + h)) for n in corner]
    row: dict[str, object] = {
        "seq": seq, "line": 0, "track": 7, "text": text, "confidence": 0.9, "quad": quad, "x": x, "y": y, "w": w,
        "h": h, "read": True, "reading": text, "reading_confidence": 0.9, "source": "frame",
    }  # fmt: skip
    return row | said


def table(stage: str, *rows: dict[str, object]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=dict(BY_NAME[stage].schema))


MOMENTS = {
    "the best frame of the longest exposure": (THREE, None, 1, 1, False),
    "a moment of a frame": (THREE, 10, 0, 0, False),
    "the end of a frame's time": (THREE, 749, 1, 1, False),
    "a moment that is bridged": (THREE, 1100, 3, 3, True),
    "a near-duplicate": (results(detection(0), dropped={1: 0}), 600, 0, 1, False),
}
"""Results, the moment asked for, the frame that is shown, the sampled frame that it stands for, whether bridged."""


@pytest.mark.parametrize("case", MOMENTS)
def test_the_frame_that_proves_a_moment(case: str) -> None:
    stored, at_ms, seq, stands_for, bridged = MOMENTS[case]
    proof = prove(stored, "acme", at_ms)
    assert (proof.moment.kept_seq, proof.moment.seq, proof.bridged) == (seq, stands_for, bridged)


def test_a_proof_has_the_brand_s_own_figures_and_its_time_in_the_source() -> None:
    proof = prove(THREE, "ACME", 600)
    assert (proof.brand, proof.screen_ms, len(proof.exposures)) == ("Acme", 1500, 1)
    assert (proof.exposure.number, proof.exposure.start_ms, proof.exposure.end_ms) == (1, 0, 2000)
    assert (proof.exposure.seen_ms, proof.exposure.inferred_ms) == (1500, 500)
    assert (proof.moment.frame_ms, proof.exposure.media) == (500, "a.mp4")
    assert [(one.stage, one.source, one.box, one.confidence) for one in proof.detections] == [
        ("match_brands", "ocr", [10, 10, 20, 10], 0.95)
    ]


def test_a_detection_names_the_lines_in_its_place_that_it_was_made_of() -> None:
    lines = table(
        "run_ocr",
        line(0, "ACME", reading=None, reading_confidence=None, read=False),
        line(0, "ACME", (100, 50, 20, 10), line=1, track=8),
        line(0, "Sale", (12, 11, 10, 8), line=2, track=9),
        line(1, "ACME"),
    )
    [found] = prove(results(detection(0), run_ocr=lines), "Acme", 0).detections
    assert [(one.line, one.text, one.reading, one.where) for one in found.lines] == [(0, "ACME", None, "frame")]
    assert found.lines[0].quad == [10, 10, 30, 10, 30, 20, 10, 20]
    assert (found.objects, found.crops) == ([], [])


def test_a_logo_names_what_found_it_and_its_crop() -> None:
    place = {"seq": 0, "x": 10, "y": 10, "w": 20, "h": 10}
    said = {"label": "Acme", "confidence": 0.9, "engine": "logo_match", "reference": "logos/acme.png"}
    objects = table("detect_objects", {**place, **said})
    size = {"representative": True, "width_px": 60, "height_px": 30, "to_frame": [1.0, 0, 0, 0, 1, 0, 0, 0, 1]}
    crops = table(
        "preprocess",
        {**place, "crop": 4, "label": "Acme", "source": "objects", **size},
        {**place, "x": 150, "crop": 5, "label": "board", "source": "edges", **size},
    )
    stored = results(detection(0, source="logo"), detect_objects=objects, preprocess=crops)
    [found] = prove(stored, "Acme", None).detections
    assert [(one.engine, one.reference) for one in found.objects] == [("logo_match", "logos/acme.png")]
    assert [(one.crop, one.found_by) for one in found.crops] == [(4, "objects")]
    assert found.lines == []


REFUSED = {
    "nothing at all": (results(), "Acme", None, "has no brand 'Acme'; it has no brand at all"),
    "another brand": (THREE, "Nike", None, "has no brand 'Nike'; it has Acme, Other; mpr why-not match"),
    "after the end": (THREE, "Acme", 2000, "00:00:02.000 is outside of the timeline 'match', which lasts 00:00:02.000"),
    "not on screen then": (
        results(detection(0)), "Acme", 1000, "Acme is not on screen at 00:00:01.000 in the report of 'match'; it is at "
        '00:00:00.000 to 00:00:00.250; mpr why-not match "Acme" --at 00:00:01.000 says where it was lost',
    ),
    "too short to count": (
        results(detection(0), settings=ExposureSettings(min_exposure_ms=1000)), "Acme", 0, "has no brand 'Acme'",
    ),
}  # fmt: skip
"""Results, brand, moment, and a part of the sentence."""


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_in_the_report_is_refused(case: str) -> None:
    stored, brand, at_ms, sentence = REFUSED[case]
    with pytest.raises(BadInput) as refused:
        prove(stored, brand, at_ms)
    assert sentence in str(refused.value)


def test_stages_that_were_made_anew_since_are_named() -> None:
    assert THREE.out_of_step() == []
    stale = results(detection(0), headers={"filter_scenes": {"data_version": "another"}})
    assert stale.out_of_step()[-1] == (
        "evaluation was made from an earlier result of filter_scenes; mpr replay match evaluation brings it up to date"
    )


def test_the_makers_are_the_stages_that_were_used_with_their_settings() -> None:
    settings = THREE.header("match_brands").settings | {"edit_share": 0.3}
    stored = results(detection(0), headers={"match_brands": {"settings": settings, "overrides": {"edit_share": 0.3}}})
    made = {one.stage: one for one in makers(stored, BY_NAME, ["match_brands"], [])}
    assert list(made) == [name for name in BY_NAME if name in made]
    assert "compile_report" not in made
    assert (made["match_brands"].not_default, made["match_brands"].overrides) == (["edit_share"], {"edit_share": 0.3})
    assert (made["run_ocr"].not_default, made["run_ocr"].run_id) == ([], None)


def test_a_stage_that_is_not_stored_is_named() -> None:
    tables = {name: table for name, table in THREE.tables.items() if name != "run_ocr"}
    with pytest.raises(BadInput, match="run_ocr of the timeline 'match' is not stored, though its report is"):
        prove(StoredResults("match", tables), "Acme", 0)
