from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from gpu_service.client.local import LocalInference
from gpu_service.errors import BadInput
from gpu_service.pictures import Picture
from gpu_service.routines import T
from gpu_service.routines.vlm import VLM
from gpu_service.wire import VlmAnswer, VlmItem
from mpr_assets.stages import escalate_vlm
from mpr_assets.text.detections import DETECTION_SCHEMA
from mpr_resources.yaml_files.load import load_model
from tests.world import BRAND, Ran, World

ON = {"enabled": True, "model": "small"}
SURE = VlmAnswer(outcome="brand", brand="acme motors", confidence=0.8, text="acme motors")


class Host(LocalInference):
    """Routines in this process, but for the model, which answers as it is told."""

    url = ""

    def __init__(self, answer: VlmAnswer) -> None:
        self.answer = answer
        self.asked: list[tuple[Any, VlmItem, Any]] = []

    def identity(self, routine: Any, settings: Any) -> str:
        return "vlm/1/small" if routine is VLM else super().identity(routine, settings)

    def map(
        self, routine: Any, pictures: Iterable[tuple[T, Picture, Any]], settings: Any, references: Sequence[Any] = ()
    ) -> Iterator[tuple[T, Any]]:
        if routine is not VLM:
            yield from super().map(routine, pictures, settings, references)
            return
        for token, picture, item in pictures:
            self.asked.append((picture.pixels.shape, item, settings))
            yield token, self.answer


@pytest.fixture
def unlisted(finished: tuple[World, Ran], tmp_path: Path) -> Iterator[World]:
    original, _ = finished
    shutil.copytree(original.storage_folder, tmp_path / "storage")
    shutil.copytree(original.inputs, tmp_path / "inputs")
    (tmp_path / "inputs" / "brands.yaml").write_text("brands: [Nowhere Airlines]\n")
    with dg.DagsterInstance.ephemeral() as instance:
        world = World(tmp_path / "inputs", tmp_path / "storage", instance)
        world.register()
        yield world


def run(world: World, host: Host, **settings: Any) -> Ran:
    return world.run("match_brands", "escalate_vlm", overrides={"escalate_vlm": {**ON, **settings}}, inference=host)


def test_it_is_off_unless_asked_for() -> None:
    assert not escalate_vlm.EscalateVlmSettings().enabled


def test_a_profile_that_names_no_model_is_refused() -> None:
    said = "p: enabled needs a model; set model to the name of one that the inference host knows."
    with pytest.raises(BadInput) as error:
        load_model("p", "enabled: true", escalate_vlm.EscalateVlmSettings)
    assert str(error.value) == said


def test_it_is_empty_and_says_why(finished: tuple[World, Ran]) -> None:
    world, ran = finished
    table = world.table("escalate_vlm")
    assert table.rows.is_empty()
    assert dict(table.rows.schema) == DETECTION_SCHEMA
    assert ran.metadata("escalate_vlm")["skipped"] == "escalate_vlm.enabled is false in the profile"


ANSWERS: dict[str, tuple[VlmAnswer, str | None, str]] = {
    "a brand": (SURE, "acme motors", ""),
    "not sure": (SURE.model_copy(update={"confidence": 0.3}), None, "below_threshold:acme motors"),
    "none": (VlmAnswer(outcome="none", confidence=0.9), None, "no_brand_seen"),
    "no answer": (VlmAnswer(outcome="unclear", text="well"), None, "unknown"),
    "late": (VlmAnswer(outcome="late"), None, "late"),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_what_becomes_of_an_answer(unlisted: World, case: str) -> None:
    answer, brand, reason = ANSWERS[case]
    host = Host(answer)
    ran = run(unlisted, host)
    assert ran.success, ran.failures()
    rows = unlisted.table("escalate_vlm").rows
    assert rows.height == unlisted.table("match_brands").rows.height >= 3
    assert set(rows.select("brand", "reason").rows()) == {(brand, reason)}
    assert set(rows["source"].to_list()) == ({"ocr"} if case == "late" else {"local_vlm"})
    assert ran.metadata("escalate_vlm")["model"] == "vlm/1/small"
    assert len(host.asked) >= 1
    assert host.asked[0][1].text == BRAND
    before = len(host.asked)
    again = run(unlisted, host, min_confidence=0.95)
    assert again.success
    assert len(host.asked) == (2 * before if case == "late" else before), "answers are kept, being late is none"


def test_it_chooses_among_the_brands_where_that_is_asked_for(unlisted: World) -> None:
    host = Host(VlmAnswer(outcome="none", confidence=0.5))
    assert run(unlisted, host, choose=True, context="a match").success
    assert (host.asked[0][2].brands, host.asked[0][2].context) == (("Nowhere Airlines",), "a match")
