"""Sensors look at what changed: which settings a tick reports after each kind of change, and what an idle one reads."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import dagster as dg
import pytest
from dagster._core.definitions.partitions.context import partition_loading_context

from gpu_service.client.http import HttpInference
from gpu_service.errors import TransientError
from gpu_service.host.registry import ROUTINES
from mpr_assets.automation import sensors
from mpr_assets.automation.sensors import config_sensor, replay_sensor, state_sensor
from mpr_assets.definitions import JOB, SECTIONS, STAGES, definitions
from mpr_assets.freshness import config_versions as versions
from mpr_assets.freshness.config_versions import ConfigWatch, config_versions, node, usable_timelines
from mpr_assets.freshness.event_log import CLEARED, READ_ALL_S, made_events, read_made, read_observed, report
from mpr_assets.timelines.partitions import register
from mpr_assets.timelines.spec import ChunkSpec, TimelineSpec
from mpr_resources.brands.registry import Registry
from mpr_resources.brands.registry.entries import BrandRecord
from mpr_resources.database.connection import Database
from mpr_resources.inference.resource import InferenceResource
from mpr_resources.profiles.folder import Profiles
from mpr_resources.storage.io_manager import StorageResource
from mpr_resources.storage.store import Storage
from tests.crops import board
from tests.gpu_service.live import live_server
from tests.mpr_assets.settings_matrix import Host

LOG = logging.getLogger("test")
NODES = [node(stage) for stage in STAGES]
NAMES = [stage.name for stage in STAGES]
ASKED = ["preprocess", "segment_field", "detect_edges", "detect", "ocr"]
"""Routines of which a stage that is on asks what would make their answers."""
PROFILE_OF = {"a": "one", "b": "one", "c": "two"}
BRANDS = "brands:\n  - name: Acme\n"


def logo(number: int) -> bytes:
    return cv2.imencode(".png", board(number))[1].tobytes()


class Yard:
    """Three timelines, each with a video of its own; `a` and `b` have the profile `one`, with brands and logos."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance, inference: Any = None) -> None:
        self.folder, self.instance, self.host = folder, instance, Host()
        self.profiles_folder = folder / "profiles"
        (self.profiles_folder / "logos" / "Acme").mkdir(parents=True)
        self.write("one", "brands: one.brands.yaml\nlogos: logos\n")
        self.write("two", "description: plain\n")
        self.write("one.brands", BRANDS)
        (self.profiles_folder / "logos" / "Acme" / "1.png").write_bytes(logo(1))
        database = f"sqlite:///{folder / 'registry.sqlite'}"
        self.registry = Registry(database)
        self.storage = StorageResource(url=str(folder / "storage"))
        self.profiles = Profiles(self.profiles_folder, SECTIONS, self.registry)
        self.resources: dict[str, Any] = {
            "storage": self.storage,
            "inference": inference or self.host,
            "profiles": self.profiles,
            "progress": None,
            "switches": {},
            "database": Database(database),
        }
        self.repository = definitions(
            {},
            storage=self.storage,
            inference=self.host,
            profiles=self.profiles,  # type: ignore[arg-type]
        ).get_repository_def()
        for name, profile in PROFILE_OF.items():
            self.add(name, profile)

    def write(self, name: str, text: str) -> None:
        (self.profiles_folder / f"{name}.yaml").write_text(text)

    def video(self, name: str) -> Path:
        return self.folder / f"{name}.mp4"

    def add(self, name: str, profile: str, end_ms: int | None = None) -> None:
        if not self.video(name).exists():
            self.video(name).write_bytes(b"1")
        chunk = ChunkSpec(source=str(self.video(name)), start_ms=None, end_ms=end_ms)
        register(
            self.instance, self.storage.storage, TimelineSpec(name=name, profile=profile, chunks=(chunk,)), replace=True
        )

    def tick(self, sensor: dg.SensorDefinition) -> str:
        with (
            partition_loading_context(dynamic_partitions_store=self.instance),
            dg.build_sensor_context(self.instance, repository_def=self.repository, resources=self.resources) as context,
        ):
            said = sensor.evaluate_tick(context)
        return said.skip_message or f"{len(said.run_requests or ())} runs"

    def observed(self) -> dict[tuple[str, str], str]:
        found = read_observed(self.instance, NODES)
        return {(stage, name): version for stage, of in found.items() for name, version in of.items()}

    def changed_by(self, act: Callable[[], object]) -> set[tuple[str, str]]:
        """The pairs whose observed version is another after this."""
        before = self.observed()
        act()
        return {pair for pair, version in self.observed().items() if before.get(pair) != version}


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[Yard]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Yard(tmp_path, instance)


def pairs(stages: str, timelines: str) -> set[tuple[str, str]]:
    return {(stage, timeline) for stage in stages.split() for timeline in timelines}


CHANGES: dict[str, tuple[Callable[[Yard], object], set[tuple[str, str]]]] = {
    "nothing": (lambda yard: None, set()),
    "a comment in a profile": (lambda yard: yard.write("two", "description: plain  # so\n"), set()),
    "a setting of a profile": (
        lambda yard: yard.write("two", "match_brands: {min_confidence: 0.6}\n"),
        pairs("match_brands", "c"),
    ),
    "a brand file": (
        lambda yard: yard.write("one.brands", BRANDS + "  - name: Bolt\n"),
        pairs("match_brands compile_report", "ab"),
    ),
    "an entry of the registry": (
        lambda yard: yard.registry.add(BrandRecord("Zenith"), "me"),
        pairs("match_brands compile_report", "abc"),
    ),
    "a logo": (
        lambda yard: (yard.profiles_folder / "logos" / "Acme" / "1.png").write_bytes(logo(2)),
        pairs("detect_objects", "ab"),
    ),
    "a model of the host": (lambda yard: yard.host.models.update(ocr="2"), pairs("run_ocr", "abc")),
    "a video": (lambda yard: yard.video("b").write_bytes(b"22"), pairs("timeline", "b")),
    "a video goes": (lambda yard: yard.video("b").unlink(), pairs("timeline", "b")),
    "chunks of a timeline": (lambda yard: yard.add("a", "one", end_ms=9), pairs("timeline", "a")),
    "the profile of a timeline": (
        lambda yard: yard.add("c", "one"),
        pairs("match_brands detect_objects compile_report", "c"),
    ),
    "a new timeline": (lambda yard: yard.add("d", "two"), pairs(" ".join(NAMES), "d")),
    "a broken profile": (lambda yard: yard.write("one", "nonsense: 1\n"), set()),
}


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("name", CHANGES)
def test_what_a_tick_reports(yard: Yard, name: str, restarted: bool) -> None:
    act, expected = CHANGES[name]
    sensor = config_sensor(STAGES)
    assert yard.tick(sensor) == f"no run is needed; {3 * len(NAMES)} changed settings were observed."
    for _ in range(2):
        assert yard.tick(sensor) == "0 runs"
    act(yard)
    if restarted:
        sensor = config_sensor(STAGES)
    assert yard.changed_by(lambda: yard.tick(sensor)) == expected
    assert yard.changed_by(lambda: yard.tick(sensor)) == set(), "reported once"


def test_what_is_told_and_asked_for_after_a_change_is_as_a_new_sensor_has_it(yard: Yard) -> None:
    """Materialized, one setting changed, one stage cleared, one run deleted: warm watches have what cold ones read."""
    made, watch = made_events(NODES), ConfigWatch(STAGES)
    resources = SimpleNamespace(**yard.resources)
    steps: list[Callable[[], object]] = [
        lambda: None,
        lambda: [yard.instance.report_runless_asset_event(event("run_ocr", name, "1")) for name in PROFILE_OF],
        lambda: yard.write("two", "match_brands: {min_confidence: 0.6}\n"),
        lambda: yard.instance.report_runless_asset_event(event("run_ocr", "b", "2")),
        lambda: yard.instance.report_runless_asset_event(event("run_ocr", "a", CLEARED)),
        lambda: yard.add("d", "two"),
        lambda: yard.video("a").write_bytes(b"333"),
    ]
    names = [*PROFILE_OF]
    for step in steps:
        step()
        names = sorted(yard.instance.get_dynamic_partitions("timelines"))
        warm = watch.versions(watch.timelines(names, resources, LOG), resources, LOG)
        assert warm == config_versions(STAGES, usable_timelines(names, resources, LOG), resources, LOG)
        assert made.look(yard.instance) == read_made(yard.instance, NODES)
    assert set(read_made(yard.instance, NODES)["run_ocr"]) == {"b", "c"}


def event(stage: str, timeline: str, version: str) -> dg.AssetMaterialization:
    return dg.AssetMaterialization(stage, partition=timeline, tags={"dagster/data_version": version})


def test_the_whole_log_is_read_again_after_a_while(yard: Yard) -> None:
    """What was wiped leaves no event."""
    now_s = [0.0]
    made = made_events(NODES, clock=lambda: now_s[0])
    yard.instance.report_runless_asset_event(event("run_ocr", "a", "1"))
    assert set(made.look(yard.instance)["run_ocr"]) == {"a"}
    yard.instance.wipe_assets([dg.AssetKey("run_ocr")])
    now_s[0] = READ_ALL_S
    assert made.look(yard.instance)["run_ocr"] == {}


def test_what_a_tick_that_fails_halfway_left_is_reported_by_the_next(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    sensor = config_sensor(STAGES)

    def fails(instance: dg.DagsterInstance, changes: Any, *_: object) -> int:
        report(instance, changes[:5])
        raise TransientError("The database is away.")

    with monkeypatch.context() as patch:
        patch.setattr(versions, "report", fails)
        with pytest.raises(TransientError):
            yard.tick(sensor)
    assert len(yard.observed()) == 5
    assert yard.tick(sensor) == f"no run is needed; {3 * len(NAMES) - 5} changed settings were observed."
    assert yard.tick(sensor) == "0 runs"


def test_states_that_could_not_be_told_are_told_by_the_next_tick(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    sensor = state_sensor(STAGES)
    assert yard.tick(sensor) == "0 runs"
    yard.instance.report_runless_asset_event(event("run_ocr", "a", "1"))

    def fails(*_: object) -> int:
        raise TransientError("The database is away.")

    with monkeypatch.context() as patch:
        patch.setattr(sensors, "tell", fails)
        with pytest.raises(TransientError):
            yard.tick(sensor)
    assert yard.tick(sensor) == "no run is needed; the changed states of 1 of 3 timelines were noted."
    assert yard.tick(sensor) == "0 runs"


def test_remote_videos_are_asked_for_every_ten_minutes(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    state, asked, now_s = ["1"], [], [0.0]

    class Remote:
        def __init__(self, address: str) -> None:
            self.address = address

        def state(self) -> str:
            asked.append(self.address)
            return state[0]

    monkeypatch.setattr("mpr_resources.media.sources.Sources.at", lambda self, address: Remote(address))
    chunk = ChunkSpec(source="https://host/v.mp4", start_ms=None, end_ms=None)
    spec = TimelineSpec(name="a", profile="one", chunks=(chunk,))
    register(yard.instance, yard.storage.storage, spec, replace=True)
    watch, resources = ConfigWatch(STAGES, clock=lambda: now_s[0]), SimpleNamespace(**yard.resources)

    def version() -> str:
        return watch.versions(watch.timelines(["a"], resources, LOG), resources, LOG)["a"]["timeline"]

    first = version()
    state[0] = "2"
    assert (version(), len(asked)) == (first, 1)
    now_s[0] = versions.REMOTE_EVERY_S
    assert version() != first
    assert len(asked) == 2


def test_an_idle_tick_reads_no_timeline_and_asks_the_host_no_more_often_than_of_one_timeline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By sensor: objects read from the store, and requests to a live host, of three timelines and of thirty."""
    read: list[str] = []
    asked: list[str] = []
    get, ask = Storage.get, HttpInference._send_json

    def counted_get(self: Storage, key: str) -> bytes:
        read.append(key)
        return get(self, key)

    def counted_ask(self: HttpInference, path: str, body: bytes) -> Any:
        asked.append(path)
        return ask(self, path, body)

    with live_server(routines=ROUTINES) as url, dg.DagsterInstance.ephemeral() as instance:
        yard = Yard(tmp_path, instance, InferenceResource(url=url))
        all_of_them = [config_sensor(STAGES), state_sensor(STAGES), replay_sensor(STAGES, JOB)]
        counts: list[list[tuple[int, list[str]]]] = []
        for number in (3, 30):
            for more in range(number - 3):
                yard.add(f"more-{more}", "two")
            for sensor in all_of_them:
                yard.tick(sensor)
            monkeypatch.setattr(Storage, "get", counted_get)
            monkeypatch.setattr(HttpInference, "_send_json", counted_ask)
            of_number = []
            for sensor in all_of_them:
                read.clear()
                asked.clear()
                yard.tick(sensor)
                of_number.append((len(read), sorted(asked)))
            counts.append(of_number)
            monkeypatch.undo()
    each = sorted([f"/{name}/identity" for name in ASKED] * 2)
    assert counts == [[(0, each), (0, each), (0, [])]] * 2
