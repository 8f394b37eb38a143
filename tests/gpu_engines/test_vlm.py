"""The routine vlm: a tiny LLaVA that has learnt three colours answers by the code that a real model takes."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

from gpu_service import models
from gpu_service.errors import MissingEngine
from gpu_service.models import ModelFiles
from gpu_service.routines import Batch, vlm
from gpu_service.routines.vlm import VLM, VlmSettings
from gpu_service.wire import VlmAnswer, VlmItem
from tests.gpu_engines.tiny_models import make_vlm, plain

BRANDS = ("Ruby", "Ruby Air", "Sea & Co")
SETTINGS = VlmSettings(model="tiny", brands=BRANDS)
COLOURS = {"Ruby": (40, 40, 220), "Ruby Air": (160, 160, 250), "Sea & Co": (200, 80, 20), "none": (20, 20, 20)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    lessons = [(plain(colour, seed), name) for name, colour in COLOURS.items() for seed in range(2)]
    return make_vlm(tmp_path_factory.mktemp("vlm") / "tiny", lessons, SETTINGS)


@pytest.fixture(scope="module")
def untaught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_vlm(tmp_path_factory.mktemp("vlm") / "random", [], SETTINGS, steps=0)


@pytest.fixture(autouse=True)
def known(folder: Path, untaught: Path, host: None) -> None:
    models.use(ModelFiles(files={"tiny": str(folder), "random": str(untaught)}))


def ask(settings: VlmSettings, *names: str) -> list[VlmAnswer]:
    crops = [plain(COLOURS[name], 100 + i, (30 + 10 * i, 90)) for i, name in enumerate(names)]
    return VLM.run(Batch(crops, [VlmItem() for _ in crops], settings))


@pytest.mark.parametrize("name", COLOURS)
def test_the_brand_that_the_crop_shows(name: str) -> None:
    [answer] = ask(SETTINGS, name)
    assert answer.outcome == ("none" if name == "none" else "brand")
    assert answer.brand == (None if name == "none" else name)
    assert answer.confidence > 0.9
    assert answer.text == name


def test_a_batch_of_crops_of_many_sizes_is_answered_as_one_by_one() -> None:
    names = ["none", "Sea & Co", "Ruby Air", "Ruby", "Ruby"]
    together = ask(SETTINGS, *names)
    assert [answer.text for answer in together] == names
    alone = [ask(SETTINGS, *names[: i + 1])[-1] for i in range(len(names))]
    in_twos = ask(SETTINGS.model_copy(update={"batch": 2}), *names)
    for answer, other, third in zip(together, alone, in_twos, strict=True):
        assert (answer.text, answer.text) == (other.text, third.text)
        assert abs(answer.confidence - other.confidence) < 0.001
        assert abs(answer.confidence - third.confidence) < 0.001


def test_no_crops() -> None:
    assert ask(SETTINGS) == []


def test_an_untaught_model_still_answers_in_the_agreed_form_and_is_not_sure() -> None:
    settings = SETTINGS.model_copy(update={"model": "random"})
    for answer in ask(settings, "Ruby", "none"):
        assert answer.outcome in ("brand", "none")
        assert answer.brand in (*BRANDS, None)
        assert answer.confidence < 0.7


def test_without_a_list_the_model_names_a_brand_itself() -> None:
    open_settings = VlmSettings(model="open")
    lessons = [(plain(colour, seed), name) for name, colour in COLOURS.items() for seed in range(2)]
    folder = Path(models.find("tiny", "model")).parent / "open"
    models.use(ModelFiles(files={"open": str(make_vlm(folder, lessons, open_settings))}))
    answers = ask(open_settings, "Sea & Co", "none")
    assert [(answer.outcome, answer.brand) for answer in answers] == [("brand", "Sea & Co"), ("none", None)]
    assert min(answer.confidence for answer in answers) > 0.8


def test_a_model_that_rambles_is_unclear() -> None:
    settings = VlmSettings(model="random", max_tokens=5)
    assert [answer.outcome for answer in ask(settings, "Ruby")] == ["unclear"]


def test_crops_after_the_deadline_are_late() -> None:
    ask(SETTINGS, "Ruby")
    settings = SETTINGS.model_copy(update={"deadline_s": 0.001, "batch": 2})
    answers = ask(settings, "Ruby", "Sea & Co", "none")
    assert [answer.outcome for answer in answers] == ["late"] * 3
    assert [answer.brand for answer in answers] == [None] * 3


def test_the_question_names_what_is_known() -> None:
    asked = vlm.question(VlmItem(text="RUB"), SETTINGS.model_copy(update={"context": "Crops of a race."}))
    assert asked.startswith('Crops of a race. Text was read in the picture: "RUB". Which of these brands ')
    assert "Ruby, Ruby Air, Sea & Co?" in asked


def test_debug_gives_the_same_answer_and_what_the_model_saw() -> None:
    crop = plain(COLOURS["Ruby"], 7, (900, 600))
    [(answer, pictures)] = VLM.debug(Batch([crop], [VlmItem()], SETTINGS))
    assert answer == VLM.run(Batch([crop], [VlmItem()], SETTINGS))[0]
    assert pictures["asked"].shape == (768 + 24, 512, 3)


def test_many_threads_share_one_model(folder: Path) -> None:
    models._held.clear()
    answers: list[list[VlmAnswer]] = []
    threads = [threading.Thread(target=lambda: answers.append(ask(SETTINGS, "Ruby", "none"))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [[answer.text for answer in some] for some in answers] == [["Ruby", "none"]] * 6
    assert list(models._held) == [("vlm", str(folder))]


def test_identity_names_the_weights(folder: Path, tmp_path: Path) -> None:
    before = VLM.identity(SETTINGS)
    assert before.startswith("vlm/1/transformers-5.")
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    models.use(ModelFiles(files={"tiny": str(copy)}))
    assert VLM.identity(SETTINGS) == before
    (copy / "config.json").write_text((copy / "config.json").read_text() + "\n")
    assert VLM.identity(SETTINGS) != before


def test_a_model_of_the_hub_is_loaded_from_where_it_was_fetched(folder: Path) -> None:
    from huggingface_hub.constants import HF_HUB_CACHE

    repository = Path(HF_HUB_CACHE) / "models--someone--tiny"
    shutil.copytree(folder, repository / "snapshots" / "0123abc")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0123abc")
    models.use(ModelFiles(files={"tiny": "hub:someone/tiny"}))
    assert ask(SETTINGS, "Ruby")[0].brand == "Ruby"
    models.use(ModelFiles(files={"tiny": "hub:someone/else"}))
    with pytest.raises(MissingEngine, match="The model `tiny` cannot be fetched from the hub as someone/else"):
        ask(SETTINGS, "Ruby")


def test_a_model_without_chat_template(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "bare")
    (tmp_path / "bare" / "chat_template.jinja").unlink()
    models.use(ModelFiles(files={"tiny": str(tmp_path / "bare")}))
    with pytest.raises(MissingEngine, match="has no chat template"):
        VLM.run(Batch([np.zeros((8, 8, 3), np.uint8)], [VlmItem()], SETTINGS))
