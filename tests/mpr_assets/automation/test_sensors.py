from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.partitions.context import partition_loading_context
from dagster._core.execution.backfill import BulkActionStatus

from gpu_service.errors import TransientError
from mpr_assets.automation.replay_decision import (
    CHANGE_TAG,
    MAX_ATTEMPTS,
    Replay,
    answered,
    decide,
    to_ask_for,
)
from mpr_assets.automation.sensors import (
    MAX_RUNS,
    config_sensor,
    replay_sensor,
    state_sensor,
)
from mpr_assets.definitions import (
    JOB,
    SECTIONS,
    STAGES,
    definitions,
)
from mpr_assets.freshness.config_versions import config_versions, node, usable_timelines
from mpr_assets.freshness.event_log import read_observed
from mpr_assets.freshness.judge import CONFIG_CHANGED, Materialization, StageNode
from mpr_assets.timelines.partitions import register
from mpr_assets.timelines.spec import ChunkSpec, TimelineSpec
from mpr_resources.database.connection import Database
from mpr_resources.profiles.folder import Profiles
from mpr_resources.storage.io_manager import StorageResource
from tests.mpr_assets.settings_matrix import LOG, Host

A, B, C = StageNode("a", (), "1"), StageNode("b", ("a",), "1"), StageNode("c", ("b",), "1")
NODES = [A, B, C]
CONFIG = {"t": {"a": "s", "b": "s", "c": "s"}}


def made(
    event_id: int = 1, *, config: str = "s", time_s: float = 10.0, run_id: str = "r", **upstream: str
) -> Materialization:
    return Materialization(event_id, time_s, "d", "1", upstream, config, run_id=run_id)


WHOLE = {"a": {"t": made(1)}, "b": {"t": made(2, a="d")}, "c": {"t": made(3, b="d")}}
STALE = CONFIG["t"] | {"b": "u"}


@dataclass(frozen=True)
class Case:
    made: dict[str, dict[str, Materialization]]
    config: dict[str, dict[str, str]]
    stages: tuple[str, ...] | None = None
    automatic: tuple[str, ...] = ("t",)
    busy: tuple[str, ...] = ()
    overrides: Any = None


OVERRIDDEN = WHOLE | {"b": {"t": replace(made(2, a="d", config="o"), overrides={"fps": None, "frames": "1"})}}
CASES = {
    "nothing at all": Case({}, {}, automatic=()),
    "never materialized": Case({}, CONFIG),
    "all fresh": Case(WHOLE, CONFIG),
    "settings changed": Case(WHOLE, {"t": STALE}, ("b", "c")),
    "not automatic": Case(WHOLE, {"t": STALE}, automatic=()),
    "a run at work": Case(WHOLE, {"t": STALE}, busy=("t",)),
    "another timeline's run": Case(WHOLE, {"t": STALE}, ("b", "c"), busy=("u",)),
    "settings of a stage cannot be told": Case(WHOLE, {"t": {"a": "s", "b": "u"}}),
    "a stage between is missing": Case({"a": WHOLE["a"], "c": WHOLE["c"]}, CONFIG, ("b", "c")),
    "a stage between and the first": Case({"c": WHOLE["c"]}, CONFIG, ("a", "b", "c")),
    "the last was never made": Case({"a": WHOLE["a"], "b": WHOLE["b"]}, {"t": STALE}, ("b",)),
    "overridden only": Case(OVERRIDDEN, CONFIG),
    "overridden, and what it reads is stale": Case(
        OVERRIDDEN, {"t": CONFIG["t"] | {"a": "u"}}, ("a", "b", "c"), overrides={"b": {"fps": None, "frames": "1"}}
    ),
}


def asked(case: Case) -> list[Replay]:
    return decide(case.made, case.config, NODES, case.automatic, case.busy)


@pytest.mark.parametrize("name", CASES)
def test_decide(name: str) -> None:
    case = CASES[name]
    replays = asked(case)
    assert [(one.timeline, one.stages) for one in replays] == ([("t", case.stages)] if case.stages else [])
    assert [one.overrides for one in replays] == ([case.overrides or {}] if case.stages else [])


def test_a_replay_keeps_overrides_as_the_launchpad_has_them() -> None:
    [replay] = asked(CASES["overridden, and what it reads is stale"])
    assert replay.run_config == {"ops": {"b": {"config": {"frames": "1", "set_to_none": ["fps"]}}}}


def test_there_and_back_are_asked_for_each_time() -> None:
    """Settings s, u, s, u, each followed by a run: the same change on another state has another key."""
    keys = []
    for generation, (before, now) in enumerate([("s", "u"), ("u", "s"), ("s", "u")]):
        last = {"t": made(10 + generation, config=before, a="d")}
        [replay] = asked(Case(WHOLE | {"b": last}, {"t": CONFIG["t"] | {"b": now}}))
        keys.append(replay.key)
    assert len(set(keys)) == 3


def test_a_change_is_the_same_for_all_that_it_touches_and_not_for_others() -> None:
    of_both = {stage: {"t": one["t"], "u": replace(one["t"], event_id=99)} for stage, one in WHOLE.items()}
    both = asked(Case(of_both, {"t": STALE, "u": STALE}, automatic=("u", "t")))
    assert [one.timeline for one in both] == ["t", "u"]
    assert both[0].change == both[1].change
    assert both[0].key != both[1].key
    [other] = asked(Case(WHOLE, {"t": STALE | {"b": "v"}}))
    assert other.change != both[0].change


def test_new_code_of_the_first_stage_is_one_change_though_its_settings_are_each_timeline_s_own() -> None:
    of_both = {
        stage: {"t": one["t"], "u": replace(one["t"], config="own" if stage == "a" else "s")}
        for stage, one in WHOLE.items()
    }
    config = {"t": CONFIG["t"], "u": CONFIG["t"] | {"a": "own"}}
    both = decide(of_both, config, [replace(A, code_version="2"), B, C], ("t", "u"), ())
    assert [one.stages for one in both] == [("a", "b", "c")] * 2
    assert both[0].change == both[1].change


TO_ASK_FOR: dict[str, tuple[list[float], float, str | None]] = {
    # times of failed runs, time of the backfill, the attempt; what is to be made again was made at 10
    "never asked for": ([], 0, "key-0"),
    "failed once": ([11], 0, "key-1"),
    "failed twice": ([11, 12], 0, "key-2"),
    "failed three times": ([11, 12, 13], 0, None),
    "failed before it was last made": ([8, 9], 0, "key-0"),
    "a backfill was made for it": ([], 11, None),
    "a backfill was made before": ([], 9, "key-0"),
    "failed in a backfill": ([12], 11, "key-1"),
    "failed three times in backfills": ([12, 13, 14], 11, None),
}


@pytest.mark.parametrize("name", TO_ASK_FOR)
def test_to_ask_for(name: str) -> None:
    failed_s, backfilled_s, expected = TO_ASK_FOR[name]
    replay = Replay("t", ("b",), {}, "change", "key", 10.0)
    asked = to_ask_for(
        [replay], {("t", "change"): failed_s, ("u", "change"): [11.0] * 9}, {"change": backfilled_s, "another": 99.0}
    )
    assert [one.key for one in asked] == ([expected] if expected else [])


ANSWERED = {
    "made by other runs": (WHOLE, {}, False),
    "made by this replay": (WHOLE, {"r": "change"}, True),
    "made by another replay": (WHOLE, {"r": "another"}, False),
    "its input was made since": (WHOLE | {"a": {"t": made(9)}}, {"r": "change"}, False),
    "half made": (WHOLE | {"c": {"t": made(3, run_id="x", b="d")}}, {"r": "change"}, False),
    "missing": ({"a": WHOLE["a"], "b": WHOLE["b"]}, {"r": "change"}, False),
}


@pytest.mark.parametrize("name", ANSWERED)
def test_answered(name: str) -> None:
    of_stages, changes, expected = ANSWERED[name]
    assert answered(Replay("t", ("b", "c"), {}, "change", "key", 0.0), of_stages, NODES, changes) is expected


# The sensors on an instance whose events are written by the test.


class House:
    """Registered timelines with events of materializations; nothing is computed."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance, count: int) -> None:
        self.instance = instance
        self.host = Host()
        self.storage = StorageResource(url=str(folder / "storage"))
        (folder / "profiles").mkdir()
        self.path = folder / "profiles" / "one.yaml"
        self.write()
        self.profiles = Profiles(folder / "profiles", SECTIONS)
        self.names = [f"t{number:04}" for number in range(count)]
        for name in self.names:
            chunk = ChunkSpec(source=str(folder / "none.mp4"), start_ms=None, end_ms=None)
            register(instance, self.storage.storage, TimelineSpec(name=name, profile="one", chunks=(chunk,)))
        self.graph = definitions({}, storage=self.storage, inference=self.host, profiles=self.profiles)  # type: ignore[arg-type]
        self.repository = self.graph.get_repository_def()

    def write(self, settings: str = "", replay: str = "automatic") -> None:
        self.path.write_text(f"replay: {replay}\n{settings}")

    def make(self, *stages: str, overrides: Any = None, run_id: str = "") -> None:
        """Say that the stages, or all, were materialized of every timeline with the settings as they are."""
        config = self.config()
        for stage in STAGES:
            for name in self.names if not stages or stage.name in stages else ():
                self.instance.report_runless_asset_event(
                    dg.AssetMaterialization(
                        stage.name,
                        partition=name,
                        tags={"dagster/data_version": "d", "dagster/code_version": stage.code_version},
                        metadata={
                            "upstream": dg.MetadataValue.json(dict.fromkeys(stage.inputs, "d")),
                            "overrides": dg.MetadataValue.json(overrides or {}),
                            "config_version": "o" if overrides else config[name][stage.name],
                        },
                    )
                )

    @property
    def resources(self) -> dict[str, Any]:
        here = {"storage": self.storage, "inference": self.host, "profiles": self.profiles}
        return here | {"progress": None, "switches": {}, "database": Database(f"sqlite:///{self.path}.registry.sqlite")}

    def config(self) -> dict[str, dict[str, str]]:
        resources = SimpleNamespace(**self.resources)
        return config_versions(STAGES, usable_timelines(self.names, resources, LOG), resources, LOG)

    def tick(self, sensor: dg.SensorDefinition) -> Any:
        with (
            partition_loading_context(dynamic_partitions_store=self.instance),
            dg.build_sensor_context(self.instance, repository_def=self.repository, resources=self.resources) as context,
        ):
            return sensor.evaluate_tick(context)

    def replays(self) -> list[dg.RunRequest]:
        return list(self.tick(replay_sensor(STAGES, JOB)).run_requests or [])

    def run(self, request: dg.RunRequest, status: dg.DagsterRunStatus) -> None:
        """The run that the request asks for, as the daemon would have made it."""
        self.instance.add_run(
            dg.DagsterRun(
                JOB,
                run_id=dg._core.utils.make_new_run_id(),  # type: ignore[attr-defined]
                status=status,
                tags={**request.tags, "dagster/partition": str(request.partition_key)},
            )
        )


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield House(tmp_path, instance, 2)


FROM_MATCH = [
    ["match_brands"],
    ["escalate_vlm"],
    ["escalate_cloud"],
    ["corrections"],
    ["compile_report"],
    ["evaluation"],
]
CHANGED = "match_brands: {min_confidence: 0.6}\n"


def test_settings_are_observed_once(house: House) -> None:
    sensor = config_sensor(STAGES)
    assert house.tick(sensor).skip_message == "no run is needed; 36 changed settings were observed."
    assert house.tick(sensor).skip_message is None
    house.write(CHANGED)
    assert house.tick(sensor).skip_message == "no run is needed; 2 changed settings were observed."
    records = dg.AssetRecordsFilter(dg.AssetKey(["config", "match_brands"]), asset_partitions=["t0001"])
    events = [one.asset_observation for one in house.instance.fetch_observations(records, limit=5).records]
    later, first = [one.metadata for one in events if one is not None]
    assert set(first) == {"settings"}
    assert later["changed_settings"].value == {"min_confidence": {"from": 0.5, "to": 0.6}}
    assert dict(later["settings"].value, min_confidence=0.5) == first["settings"].value  # type: ignore[call-overload]
    observed = read_observed(house.instance, [*map(node, STAGES)])
    assert observed["match_brands"] == {name: house.config()[name]["match_brands"] for name in house.names}


def test_states_are_told_where_they_changed(house: House) -> None:
    sensor = state_sensor(STAGES)
    assert house.tick(sensor).skip_message is None
    house.make()
    assert house.tick(sensor).skip_message == "no run is needed; the changed states of 2 of 2 timelines were noted."
    house.write(CHANGED)
    assert house.tick(sensor).skip_message == "no run is needed; the changed states of 2 of 2 timelines were noted."
    assert house.tick(sensor).skip_message is None
    records = dg.AssetRecordsFilter(dg.AssetKey("timeline"), asset_partitions=["t0001"])
    told = house.instance.fetch_observations(records, limit=1).records[0].asset_observation
    assert told is not None
    counts = {name: told.metadata[name].value for name in ("stale", "missing", "overridden")}
    assert counts == {"stale": 6, "missing": 0, "overridden": 0}
    rows = {str(row.data["stage"]): row.data for row in told.metadata["states"].records}  # type: ignore[attr-defined]
    assert rows["run_ocr"] == {"stage": "run_ocr", "state": "fresh", "why": ""}
    assert rows["match_brands"] == {"stage": "match_brands", "state": "stale", "why": CONFIG_CHANGED}
    house.make("match_brands", "escalate_vlm", "escalate_cloud", "corrections", "compile_report", "evaluation")
    assert house.tick(sensor).skip_message == "no run is needed; the changed states of 2 of 2 timelines were noted."


def test_stale_stages_are_asked_for_in_order(house: House) -> None:
    house.make()
    assert house.replays() == []
    house.write(CHANGED)
    requests = house.replays()
    assert [request.partition_key for request in requests] == house.names
    assert [[key.path for key in request.asset_selection or ()] for request in requests] == [FROM_MATCH] * 2
    assert len({request.tags[CHANGE_TAG] for request in requests}) == 1


def test_on_request_nothing_is_asked_for(house: House) -> None:
    house.make()
    house.write(CHANGED, replay="on_request")
    said = house.tick(replay_sensor(STAGES, JOB))
    assert (said.skip_message, said.run_requests) == (None, [])


def test_what_is_at_work_is_not_doubled_and_what_failed_is_asked_for_thrice(house: House) -> None:
    house.make()
    house.write(CHANGED)
    first, second = house.replays()
    house.run(second, dg.DagsterRunStatus.STARTED)
    assert [request.partition_key for request in house.replays()] == [first.partition_key]
    keys = []
    for _ in range(MAX_ATTEMPTS):
        [request] = house.replays()
        keys.append(request.run_key)
        house.run(request, dg.DagsterRunStatus.FAILURE)
    assert len(set(keys)) == MAX_ATTEMPTS
    assert house.replays() == []


def test_there_and_back_again(house: House) -> None:
    house.make()
    keys = set()
    for settings in (CHANGED, "", CHANGED):
        house.write(settings)
        keys |= {request.run_key for request in house.replays()}
        house.make("match_brands", "escalate_vlm", "escalate_cloud", "corrections", "compile_report", "evaluation")
        assert house.replays() == []
    assert len(keys) == 6


def test_overrides_are_left_alone_and_kept(house: House) -> None:
    house.make()
    house.make("match_brands", overrides={"min_confidence": 0.9})
    assert house.replays() == []
    house.write("run_ocr: {min_confidence: 0.6}\n")
    assert {json.dumps(request.run_config) for request in house.replays()} == {
        '{"ops": {"match_brands": {"config": {"min_confidence": 0.9}}}}'
    }


def test_a_broken_profile_stops_no_other(house: House) -> None:
    house.make()
    house.path.with_name("two.yaml").write_text("nonsense: 1\n")
    house.write(CHANGED)
    assert len(house.replays()) == 2


def test_a_host_that_is_away_leaves_its_timelines_alone(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.make()
    house.write(CHANGED)
    asked: list[str] = []

    def away(routine: Any, settings: Any) -> str:
        asked.append(routine.name)
        raise TransientError("http://gpu-host:8000 does not answer; start it.")

    monkeypatch.setattr(house.host, "identity", away)
    assert house.replays() == []
    assert len(asked) == 1, "one waiting is enough"
    assert house.tick(config_sensor(STAGES)).skip_message == "no run is needed; 20 changed settings were observed."


def test_a_thousand_timelines_become_one_backfill(tmp_path: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        house = House(tmp_path, instance, 1000)
        house.make("match_brands")
        house.write(CHANGED)
        said = house.tick(replay_sensor(STAGES, JOB))
        assert said.skip_message == "no single runs are needed; 1000 stale timelines are requested as backfills: 1."
        [backfill] = instance.get_backfills()
        assert backfill.status == BulkActionStatus.REQUESTED
        assert backfill.title == "Replay of 1000 timelines from timeline"
        assert backfill.asset_backfill_data is not None
        subset = backfill.asset_backfill_data.target_subset.get_partitions_subset(dg.AssetKey("match_brands"))
        assert len(list(subset.get_partition_keys())) == 1000
        assert house.replays() == [], "it is asked for once"
        assert len(instance.get_backfills()) == 1
        assert MAX_RUNS < 1000
