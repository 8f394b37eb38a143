"""The command line where all is well; what is not is in `test_bad_input`."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import dagster as dg
import pytest
import yaml

from mpr_assets.definitions import ROOT
from mpr_assets.runs import local_instance
from mpr_cli.report import ShownReport
from tests.clips import write_streams
from tests.command_line_page import fits
from tests.gpu_service.live import free_port
from tests.mpr_cli.conftest import Mpr
from tests.world import BRAND, NAMES


def test_from_video_to_brands(mpr: Mpr, inputs: Path, home: Path, tmp_path: Path) -> None:
    video, brands = inputs / "clip.mp4", tmp_path / "brands.yaml"
    brands.write_text(f"brands: [{BRAND}, Nowhere Airlines, 삼성]")
    said = mpr.said("run", str(video), "--brands", str(brands))
    table = said.out
    assert (said.status, BRAND in table) == (0, True)
    [unread] = [line for line in said.err.splitlines() if "cannot write Hangul, so 삼성 will not be read" in line]
    with local_instance.dagster_instance() as instance:
        [record] = instance.fetch_materializations(dg.AssetKey("match_brands"), limit=1).records
    assert record.asset_materialization is not None
    notes = record.asset_materialization.metadata["notes"].value
    assert "mpr: " + notes.replace("\\", "").removeprefix("- ") == unread
    assert table.endswith(f"\nReport: {home}/storage/reports/clip/report.html\n")
    assert (home / "storage" / "reports" / "clip" / "report.html").is_file()
    assert mpr("report", "clip") == table
    document = json.loads(mpr("report", "clip", "--json"))
    assert fits(document, ShownReport)
    assert (document["timeline"], document["stale"], document["link"]) == ("clip", None, None)
    assert [(one["brand"], one["screen_ms"], one["share"]) for one in document["brands"]] == [(BRAND, 2000, 1.0)]
    assert mpr("timeline", "list") == "clip\n"


def test_a_report_is_exported_in_several_formats_at_once(mpr: Mpr, home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "not" / "there"
    document = json.loads(mpr("export", "clip", "--format", "csv", "--format", "webvtt", "--to", str(folder), "--json"))
    assert [(one["format"], one["path"]) for one in document["files"]] == [
        ("csv", f"{folder}/clip.csv"),
        ("webvtt", f"{folder}/clip.vtt"),
    ]
    assert sorted((path.name, path.stat().st_size) for path in folder.iterdir()) == sorted(
        (Path(one["path"]).name, one["size_bytes"]) for one in document["files"]
    )
    assert (folder / "clip.csv").read_bytes() == (home / "storage/reports/clip/exposures.csv").read_bytes()
    assert (folder / "clip.vtt").read_text() == f"WEBVTT\n\n00:00:00.000 --> 00:00:02.000\n{BRAND}\n"


def test_a_timeline_without_a_report_is_not_exported(mpr: Mpr, inputs: Path, tmp_path: Path) -> None:
    mpr("timeline", "create", str(inputs / "clip.mp4"), "--name", "unmade")
    said = mpr.said("export", "unmade", "--format", "csv", "--to", str(tmp_path / "out"))
    assert (said.status, said.err) == (2, "mpr: The timeline 'unmade' has no report yet; run it first.\n")
    assert not (tmp_path / "out").exists()
    mpr("timeline", "delete", "unmade", "--yes")


def test_the_same_command_again_starts_no_run(mpr: Mpr, inputs: Path) -> None:
    command = ("run", str(inputs / "clip.mp4"), "--brands", yaml.safe_load(mpr("timeline", "show", "clip"))["brands"])
    said = mpr.said(*command)
    assert (said.status, said.out) == (0, mpr("report", "clip"))
    unread, *stages = said.err.splitlines()
    assert "cannot write Hangul" in unread
    assert [line.split()[0] for line in stages] == [f"{name}:" for name in NAMES]
    with local_instance.dagster_instance() as instance:
        assert instance.get_runs_count() == 1
    said = mpr.said(*command, "--json")
    assert (said.status, json.loads(said.out)["timeline"]) == (0, "clip")


def test_a_report_says_first_that_it_is_stale_and_why(
    mpr: Mpr, inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_made = mpr("report", "clip")
    lively = (inputs / "profiles" / "board.yaml").read_text() + "match_brands: {min_confidence: 0.75}\n"
    (tmp_path / "generic.yaml").write_text(lively)
    monkeypatch.setenv("MPR_PROFILES_DIR", str(tmp_path))
    mpr("brands", "add", "Zeta Air")
    assert mpr("report", "clip") == (
        "This report is stale:\n"
        "  match_brands: min_confidence 0.5 → 0.75; the brand list changed\n"
        "  compile_report: the brand list changed\n"
        "  brands added: Zeta Air\n"
        "To make it anew: mpr replay clip match_brands\n\n" + as_made
    )
    assert "match_brands        stale  min_confidence 0.5 → 0.75; the brand list changed" in mpr("status", "clip")


def test_a_timeline_of_chunks_of_two_videos(mpr: Mpr, inputs: Path) -> None:
    video = str(inputs / "clip.mp4")
    chunks = ("--chunk", "1:0-0.5", "--chunk", "2:1-1.5", "--chunk", "2:0:00-0:01")
    assert mpr("timeline", "create", video, video, *chunks, "--name", "Größe-2", "--profile", "board") == "Größe-2\n"
    shown = yaml.safe_load(mpr("timeline", "show", "Größe-2"))
    assert (shown["name"], shown["profile"], shown["brands"]) == ("Größe-2", "board", None)
    assert [(one["source"], one["start_ms"], one["end_ms"]) for one in shown["chunks"]] == [
        (video, 0, 500),
        (video, 1000, 1500),
        (video, 0, 1000),
    ]


def test_of_several_video_streams_one_is_named_and_another_can_be_picked(mpr: Mpr, tmp_path: Path) -> None:
    streams = [{"numbers": [7], "codec": "mjpeg"}, {"numbers": range(25)}, {"numbers": range(25), "size": (64, 64)}]
    video = str(write_streams(tmp_path / "views.mp4", streams))
    said = mpr.said("run", video, "--chunk", "0-0.2", "--chunk", "0.2-0.5")
    line = (
        f"{video}: video stream 1 (h264 160x96, 25 frames, 00:00:00.000 to 00:00:01.000) is used, "
        "0 (mjpeg 160x96, 1 frame, 00:00:00.000 to 00:00:00.040), "
        "2 (h264 64x64, 25 frames, 00:00:00.000 to 00:00:01.000) not used; `stream` picks one\n"
    )
    assert f"mpr: {line}" in said.err
    assert mpr("timeline", "show", "views").endswith(f"\n\n# {line}")
    mpr("timeline", "create", video, video, "--name", "other", "--stream", "2:2", "--stream", "1:0")
    shown = yaml.safe_load(mpr("timeline", "show", "other"))
    assert [chunk["stream"] for chunk in shown["chunks"]] == [0, 2]


BAD_STREAMS = {
    "of no video": (["clip.mp4", "clip.mp4"], "1", "The stream '1' does not say which of the 2 videos it belongs to"),
    "no number": (["clip.mp4"], "x", "The stream 'x' is not a number"),
    "not there": (["clip.mp4"], "3", "clip.mp4 has no video stream 3; its video streams are 0."),
}


@pytest.mark.parametrize("name", BAD_STREAMS)
def test_a_stream_that_cannot_be_is_refused(name: str, mpr: Mpr, inputs: Path) -> None:
    videos, stream, says = BAD_STREAMS[name]
    said = mpr.said("run", *(str(inputs / video) for video in videos), "--name", "no", "--stream", stream)
    assert said.status == 2, said
    assert says in said.err


def test_a_name_taken_is_given_again_with_replace(mpr: Mpr, inputs: Path) -> None:
    video = str(inputs / "clip.mp4")
    mpr("timeline", "create", video, "--name", "again")
    mpr("timeline", "create", video, "--name", "again", "--chunk", "0-1", "--replace")
    assert yaml.safe_load(mpr("timeline", "show", "again"))["chunks"][0]["end_ms"] == 1000


FILES = {
    "試合.mp4": "試合",
    "決勝.mp4": "決勝",
    unicodedata.normalize("NFD", "Größe é.mp4"): "Größe_é",
    "!!!.mp4": "timeline-e84c538e",
}
"""Names of files, and of the timelines that they become."""


@pytest.mark.parametrize("file", FILES)
def test_a_timeline_has_the_name_of_its_file(file: str, mpr: Mpr, inputs: Path, tmp_path: Path, home: Path) -> None:
    (tmp_path / file).hardlink_to(inputs / "clip.mp4")
    assert mpr("timeline", "create", str(tmp_path / file)) == f"{FILES[file]}\n"
    assert (home / "storage" / "timelines" / f"{FILES[file]}.json").is_file()
    for typed in ("NFC", "NFD"):
        shown = yaml.safe_load(mpr("timeline", "show", unicodedata.normalize(typed, FILES[file])))  # type: ignore[arg-type]
        assert (shown["name"], shown["chunks"][0]["source"]) == (FILES[file], str(tmp_path / file))


def test_a_name_that_is_registered_in_pieces_is_found_as_it_is(mpr: Mpr, home: Path) -> None:
    pieces = unicodedata.normalize("NFD", "경기")
    spec = (home / "storage" / "timelines" / "Größe-2.json").read_text().replace("Größe-2", pieces)
    (home / "storage" / "timelines" / f"{pieces}.json").write_text(spec)
    assert yaml.safe_load(mpr("timeline", "show", pieces))["name"] == pieces


def test_profiles_are_listed_shown_checked_and_copied(
    mpr: Mpr, inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert mpr("profile", "list").splitlines() == [
        f"{'board':20} a pitch with one board",
        f"{'generic':20} a pitch with one board",
    ]
    shown = yaml.safe_load(mpr("profile", "show", "board"))
    assert [name for name in shown if name in NAMES] == NAMES
    assert shown["extract_frames"]["fps"] == 2.0
    lines = mpr("profile", "show", "board").splitlines()
    at = lines.index("extract_frames:")
    assert lines[at + 3 : at + 5] == [
        "  # sampled frames per second of the timeline; more than 0 and at most 60",
        "  fps: 2.0",
    ]
    assert [line.strip() for line in lines if "not the default" in line] == [
        "read_crops: false  # not the default: true"
    ]
    assert mpr("profile", "validate", "board") == "board is valid.\n"
    (tmp_path / "mine.yaml").write_bytes((inputs / "profiles" / "board.yaml").read_bytes())
    monkeypatch.setenv("MPR_PROFILES_DIR", str(tmp_path))
    assert mpr("profile", "duplicate", "mine", "other") == f"{tmp_path}/other.yaml\n"
    assert (tmp_path / "other.yaml").read_bytes() == (tmp_path / "mine.yaml").read_bytes()


@pytest.mark.parametrize("argv", [(), ("run",), ("timeline", "create"), ("profile",)], ids=" ".join)
def test_help_tells_what_there_is(argv: tuple[str, ...], mpr: Mpr) -> None:
    assert "Usage: " in mpr(*argv, "--help")


def test_a_setting_that_has_no_effect_is_named(
    mpr: Mpr, inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bare.yaml").write_text(
        "detect_objects: {enabled: false, logo_threshold: 0.4}\nrun_ocr: {enabled: false}\n"
    )
    monkeypatch.setenv("MPR_PROFILES_DIR", str(tmp_path))
    said = mpr.said("run", str(inputs / "clip.mp4"), "--profile", "bare", "--name", "bare", "--json")
    assert json.loads(said.out)["brands"] == []
    assert [line for line in said.err.splitlines() if "no effect" in line] == [
        "mpr: detect_objects.logo_threshold has no effect: the stage is off (enabled is false)."
    ]


def test_an_inference_host_that_refuses_is_named_before_all_else(
    mpr: Mpr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setenv("INFERENCE_URL", url)
    assert "missing.mp4 does not exist" in mpr.said("run", str(tmp_path / "missing.mp4")).err
    assert caplog.messages[0].startswith(f"The inference host {url} does not answer (Connection refused); ")


def test_dagsters_folder_may_be_relative_and_its_settings_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", "home")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "dagster.yaml").symlink_to(tmp_path / "a clone that was moved" / "dagster.yaml")
    with local_instance.dagster_instance() as instance:
        assert instance.root_directory == str(tmp_path / "home")
    assert (tmp_path / "home" / "dagster.yaml").resolve() == ROOT / "dagster.yaml"
