"""The engines behind a live host: many clients, one model in memory, the same answers as in this process."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from gpu_service import models
from gpu_service.client.http import HttpInference
from gpu_service.client.local import LocalInference
from gpu_service.errors import MissingEngine
from gpu_service.host.config import ServiceConfig
from gpu_service.host.registry import ROUTINES
from gpu_service.models import ModelFiles
from gpu_service.pictures import Picture
from gpu_service.routines import Inference
from gpu_service.routines.vlm import VLM, VlmSettings
from gpu_service.wire import VlmAnswer, VlmItem
from tests.gpu_engines.tiny_models import make_vlm, plain
from tests.gpu_service.live import live_server

SETTINGS = VlmSettings(model="tiny", brands=("Ruby", "Sea & Co"), batch=4)
COLOURS = {"Ruby": (40, 40, 220), "Sea & Co": (200, 80, 20), "none": (20, 20, 20)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    lessons = [(plain(colour, seed), name) for name, colour in COLOURS.items() for seed in range(2)]
    return make_vlm(tmp_path_factory.mktemp("vlm") / "tiny", lessons, SETTINGS)


@pytest.fixture(autouse=True)
def known(folder: Path, host: None) -> None:
    models.use(ModelFiles(files={"tiny": str(folder), "gone": "/nowhere"}))


@pytest.fixture
def url() -> Iterator[str]:
    with live_server(ServiceConfig(preload={}, deadline_ms=50), ROUTINES) as url:
        yield url


def crops(count: int) -> list[tuple[int, Picture, VlmItem]]:
    colours = list(COLOURS.values())
    return [(i, Picture(pixels=plain(colours[i % 3], i, (20 + i, 50))), VlmItem()) for i in range(count)]


def ask(inference: Inference, count: int) -> list[VlmAnswer]:
    return [answer for _, answer in inference.map(VLM, crops(count), SETTINGS)]


def test_the_host_answers_as_this_process_does(url: str) -> None:
    client = HttpInference([url])
    here, there = ask(LocalInference(), 9), ask(client, 9)
    assert [answer.text for answer in here] == ["Ruby", "Sea & Co", "none"] * 3
    assert [(a.outcome, a.brand, a.text) for a in there] == [(a.outcome, a.brand, a.text) for a in here]
    assert max(abs(a.confidence - b.confidence) for a, b in zip(there, here, strict=True)) < 0.001
    assert client.identity(VLM, SETTINGS) == LocalInference().identity(VLM, SETTINGS)
    [(_, picture, item)] = crops(1)
    answer, pictures = client.debug(VLM, picture, item, SETTINGS)
    assert (answer.text, list(pictures)) == ("Ruby", ["asked"])
    client.close()


def test_clients_at_once_share_one_model_and_its_batches(url: str) -> None:
    models._held.clear()
    clients = [HttpInference([url]) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda client: ask(client, 6), clients))
    assert [[answer.text for answer in some] for some in answers] == [["Ruby", "Sea & Co", "none"] * 2] * 4
    assert [kind for kind, _ in models._held] == ["vlm"]
    loaded = [model["routine"] for model in httpx2.get(f"{url}/info").json()["models"]]
    assert loaded == ["vlm"]
    for client in clients:
        client.close()


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("", "No model is chosen; set `model` to a model of the host (known: gone, tiny)."),
        ("/etc/passwd", "This host has no model `/etc/passwd`, which `model` requests (known: gone, tiny); start it"),
        ("gone", "The model `gone`, which `model` requests, is not at the path in the host's --models"),
    ],
    ids=["none", "a path", "a file that is gone"],
)
def test_a_client_reads_what_is_missing(name: str, sentence: str, url: str) -> None:
    client = HttpInference([url])
    with pytest.raises(MissingEngine) as caught:
        list(client.map(VLM, crops(1), VlmSettings(model=name)))
    assert sentence in str(caught.value)
    assert "/nowhere" not in str(caught.value)
    client.close()
