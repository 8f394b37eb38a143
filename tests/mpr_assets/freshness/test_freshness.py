from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import dagster as dg
import pytest
import yaml

from mpr_assets import definitions as wiring
from mpr_assets.definitions import STAGES
from mpr_assets.freshness.event_log import (
    read_made,
    read_observed,
    report,
    tell,
)
from mpr_assets.freshness.judge import (
    CONFIG_CHANGED,
    Materialization,
    StageNode,
    StageState,
    Verdict,
    changed,
    judge,
    of_timeline,
    overridden_version,
)
from tests.mpr_assets.settings_matrix import (
    ALL,
    NODES,
    TIMELINES,
    Matrix,
    another,
    below,
)

A, B, C = StageNode("a", (), "1"), StageNode("b", ("a",), "1"), StageNode("c", ("a", "b"), "1")
CONFIG = {"a": "s", "b": "s", "c": "s"}


def made(data: str = "d", *, code: str = "1", config: str = "s", **upstream: str) -> Materialization:
    return Materialization(1, 0.0, data, code, upstream, config)


WHOLE = {"a": made(), "b": made(a="d"), "c": made(a="d", b="d")}
FRESH = [Verdict("a", StageState.FRESH), Verdict("b", StageState.FRESH), Verdict("c", StageState.FRESH)]


def overridden(one: Materialization, config: str = "other") -> Materialization:
    return replace(one, overrides={"fps": 3}, config=config)


JUDGED: dict[str, tuple[Mapping[str, Materialization], Mapping[str, str], list[Verdict]]] = {
    "nothing was made": ({}, CONFIG, [Verdict(name, StageState.MISSING) for name in "abc"]),
    "all is as it was": (WHOLE, CONFIG, FRESH),
    "the first has other settings": (
        WHOLE,
        CONFIG | {"a": "t"},
        [
            Verdict("a", StageState.STALE, (CONFIG_CHANGED,)),
            Verdict("b", StageState.STALE, ("a is stale",)),
            Verdict("c", StageState.STALE, ("a is stale", "b is stale")),
        ],
    ),
    "the last has other settings": (
        WHOLE,
        CONFIG | {"c": "t"},
        [*FRESH[:2], Verdict("c", StageState.STALE, (CONFIG_CHANGED,))],
    ),
    "the middle was made anew with another result": (
        WHOLE | {"b": made("e", a="d")},
        CONFIG,
        [*FRESH[:2], Verdict("c", StageState.STALE, ("b has another result",))],
    ),
    "the middle was made anew with an equal result": (
        WHOLE | {"b": made("d", config="t", a="d")},
        CONFIG | {"b": "t"},
        FRESH,
    ),
    "the middle is missing": (
        {"a": made(), "c": made(a="d", b="d")},
        CONFIG,
        [FRESH[0], Verdict("b", StageState.MISSING), Verdict("c", StageState.STALE, ("b is missing",))],
    ),
    "older code": (
        WHOLE | {"c": made(code="0", a="d", b="d")},
        CONFIG,
        [*FRESH[:2], Verdict("c", StageState.STALE, ("code version 0 is now 1",))],
    ),
    "code, settings and an input at once": (
        {"a": made("e"), "b": made(code="0", config="t", a="d")},
        CONFIG,
        [
            FRESH[0],
            Verdict("b", StageState.STALE, ("code version 0 is now 1", CONFIG_CHANGED, "a has another result")),
            Verdict("c", StageState.MISSING),
        ],
    ),
    "overridden": (
        WHOLE | {"c": overridden(WHOLE["c"])},
        CONFIG,
        [*FRESH[:2], Verdict("c", StageState.OVERRIDDEN, (), {"fps": 3})],
    ),
    "overridden, and the profile changed": (
        WHOLE | {"c": overridden(WHOLE["c"])},
        CONFIG | {"c": "t"},
        [*FRESH[:2], Verdict("c", StageState.OVERRIDDEN, (), {"fps": 3})],
    ),
    "overridden, and the profile took it over": (
        WHOLE | {"c": overridden(WHOLE["c"], "t")},
        CONFIG | {"c": "t"},
        FRESH,
    ),
    "overridden with an equal result leaves the rest": (
        WHOLE | {"a": overridden(WHOLE["a"])},
        CONFIG,
        [Verdict("a", StageState.OVERRIDDEN, (), {"fps": 3}), *FRESH[1:]],
    ),
    "overridden, and its input has another result": (
        WHOLE | {"a": made("e"), "b": overridden(WHOLE["b"])},
        CONFIG,
        [
            FRESH[0],
            Verdict("b", StageState.STALE, ("a has another result",), {"fps": 3}),
            Verdict("c", StageState.STALE, ("a has another result", "b is stale")),
        ],
    ),
    "settings that cannot be told": (WHOLE, {"a": "s", "c": "s"}, FRESH),
}


@pytest.mark.parametrize("name", JUDGED)
def test_judge(name: str) -> None:
    of_stages, config, expected = JUDGED[name]
    assert judge([A, B, C], of_stages, config) == expected


def test_judge_of_no_stages() -> None:
    assert judge([], {}, {}) == []


CHANGED: dict[str, tuple[dict[str, dict[str, str]], dict[str, dict[str, str]], list[tuple[str, str, str]]]] = {
    "nothing": ({}, {}, []),
    "a timeline without stages": ({"x": {}}, {}, []),
    "never observed": ({"x": {"a": "s", "b": "s"}}, {}, [("a", "x", "s"), ("b", "x", "s")]),
    "as observed": ({"x": {"a": "s"}}, {"a": {"x": "s"}}, []),
    "one of two timelines": ({"x": {"a": "s"}, "y": {"a": "s"}}, {"a": {"x": "s", "y": "r"}}, [("a", "y", "s")]),
    "overridden since": ({"x": {"a": "s"}}, {"a": {"x": overridden_version("s", "run")}}, []),
    "overridden, then changed": ({"x": {"a": "t"}}, {"a": {"x": overridden_version("s", "run")}}, [("a", "x", "t")]),
    "a timeline that is gone": ({}, {"a": {"x": "s"}}, []),
}


@pytest.mark.parametrize("name", CHANGED)
def test_changed(name: str) -> None:
    current, observed, expected = CHANGED[name]
    assert changed(current, observed) == expected


# The matrix: every setting of every stage, in one of two profiles with three timelines each.


@pytest.fixture(scope="module")
def matrix_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Matrix]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Matrix.make(tmp_path_factory.mktemp("matrix"), instance)


@pytest.fixture
def matrix(matrix_once: Matrix) -> Iterator[Matrix]:
    """Everything is fresh before, and after it is changed back."""
    yield matrix_once
    matrix_once.reset()
    matrix_once.observe()


SETTINGS = [(stage.name, name) for stage in STAGES for name in stage.settings.model_fields]
FIXED = {("timeline", "enabled")} | {
    (stage.name, name)
    for stage in STAGES
    if not stage.settings().enabled  # a stage that is off depends on no other setting of its
    for name in stage.settings.model_fields
}
"""Settings whose change cannot mean anything, or that have one value only."""
CASES = [(stage, name) for stage, name in SETTINGS if (stage, name) not in FIXED]


def test_the_matrix_has_every_setting() -> None:
    assert len(CASES) > 60
    assert [case for case in CASES if another(*case) is None] == []


@pytest.mark.parametrize(("stage", "name"), CASES, ids=[".".join(case) for case in CASES])
def test_a_setting_makes_its_stage_and_what_depends_on_it_stale(matrix: Matrix, stage: str, name: str) -> None:
    matrix.write("one", {stage: {name: another(stage, name)}})
    expected = dict.fromkeys(TIMELINES["one"], below(stage))
    assert matrix.stale() == expected
    changes = matrix.observe()
    assert {(of, timeline) for of, timeline, _ in changes} == {(stage, timeline) for timeline in TIMELINES["one"]}
    assert len(changes) == 3
    cause = [f"has a new dependency data version config/{stage}"]
    told = matrix.stale_in_dagster([stage], ["one-0", "one-2", "two-1"])
    assert told == {("one-0", stage): cause, ("one-2", stage): cause}


@pytest.mark.parametrize("stage", [stage.name for stage in STAGES if stage.inputs and stage.settings().enabled])
def test_nothing_else_is_stale_in_dagster_and_changed_back_nothing_is(matrix: Matrix, stage: str) -> None:
    name = next(name for of, name in CASES if of == stage)
    matrix.write("one", {stage: {name: another(stage, name)}})
    matrix.observe()
    timelines, stages = (TIMELINES["one"][0], TIMELINES["two"][0]), [one.name for one in NODES]
    assert set(matrix.stale_in_dagster(stages, timelines)) == {(timelines[0], stage)}
    matrix.reset()
    matrix.observe()
    assert matrix.stale_in_dagster(stages, timelines) == {}
    assert matrix.stale() == {}


def reordered(text: str) -> str:
    """Sections and the keys in them the other way round."""
    data = {
        key: dict(reversed(value.items())) if isinstance(value, dict) else value
        for key, value in yaml.safe_load(text).items()
    }
    return yaml.safe_dump(dict(reversed(data.items())), sort_keys=False)


MEANINGLESS = {
    "a comment": lambda text: f"# changed today\n{text}# and here\n",
    "blank lines": lambda text: text.replace("\n", "\n\n"),
    "keys in another order": reordered,
    "another spelling of a number": lambda text: text.replace("fps: 2.0", "fps: 2"),
    "a value in quotes": lambda text: text.replace("brands: one.brands.yaml", "brands: 'one.brands.yaml'"),
    "a default written out": lambda text: text + "field_segmentation:\n  enabled: true\n",
    "an empty section": lambda text: text + "detect_edges: {}\n",
    "a description": lambda text: text + "description: what this is for\n",
    "replay": lambda text: text + "replay: automatic\n",
    "a setting of a stage that is off": lambda text: text + "escalate_vlm: {enabled: false}\n",
}


@pytest.mark.parametrize("name", MEANINGLESS)
def test_an_edit_without_meaning_makes_nothing_stale(matrix: Matrix, name: str) -> None:
    path = matrix.path("one")
    before = path.read_text()
    path.write_text(MEANINGLESS[name](before))
    assert path.read_text() != before
    matrix.profiles.load("one")
    assert matrix.stale() == {}
    assert matrix.observe() == []


PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63606060000000040001f61738"
    "550000000049454e44ae426082"
)


def brands(text: str) -> Any:
    def change(matrix: Matrix) -> None:
        (matrix.folder / "profiles" / "one.brands.yaml").write_text(text)

    return change


def logo(brand: str) -> Any:
    def change(matrix: Matrix) -> None:
        folder = matrix.folder / "one-logos" / brand
        folder.mkdir()
        (folder / "a.png").write_bytes(PNG)

    return change


def model(routine: str) -> Any:
    def change(matrix: Matrix) -> None:
        matrix.host.models[routine] = "2"

    return change


def switch(stage: str) -> Any:
    def change(matrix: Matrix) -> None:
        matrix.switches[stage] = "it is not wanted here"

    return change


def another_file(matrix: Matrix) -> None:
    path = matrix.folder / "one-0.mp4"
    path.write_bytes(path.read_bytes() + b"more")


OF_ONE, OF_ALL = TIMELINES["one"], ALL
OUTSIDE: dict[str, tuple[Any, list[str], set[str]]] = {
    "another brand": (brands("brands: [Acme, Beta, Gamma]\n"), OF_ONE, below("match_brands")),
    "an alias": (brands("brands: [{name: Acme, aliases: [Acme Corp]}, Beta]\n"), OF_ONE, below("match_brands")),
    "a brand less": (brands("brands: [Acme]\n"), OF_ONE, below("match_brands")),
    "brands in another order": (brands("# of today\nbrands: [{name: Beta}, Acme]\n"), OF_ONE, set()),
    "a logo of a brand": (logo("Acme"), OF_ONE, below("detect_objects")),
    "a logo of a brand that nobody looks for": (logo("Other"), OF_ONE, set()),
    "another model of segment_field": (model("segment_field"), OF_ALL, below("field_segmentation")),
    "another model of detect_edges": (model("detect_edges"), OF_ALL, below("detect_edges")),
    "another model of detect": (model("detect"), OF_ALL, below("detect_objects")),
    "another model of preprocess": (model("preprocess"), OF_ALL, below("preprocess")),
    "another model of ocr": (model("ocr"), OF_ALL, below("run_ocr")),
    "another model that no stage uses": (model("other"), OF_ALL, set()),
    "a stage switched off by the environment": (switch("run_ocr"), OF_ALL, below("run_ocr")),
    "a stage that is off anyway": (switch("escalate_vlm"), OF_ALL, set()),
    "another file": (another_file, ["one-0"], below("timeline")),
}


@pytest.mark.parametrize("name", [name for name in OUTSIDE if name != "another file"] + ["another file"])
def test_what_is_outside_the_graph(matrix: Matrix, name: str) -> None:
    change, timelines, expected = OUTSIDE[name]
    kept = (matrix.folder / "one-0.mp4").read_bytes(), (matrix.folder / "one-0.mp4").stat()
    change(matrix)
    assert matrix.stale() == {timeline: expected for timeline in timelines if expected}
    (matrix.folder / "one-0.mp4").write_bytes(kept[0])
    os.utime(matrix.folder / "one-0.mp4", ns=(kept[1].st_atime_ns, kept[1].st_mtime_ns))


@pytest.mark.parametrize("stage", [one.name for one in NODES])
def test_a_new_version_of_a_stages_code(matrix: Matrix, stage: str) -> None:
    nodes = [replace(one, code_version="99") if one.name == stage else one for one in NODES]
    of_all = read_made(matrix.instance, nodes, ["two-1"])
    judged = judge(nodes, of_timeline(of_all, "two-1"), matrix.config(["two-1"])["two-1"])
    assert {one.stage for one in judged if one.state is not StageState.FRESH} == below(stage)
    before = next(one.code_version for one in NODES if one.name == stage)
    assert next(one.causes for one in judged if one.stage == stage) == (f"code version {before} is now 99",)


def test_a_new_version_of_a_stages_code_in_dagster(matrix: Matrix, monkeypatch: pytest.MonkeyPatch) -> None:
    newer = tuple(replace(one, code_version="newer") if one.name == "run_ocr" else one for one in STAGES)
    monkeypatch.setattr(wiring, "STAGES", newer)
    told = matrix.stale_in_dagster([one.name for one in NODES], ["one-1", "two-1"], matrix.definitions())
    assert told == {(timeline, "run_ocr"): ["has a new code version"] for timeline in ("one-1", "two-1")}


# Runs, on a timeline of their own.


def test_a_to_b_to_a_by_runs(matrix: Matrix) -> None:
    timeline, stages = "two-2", [one.name for one in NODES]
    first = of_timeline(read_made(matrix.instance, NODES, [timeline]), timeline)
    for settings in ({"field_segmentation": {"min_area_ratio": 0.9}}, {}):
        matrix.write("two", settings)
        matrix.observe()
        stale = matrix.stale([timeline])[timeline]
        assert stale == below("field_segmentation")
        matrix.run(timeline, *sorted(stale))
        assert matrix.stale([timeline]) == {}
        assert matrix.stale_in_dagster(stages, [timeline]) == {}
    last = of_timeline(read_made(matrix.instance, NODES, [timeline]), timeline)
    assert {name: one.data_version for name, one in last.items()} == {
        name: one.data_version for name, one in first.items()
    }


def test_an_equal_result_leaves_what_depends_on_it_fresh(matrix: Matrix) -> None:
    timeline, stages = "two-2", [one.name for one in NODES]
    matrix.write("two", {"filter_scenes": {"block_change_max": 4.5}})
    matrix.observe()
    assert matrix.stale([timeline])[timeline] == below("filter_scenes")
    matrix.run(timeline, "filter_scenes")
    assert matrix.stale([timeline]) == {}
    assert matrix.stale_in_dagster(stages, [timeline]) == {}
    matrix.reset()
    matrix.observe()
    matrix.run(timeline, "filter_scenes")


def test_overrides_are_shown_until_a_run_without_them(matrix: Matrix) -> None:
    timeline = "two-2"
    matrix.run(timeline, "match_brands", overrides={"match_brands": {"min_confidence": 0.7, "edit_share": 0.18}})
    assert matrix.verdicts(timeline)["match_brands"] == Verdict(
        "match_brands", StageState.OVERRIDDEN, (), {"min_confidence": 0.7}
    )
    assert set(matrix.stale_in_dagster([one.name for one in NODES], [timeline])) == {(timeline, "match_brands")}
    assert matrix.observe() == []
    matrix.write("two", {"match_brands": {"min_confidence": 0.7}})
    assert matrix.stale([timeline]) == {}, "the profile has taken them over"
    matrix.reset()
    matrix.run(timeline, "match_brands")
    assert matrix.stale([timeline]) == {}
    assert matrix.stale_in_dagster(["match_brands"], [timeline]) == {}


def test_overrides_equal_to_the_profile_are_none(matrix: Matrix) -> None:
    timeline = "two-2"
    matrix.run(timeline, "match_brands", overrides={"match_brands": {"min_confidence": 0.5}})
    assert matrix.stale([timeline]) == {}
    assert matrix.stale_in_dagster(["match_brands"], [timeline]) == {}


def test_what_is_told_of_a_timeline_makes_nothing_stale(matrix: Matrix) -> None:
    timeline = "two-2"
    assert tell(matrix.instance, {timeline: [*matrix.verdicts(timeline).values()]}, {}) == 1
    assert matrix.stale_in_dagster([one.name for one in NODES], [timeline]) == {}


def test_frames_are_an_override(matrix: Matrix) -> None:
    timeline = "two-2"
    matrix.run(timeline, "field_segmentation", overrides={"field_segmentation": {"frames": "0"}})
    verdict = matrix.verdicts(timeline)["field_segmentation"]
    assert (verdict.state, verdict.overrides) == (StageState.OVERRIDDEN, {"frames": "0"})
    matrix.run(timeline, "field_segmentation")
    assert matrix.stale([timeline]) == {}


def test_a_cleared_stage_is_missing(matrix: Matrix) -> None:
    matrix.made = None
    cleared = dg.AssetMaterialization("compile_report", partition="one-2", tags={"dagster/data_version": "cleared"})
    matrix.instance.report_runless_asset_event(cleared)
    assert matrix.verdicts("one-2")["compile_report"] == Verdict("compile_report", StageState.MISSING)
    matrix.run("one-2", "compile_report")
    assert matrix.stale() == {}


def test_events_are_read_in_batches_of_some_timelines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mpr_resources.dagster_internals.BATCH", 2)
    with dg.DagsterInstance.ephemeral() as instance:
        report(instance, [("a", f"t{number}", f"v{number}") for number in range(5)])
        report(instance, [("a", "t1", "newer")])
        assert read_observed(instance, [A], ["t0", "t1", "t3"]) == {"a": {"t0": "v0", "t1": "newer", "t3": "v3"}}
        assert len(read_observed(instance, [A])["a"]) == 5
        assert read_made(instance, [A]) == {"a": {}}


def test_settings_that_cannot_be_told_are_left_out(matrix: Matrix, caplog: pytest.LogCaptureFixture) -> None:
    (matrix.folder / "profiles" / "one.brands.yaml").write_text("brands: 3\n")
    matrix.path("two").write_text("fbs: 1\n")
    config = matrix.config()
    assert set(config) == set(TIMELINES["one"])
    assert {stage for stage in (one.name for one in NODES) if stage not in config["one-0"]} == {
        "detect_objects",
        "match_brands",
        "compile_report",
        "evaluation",
    }
    assert len(caplog.messages) == 3 + 2 * len(TIMELINES["one"]), "once a profile, or once a timeline"
