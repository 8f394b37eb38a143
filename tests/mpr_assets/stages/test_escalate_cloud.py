from __future__ import annotations

import base64
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from typer.testing import CliRunner

from gpu_service.pictures import size_px
from mpr_assets.stages.escalate_cloud import EscalateCloudSettings
from mpr_assets.text.detections import DETECTION_SCHEMA
from mpr_cli.app import app
from mpr_resources.cloud.prompt import PROMPT_HASH
from tests.batch_server import BatchServer
from tests.batch_server import serving as batches_serving
from tests.cloud_server import (
    KEY,
    CloudServer,
    said,
    serving,
)
from tests.google_server import KEY as GOOGLE_KEY
from tests.google_server import GoogleServer
from tests.google_server import serving as google_serving
from tests.world import TIMELINE, Ran, World

PRICES = """
anthropic/m: {input: 1, output: 4, cached: 0.1}
openai/m: {input: 1, output: 4, cached: 0.1}
cloud_vision/logo+text: {input: 3000, output: 0, picture_tokens: 1}
"""
ON: dict[str, Any] = {"enabled": True, "models": ["anthropic/m"], "crops_per_request": 1}
STAGES = ("match_brands", "escalate_vlm", "escalate_cloud", "corrections", "compile_report")


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[CloudServer]:
    with serving() as server:
        server.answer = lambda request: said(len(request.pictures), brand="Acme Motors", text="Acme Motors")
        for name, value in server.environ().items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture
def unlisted(finished: tuple[World, Ran], tmp_path: Path) -> Iterator[World]:
    """What the whole graph stored, but the brand that is on the board is not in the list of brands any more."""
    original, _ = finished
    shutil.copytree(original.storage_folder, tmp_path / "storage")
    shutil.copytree(original.inputs, tmp_path / "inputs")
    (tmp_path / "inputs" / "brands.yaml").write_text("brands: [Nowhere Airlines]\n")
    (tmp_path / "inputs" / "profiles" / "prices").mkdir()
    (tmp_path / "inputs" / "profiles" / "prices" / "models.yaml").write_text(PRICES)
    with dg.DagsterInstance.ephemeral() as instance:
        world = World(tmp_path / "inputs", tmp_path / "storage", instance)
        world.register()
        yield world


def run(world: World, **settings: Any) -> Ran:
    return world.run(*STAGES, overrides={"escalate_cloud": {**ON, **settings}})


def test_it_is_off_unless_asked_for() -> None:
    assert not EscalateCloudSettings().enabled


def test_it_is_empty_and_says_why(finished: tuple[World, Ran]) -> None:
    world, ran = finished
    table = world.table("escalate_cloud")
    assert table.rows.is_empty()
    assert dict(table.rows.schema) == DETECTION_SCHEMA
    assert ran.metadata("escalate_cloud")["skipped"] == "escalate_cloud.enabled is false in the profile"


@pytest.mark.parametrize(("in_profile", "said"), [("false", "in the profile"), ("true", "for this run")])
def test_switched_off_by_a_run_it_says_where(world: World, tmp_path: Path, in_profile: str, said: str) -> None:
    (tmp_path / "board.yaml").write_text(f"escalate_cloud: {{enabled: {in_profile}}}\n")
    environ = {"MPR_PROFILES_DIR": str(tmp_path)}
    ran = world.run("escalate_cloud", overrides={"escalate_cloud": {"enabled": False}}, environ=environ)
    assert ran.metadata("escalate_cloud")["skipped"] == f"escalate_cloud.enabled is false {said}"


def test_a_brand_that_no_list_has_reaches_the_report(unlisted: World, cloud: CloudServer) -> None:
    ran = run(unlisted)
    assert ran.success, ran.failures()
    rows = unlisted.table("escalate_cloud").rows
    seqs = unlisted.table("match_brands").rows["seq"].unique().sort().to_list()
    detections = rows.filter(rows["brand"] == "Acme Motors")
    assert detections["seq"].unique().sort().to_list() == seqs
    assert detections["source"].unique().to_list() == ["cloud_vlm"]
    exposures = unlisted.table("compile_report").rows
    assert exposures.select("brand", "source", "start_ms").rows() == [("Acme Motors", "cloud_vlm", 0)]
    metadata = ran.metadata("escalate_cloud")
    assert metadata["model"] == "anthropic/m"
    assert metadata["requests"] == len(cloud.requests) >= 1
    assert metadata["usd"] == pytest.approx(len(cloud.requests) * 1110e-6)
    assert unlisted.table("escalate_cloud").header.upstream["prompt"] == PROMPT_HASH
    report = json.loads(unlisted.listing("reports")[f"{TIMELINE}/report.json"])
    assert "cloud_vlm" in str(report)
    assert [name for name, data in unlisted.listing().items() if KEY.encode() in data] == []


REPLAYS: dict[str, dict[str, Any]] = {
    "the same again": {},
    "a threshold raised": {"min_confidence": 0.95},
    "a threshold lowered": {"min_confidence": 0.1},
    "a name excluded": {"exclude": ["Acme Motors"]},
    "another budget": {"max_requests_run": 0},
}


@pytest.mark.parametrize("case", REPLAYS)
def test_a_replay_costs_nothing(unlisted: World, cloud: CloudServer, case: str) -> None:
    run(unlisted)
    before = len(cloud.requests)
    ran = run(unlisted, **REPLAYS[case])
    assert ran.success, ran.failures()
    assert len(cloud.requests) == before >= 1
    rows = unlisted.table("escalate_cloud").rows
    reasons = set(rows["reason"].to_list()) - {""}
    if case == "a threshold raised":
        assert reasons == {"below_threshold:Acme Motors"}
        assert set(rows["confidence"].to_list()) == {0.9}
    if case == "a name excluded":
        assert reasons == {"excluded:Acme Motors"}


def test_what_there_is_no_money_for_stays_a_candidate_until_there_is(unlisted: World, cloud: CloudServer) -> None:
    ran = run(unlisted, max_requests_day=0)
    assert (ran.success, cloud.requests) == (True, [])
    assert set(unlisted.table("escalate_cloud").rows["reason"].to_list()) == {"budget"}
    assert ran.metadata("escalate_cloud")["beyond_budget"] >= 1
    again = run(unlisted, max_requests_day=0)
    assert not again.reused()["escalate_cloud"], "what was left is tried again"
    assert run(unlisted).success
    assert len(cloud.requests) >= 1


FAILS: dict[str, tuple[Callable[[CloudServer], Any], dict[str, Any], str]] = {
    "a wrong key": (
        lambda cloud: setattr(cloud, "script", lambda request, number: "401"),
        {},
        "anthropic refuses the key in ANTHROPIC_API_KEY; set ANTHROPIC_API_KEY to a valid one.",
    ),
    "no key": (
        lambda cloud: os.environ.pop("ANTHROPIC_API_KEY"),
        {},
        "ANTHROPIC_API_KEY is not set, so anthropic cannot be used; set it, or remove anthropic.",
    ),
    "no price": (
        lambda cloud: None,
        {"models": ["groq/x"]},
        "models.yaml has no price for groq/x; add it, so that its cost can be limited.",
    ),
}


@pytest.mark.parametrize("case", FAILS)
def test_what_fails_says_what_to_do(unlisted: World, cloud: CloudServer, case: str) -> None:
    break_, settings, sentence = FAILS[case]
    break_(cloud)
    ran = run(unlisted, **settings)
    assert ran.failures()["escalate_cloud"].endswith(sentence)
    assert ran.attempts_again() == 0
    assert KEY not in str(ran.failures())


VISION: dict[str, Any] = {"models": ["cloud_vision/logo+text", "anthropic/m"]}


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch) -> Iterator[GoogleServer]:
    """Sees a logo in the middle of each picture, half as wide and half as high."""

    def logo(one: dict[str, Any]) -> dict[str, Any]:
        width, height = size_px(base64.b64decode(one["image"]["content"])) or (0, 0)
        corners = [{"x": width * x // 4, "y": height * y // 4} for x in (1, 3) for y in (1, 3)]
        said = {"description": "Acme Motors", "score": 0.75, "boundingPoly": {"vertices": corners}}
        return {"logoAnnotations": [said]}

    answer = lambda asked: (200, {"responses": [logo(one) for one in asked.body["requests"]]})  # noqa: E731
    with google_serving(answer) as server:
        monkeypatch.setenv("GOOGLE_VISION_API_KEY", GOOGLE_KEY)
        monkeypatch.setenv("GOOGLE_VISION_BASE_URL", server.url)
        yield server


def test_cloud_vision_says_where_and_is_paid_by_the_picture(
    unlisted: World, cloud: CloudServer, google: GoogleServer
) -> None:
    crops = unlisted.table("match_brands").rows
    ran = run(unlisted, **VISION, max_usd_run=0.003)
    assert ran.success, ran.failures()
    found = unlisted.table("escalate_cloud").rows.sort("seq")
    assert found["brand"].unique().to_list() == ["Acme Motors"]
    for before, after in zip(crops.sort("seq").iter_rows(named=True), found.iter_rows(named=True), strict=True):
        around = round(0.4 * before["h"])
        expected = [
            before["x"] + before["w"] / 4 - around / 2, before["y"] + before["h"] / 4 - around / 2,
            before["w"] / 2 + around, before["h"] / 2 + around,
        ]  # fmt: skip
        assert [after[side] for side in "xywh"] == pytest.approx(expected, abs=2)
    assert (len(google.asked), cloud.requests) == (1, [])
    assert [one["image"].keys() for one in google.asked[0].body["requests"]] == [{"content"}], "the crop alone"
    assert ran.metadata("escalate_cloud")["usd"] == 0.003, "one picture, at the price of its two features"
    assert ran.metadata("escalate_cloud")["beyond_budget"] == 0, "a limit of just that is enough"
    again = run(unlisted, **VISION, max_usd_run=0.0, min_confidence=0.7)
    assert (again.metadata("escalate_cloud")["usd"], len(google.asked)) == (0.0, 1)
    assert unlisted.table("escalate_cloud").rows.select(*"xywh").rows() == found.select(*"xywh").rows()
    assert [name for name, data in unlisted.listing().items() if GOOGLE_KEY.encode() in data] == []


@pytest.mark.parametrize("status", [429, 503])
def test_where_cloud_vision_fails_the_next_model_is_asked(
    unlisted: World, cloud: CloudServer, google: GoogleServer, status: int
) -> None:
    google.answer = lambda _: (status, {"error": {"message": "later"}})
    ran = run(unlisted, **VISION, attempts=1)
    assert ran.success, ran.failures()
    assert (len(google.asked), len(cloud.requests)) == (1, 1)
    metadata = ran.metadata("escalate_cloud")
    assert (metadata["answered_by_anthropic/m"], metadata["usd"]) == (1, pytest.approx(1110e-6))
    boxes = unlisted.table("match_brands").rows.sort("seq").select(*"xywh").rows()
    assert unlisted.table("escalate_cloud").rows.sort("seq").select(*"xywh").rows() == boxes


def test_what_may_wait_costs_half_and_is_found_again(unlisted: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with batches_serving(BatchServer(polls=10**9)) as batches:
        for name, value in batches.environ().items():
            monkeypatch.setenv(name, value)
        ran = run(unlisted, wait_hours=1e-9)
        assert ran.success, ran.failures()
        assert set(unlisted.table("escalate_cloud").rows["reason"].to_list()) == {"late"}
        metadata = ran.metadata("escalate_cloud")
        assert (metadata["waiting_in_batches"], metadata["usd"]) == (1, 0.0)
        batches.polls = 0
        again = run(unlisted, wait_hours=1)
        assert again.success, again.failures()
        assert set(unlisted.table("escalate_cloud").rows["brand"].to_list()) == {"Acme"}
        metadata = again.metadata("escalate_cloud")
        assert (metadata["waiting_in_batches"], metadata["usd"]) == (0, pytest.approx(1110e-6 / 2))
        assert ([len(one) for one in batches.batches.values()], batches.direct) == ([1], [])


def test_the_bill(unlisted: World, cloud: CloudServer, monkeypatch: pytest.MonkeyPatch) -> None:
    run(unlisted)
    for name in ("MPR_STORAGE_URL", "MPR_DATABASE_URL"):
        monkeypatch.setenv(name, unlisted.environ[name])
    said = CliRunner().invoke(app, ["costs", "--by", "timeline"])
    lines = [line.split() for line in said.output.splitlines()]
    count = str(len(cloud.requests))
    usd = f"{len(cloud.requests) * 0.00111:.4f}"
    assert lines[0] == ["timeline", "requests", "failed", "crops", "tokens", "in", "tokens", "out", "cached", "USD"]
    assert [(line[0], line[1], line[-1]) for line in lines[1:]] == [(TIMELINE, count, usd), ("all", count, usd)]
    assert "Costs cannot be summed up by 'hour'" in str(CliRunner().invoke(app, ["costs", "--by", "hour"]).exception)
