"""What the commit before the rooms wrote is as fresh, as complete and as old as it was."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from pydantic import create_model

from mpr_assets.definitions import SECTIONS, STAGES, brand_registry
from mpr_assets.engine.settings import StageSettings
from mpr_assets.engine.stage import Stage
from mpr_assets.engine.versions import fingerprint, hashed_settings
from mpr_assets.freshness.config_versions import config_versions, node, usable_timelines
from mpr_assets.freshness.event_log import read_made, read_observed
from mpr_assets.freshness.judge import StageState, changed, judge, of_timeline
from mpr_assets.runs import local_instance
from mpr_assets.runs.history import read_entries
from mpr_cli import app
from mpr_resources.profiles.folder import Profiles
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.store import Storage
from mpr_resources.storage.tables import StageTable, TableHeader, from_parquet
from tests.legacy.installation import FIRST_STAGES, Installation
from tests.world import NAMES as NAMES_NOW
from tests.world import listing

LOG = logging.getLogger(__name__)
NAMES = [name for name in NAMES_NOW if name in FIRST_STAGES]
"""The stages of then. Those that came later have nothing stored there."""
Mpr = Callable[..., list[str]]

COMMANDS = {
    "status": ("status",),
    "status match": ("status", "match"),
    "status cloud": ("status", "cloud"),
    "status tuned": ("status", "tuned"),
    "report match": ("report", "match"),
    "report cloud": ("report", "cloud"),
    "history match": ("history", "match"),
    "history tuned": ("history", "tuned"),
    "history match run_ocr": ("history", "match", "run_ocr"),
    "costs": ("costs",),
    "costs by timeline": ("costs", "--by", "timeline"),
    "brands list": ("brands", "list"),
    "brands history": ("brands", "history"),
    "scenario list": ("scenario", "list"),
}


CHANGED_SAYING = {
    "given back as stored": "reused",
    "as stored": "reused",
    "not as the profile": "overrides of",
    "looked for  ": "searched for",
    "changed: line_threshold 0.45 → 0.6, thorough_every 4 → 2": "changed: det_box_threshold 0.45 → 0.6, "
    "full_scan_every 4 → 2",
}
"""Words of that commit, and those used now."""
STATUS = [["cloud", "boards_cloud", "6"], ["match", "boards", "6", "1"], ["tuned", "boards", "6", "1"]]
LATER = [[name] for name in NAMES_NOW if name not in NAMES]


@pytest.fixture
def as_first(legacy: Installation) -> Iterator[Installation]:
    """The installation, no stage having another code version or other defaults since."""
    with legacy.with_first_versions(STAGES):
        yield legacy


@pytest.fixture
def mpr(legacy: Installation, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Mpr:
    assert legacy.folder.is_dir()

    def run(*argv: str) -> list[str]:
        monkeypatch.setattr(sys, "argv", ["mpr", *argv])
        with pytest.raises(SystemExit) as end:
            app.main()
        said = capsys.readouterr()
        assert end.value.code in (None, 0), said.err
        return [line.rstrip() for line in said.out.splitlines()]

    return run


def test_commands_say_what_they_said(as_first: Installation, mpr: Mpr) -> None:
    expected = as_first.expected()
    for then, now in CHANGED_SAYING.items():
        expected = {name: [line.replace(then, now) for line in lines] for name, lines in expected.items()}
    assert list(expected) == list(COMMANDS)
    said = {name: [line.split() for line in mpr(*argv)] for name, argv in COMMANDS.items()}
    of_then = {name: [words for words in lines if words[:1] not in LATER] for name, lines in said.items()}
    assert of_then.pop("status")[1:] == STATUS, "of each the stages that came later are missing"
    del expected["status"]
    assert of_then == {name: [line.split() for line in lines] for name, lines in expected.items()}


TIMELINES: dict[str, list[list[str]]] = {
    "cloud": [["timeline"]],
    "match": [["timeline", "--through", "run_ocr"], ["match_brands", "--set", "min_confidence=0.65"]],
    "tuned": [
        ["timeline", "--through", "preprocess"],
        ["run_ocr", "--set", "line_threshold=0.6", "--set", "thorough_every=2", "--through", "escalate_cloud"],
    ],
}


TOLD = {"stages/run_ocr/tuned.parquet"}
"""Objects that tell overrides of `tuned`, now by the settings' present names."""


def objects(legacy: Installation) -> dict[str, object]:
    """What is stored: the bytes of each object, of a stage's table what it says."""
    found: dict[str, object] = {}
    for name, data in listing(legacy.folder / "storage").items():
        if name.startswith("stages/"):
            table = from_parquet(data, name)
            found[name] = (table.rows.to_dicts(), table.header)
        else:
            found[name] = data
    return found


def computed(timeline: str) -> list[str]:
    """The stages whose last materialization was computed, not given back as stored."""
    with local_instance.dagster_instance() as instance:
        last = {entry.stage: entry for entry in read_entries(instance, SECTIONS, timeline)}
    return [name for name in NAMES if not last[name].again]


@pytest.mark.parametrize("timeline", TIMELINES)
def test_what_is_run_again_is_given_back_as_stored(as_first: Installation, mpr: Mpr, timeline: str) -> None:
    """Nothing is computed anew, no provider is asked (no key is set), and no object changes that need not."""
    before = objects(as_first)
    for argv in TIMELINES[timeline]:
        mpr("replay", timeline, *argv)
    after = objects(as_first)
    made_first = {Keys.table(*stage, timeline) for stage in LATER}
    assert {name for name in {*before, *after} if before.get(name) != after.get(name)} - made_first == (
        TOLD if timeline == "tuned" else set()
    )
    # Left out of the runs above: its table tells the settings of the stages before it.
    assert computed(timeline) == (["compile_report"] if timeline == "tuned" else [])


def test_stages_with_another_code_version_are_stale_and_computed_anew(legacy: Installation, mpr: Mpr) -> None:
    storage = Storage.open(str(legacy.folder / "storage"))
    first = {name: from_parquet(storage.get(key), key).header for name in NAMES for key in [Keys.table(name, "match")]}
    improved = {
        stage.name for stage in STAGES if stage.name in first and stage.code_version != first[stage.name].code_version
    }

    status = " ".join(" ".join(mpr("status", "match")).split())
    report = mpr("report", "match")
    mpr("replay", "match", "timeline")

    assert status.count("code version") == len(improved), status
    assert improved <= {*computed("match")}
    assert any("Korvax Tools" in line for line in report), "what is stored can be read before it is made anew"
    assert any("Korvax Tools" in line for line in mpr("report", "match"))


def tables(legacy: Installation) -> list[StageTable]:
    storage = Storage.open(str(legacy.folder / "storage"))
    keys = [Keys.table(name, timeline) for timeline in TIMELINES for name in NAMES]
    return [from_parquet(storage.get(key), key) for key in keys]


def fingerprint_of(stage: Stage, model: type[StageSettings], table: TableHeader) -> str:
    """The fingerprint that the table would be looked up under now, its settings being of this model."""
    hashed = hashed_settings(stage.name, model.model_validate(table.settings))
    return fingerprint(stage.name, table.code_version, hashed, table.upstream, table.skipped)


@pytest.mark.parametrize("stage", [stage for stage in STAGES if stage.name in NAMES], ids=NAMES)
def test_a_setting_more_changes_no_fingerprint_while_it_has_its_default(legacy: Installation, stage: Stage) -> None:
    more: type[StageSettings] = create_model("More", __base__=stage.settings, new_setting=(int, 3))
    for table in [one.header for one in tables(legacy) if one.header.stage == stage.name]:
        assert fingerprint_of(stage, stage.settings, table) == table.fingerprint
        assert fingerprint_of(stage, more, table) == table.fingerprint
        other = table.model_copy(update={"settings": {**table.settings, "new_setting": 4}})
        assert fingerprint_of(stage, more, other) != table.fingerprint


def test_nothing_is_stale_or_observed_again_when_every_stage_has_a_setting_more(as_first: Installation) -> None:
    def with_more(stage: Stage) -> Stage:
        return replace(stage, settings=create_model("More", __base__=stage.settings, new_setting=(int, 3)))

    stages = [with_more(stage) for stage in STAGES if stage.name in NAMES]
    profiles = Profiles(
        as_first.folder / "profiles", {one.name: one.settings for one in stages}, brand_registry(os.environ)
    )
    resources = replace(local_instance.resources(), profiles=profiles)
    config = config_versions(stages, usable_timelines(TIMELINES, resources, LOG), resources, LOG)
    nodes = [*map(node, stages)]
    with local_instance.dagster_instance() as instance:
        made = read_made(instance, nodes, list(TIMELINES))
        observed = read_observed(instance, nodes, list(TIMELINES))
    assert changed(config, observed) == []
    states = {name: judge(nodes, of_timeline(made, name), config[name]) for name in TIMELINES}
    assert {
        (name, one.stage): one.state for name in TIMELINES for one in states[name] if one.state != StageState.FRESH
    } == {("match", "match_brands"): StageState.OVERRIDDEN, ("tuned", "run_ocr"): StageState.OVERRIDDEN}
