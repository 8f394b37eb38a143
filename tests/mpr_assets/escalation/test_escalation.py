from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import polars as pl
import pytest

from gpu_service.errors import BadInput
from gpu_service.pictures import Picture
from mpr_assets.escalation.candidates import (
    EscalationSettings,
    Group,
    Place,
    candidates,
    choose,
)
from mpr_assets.escalation.pictures import (
    CropView,
    cut,
    render_crops,
    sized,
    to_look_at,
)
from mpr_assets.escalation.session import ask_in_turn
from mpr_assets.escalation.verdicts import Judge, placed, resolve
from mpr_assets.stages import preprocess
from mpr_assets.text.detections import DETECTION_SCHEMA
from mpr_resources.brands.brand_file import Brand, BrandList
from mpr_resources.cloud.answers import Look
from mpr_resources.cloud.asking import Outcome
from mpr_resources.cloud.prompt import Answer, PictureAnnotation
from mpr_resources.storage.pictures import Frame
from mpr_resources.yaml_files.load import load_model
from tests.crops import board

BRANDS = BrandList((Brand(name="Acme Motors", aliases=("Acme",), exclude=("Acme Street",)),), never=("NO-BRAND",))
PLAIN = EscalationSettings(enabled=True)


def row(seq: int, text: str = "Zyxwv", **changes: Any) -> dict[str, Any]:
    plain = {"seq": seq, "x": 100, "y": 50, "w": 224, "h": 64, "brand": None, "confidence": 0.8, "source": "ocr"}
    return {**plain, "text": text, "reason": "no_brand", "track": None, **changes}


def table(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=DETECTION_SCHEMA, orient="row")


def crops(*places: tuple[int, int, int]) -> pl.DataFrame:
    """Crops of 100 x 50 as (crop, seq, x)."""
    plain = dict.fromkeys(preprocess.SCHEMA)
    rows = [{**plain, "crop": crop, "seq": seq, "x": x, "y": 0, "w": 100, "h": 50} for crop, seq, x in places]
    return pl.DataFrame(rows, schema=preprocess.SCHEMA, orient="row")


NOT_READ = (0, 0, 0, 100, 50, None, 0.0, "object", "", "unread", -8, None, None)
CANDIDATES: dict[str, tuple[pl.DataFrame, pl.DataFrame, list[Any]]] = {
    "nothing": (table(), crops(), []),
    "a detection is none": (table(row(0, brand="Acme")), crops(), []),
    "a crop without text": (table(), crops((7, 0, 0)), [NOT_READ]),
    "a crop with a detection in it": (table(row(0, brand="A", x=10, y=5, w=50, h=20)), crops((7, 0, 0), (7, 1, 0)), []),
    "a detection elsewhere": (table(row(0, brand="A", x=300, y=5, w=50, h=20)), crops((7, 0, 0)), [NOT_READ]),
    "a detection in another frame": (table(row(1, brand="A", x=10, y=5, w=50, h=20)), crops((7, 0, 0)), [NOT_READ]),
}


@pytest.mark.parametrize("case", CANDIDATES)
def test_what_is_a_candidate(case: str) -> None:
    found, cut_out, expected = CANDIDATES[case]
    assert candidates(found, cut_out).rows() == expected


ROUTES: dict[str, tuple[list[dict[str, Any]], dict[str, Any], int, dict[str, int]]] = {
    "nothing": ([], {}, 0, {}),
    "a text": ([row(0)], {}, 1, {}),
    "one track": ([row(0, track=3), row(1, track=3)], {}, 1, {}),
    "the same text on two tracks": ([row(0, track=3), row(9, "ZYXWV", track=4)], {}, 1, {}),
    "the same text, told apart": ([row(0, track=3), row(9, track=4)], {"same_text": False}, 2, {}),
    "short texts are told apart": ([row(0, "Zyx", track=3), row(9, "Zyx", track=4)], {}, 2, {}),
    "a clock": ([row(0, "45:00 +2"), row(1, "67'")], {}, 0, {"clock": 2}),
    "a score": ([row(0, "2 - 1"), row(1, "ARS 2-0 CHE"), row(2, "MUN 3 LIV")], {}, 0, {"score": 2, "team_score": 1}),
    "a number": ([row(0, "1.234,5 %")], {}, 0, {"number": 1}),
    "a player": ([row(0, "9 Haaland"), row(1, "K. Mbappé")], {}, 0, {"shirt_number": 1, "initial_and_name": 1}),
    "scarcely a word": ([row(0, "Zy")], {}, 0, {"scarcely_a_word": 1}),
    "rules of one's own": ([row(0, "2 - 1")], {"skip_text": []}, 1, {}),
    "a known slogan": ([row(0, "Just do it!")], {"known_texts": ["JUST DO IT"]}, 0, {"known_text": 1}),
    "a brand with a number": ([row(0, "Channel 4"), row(1, "Heineken 0.0")], {}, 2, {}),
    "another reason": ([row(0, reason="excluded")], {}, 0, {"reason": 1}),
    "a near miss": ([row(0, reason="near_miss:Acme")], {}, 1, {}),
    "small": ([row(0, w=20), row(1, "Abcdef", h=8)], {}, 0, {"small": 2}),
    "seen once": ([row(0)], {"min_frames": 2}, 0, {"rarely_seen": 1}),
    "too many": ([row(0), row(1, "Abcdef"), row(2, "Ghijkl")], {"max_candidates": 2}, 2, {"limit": 1}),
}


@pytest.mark.parametrize("case", ROUTES)
def test_what_goes_and_what_does_not(case: str) -> None:
    rows, changes, chosen, left = ROUTES[case]
    settings = EscalationSettings.model_validate({"enabled": True, **changes})
    groups, why_not = choose(table(*rows), settings)
    assert (len(groups), why_not) == (chosen, Counter(left))


def test_those_seen_longest_go_first() -> None:
    rows = [row(0, "Once once"), row(1, "Twice", track=1), row(2, "Twice", track=1), row(3, "Larger", w=500)]
    groups, _ = choose(table(*rows), PLAIN)
    assert [group.text for group in groups] == ["Twice", "Larger", "Once once"]


def test_a_rule_that_is_no_pattern_is_refused() -> None:
    with pytest.raises(BadInput, match=r"skip_text\[0\].*is not a regular expression"):
        load_model("p", "skip_text: [{name: bad, pattern: '('}]", EscalationSettings)


def frame(seq: int, number: int | None, blur: bool = False) -> Frame:
    pixels = np.full((360, 640, 3), 90, np.uint8)
    if number is not None:
        pixels[50:114, 100:324] = board(number, variant=seq)
    return Frame(seq, seq * 500, Picture(pixels=pixels))


def test_the_clearest_picture_is_shown_with_its_surroundings() -> None:
    groups, _ = choose(table(*(row(seq, track=1) for seq in range(5))), PLAIN)
    assert sorted(to_look_at(groups)) == [0, 1]
    frames = [frame(0, None), frame(1, 5)]
    [shown], left = render_crops(groups, frames, PLAIN, context=1)
    assert shown.picture.shape == (64 + 2 * 26, 224 + 2 * 26, 3)
    assert left == Counter()
    assert len(shown.context) == 1, "what was there a moment before is another thing, and is shown too"
    [shown], _ = render_crops(groups, [frame(0, 5), frame(1, 5)], PLAIN, context=1)
    assert shown.context == (), "equal pictures are not sent twice"


def test_what_is_blurred_in_all_its_frames_is_left_out() -> None:
    groups, _ = choose(table(row(0)), PLAIN)
    assert render_crops(groups, [frame(0, None)], PLAIN, context=0) == ([], Counter({"blurred": 1}))


def test_a_cut_ends_at_the_frame() -> None:
    [group], _ = choose(table(row(0, x=600, y=340, w=100, h=100)), PLAIN)
    crop, area = cut(frame(0, None).picture.pixels, group.places[0], 0.5)
    assert (crop.shape, area) == ((70, 90, 3), (550, 290, 90, 70))


@pytest.mark.parametrize(
    ("shape", "expected"), [((32, 100), (64, 200)), ((100, 100), (100, 100)), ((20, 1536), (10, 768))], ids=str
)
def test_crops_are_of_a_size_that_can_be_read(shape: tuple[int, int], expected: tuple[int, int]) -> None:
    assert sized(np.zeros((*shape, 3), np.uint8)).shape[:2] == expected


def brand(name: str, confidence: float = 0.9, text: str = "") -> Outcome:
    return Outcome(Answer(outcome="brand", brand=name, confidence=confidence, text=text), "p/m")


JUDGED: dict[str, tuple[Outcome, dict[str, Any], tuple[str | None, str]]] = {
    "a listed brand": (brand("ACME"), {}, ("Acme Motors", "")),
    "another brand": (brand("Zephyr"), {}, ("Zephyr", "")),
    "none": (Outcome(Answer(outcome="none", confidence=0.9)), {}, (None, "no_brand_seen")),
    "unknown": (Outcome(Answer(outcome="unknown", confidence=0.9)), {}, (None, "unknown")),
    "refused": (Outcome(Answer(outcome="refused")), {}, (None, "refused")),
    "below the threshold": (brand("Acme", 0.59), {}, (None, "below_threshold:Acme Motors")),
    "above another": (brand("Acme", 0.59), {"min_confidence": 0.5}, ("Acme Motors", "")),
    "excluded by the brand file": (brand("Acme", text="ACME STREET"), {}, (None, "excluded:Acme Motors")),
    "excluded by the profile": (brand("FIFA"), {"exclude": ["Fifa"]}, (None, "excluded:FIFA")),
    "excluded by the registry": (brand("No Brand"), {}, (None, "excluded:No Brand")),
    "no name": (brand("N/A"), {}, (None, "implausible:N/A")),
    "a word for none": (brand("Unreadable"), {}, (None, "implausible:Unreadable")),
    "a sentence": (brand("It is a car. Red"), {}, (None, "implausible:It is a car. Red")),
    "an address that is not there": (brand("zephyr@x"), {}, (None, "implausible:zephyr@x")),
    "an address that is": (brand("zephyr@x", text="mail zephyr@x now"), {}, ("zephyr@x", "")),
    "one letter": (brand("X"), {}, (None, "implausible:X")),
    "one letter that is there": (brand("X", text="X"), {}, ("X", "")),
}  # fmt: skip


@pytest.mark.parametrize("case", JUDGED)
def test_what_an_answer_is_worth(case: str) -> None:
    given, changes, expected = JUDGED[case]
    found = Judge(BRANDS, EscalationSettings.model_validate({"enabled": True, **changes})).verdict(given, "")
    assert (found.brand, found.reason) == expected


def view(group: Group) -> CropView:
    """A group's first place, seen in a picture that shows 26 px more on each side."""
    place = group.places[0]
    around = (place.x - 26, place.y - 26, place.w + 52, place.h + 52)
    return CropView(group, board(1), Look(board(1)), (), place, around)


def seen(kind: str, text: str, *box: float, confidence: float = 0.9) -> PictureAnnotation:
    return PictureAnnotation.model_validate({"kind": kind, "text": text, "confidence": confidence, "box": box})


def words(*said: str, confidence: float = 0.9) -> Outcome:
    """Words that were read one beside the other, and no brand."""
    read = (seen("text", text, at / 10, 0.5, 0.1, 0.25, confidence=confidence) for at, text in enumerate(said))
    return Outcome(Answer(outcome="unknown", confidence=0.5, text=" ".join(said), annotations=tuple(read)), "p/m")


READ: dict[str, tuple[Outcome, tuple[str | None, str, float, Any]]] = {
    "no words": (words(), (None, "unknown", 0.5, None)),
    "words that name nobody": (words("fly", "further"), (None, "unknown", 0.5, None)),
    "a name of the list": (words("go", "ACME", "Motors"), ("Acme Motors", "", 0.9, (0.1, 0.5, 0.2, 0.25))),
    "the words around it do not count": (words("by", "acme", "now"), ("Acme Motors", "", 0.9, (0.1, 0.5, 0.1, 0.25))),
    "words that are no brand's": (words("Acme", "Street"), (None, "unknown", 0.5, None)),
    "not sure": (words("Acme", confidence=0.5), (None, "below_threshold:Acme Motors", 0.5, None)),
}


@pytest.mark.parametrize("case", READ)
def test_a_name_of_the_list_that_the_provider_read(case: str) -> None:
    given, expected = READ[case]
    found = Judge(BRANDS, PLAIN).verdict(given, "")
    assert (found.brand, found.reason, found.confidence, found.box and tuple(np.round(found.box, 6))) == expected


PLACED: dict[str, tuple[tuple[float, ...], tuple[int, int, int, int], tuple[int, int, int, int]]] = {
    "the picture": ((0, 0, 1, 1), (100, 50, 224, 64), (74, 24, 276, 116)),
    "a part of it": ((0.25, 0.5, 0.5, 0.25), (100, 50, 224, 64), (143, 82, 138, 29)),
    "elsewhere in another frame": ((0.25, 0.5, 0.5, 0.25), (200, 60, 224, 64), (243, 92, 138, 29)),
    "half as large": ((0.25, 0.5, 0.5, 0.25), (100, 50, 112, 32), (122, 66, 68, 14)),
    "cut off by the frame": ((0.25, 0.5, 0.75, 0.5), (500, 280, 224, 64), (543, 312, 97, 48)),
    "nothing is left": ((0.25, 0.5, 0.1, 0.1), (639, 359, 224, 64), (639, 359, 1, 1)),
}


@pytest.mark.parametrize("case", PLACED)
def test_where_the_provider_saw_it(case: str) -> None:
    box, own, expected = PLACED[case]
    [group], _ = choose(table(row(0)), PLAIN)
    assert placed(cast(Any, box), view(group), own, (640, 360)) == expected


def test_an_answer_holds_for_all_of_its_group_and_the_others_stay_as_they_are() -> None:
    rows = table(
        row(0, track=1), row(1, track=1), row(2, "Abcdef"), row(3, "2 - 1"), row(4, "Budget"), row(5, "Unsure")
    )
    groups = {group.text: view(group) for group in choose(rows, PLAIN)[0]}
    logo = seen("logo", "Acme", 0.25, 0.5, 0.5, 0.25)
    given = [
        (groups["Zyxwv"], Outcome(Answer(outcome="brand", brand="Acme", confidence=0.9, annotations=(logo,)))),
        (groups["Abcdef"], Outcome(Answer(outcome="none", confidence=0.7))),
        (groups["Budget"], Outcome(why="budget")),
        (groups["Unsure"], brand("Zephyr", 0.2)),
    ]
    found = resolve(rows, given, BRANDS, PLAIN, "cloud_vlm", dict.fromkeys(range(6), (640, 360)))
    assert found.schema == pl.Schema(DETECTION_SCHEMA)
    assert found.select("x", "y", "w", "h").rows() == [(143, 82, 138, 29)] * 2 + [(100, 50, 224, 64)] * 4
    assert found.select("seq", "brand", "confidence", "source", "text", "reason").rows() == [
        (0, "Acme Motors", 0.9, "cloud_vlm", "Zyxwv", ""),
        (1, "Acme Motors", 0.9, "cloud_vlm", "Zyxwv", ""),
        (2, None, 0.7, "cloud_vlm", "Abcdef", "no_brand_seen"),
        (3, None, 0.8, "ocr", "2 - 1", "no_brand"),
        (4, None, 0.8, "ocr", "Budget", "budget"),
        (5, None, 0.2, "cloud_vlm", "Unsure", "below_threshold:Zephyr"),
    ]


def test_a_name_that_no_list_has_is_spelt_one_way() -> None:
    rows = table(row(0, "Zarvox"), row(1, "Other"))
    groups = {group.text: view(group) for group in choose(rows, PLAIN)[0]}
    given = [(groups["Zarvox"], brand("Zar-Vox")), (groups["Other"], brand("ZAR VOX"))]
    found = resolve(rows, given, BRANDS, PLAIN, "cloud_vlm", {})
    assert found["brand"].to_list() == ["Zar-Vox", "Zar-Vox"]


def shown(text: str) -> CropView:
    picture = board(len(text))
    return CropView(Group(text, "no_brand"), picture, Look(picture), (), Place(0, 0, 0, 9, 9, 1.0), (0, 0, 9, 9))


def zarvox(confidence: float = 0.9) -> dict[str, Outcome]:
    return {"Zarvox": brand("Zarvox", confidence)}


SESSIONS: dict[str, tuple[list[str], dict[str, Outcome], dict[str, Any], list[list[str]], list[str]]] = {
    "nothing to ask": ([], {}, {}, [[]], []),
    "texts that have nothing in common": (["Zarvox", "Quemby"], zarvox(), {}, [["Zarvox", "Quemby"]], ["Zarvox", ""]),
    "misread": (["Zarvox", "Zarv0x"], zarvox(), {}, [["Zarvox"]], ["Zarvox", "Zarvox"]),
    "with other words, seen longer": (["Visit ZARVOX now", "Zarvox"], zarvox(), {}, [["Zarvox"]], ["Zarvox"] * 2),
    "part of a longer word": (["Zarvox", "Zarvoxian"], zarvox(), {}, [["Zarvox", "Zarvoxian"]], ["Zarvox", ""]),
    "not sure": (["Zarvox", "Zarv0x"], zarvox(0.7), {}, [["Zarvox"], ["Zarv0x"]], ["Zarvox", ""]),
    "sure enough": (["Zarvox", "Zarv0x"], zarvox(0.7), {"session_confidence": 0.7}, [["Zarvox"]], ["Zarvox"] * 2),
    "switched off": (
        ["Zarvox", "Zarv0x"], zarvox(), {"session_confidence": None}, [["Zarvox", "Zarv0x"]], ["Zarvox", ""],
    ),
    "another threshold asks nothing anew": (
        ["Zarvox", "Zarv0x"], zarvox(), {"min_confidence": 1.0}, [["Zarvox"]], ["Zarvox"] * 2,
    ),
    "a name that the text does not have": (
        ["Fly further", "Fly further today"],
        {"Fly further": brand("Zarvox")},
        {},
        [["Fly further"], ["Fly further today"]],
        ["Zarvox", ""],
    ),
    "a short name": (["On", "On sale"], {"On": brand("On")}, {}, [["On", "On sale"]], ["On", ""]),
}  # fmt: skip


@pytest.mark.parametrize("case", SESSIONS)
def test_a_name_that_was_answered_is_not_asked_about_again_in_the_timeline(case: str) -> None:
    texts, answers, changes, expected, names = SESSIONS[case]
    asked: list[list[str]] = []

    def ask(some: Sequence[CropView]) -> list[Outcome]:
        asked.append([one.group.text for one in some])
        return [answers.get(text, Outcome(Answer(outcome="unknown"))) for text in asked[-1]]

    given = ask_in_turn([shown(text) for text in texts], ask, PLAIN.model_copy(update=changes))
    assert asked == expected
    assert [one.answer.brand for one in given if one.answer] == names


def test_what_the_session_answers_is_less_sure_where_it_is_read_worse() -> None:
    given = ask_in_turn(
        [shown("Mastercard"), shown("Mastercord")], lambda some: [brand("Mastercard", 0.9) for _ in some], PLAIN
    )
    assert [one.answer.confidence for one in given if one.answer] == pytest.approx([0.9, 0.81])
    assert [one.why for one in given] == ["", "session"]
