from __future__ import annotations

import dagster as dg
import numpy as np
import pytest

from gpu_service.client.http import HttpInference
from gpu_service.client.local import LocalInference
from gpu_service.errors import BadInput, MissingEngine
from gpu_service.models import ModelFiles, use
from gpu_service.pictures import Picture
from gpu_service.routines.detect import DETECT, DetectSettings
from mpr_resources.inference.resource import InferenceResource, open_inference
from tests.gpu_service.live import (
    MEAN,
    MeanItem,
    MeanSettings,
    ServiceConfig,
    live_server,
)

GREY = [(value, Picture(pixels=np.full((4, 6, 3), value, np.uint8)), MeanItem(add=0.5)) for value in (0, 7, 200)]


@pytest.mark.parametrize(
    ("urls", "kind"),
    [
        pytest.param("", LocalInference, id="empty is in-process"),
        pytest.param(" , ", LocalInference, id="only commas is in-process"),
        pytest.param("http://one:8000", HttpInference, id="one host"),
        pytest.param("http://one:8000, https://two", HttpInference, id="two hosts"),
    ],
)
def test_where_it_runs(urls: str, kind: type) -> None:
    assert type(open_inference(urls)) is kind


@pytest.mark.parametrize(
    ("urls", "token", "sentence"),
    [
        ("gpu-host:8000", "", "`gpu-host:8000` in INFERENCE_URL is not the URL of a host"),
        ("ftp://gpu-host", "", "`ftp://gpu-host` in INFERENCE_URL is not the URL of a host"),
        ("http://", "", "`http://` in INFERENCE_URL is not the URL of a host"),
        ("http://a:b:c", "", "`http://a:b:c` in INFERENCE_URL is not the URL of a host"),
        ("http://one,two", "", "`two` in INFERENCE_URL is not the URL of a host"),
        ("http://one", "se\ncret", "INFERENCE_TOKEN has characters that a bearer token cannot have"),
        ("http://one", " secret", "INFERENCE_TOKEN has characters that a bearer token cannot have"),
    ],
)
def test_bad_addresses_and_tokens_are_named(urls: str, token: str, sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence.replace("`", "`")):
        open_inference(urls, token)


def test_the_resource_answers_the_same_in_process_and_over_http_in_a_dagster_run() -> None:
    answers: dict[str, object] = {}

    @dg.asset
    def stage(inference: InferenceResource) -> None:
        settings = MeanSettings(scale=2)
        found = list(inference.map(MEAN, GREY, settings))
        _, picture, item = GREY[1]
        answer, pictures = inference.debug(MEAN, picture, item, settings)
        shown = {name: picture.tolist() for name, picture in pictures.items()}
        answers[inference.url] = (found, answer, shown, inference.identity(MEAN, settings))

    with live_server(ServiceConfig(preload={}, token="secret")) as url:
        for resource in (InferenceResource(), InferenceResource(url=url, token="secret")):
            assert dg.materialize([stage], resources={"inference": resource}).success
    assert [(token, answer.mean) for token, answer in answers[url][0]] == [(0, 0.5), (7, 14.5), (200, 400.5)]  # type: ignore[index]
    assert answers[""] == answers[url]


def test_an_unreachable_host_fails_the_run_and_names_itself() -> None:
    @dg.asset
    def stage(inference: InferenceResource) -> None:
        list(inference.map(MEAN, GREY, MeanSettings()))

    resource = InferenceResource(url="http://127.0.0.1:9", give_up_after_s=0)
    result = dg.materialize([stage], resources={"inference": resource}, raise_on_error=False)
    failure = result.failure_data_for_node("stage")
    assert failure is not None
    assert failure.error is not None
    cause = failure.error.cause
    assert cause is not None
    assert cause.cls_name == "HostAway"
    assert "The inference host http://127.0.0.1:9 has not answered /mean for 0." in cause.message


def test_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INFERENCE_TOKEN", raising=False)
    assert InferenceResource.from_environ({}).url == ""
    assert InferenceResource.from_environ({"INFERENCE_URL": "http://a", "INFERENCE_TOKEN": "t"}).token == "t"
    monkeypatch.setenv("INFERENCE_TOKEN", "t")
    shown = InferenceResource.from_environ({"INFERENCE_TOKEN": "t"})
    with shown.process_config_and_initialize_cm() as resource:
        assert resource.token == "t"
    assert isinstance(shown.token, dg.EnvVar)


def test_models_of_this_process_come_from_its_configuration() -> None:
    resource = InferenceResource.from_environ({"INFERENCE_MODELS": "boards=/nowhere/boards.onnx"})
    settings = DetectSettings(engines=("onnx",), onnx_model="boards")
    try:
        with pytest.raises(MissingEngine, match="The model `boards`, which `onnx_model` requests, is not at"):
            resource.identity(DETECT, settings)
    finally:
        use(ModelFiles())
    with pytest.raises(BadInput, match="list of models"):
        InferenceResource.from_environ({"INFERENCE_MODELS": "boards"})


@pytest.mark.parametrize(("text", "seconds"), [("", 60.0), ("0", 0.0), ("2.5", 2.5)])
def test_how_long_hosts_are_waited_for(text: str, seconds: float) -> None:
    assert InferenceResource.from_environ({"INFERENCE_GIVE_UP_AFTER_S": text}).give_up_after_s == seconds


@pytest.mark.parametrize("text", ["soon", "-1", "inf", "nan"])
def test_a_time_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match=f"INFERENCE_GIVE_UP_AFTER_S is '{text}'; give a number of seconds"):
        InferenceResource.from_environ({"INFERENCE_GIVE_UP_AFTER_S": text})
