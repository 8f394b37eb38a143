from __future__ import annotations

import shutil
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from gpu_service.client.local import LocalInference
from gpu_service.errors import HostAway, TransientError
from gpu_service.host.registry import ROUTINES
from gpu_service.settings import old_names
from mpr_assets.annotations.corrections import Correction, keep_corrections
from mpr_assets.definitions import BY_NAME, STAGES
from mpr_assets.engine.stage import Stage
from mpr_assets.orchestration import stage_asset
from mpr_assets.orchestration.launchpad import overrides_model
from mpr_assets.stages import extract_frames, preprocess
from mpr_resources import step_failure
from mpr_resources.inference.resource import InferenceResource
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.pictures import PictureCache, PictureFolder
from tests.gpu_service.live import live_server
from tests.web_server import handing_out
from tests.world import (
    BRAND,
    NAMES,
    TIMELINE,
    Ran,
    World,
)

DRAWN = (
    "extract_frames",
    "filter_scenes",
    "field_segmentation",
    "detect_edges",
    "preprocess",
    "run_ocr",
    "match_brands",
)
ALWAYS = {
    "dagster/row_count",
    "dagster/column_schema",
    "profile",
    "settings",
    "overrides",
    "code_version",
    "model",
    "upstream",
    "fingerprint",
    "reused",
    "table",
    "seconds",
}
COUNTS = {
    "timeline": {"duration_ms": 2000, "sources": 1},
    "extract_frames": {"frames": 4},
    "filter_scenes": {"shots": 1, "kept": 3},
    "field_segmentation": {"frames": 3, "frames_with_field": 3},
    "detect_objects": {"objects": 0, "references": 0},
    "match_brands": {"detections": 3, "brands_found": 1, "brands_looked_for": 2},
    "compile_report": {"exposures": 1, "brands": 1},
}


def test_every_stage_is_materialized_and_says_what_happened(finished: tuple[World, Ran]) -> None:
    world, ran = finished
    assert ran.failures() == {}
    assert set(ran.materialized) == set(NAMES)
    for stage in STAGES:
        metadata = ran.metadata(stage.name)
        assert set(metadata) >= ALWAYS, stage.name
        assert metadata["dagster/row_count"] == world.table(stage.name).rows.height
        assert [column.name for column in metadata["dagster/column_schema"].columns] == list(stage.schema)
        assert len(metadata["config_version"]) == 64
        assert metadata["profile"] == "board"
        assert metadata["reused"] is False
        assert Path(metadata["table"]).is_file()
        counts = COUNTS.get(stage.name, {})
        assert {name: metadata[name] for name in counts} == counts
    assert world.table("compile_report").rows["brand"].to_list() == [BRAND]


def test_visual_stages_show_a_small_picture_and_store_large_ones(finished: tuple[World, Ran]) -> None:
    _world, ran = finished
    for stage in DRAWN:
        metadata = ran.metadata(stage)
        assert metadata["preview"].startswith("![preview](data:image/jpeg;base64,"), stage
        assert len(metadata["preview"]) <= 40_000
        assert len(list(Path(metadata["overlays"]).glob("*.png"))) in (2, 3)
    assert all("preview" not in ran.metadata(stage) for stage in ("timeline", "compile_report"))


def test_what_came_of_a_stage_is_shown_first_and_hashes_last(finished: tuple[World, Ran]) -> None:
    world, ran = finished
    assert list(ran.metadata("compile_report")) == [
        *("picture", "report", "table_of_brands", "exposures", "brands", "edges", "edges_within_100_ms"),
        *("dagster/row_count", "seconds", "reused"),
        *("table", "profile", "overrides", "settings", "seconds_by_brand", "model", "dagster/column_schema"),
        *("code_version", "upstream", "config_version", "fingerprint"),
    ]
    assert list(ran.metadata("match_brands"))[:2] == ["preview", "overlays"]
    report = ran.metadata("compile_report")
    assert report["picture"].startswith("![timeline](data:image/svg+xml;base64,")
    assert f"\n| {BRAND} | 2" in report["table_of_brands"]
    assert report["report"] == str(world.storage_folder.resolve() / "reports/match/report.html")


def test_the_link_to_the_report_opens_where_a_web_server_hands_out_the_storage(world: World) -> None:
    with handing_out(world.storage_folder) as url:
        ran = world.run("compile_report", environ={"MPR_STORAGE_WEB_URL": f"{url}/"})
        link = ran.metadata("compile_report")["report"]
        assert link == f"{url}/reports/match/report.html"
        with urllib.request.urlopen(link, timeout=10) as answer:
            assert answer.read() == world.storage.get("reports/match/report.html")


def test_every_column_says_what_it_holds(finished: tuple[World, Ran]) -> None:
    columns = {name: finished[1].metadata(name)["dagster/column_schema"].columns for name in NAMES}
    assert [(name, one.name) for name, of_stage in columns.items() for one in of_stage if not one.description] == []


def test_skipped_stages_are_told_apart(finished: tuple[World, Ran]) -> None:
    tagged = {name for name, made in finished[1].materialized.items() if "mpr/skipped" in (made.tags or {})}
    assert tagged == {
        "visual_properties",
        "motion",
        "transcribe",
        "escalate_vlm",
        "escalate_cloud",
        "corrections",
        "evaluation",
    }
    assert all(next(iter(finished[1].metadata(name))) == "skipped" for name in tagged)


def test_stages_that_are_off_say_why(finished: tuple[World, Ran]) -> None:
    world, ran = finished
    said = {stage: ran.metadata(stage).get("skipped") for stage in NAMES}
    assert {stage: why for stage, why in said.items() if why} == {
        "visual_properties": "visual_properties.enabled is false in the profile",
        "motion": "motion.enabled is false in the profile",
        "transcribe": "transcribe.enabled is false in the profile",
        "escalate_vlm": "escalate_vlm.enabled is false in the profile",
        "escalate_cloud": "escalate_cloud.enabled is false in the profile",
        "corrections": "no correction is given (mpr correct)",
        "evaluation": "no truth is given (mpr truth)",
    }
    assert world.table("escalate_vlm").rows.is_empty()


def test_a_second_run_gives_back_what_is_stored(world: World, finished: tuple[World, Ran]) -> None:
    stored = world.listing()
    again = world.run()
    assert again.success
    assert again.reused() == dict.fromkeys(NAMES, True)
    assert again.data_versions() == finished[1].data_versions()
    assert world.listing() == stored


def test_a_stage_with_other_settings_is_made_anew_and_an_equal_result_goes_no_further(world: World) -> None:
    ran = world.run(overrides={"filter_scenes": {"block_change_max": 2.9}})
    assert ran.success
    remade = [stage for stage, reused in ran.reused().items() if not reused]
    # The report is made anew too: it tells by which settings each stage was made.
    assert sorted(remade) == ["compile_report", "filter_scenes"]
    assert ran.metadata("filter_scenes")["overrides"] == {"block_change_max": 2.9}
    assert ran.metadata("filter_scenes")["settings"]["block_change_max"] == 2.9
    told = (world.storage_folder / Keys.report(TIMELINE, "report.json")).read_text()
    assert '"block_change_max": 2.9' in told


def test_another_result_goes_on_to_what_depends_on_it(world: World) -> None:
    ran = world.run("field_segmentation", "detect_edges", overrides={"field_segmentation": {"min_area_ratio": 0.9}})
    assert ran.reused() == {"field_segmentation": False, "detect_edges": False}


def test_crops_of_other_pixels_are_another_result(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    before = world.table("preprocess")
    as_it_is = preprocess.preprocess

    def brighter(*arguments: Any) -> pl.DataFrame:
        *others, store = arguments
        return as_it_is(*others, lambda crop, png: store(crop, png + b"other pixels"))

    monkeypatch.setattr(preprocess, "preprocess", brighter)
    assert world.run("preprocess", overrides={"preprocess": {"max_crops": 25}}).success
    assert world.table("preprocess").rows.equals(before.rows)
    assert world.table("preprocess").header.data_version != before.header.data_version


def test_a_stage_switched_off_by_an_override_is_empty(world: World) -> None:
    ran = world.run("detect_edges", overrides={"detect_edges": {"enabled": False}})
    assert ran.metadata("detect_edges")["dagster/row_count"] == 0
    assert "detect_edges.enabled is false" in ran.metadata("detect_edges")["skipped"]


def test_an_inference_host_gives_what_this_process_gives(
    finished: tuple[World, Ran], inputs: Path, tmp_path: Path
) -> None:
    here, in_process = finished
    with dg.DagsterInstance.ephemeral() as instance, live_server(routines=ROUTINES) as url:
        there = World(inputs, tmp_path / "storage", instance)
        there.register()
        ran = there.run(inference=InferenceResource(url=url))
        assert ran.failures() == {}
    assert ran.data_versions() == in_process.data_versions()
    for stage in NAMES:
        assert there.table(stage).rows.equals(here.table(stage).rows), stage


def test_the_environment_switches_escalation_off(world: World) -> None:
    on = {"escalate_vlm": {"enabled": True, "model": "any"}}
    ran = world.run("escalate_vlm", "escalate_cloud", environ={"SKIP_VLM": "1", "SKIP_CLOUD": "1"}, overrides=on)
    assert ran.metadata("escalate_vlm")["skipped"] == "SKIP_VLM=1 is set"
    assert ran.metadata("escalate_cloud")["skipped"] == "escalate_cloud.enabled is false in the profile"


def test_every_stage_switched_off_is_an_empty_report(empty_world: World) -> None:
    off = {stage: {"enabled": False} for stage in NAMES if stage not in ("timeline", "compile_report")}
    ran = empty_world.run(overrides=off)
    assert ran.failures() == {}
    assert empty_world.table("compile_report").rows.is_empty()
    assert (empty_world.storage_folder / Keys.report(TIMELINE, "report.html")).stat().st_size > 1000


def test_a_missing_input_is_named_with_its_path_and_not_tried_again(empty_world: World) -> None:
    ran = empty_world.run("filter_scenes")
    where = empty_world.storage_folder / "stages/extract_frames/match.parquet"
    said = f"extract_frames of the timeline 'match' is not stored at {where}; materialize extract_frames first."
    assert ran.failures() == {"filter_scenes": said}
    assert ran.attempts_again() == 0
    assert ran.is_final()


def test_corrections_that_were_never_made_are_none(world: World, finished: tuple[World, Ran]) -> None:
    """As in what a version wrote that had no such stage."""
    world.storage.delete([Keys.table("corrections", TIMELINE)])
    ran = world.run("compile_report")
    assert ran.data_versions() == {"compile_report": finished[1].data_versions()["compile_report"]}


@pytest.mark.parametrize("stage", ["motion", "visual_properties", "transcribe", "escalate_vlm"])
def test_a_stage_that_is_off_and_was_never_made_is_not_asked_for(
    stage: str, world: World, finished: tuple[World, Ran]
) -> None:
    """As of a timeline that was stored before there was such a stage."""
    reader = next(name for name in NAMES if stage in BY_NAME[name].inputs)
    world.storage.delete([Keys.table(stage, TIMELINE)])
    ran = world.run(reader)
    assert ran.failures() == {}
    assert ran.data_versions() == {reader: finished[1].data_versions()[reader]}


def test_corrections_that_are_given_and_were_never_made_are_asked_for(world: World) -> None:
    world.storage.delete([Keys.table("corrections", TIMELINE)])
    keep_corrections(world.storage, TIMELINE, [(Correction(action="reject", brand=BRAND, start_ms=0, end_ms=100), b"")])
    assert world.run("compile_report").failures()["compile_report"].endswith("materialize corrections first.")


def test_an_input_that_is_no_table_is_named(world: World) -> None:
    path = world.storage_folder / Keys.table("run_ocr", TIMELINE)
    path.write_bytes(b"no parquet")
    ran = world.run("match_brands")
    assert ran.failures()["match_brands"].startswith(f"{path} is not a table that this version of MPR can read")
    assert ran.is_final()


@pytest.mark.parametrize("stage", ["extract_frames", "preprocess"])
def test_a_stage_whose_own_table_is_broken_is_made_anew(world: World, stage: str) -> None:
    before = world.table(stage)
    (world.storage_folder / Keys.table(stage, TIMELINE)).write_bytes(b"no parquet")
    ran = world.run(stage)
    assert ran.failures() == {}
    assert ran.reused() == {stage: False}
    assert world.table(stage).rows.equals(before.rows)


def test_a_timeline_that_is_not_registered_is_named(world: World) -> None:
    world.instance.add_dynamic_partitions("timelines", ["ghost"])
    said = world.run("timeline", timeline="ghost").failures()["timeline"]
    assert said.startswith("The timeline 'ghost' is not registered in ")
    assert said.endswith("create it with mpr timeline create VIDEO --name ghost.")


def test_what_no_stage_says_is_left_to_run_retries(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def database_is_away(*_: object) -> None:
        raise OSError("server closed the connection unexpectedly")

    monkeypatch.setattr(stage_asset, "refuse_incompatible", database_is_away)
    ran = world.run("match_brands")
    assert ran.failures() == {"match_brands": "OSError: server closed the connection unexpectedly\n"}
    assert not ran.is_final()


class Flaky(LocalInference):
    """A host that is away for so many calls."""

    url = ""

    def __init__(self, failures: int, error: type[TransientError] = TransientError) -> None:
        self.left, self.error = failures, error

    def identity(self, routine: Any, settings: Any) -> str:
        if self.left:
            self.left -= 1
            raise self.error("http://gpu-host:8000 does not answer; start it.")
        return super().identity(routine, settings)


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step_failure, "RETRIES", dg.RetryPolicy(step_failure.RETRIES.max_retries))


def test_a_host_that_comes_back_is_asked_again(world: World, no_waiting: None) -> None:
    ran = world.run("field_segmentation", inference=Flaky(2))
    assert ran.success
    assert ran.attempts_again() == 2


@pytest.mark.parametrize(
    ("error", "attempts_again"),
    [
        pytest.param(TransientError, step_failure.RETRIES.max_retries, id="asked once: the stage is tried again"),
        pytest.param(HostAway, 0, id="asked for as long as the settings allow: that was the time it gets"),
    ],
)
def test_a_host_that_stays_away_fails_the_stage_with_its_sentence(
    world: World, no_waiting: None, error: type[TransientError], attempts_again: int
) -> None:
    before = world.listing()
    ran = world.run("field_segmentation", inference=Flaky(99, error))
    assert ran.failures() == {"field_segmentation": "http://gpu-host:8000 does not answer; start it."}
    assert ran.is_final()
    assert ran.attempts_again() == attempts_again
    assert world.listing() == before


def test_lost_frames_are_extracted_again_and_nothing_else_is_made_anew(world: World) -> None:
    stored = world.listing()
    shutil.rmtree(world.storage_folder / "cache/timelines/match/frames")
    ran = world.run()
    assert [stage for stage, reused in ran.reused().items() if not reused] == ["extract_frames"]
    assert world.listing() == stored


def test_lost_frames_do_not_stop_a_stage_that_needs_none(world: World) -> None:
    shutil.rmtree(world.storage_folder / "cache/timelines/match/frames")
    ran = world.run("match_brands", overrides={"match_brands": {"min_confidence": 0.7}})
    assert ran.success
    assert ran.metadata("match_brands")["preview"].startswith("The frames to draw on are gone: ")


def test_an_interrupted_extraction_leaves_the_old_table_and_frames(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = world.listing()
    whole = extract_frames.fenced

    def breaks(*arguments: Any) -> Iterator[extract_frames.ExtractedFrame]:
        with closing(whole(*arguments)) as frames:
            yield next(frames)
        raise KeyError("a bug")

    monkeypatch.setattr(extract_frames, "fenced", breaks)
    ran = world.run("extract_frames", overrides={"extract_frames": {"jpeg_quality": 50}})
    assert not ran.success
    assert stored.items() <= world.listing().items()
    header = world.table("extract_frames").header
    folder = PictureFolder(world.storage, Keys.frames(TIMELINE, header.fingerprint), "jpg", PictureCache())
    assert [picture.pixels.shape for _, picture in folder.stream(range(4))] == [(360, 640, 3)] * 4

    broken_off = Keys.frames(TIMELINE, "f" * 16)
    world.storage.put(f"{broken_off}/00000000.jpg", b"half")
    monkeypatch.setattr(extract_frames, "fenced", whole)
    assert world.run("extract_frames", overrides={"extract_frames": {"jpeg_quality": 51}}).success
    assert list(world.storage.list(broken_off)) == [], "what broke off is cleared away by the next run"


REFUSED: dict[str, tuple[str, dict[str, object], str]] = {
    "out of range": (
        "extract_frames",
        {"fps": 0.0},
        "the overrides of extract_frames: fps is 0.0, which is out of range; give more than 0 and at most 60.",
    ),
    "not one of the choices": (
        "filter_scenes",
        {"detector": "contents"},
        'the overrides of filter_scenes: detector is "contents"; give one of `content`, `adaptive`, `hash`, '
        "`histogram` (did you mean `content`?).",
    ),
    "enables what is not there": (
        "escalate_vlm",
        {"enabled": True},
        "the overrides of escalate_vlm: enabled needs a model; set model to the name of one that the inference host "
        "knows.",
    ),
    "a list of the wrong kind": (
        "detect_objects",
        {"engines": ["crystal_ball"]},
        'the overrides of detect_objects: engines[0] is "crystal_ball"; give ',
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_override_that_cannot_be_is_refused_in_one_sentence(world: World, name: str) -> None:
    stage, override, said = REFUSED[name]
    before = world.listing()
    ran = world.run(stage, overrides={stage: override})
    assert ran.failures()[stage].startswith(said)
    assert ran.attempts_again() == 0
    assert world.listing() == before


@pytest.mark.parametrize(
    ("stage", "override", "names"),
    [
        ("extract_frames", {"fps": "many"}, "fps"),
        ("extract_frames", {"frames_per_second": 2}, "frames_per_second"),
        ("detect_edges", {"enabled": "perhaps"}, "enabled"),
    ],
    ids=["text for a number", "unknown setting", "text for a switch"],
)
def test_the_launchpad_refuses_an_override_of_the_wrong_type(
    world: World, stage: str, override: dict[str, object], names: str
) -> None:
    with pytest.raises(dg.DagsterInvalidConfigError, match=names):
        world.run(stage, overrides={stage: override})


def test_an_override_of_each_type_arrives(world: World) -> None:
    overrides = {"fps": 1.0, "jpeg_quality": 70, "max_height_px": 180, "allow_damage": True}
    ran = world.run("extract_frames", overrides={"extract_frames": overrides})
    settings = ran.metadata("extract_frames")["settings"]
    assert {name: settings[name] for name in overrides} == overrides
    assert world.table("extract_frames").rows["height_px"].to_list() == [180, 180]


@pytest.mark.parametrize("stage", STAGES, ids=NAMES)
def test_the_launchpad_offers_every_setting(stage: Stage) -> None:
    model = overrides_model(stage)
    earlier = {old for field in stage.settings.model_fields.values() for old in old_names(field)}
    beside = {"set_to_none", "as_in_profile"} | earlier | ({"frames"} if stage.per_frame else set())
    assert set(model.model_fields) - beside == set(stage.settings.model_fields)
    shown = model.to_config_schema().as_field().config_type.fields  # type: ignore[attr-defined]
    assert set(shown) - beside == set(stage.settings.model_fields)
    assert not any(field.is_required for field in shown.values())
    nothing = model()
    assert all(value is None for value in nothing.model_dump().values())


def test_equal_bytes_for_equal_work(empty_world: World, finished: tuple[World, Ran]) -> None:
    empty_world.run("timeline", "extract_frames", "filter_scenes")
    mine, theirs = empty_world.listing(), finished[0].listing()
    assert mine == {key: theirs[key] for key in mine}
