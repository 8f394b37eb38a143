"""What `make eval` measures: edges, reliability, the plain script's stays; and what it runs on."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from bench import clips, graph_side, plain_script
from bench.degraded_copies import TREATMENTS, Treatment, cropped_and_panned, write_copy
from bench.eval_clips import Clip, clips_in, copies_of
from bench.eval_sides import Result, Side
from bench.plain_script import folded, is_in, stays
from bench.score_exposures import score
from gpu_service.pictures import Image
from mpr_assets.evaluation.calibration import reliability
from mpr_resources.media.decoding import open_media
from tests.clips import numbered, read_number, write_clip

Rows = list[tuple[str, float, float]]


def truth_file(folder: Path, rows: list[tuple[str, float, float, str, str]]) -> Path:
    path = folder / "truth.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("brand", "start_s", "end_s", "kind", "note"), *rows])
    return path


LIKE = [
    ("equal but for case and accents", "Ondélvia", "ONDELVIA", True),
    ("one letter misread", "Brastovar", "BRASTOVAB", True),
    ("within a line", "Google", "Google Play", True),
    ("short, within a longer word", "Zarn", "ZARNFIELD STAND", False),
    ("another word", "Velquora", "Vellum", False),
    ("an empty line", "Acme", "", False),
]


@pytest.mark.parametrize(("brand", "line", "expected"), [row[1:] for row in LIKE], ids=[row[0] for row in LIKE])
def test_the_plain_script_takes_a_line_for_a_brand(brand: str, line: str, expected: bool) -> None:
    assert is_in(folded(brand), folded(line)) == expected


STAYS: list[tuple[str, dict[int, list[str]], Rows]] = [
    ("nothing sampled", {}, []),
    ("nothing read", {0: []}, []),
    ("one sample", {3: ["ACME"]}, [("Acme", 1.5, 2.0)]),
    ("a missed sample is bridged", {0: ["acme"], 1: [], 2: ["Acme"]}, [("Acme", 0.0, 1.5)]),
    ("two are not", {0: ["acme"], 3: ["Acme"]}, [("Acme", 0.0, 0.5), ("Acme", 1.5, 2.0)]),
    ("two lines of a sample", {0: ["Acme", "Acme"]}, [("Acme", 0.0, 0.5)]),
]


@pytest.mark.parametrize(("lines", "expected"), [row[1:] for row in STAYS], ids=[row[0] for row in STAYS])
def test_the_plain_script_makes_stays(lines: dict[int, list[str]], expected: Rows) -> None:
    assert stays(lines, ["Acme", "Velquora"]) == expected


def folder_of_clips(
    folder: Path, heights_px: dict[str, int], rows: list[tuple[str, float, float, str, str]]
) -> list[Clip]:
    for name in heights_px:
        (folder / name).mkdir(parents=True)
        (folder / name / "clip.mp4").touch()
        truth_file(folder / name, rows)
    return clips_in(folder)


COPIES: list[tuple[str, dict[str, int], dict[str, str]]] = [
    ("no clip", {}, {}),
    ("a small one", {"a": 240}, {"quarter_bitrate": "a", "pan": "a"}),
    ("one at the limit", {"a": 360}, {"quarter_bitrate": "a", "blur": "a", "pan": "a"}),
    (
        "six, two of them small",
        {"a": 720, "b": 180, "c": 720, "d": 204, "e": 1080, "f": 720},
        {"480p": "acef", "360p": "cefa", "quarter_bitrate": "cdef", "blur": "face", "pan": "efab"},
    ),
]


@pytest.mark.parametrize(("heights_px", "expected"), [row[1:] for row in COPIES], ids=[row[0] for row in COPIES])
def test_which_clips_are_copied_how(tmp_path: Path, heights_px: dict[str, int], expected: dict[str, str]) -> None:
    found = folder_of_clips(tmp_path, heights_px, [("Acme", 0, 1, "text", "")])
    chosen: dict[str, str] = {}
    for clip, treatment in copies_of(found, lambda video: heights_px[video.parent.name]):
        chosen[treatment.name] = chosen.get(treatment.name, "") + clip.name
    assert chosen == expected


def test_clips_without_a_brand_are_not_copied(tmp_path: Path) -> None:
    assert copies_of(folder_of_clips(tmp_path, {"a": 720}, []), lambda _: 720) == []


@pytest.mark.parametrize("treatment", TREATMENTS, ids=lambda one: one.name)
def test_a_copy_keeps_times_and_content_and_is_made_to_the_byte(tmp_path: Path, treatment: Treatment) -> None:
    times_ms = [0, 40, 120, 160, 400, 440]
    noise = np.random.default_rng(0).integers(0, 50, (482, 642, 1), np.uint8)
    pictures = [cv2.subtract(numbered(number, 642, 482), np.repeat(noise, 3, 2)) for number in range(6)]
    source = write_clip(tmp_path / "source.mp4", pictures, times_ms=times_ms, options={"crf": "10"})
    for name in ("one.mp4", "two.mp4"):
        write_copy(source, tmp_path / name, treatment)
    assert (tmp_path / "one.mp4").read_bytes() == (tmp_path / "two.mp4").read_bytes()
    with open_media(str(tmp_path / "one.mp4"), 1) as media:
        times = media.times(0, 1000)
        frames = list(media.frames(times.pts.tolist(), times))
        assert [media.ms(int(pts)) for pts in times.pts] == times_ms
    shown: list[Image] = [np.asarray(frame.to_ndarray(format="bgr24"), np.uint8) for frame in frames]
    assert [read_number(picture) for picture in shown] == list(range(6))
    assert shown[0].shape[0] == {"480p": 480, "360p": 360}.get(treatment.name, 482)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.mp4", "source.mp4", "two.mp4"]


def test_a_copy_of_a_clip_whose_sound_starts_first_keeps_its_clock(tmp_path: Path) -> None:
    pictures = [numbered(number) for number in range(3)]
    source = write_clip(tmp_path / "source.mp4", pictures, times_ms=[800, 840, 880], sound_s=2)
    write_copy(source, tmp_path / "copy.mp4", TREATMENTS[-1])
    for path, expected in ((source, [800, 840, 880]), (tmp_path / "copy.mp4", [0, 800, 840, 880])):
        with open_media(str(path), 1) as media:
            assert [media.ms(int(pts)) for pts in media.times(0, 2000).pts] == expected


def test_a_pan_moves_the_picture_and_cuts_off_a_fiftieth_at_most() -> None:
    picture = np.zeros((200, 400, 3), np.uint8)
    picture[4:-4, 8:-8] = 255
    shifts = set()
    for tenth in range(350):
        moved = cropped_and_panned(picture, tenth / 10)
        columns = np.flatnonzero(moved[100].max(axis=1) > 127)
        rows = np.flatnonzero(moved[:, 200].max(axis=1) > 127)
        assert len(columns) >= 383
        assert len(rows) >= 191
        shifts.add(int(columns[0]))
    assert min(shifts) == 0
    assert max(shifts) >= 15


REFUSED = [
    ("nothing to run", [], "say make eval CLIPS=FOLDER"),
    ("a folder without clips", ["{folder}"], "no clip with a truth.csv"),
    ("a broadcast without a seed", ["--broadcast", "x"], "write it like 3 or 3:360"),
    ("a setting without a value", ["{folder}", "--set", "run_ocr.extend"], "write it as stage.setting=value"),
    ("a setting of no stage", ["{folder}", "--set", "ocr.extend=1"], "There is no stage 'ocr'"),
    ("an unknown setting", ["{folder}", "--set", "run_ocr.extent=1"], "unknown key `extent`"),
    ("an unknown profile", ["{folder}", "--profile", "no", "--set", "run_ocr.extend=1"], "There is no profile 'no'"),
]


@pytest.mark.parametrize(("words", "says"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_cannot_be_evaluated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    monkeypatch.setattr("sys.argv", ["clips", *(word.format(folder=tmp_path) for word in words)])
    assert clips.main() == 2
    assert says in capsys.readouterr().err


@pytest.fixture
def drawn(tmp_path: Path) -> Clip:
    """A second without, two with and one without a word."""
    picture = np.full((180, 320, 3), 255, np.uint8)
    cv2.putText(picture, "VELQUORA", (30, 110), cv2.FONT_HERSHEY_SIMPLEX, 1.6, (0, 0, 0), 4)
    blank = np.full_like(picture, 255)
    (tmp_path / "clips" / "one").mkdir(parents=True)
    write_clip(tmp_path / "clips" / "one" / "clip.mp4", [blank] * 4 + [picture] * 8 + [blank] * 4, fps=Fraction(4))
    truth_file(tmp_path / "clips" / "one", [("Velquora", 1, 3, "text", "")])
    return clips_in(tmp_path / "clips")[0]


def told(
    side: Callable[[], object], asked: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> list[dict[str, Any]]:
    """What a side prints, as its process would."""
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(asked)))
    side()
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_the_plain_script_reads_a_clip(
    drawn: Clip, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [{"name": "one", "video": str(drawn.video), "brands": drawn.brands()}]
    start, one = told(plain_script.main, asked, monkeypatch, capsys)
    assert start["startup_user_s"] > 0
    assert (one["name"], one["stays"]) == ("one", [["Velquora", 1.0, 3.0]])
    assert one["user_s"] > 0


def test_the_graph_runs_a_clip(
    drawn: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, folder in (("MPR_STORAGE_URL", "storage"), ("DAGSTER_HOME", "dagster")):
        monkeypatch.setenv(name, str(tmp_path / folder))
    brands, exposures = tmp_path / "brands.yaml", tmp_path / "one.csv"
    brands.write_text("brands: [{name: Velquora}]")
    job = {"name": "one", "video": str(drawn.video), "brands": str(brands), "exposures": str(exposures)}
    asked = {
        "profile": "generic",
        "config": {"extract_frames": {"fps": 4}},
        "keep": str(tmp_path / "kept"),
        "jobs": [job],
    }
    start, one = told(graph_side.main, asked, monkeypatch, capsys)
    assert start["startup_user_s"] > 0
    assert one["name"] == "one"
    assert {(brand, 1000 <= time_ms < 3000) for brand, time_ms, _ in one["detections"]} == {("Velquora", True)}
    assert score(drawn.truth, exposures, "text")[1]["f1"] == 1.0
    assert (tmp_path / "kept" / "one" / "match_brands.parquet").exists()


def test_what_both_sides_made_is_summed_up(tmp_path: Path) -> None:
    found = folder_of_clips(tmp_path, {"a": 720, "b": 720}, [("Acme", 2, 12, "text", "")])
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "clip.mp4").touch()
    truth_file(tmp_path / "none", [])
    sides = []
    for side, spans in (
        ("graph", {"a": (2.5, 12), "b": (2, 7), "none": None}),
        ("plain", {"a": (2, 12), "b": (2, 12), "none": (1, 3)}),
    ):
        results = {}
        for name, span in spans.items():
            path = tmp_path / f"{side}_{name}.csv"
            path.write_text("brand,start_s,end_s\n" + (f"Acme,{span[0]},{span[1]}\n" if span else ""))
            results[name] = Result(
                10.0 if side == "graph" else 20.0, path, (("Acme", 3000, 0.9), ("Acme", 30_000, 0.8))
            )
        sides.append(Side(5.0 if side == "graph" else 1.0, results))
    graph, plain = sides
    rows = [clips.row_of(clip, graph, plain, "text", length_s=20) for clip in clips_in(tmp_path)]
    figures = clips.summary(rows, graph, plain)
    assert figures == {
        "clips": 3,
        "mean_f1": 0.834,
        "lowest_f1": 0.667,
        "false_s": 0.0,
        "false_s_without_truth": 0.0,
        "edges": 4,
        "start_error_median_s": 0.25,
        "start_error_p90_s": 0.45,
        "end_error_median_s": 2.5,
        "end_error_p90_s": 4.5,
        "edges_within_250_ms": 2,
        "user_s": 30.0,
        "startup_user_s": 5.0,
        "plain_mean_f1": 1.0,
        "plain_false_s": 2.0,
        "plain_user_s": 60.0,
        "plain_startup_user_s": 1.0,
        "user_ratio": 0.5,
        "user_ratio_with_startup": 0.714,
        "plain_better_on": ["b"],
    }
    assert "better by more than 0.01 on: b" in clips.in_words(figures)
    assert [(row.clip.name, "PLAIN IS BETTER" in str(row)) for row in rows] == [
        ("a", False),
        ("b", True),
        ("none", False),
    ]
    table = reliability(clips.judged(found, graph))
    assert table is not None
    assert [(one.high, one.count, one.right) for one in table.bins] == [(0.8, 2, 0.0), (0.9, 2, 1.0)]
