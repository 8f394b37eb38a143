from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from mpr_assets.definitions import (
    JOB,
    ROOT,
    STAGES,
    definitions,
    inference_resource,
    profiles_folder,
    storage_resource,
    switched_off,
)
from mpr_assets.orchestration.launchpad import overrides_model
from mpr_assets.timelines.partitions import timelines
from tests.world import NAMES


def test_there_are_eighteen_stages_each_an_asset_partitioned_by_timeline() -> None:
    specs = {spec.key.to_user_string(): spec for spec in definitions({}).resolve_all_asset_specs()}
    assert set(NAMES) <= set(specs)
    assert len(NAMES) == 18
    for stage in STAGES:
        spec = specs[stage.name]
        assert spec.partitions_def == timelines
        assert spec.description
        assert spec.group_name in ("media", "regions", "text", "picture", "brands", "report")
        assert spec.owners == ["team:mpr"]
        assert spec.kinds
        assert spec.code_version == stage.code_version
        assert {dep.asset_key.to_user_string() for dep in spec.deps} >= set(stage.inputs)


def test_the_job_runs_every_stage_in_one_process() -> None:
    job = definitions({}).resolve_job_def(JOB)
    assert {node.name for node in job.nodes} >= set(NAMES)
    assert job.executor_def is dg.in_process_executor


def test_stages_on_the_inference_host_share_its_pool() -> None:
    graph = definitions({}).resolve_asset_graph()
    pools = {stage.name: graph.get(dg.AssetKey(stage.name)).pools for stage in STAGES}
    on_the_host = {"field_segmentation", "detect_edges", "detect_objects", "preprocess", "run_ocr", "transcribe"}
    on_the_host |= {"visual_properties", "escalate_vlm"}
    assert pools == {name: {"gpu"} if name in on_the_host else set() for name in NAMES}


STORAGES = {
    "nothing said": ({}, str(ROOT / ".mpr" / "storage"), None),
    "empty": ({"MPR_STORAGE_URL": "", "S3_ENDPOINT_URL": ""}, str(ROOT / ".mpr" / "storage"), None),
    "a bucket": (
        {"MPR_STORAGE_URL": "s3://b/p", "S3_ENDPOINT_URL": "http://minio:9000"},
        "s3://b/p",
        "http://minio:9000",
    ),
}


@pytest.mark.parametrize("name", STORAGES)
def test_where_things_are_kept(name: str) -> None:
    environ, url, endpoint = STORAGES[name]
    storage = storage_resource(environ)
    assert (storage.url, storage.s3_endpoint_url) == (url, endpoint)


def test_where_profiles_are(tmp_path: Path) -> None:
    assert profiles_folder({}).folder == ROOT / "profiles"
    assert profiles_folder({"MPR_PROFILES_DIR": str(tmp_path)}).folder == tmp_path


SWITCHED = {
    "nothing": ({}, {}),
    "one": ({"SKIP_VLM": "1"}, {"escalate_vlm": "SKIP_VLM=1 is set"}),
    "both": (
        {"SKIP_VLM": "1", "SKIP_CLOUD": "1"},
        {"escalate_vlm": "SKIP_VLM=1 is set", "escalate_cloud": "SKIP_CLOUD=1 is set"},
    ),
    "not 1": ({"SKIP_VLM": "0", "SKIP_CLOUD": ""}, {}),
}


@pytest.mark.parametrize("name", SWITCHED)
def test_what_the_environment_switches_off(name: str) -> None:
    environ, off = SWITCHED[name]
    assert switched_off(environ) == off


@pytest.mark.parametrize(
    ("environ", "on"),
    [
        pytest.param({}, False, id="nothing said"),
        pytest.param({"MPR_MEDIA_URL": ""}, False, id="empty"),
        pytest.param({"MPR_MEDIA_URL": "/media"}, True, id="a folder"),
    ],
)
def test_new_media_are_looked_for_where_they_are_named(environ: dict[str, str], on: bool) -> None:
    sensor = definitions(environ).get_repository_def().get_sensor_def("new_media")
    assert sensor.default_status is (dg.DefaultSensorStatus.RUNNING if on else dg.DefaultSensorStatus.STOPPED)


def test_the_token_is_shown_by_its_variable_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    environ = {"INFERENCE_URL": "http://a:1", "INFERENCE_TOKEN": "secret"}
    monkeypatch.setenv("INFERENCE_TOKEN", "secret")
    assert "secret" not in repr(inference_resource(environ))


def test_the_launchpad_shows_settings_and_not_how_resources_are_reached() -> None:
    environ = {"INFERENCE_URL": "http://a:1", "MPR_MEDIA_URL": "/media"}
    config: Any = definitions(environ).resolve_job_def(JOB).run_config_schema.config_type
    resources = config.fields["resources"].config_type.fields
    fields = {
        name: set(getattr(resources[name].config_type.fields["config"].config_type, "fields", ()))
        if "config" in resources[name].config_type.fields
        else set()
        for name in ("storage", "media", "tables", "inference")
    }
    assert fields == {"storage": set(), "media": set(), "tables": set(), "inference": set()}
    shown = {name: config.fields["ops"].config_type.fields[name].config_type.fields["config"] for name in NAMES}
    silent = [
        (name, setting)
        for name, one in shown.items()
        for setting, field in one.config_type.fields.items()
        if not field.description
    ]
    assert silent == []


DESCRIBED = {
    "a switch": ("filter_scenes", "enabled", "true unless the profile says otherwise"),
    "a number": ("extract_frames", "fps", "more than 0 and at most 60; 2.0 unless the profile says otherwise"),
    "none": ("filter_scenes", "shot_threshold", "more than 0 and at most 255; none unless the profile says otherwise"),
    "a choice": ("run_ocr", "engine", 'one of rapidocr, paddleocr; "rapidocr" unless the profile says otherwise'),
    "a list": ("escalate_vlm", "known_texts", "[] unless the profile says otherwise"),
    "a default too long to tell": ("escalate_vlm", "skip_text", "that matches the whole text"),
}


@pytest.mark.parametrize("name", DESCRIBED)
def test_the_launchpad_tells_ranges_and_defaults(name: str) -> None:
    stage, setting, end = DESCRIBED[name]
    model = overrides_model(next(one for one in STAGES if one.name == stage))
    assert str(model.model_fields[setting].description).endswith(end)


def test_the_workspace_loads() -> None:
    from mpr_assets.definitions import defs

    dg.Definitions.validate_loadable(defs() if callable(defs) else defs)


def test_the_code_server_can_load_all_of_it() -> None:
    """It also looks at names, which the definitions by themselves do not."""
    definitions({}).get_repository_def().load_all_definitions()
