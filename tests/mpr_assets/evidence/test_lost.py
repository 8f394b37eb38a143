"""Every reason for which a brand is lost, each with the setting or the command that would have let it through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import cv2
import numpy as np
import pytest

from gpu_service.routines import Reference
from mpr_assets.definitions import BY_NAME
from mpr_assets.evidence.lost import Lost, lost
from mpr_assets.evidence.moment import StoredResults
from mpr_assets.report.exposures import ExposureSettings
from mpr_resources.brands.brand_file import Brand, BrandList
from mpr_resources.storage.tables import StageTable
from tests.mpr_assets.evidence.results import results
from tests.mpr_assets.evidence.test_found import line, table
from tests.mpr_assets.report.tables import detection

BRANDS = BrandList(
    (
        Brand(name="Acme Motors", aliases=("Acme",)),
        Brand(name="Acme Motors Racing"),
        Brand(name="Zarn", exclude=("Zarn Street",)),
        Brand(name="Velquora"),
    )
)


def picture() -> bytes:
    noise = np.random.default_rng(1).integers(0, 255, (80, 120, 3), np.uint8)
    return cv2.imencode(".png", noise)[1].tobytes()


REFERENCE = Reference("Velquora", "velquora.png", picture())


def read(*texts: str, confidence: float = 0.95, seq: int = 0) -> StoredResults:
    """Lines of text on a frame, one below the other and far apart."""
    lines = [
        line(seq, text, (10, 10 + 30 * number, 60, 8), line=number, track=number, confidence=confidence)
        for number, text in enumerate(texts)
    ]
    return results(run_ocr=table("run_ocr", *lines), headers=UP_TO_DATE)


UP_TO_DATE: Mapping[str, Mapping[str, object]] = {
    "match_brands": {
        "upstream": {"run_ocr": "version of run_ocr", "detect_objects": "version of detect_objects"}
        | {"brands": BRANDS.version}
    }
}
SKIPPED = "run_ocr.enabled is false in the profile"


@dataclass(frozen=True)
class Case:
    """What is stored, the brand and the time asked for; the stage, the reason, a part of the sentence, remedies as
    assignments and a part of the commands of the first loss.
    """

    stored: StoredResults
    brand: str
    stage: str
    reason: str
    sentence: str
    remedies: list[str] = field(default_factory=list)
    command: str = ""
    at_ms: int = 0


CASES = {
    "after the end": Case(
        results(), "Zarn", "timeline", "outside", "00:00:02.000 is outside of the timeline, which lasts", at_ms=2000
    ),
    "text is switched off": Case(
        results(headers={"run_ocr": {"skipped": SKIPPED}}), "Zarn", "detect_objects", "no_reference", "no reference",
        command='mpr brands add "Zarn" --logo PICTURE',
    ),
    "no text": Case(results(), "Velquora", "detect_objects", "no_logo", "The reference picture of Velquora was"),
    "no text and no reference": Case(results(), "Zarn", "run_ocr", "no_text", "No text was found on frame 0."),
    "not listed": Case(
        read("Nike"), "nike", "match_brands", "not_listed", "It would be found on this frame if it were",
        command='mpr brands add "nike"',
    ),
    "other text": Case(
        read("Full time", "2 - 1"), "Velquora", "match_brands", "read_as",
        "Of 2 lines on frame 0 none is like Velquora; nearest is “Full time”",
    ),
    "a near miss": Case(
        read("VELQUXXA"), "Velquora", "match_brands", "near_miss",
        "“VELQUXXA” on frame 0 is 2 edits from “velquora”; more edits than the name may have.",
        ["edit_share=0.25"], 'mpr brands alias "Velquora" "VELQUXXA"',
    ),
    "a short name with a letter changed": Case(
        read("ZERN"), "Zarn", "match_brands", "near_miss", "is 1 edit from “zarn”; a letter is wrong where",
    ),
    "read badly": Case(
        read("VELQUORA", confidence=0.31), "Velquora", "match_brands", "below_threshold",
        "“VELQUORA” on frame 0 is Velquora at a confidence of 0.310, below min_confidence = 0.5.",
        ["min_confidence=0.31"],
    ),
    "a short name read badly": Case(
        read("ZARN", confidence=0.65), "Zarn", "match_brands", "below_threshold", "below min_confidence_short = 0.7.",
        ["min_confidence_short=0.65", "exact_letters=3"],
    ),
    "an excluded text": Case(
        read("Zarn Street"), "Zarn", "match_brands", "excluded",
        "stands in a text that does not mean it: “Zarn Street”",
    ),
    "a longer name": Case(
        read("Acme Motors Racing"), "Acme Motors", "match_brands", "words_taken",
        "its words are those of a better name: Acme Motors Racing.",
    ),
    "found since": Case(
        read("Velquora"), "velquora", "match_brands", "out_of_date", "is Velquora, by the brands and the code of now",
        command="mpr replay match match_brands",
    ),
    "no exposure": Case(
        results(detection(0, "Velquora"), settings=ExposureSettings(min_exposure_ms=500)), "Velquora", "compile_report",
        "out_of_date", "the stored report is older",
    ),
    "too short an exposure": Case(
        results(
            detection(0, "Velquora"),
            settings=ExposureSettings(min_exposure_ms=500),
            headers={"compile_report": {"settings": {"min_exposure_ms": 500}}},
        ),
        "Velquora", "compile_report", "not_counted", "its time there is no exposure by min_exposure_ms = 500.",
        ["min_exposure_ms=250"],
    ),
    "below the least confidence of an exposure": Case(
        results(detection(0, "Velquora", confidence=0.4)), "Velquora", "compile_report", "not_counted",
        "by min_confidence = 0.5.", ["min_confidence=0.4"],
    ),
}  # fmt: skip


def asked(case: Case) -> Lost:
    return lost(case.stored, case.brand, case.at_ms, BRANDS, [REFERENCE])


@pytest.mark.parametrize("name", CASES)
def test_where_it_was_lost(name: str) -> None:
    case = CASES[name]
    found = asked(case)
    first = found.losses[0]
    assert (first.stage, str(first.reason)) == (case.stage, case.reason)
    assert case.sentence in first.sentence
    assert [one.assignment for one in first.remedies] == case.remedies
    assert case.command in " ".join(first.commands)


def test_what_is_in_the_report_was_not_lost() -> None:
    found = lost(results(detection(0, "Velquora")), "VELQUORA", 100, BRANDS, [])
    assert (found.brand, found.losses) == ("Velquora", [])
    assert found.exposure is not None


def test_lines_are_told_with_the_nearest_first_and_why_they_are_not_the_name() -> None:
    found = lost(read("2 - 1", "VELQUXXA", "Velq"), "Velquora", 0, BRANDS, [])
    assert [(one.text, one.nearest, one.edits, one.rule) for one in found.lines] == [
        ("VELQUXXA", "VELQUXXA", 2, "more edits than the name may have"),
        ("Velq", "Velq", 4, "more than a third of the letters of one word are wrong"),
        ("2 - 1", "2 - 1", 8, "digits are not taken for other digits or letters"),
    ]


def test_a_near_duplicate_is_told_and_the_frame_that_stands_for_it_is_looked_at() -> None:
    lines = table("run_ocr", line(0, "VELQUXXA"))
    found = lost(results(run_ocr=lines, dropped={1: 0}, headers=UP_TO_DATE), "Velquora", 500, BRANDS, [])
    assert found.moment is not None
    assert (found.moment.seq, found.moment.kept_seq) == (1, 0)
    [passed] = found.passed
    assert passed.sentence.startswith("Frame 1 was dropped as a near-duplicate of frame 0 at 00:00:00.000: ")
    assert [one.assignment for one in passed.remedies] == ["max_stand_in_ms=499"]
    assert str(found.losses[0].reason) == "near_miss"


def test_a_moment_between_samples_is_told() -> None:
    [passed, *_] = lost(read(), "Velquora", 200, BRANDS, []).passed
    assert passed.sentence == (
        "The picture at 00:00:00.200 itself was not sampled: samples are at 00:00:00.000 and 00:00:00.500. What "
        "follows is of frame 0, whose time it is."
    )
    assert [one.assignment for one in passed.remedies] == ["fps=4"]


def test_a_list_of_brands_that_changed_since_is_told() -> None:
    [passed] = lost(results(), "Velquora", 0, BRANDS, []).passed
    assert (passed.stage, passed.sentence) == ("match_brands", "The list of brands has changed since.")


def test_a_gap_that_is_not_bridged_is_told_with_the_length_that_would_be() -> None:
    limits = {"max_gap_ms": 100, "max_hidden_ms": 100}
    stored = results(
        detection(0, "Velquora"),
        detection(3, "Velquora"),
        settings=ExposureSettings(**limits),
        headers={"compile_report": {"settings": limits}},
    )
    last = lost(stored, "Velquora", 1000, BRANDS, []).losses[-1]
    assert last.sentence == (
        "It is on screen until 00:00:00.250 and again from 00:00:01.250; the 1000 ms between them are not bridged."
    )
    assert [one.assignment for one in last.remedies] == ["max_gap_ms=1000", "max_hidden_ms=1000"]


def test_a_model_s_answer_that_was_not_believed_is_told_with_its_score() -> None:
    candidate = detection(0, None, confidence=0.42, source="local_vlm")
    names = list(BY_NAME["escalate_vlm"].schema)
    row = dict(zip(names, candidate, strict=False)) | {"reason": "below_threshold:Velquora", "text": "VLQ"}
    stored = results(
        escalate_vlm=table("escalate_vlm", row), headers={"escalate_vlm": {"settings": {"min_confidence": 0.6}}}
    )
    first = lost(stored, "Velquora", 0, BRANDS, []).losses[0]
    assert (first.stage, str(first.reason)) == ("escalate_vlm", "rejected")
    assert first.sentence == (
        "The model named Velquora for “VLQ”, which was not believed: below threshold, 0.420 of min_confidence = 0.6."
    )
    assert [one.assignment for one in first.remedies] == ["min_confidence=0.42"]


def test_a_logo_below_the_least_confidence_is_told() -> None:
    place = {"seq": 0, "x": 10, "y": 10, "w": 20, "h": 10}
    said = {"label": "Velquora", "confidence": 0.61, "engine": "logo_match", "reference": "velquora.png"}
    settings = BY_NAME["match_brands"].settings.model_construct().model_dump(mode="json")
    stored = results(
        detect_objects=table("detect_objects", {**place, **said}),
        headers={"match_brands": {"settings": settings | {"min_object_confidence": 0.8}}},
    )
    first = lost(stored, "Velquora", 0, BRANDS, [REFERENCE]).losses[0]
    assert (first.stage, str(first.reason)) == ("match_brands", "below_threshold")
    assert "at 0.610, below min_object_confidence = 0.8" in first.sentence
    assert [one.assignment for one in first.remedies] == ["min_object_confidence=0.61"]


def test_what_a_person_took_away_is_told() -> None:
    row = dict(zip(BY_NAME["corrections"].schema, detection(0, None), strict=True))
    taken = table("corrections", row | {"reason": "rejected:Velquora", "text": "VELQUORA"})
    lines = table("run_ocr", line(0, "VELQUORA"))
    stored = results(detection(0, "Velquora"), corrections=taken, run_ocr=lines, headers=UP_TO_DATE)
    empty = {name: found for name, found in stored.tables.items() if name != "compile_report"}
    report = stored.tables["compile_report"]
    without = StoredResults("match", empty | {"compile_report": StageTable(report.rows.clear(), report.header)})
    found = lost(without, "Velquora", 0, BRANDS, [])
    assert [(one.stage, str(one.reason), one.sentence) for one in found.losses] == [
        ("corrections", "rejected", "Velquora was found on frame 0, and a correction says that it is not there.")
    ]
