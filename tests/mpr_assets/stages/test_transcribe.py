"""Words of pieces of sound on the timeline's clock, and a video without sound."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from gpu_service.client.local import LocalInference
from gpu_service.routines.transcribe import SpeechSettings
from gpu_service.wire import SpokenWord, TranscribeAnswer
from mpr_assets.definitions import STAGES
from mpr_assets.freshness.stored import judge_stored
from mpr_assets.stages import transcribe
from mpr_assets.stages.transcribe import HeardPiece, TranscribeSettings, transcript
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.tables import StageTable, to_parquet
from tests.google_server import KEY, GoogleServer, serving
from tests.mpr_assets.freshness.test_stored import resources
from tests.spoken import said_at, write_spoken
from tests.world import PROFILE, TIMELINE, Ran, World

CHUNKS = pl.DataFrame(
    {"chunk": [0, 1], "start_ms": [5_000, 0], "end_ms": [105_000, 20_000], "timeline_start_ms": [0, 100_000]}
)


def answer(*words: tuple[int, int, str]) -> TranscribeAnswer:
    said = tuple(SpokenWord(text=text, start_ms=start, end_ms=end, confidence=0.9) for start, end, text in words)
    return TranscribeAnswer(words=said, language="en")


PIECES: dict[str, tuple[list[HeardPiece], list[tuple[int, int, str]]]] = {
    "nothing": ([HeardPiece(0, 0, answer()), HeardPiece(1, 0, answer())], []),
    "on the clock of the timeline": (
        [HeardPiece(0, 0, answer((100, 200, "a"))), HeardPiece(1, 0, answer((100, 200, "b")))],
        [(100, 200, "a"), (100_100, 100_200, "b")],
    ),
    "in the overlap once, by its middle": (
        [
            HeardPiece(0, 0, answer((58_200, 58_600, "first"), (59_100, 59_400, "cut"))),
            HeardPiece(0, 58_000, answer((200, 600, "thirst"), (1_050, 1_500, "second"))),
        ],
        [(58_200, 58_600, "first"), (59_050, 59_500, "second")],
    ),
    "cut at the chunk's end": ([HeardPiece(1, 0, answer((19_900, 20_400, "on")))], [(119_900, 120_000, "on")]),
}


@pytest.mark.parametrize("case", PIECES)
def test_words_on_the_timeline(case: str) -> None:
    heard, expected = PIECES[case]
    table = transcript(heard, CHUNKS)
    assert dict(table.schema) == transcribe.SCHEMA
    assert list(table.select("start_ms", "end_ms", "text").iter_rows()) == expected


PAID: dict[str, Any] = {
    "enabled": True,
    "engine": "google_speech",
    "language": "en-GB",
    "hotwords": "brands",
    "attempts": 1,
}
UPSTREAM = ("timeline", "extract_frames", "filter_scenes", "detect_edges", "detect_objects", "preprocess", "run_ocr")
"""What `transcribe` reads, and what that reads."""
ON_SCREEN = "Zubrowka Lager"
SECONDS_PAID = 6
"""Of the sentence, which lasts 5.3 s, with what is heard before and after it."""


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch) -> Iterator[GoogleServer]:
    """Hears the brand three seconds after the voice begins."""
    said = [("Nowhere", "3s", "3.400s"), ("Airlines.", "3.400s", "4s")]
    words = [{"word": word, "startTime": start, "endTime": end, "confidence": 0.75} for word, start, end in said]
    with serving(lambda _: (200, {"results": [{"alternatives": [{"words": words}]}]})) as server:
        monkeypatch.setenv("GOOGLE_SPEECH_API_KEY", KEY)
        monkeypatch.setenv("GOOGLE_SPEECH_BASE_URL", server.url)
        yield server


@pytest.fixture
def whisper(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Language and hotwords of each piece, heard by what stands for Whisper, which is tried in `tests/gpu_engines`."""
    word = SpokenWord(text="Acme", start_ms=100, end_ms=200, confidence=0.9)
    heard: list[tuple[str, str]] = []

    def hears(_: object, _routine: object, items: Any, settings: SpeechSettings, *_more: object) -> Any:
        for key, _sound, item in items:
            heard.append((settings.language, item.hotwords))
            yield key, TranscribeAnswer(words=(word,), language="en")

    monkeypatch.setattr(LocalInference, "identity", lambda *_: "whisper")
    monkeypatch.setattr(LocalInference, "map", hears)
    return heard


@pytest.fixture
def spoken(empty_world: World, tmp_path: Path) -> World:
    """The sentence is said from 4 s on, in a film of 20 s."""
    inputs = shutil.copytree(empty_world.inputs, tmp_path / "inputs")
    write_spoken(inputs / "clip.mkv", said_at([4], 20)).rename(inputs / "clip.mp4")
    (inputs / "profiles" / "prices").mkdir()
    (inputs / "profiles" / "prices" / "models.yaml").write_text("google_speech/latest_long: {input: 400, output: 0}\n")
    (inputs / "profiles" / "board.yaml").write_text(
        "preprocess: {enabled: false}\nrun_ocr: {enabled: false}\nfilter_scenes: {enabled: false}\n"
    )
    world = World(inputs, tmp_path / "storage", empty_world.instance)
    world.register()
    assert world.run(*UPSTREAM, "field_segmentation").failures() == {}
    return world


def hear(world: World, **settings: Any) -> Ran:
    return world.run("timeline", "transcribe", "match_speech", overrides={"transcribe": {**PAID, **settings}})


def put_on_screen(world: World, *texts: str) -> None:
    """The table of `run_ocr` as if these were read on the first two frames."""
    stored = world.table("run_ocr")
    rows = [
        dict.fromkeys(stored.rows.columns) | {"seq": seq, "line": line, "text": text, "confidence": 0.9}
        for seq in (0, 1)
        for line, text in enumerate(texts)
    ]
    version = stored.header.model_copy(update={"data_version": f"of {texts}", "skipped": None})
    key = Keys.table("run_ocr", TIMELINE)
    world.storage.put(key, to_parquet(StageTable(pl.DataFrame(rows, stored.rows.schema), version)))


def test_google_hears_a_mention_once_for_its_price(spoken: World, google: GoogleServer) -> None:
    ran = hear(spoken)
    assert ran.failures() == {}
    [asked] = google.asked
    told = asked.body["config"]["adaptation"]["phraseSets"][0]["phrases"]
    assert [phrase["value"] for phrase in told] == ["Acme Motors", "Nowhere Airlines"]
    [mention] = spoken.table("match_speech").rows.iter_rows(named=True)
    assert (mention["brand"], mention["text"], mention["confidence"]) == ("Nowhere Airlines", "Nowhere Airlines.", 0.75)
    assert (mention["start_ms"], mention["end_ms"]) == (pytest.approx(6_800, abs=150), pytest.approx(7_800, abs=150))
    metadata = ran.metadata("transcribe")
    assert metadata["model"] == "google_speech/latest_long"
    assert (metadata["requests"], metadata["seconds_paid"]) == (1, SECONDS_PAID)
    assert metadata["usd"] == pytest.approx(SECONDS_PAID * 400e-6)
    again = hear(spoken, max_usd_run=0.0)
    assert again.failures() == {}
    assert (len(google.asked), again.metadata("transcribe")["answers_known"]) == (1, 1)
    assert [name for name, data in spoken.listing().items() if KEY.encode() in data] == []


def test_what_google_does_not_hear_a_model_does_if_one_is_named(
    spoken: World, google: GoogleServer, whisper: list[tuple[str, str]]
) -> None:
    ran = hear(spoken, max_usd_run=0.0, model="tiny")
    assert ran.failures() == {}
    assert google.asked == []
    assert whisper == [("en", "Acme Motors, Nowhere Airlines")]
    assert spoken.table("transcribe").rows["text"].to_list() == ["Acme"]
    assert spoken.table("transcribe").header.model == "google_speech/latest_long, whisper"
    assert ran.metadata("transcribe")["pieces_left_by_budget"] == 1


TOLD: dict[str, list[str]] = {
    "none": [],
    "brands": ["Acme Motors", "Nowhere Airlines"],
    "screen": ["NOWHERE AIRLINES", ON_SCREEN, "Acme Motors"],
}


@pytest.mark.parametrize("hotwords", TOLD)
def test_names_that_are_told(
    spoken: World, google: GoogleServer, whisper: list[tuple[str, str]], hotwords: str
) -> None:
    put_on_screen(spoken, ON_SCREEN, "NOWHERE AIRLINES", "welcome back to the game")
    assert hear(spoken, hotwords=hotwords).failures() == {}
    assert hear(spoken, hotwords=hotwords, engine="faster_whisper", model="tiny").failures() == {}
    [asked] = google.asked
    sets = asked.body["config"].get("adaptation", {}).get("phraseSets", [{"phrases": []}])
    assert [phrase["value"] for phrase in sets[0]["phrases"]] == TOLD[hotwords]
    assert whisper == [("en", ", ".join(TOLD[hotwords]))]


def test_other_text_on_screen_is_paid_for_where_it_is_told_alone(spoken: World, google: GoogleServer) -> None:
    asked = []
    for hotwords in ("brands", "screen"):
        for texts in [[], [ON_SCREEN]]:
            put_on_screen(spoken, *texts)
            assert hear(spoken, hotwords=hotwords).failures() == {}
            asked.append(len(google.asked))
    assert asked == [1, 1, 1, 2]


def test_a_screen_that_nobody_reads_is_told_of(spoken: World, google: GoogleServer) -> None:
    ran = hear(spoken, hotwords="screen")
    said = ran.metadata("transcribe")["notes"].replace("\\", "")
    assert said == "- Nothing on screen is told as hotwords: run_ocr.enabled is false in the profile."


FAILS: dict[str, tuple[int, dict[str, Any], str]] = {
    "no money": (200, {"max_usd_run": 0.0}, "is spent before all of the sound is heard; what is heard is kept: raise "),
    "a language that it lacks": (
        400,
        {"language": "xx"},
        "google_speech rejects the request to latest_long (HTTP 400)",
    ),
    "a wrong key": (401, {}, "google_speech refuses the key in GOOGLE_SPEECH_API_KEY; set GOOGLE_SPEECH_API_KEY to a"),
    "no price": (
        200,
        {"cloud_models": ["google_speech/new"]},
        "models.yaml has no price for google_speech/new; add it",
    ),
    "no such track": (
        200,
        {"track": 3},
        "clip.mp4 has no sound track 3: it has 1, counted from 0; choose another with",
    ),
}


@pytest.mark.parametrize("case", FAILS)
def test_what_fails_says_what_to_do(spoken: World, google: GoogleServer, case: str) -> None:
    status, settings, sentence = FAILS[case]
    if status != 200:
        google.answer = lambda _: (status, {"error": {"message": "no"}})
    assert sentence in hear(spoken, **settings).failures()["transcribe"]


@pytest.mark.parametrize(("given", "meant"), [(False, "none"), (True, "brands"), ("none", "none")])
def test_hotwords_as_a_switch(given: object, meant: str) -> None:
    assert TranscribeSettings.model_validate({"hotwords": given}).hotwords == meant


def test_settings_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="Input should be 'none', 'brands' or 'screen'"):
        TranscribeSettings.model_validate({"hotwords": "all"})
    with pytest.raises(ValueError, match="engine google_speech needs a language; set it with its region, as en-GB"):
        TranscribeSettings(enabled=True, engine="google_speech")
    with pytest.raises(ValueError, match="'openai/x' is not a model; write PROVIDER/MODEL with one of google_speech"):
        TranscribeSettings(cloud_models=("openai/x",))
    assert TranscribeSettings().without_effect()["max_usd_day"] == "engine is faster_whisper"


def test_a_video_without_sound_is_skipped_and_says_so(
    empty_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LocalInference, "identity", lambda *_: "faster_whisper/1")
    inputs = shutil.copytree(empty_world.inputs, tmp_path / "inputs")
    (inputs / "profiles" / "board.yaml").write_text(f"{PROFILE}transcribe: {{enabled: true, model: tiny}}\n")
    world = World(inputs, empty_world.storage_folder, empty_world.instance)
    world.register()
    upstream = ("field_segmentation", *UPSTREAM[1:])
    assert world.run("timeline", *upstream).failures() == {}
    first, again = world.run("timeline", "transcribe"), world.run("timeline", "transcribe")
    assert first.failures() == {}
    assert first.metadata("transcribe")["skipped"] == "clip.mp4 has no sound: nothing is heard in chunk 0."
    assert again.reused() == {"timeline": True, "transcribe": True}
    assert world.table("transcribe").rows.height == 0
    verdicts = judge_stored(STAGES, TIMELINE, resources(world), logging.getLogger())
    assert {one.stage: (str(one.state), one.causes) for one in verdicts if one.stage in ("timeline", "transcribe")} == {
        "timeline": ("fresh", ()),
        "transcribe": ("fresh", ()),
    }
