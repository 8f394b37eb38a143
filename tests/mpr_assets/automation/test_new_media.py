from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpr_assets.automation.new_media import (
    MOST_A_TICK,
    MediaFile,
    Memory,
    decide,
    is_media,
    media_files,
    timeline_name,
)
from mpr_assets.automation.new_media_sensor import (
    LOOK_EVERY_S,
    look,
    new_media_sensor,
    request,
)
from mpr_assets.definitions import SECTIONS, STAGES
from mpr_assets.timelines.partitions import registered
from mpr_assets.timelines.spec import ChunkSpec, validate_timeline_name
from mpr_assets.timelines.spec_store import load_spec
from mpr_resources.database.connection import Database
from mpr_resources.profiles.folder import Profiles
from mpr_resources.storage.io_manager import StorageResource
from mpr_resources.storage.notices import leave, noticed
from mpr_resources.storage.store import ObjectInfo
from tests.mpr_assets.settings_matrix import LOG, Host

SIDE = "cup/final.mp4.yaml"


@pytest.mark.parametrize(
    ("key", "media"),
    [
        pytest.param("", False, id="nothing"),
        pytest.param("match.mp4", True, id="a video"),
        pytest.param("a/b/MATCH.MXF", True, id="below folders, in capitals"),
        pytest.param("match.mp4.yaml", False, id="a sidecar"),
        pytest.param("notes.txt", False, id="a text"),
        pytest.param("match.mp4.part", False, id="a download that goes on"),
        pytest.param(".match.mp4.Xy12", False, id="rsync's temporary file"),
        pytest.param("._match.mp4", False, id="what macOS leaves"),
        pytest.param(".trash/match.mp4", False, id="in a hidden folder"),
        pytest.param(".mp4", False, id="a suffix alone"),
        pytest.param("match.mp4.crdownload", False, id="a download of Chrome's"),
        pytest.param("match.mp4.download/match.mp4", False, id="a download of Safari's"),
        pytest.param("match.mp4~", False, id="an editor's copy"),
        pytest.param("~match.mp4", False, id="a temporary file of Windows"),
        pytest.param("a~1.mp4", True, id="a short name of Windows"),
        pytest.param("#recycle/a/match.mp4", False, id="in a bin of Synology's"),
        pytest.param("cup/$RECYCLE.BIN/match.mp4", False, id="in a bin of Windows"),
        pytest.param("lost+found/match.mp4", False, id="found by fsck"),
        pytest.param("recycle/part 1.mp4", True, id="words alone make no bin"),
    ],
)
def test_what_is_media(key: str, media: bool) -> None:
    assert is_media(key) is media


@pytest.mark.parametrize(
    ("key", "readable"),
    [
        pytest.param("match.mp4", "match", id="no folder"),
        pytest.param("soccer_broadcast/match 1.mp4", "soccer_broadcast-match-1", id="folder and space"),
        pytest.param("a/b/c.mp4", "a-b-c", id="deep"),
        pytest.param("…!.mp4", "media", id="nothing readable"),
        pytest.param("_x_.mp4", "x", id="a name must not begin with _"),
        pytest.param("試合.mp4", "試合", id="letters of any script"),
        pytest.param("x" * 300 + ".mp4", "x" * 60, id="long"),
        pytest.param("試" * 300 + ".mp4", "試" * 50, id="long in bytes"),
    ],
)
def test_a_timeline_has_a_readable_name(key: str, readable: str) -> None:
    name, _, digest = timeline_name(key).rpartition("-")
    assert (name, len(digest)) == (readable, 8)


@given(st.text(), st.text())
def test_a_timelines_name_can_be_used_and_is_its_own(key: str, other: str) -> None:
    assert validate_timeline_name(timeline_name(key)) == timeline_name(key)
    assert (timeline_name(key) == timeline_name(other)) is (key == other)


def test_names_that_look_alike_differ() -> None:
    keys = ["a-b/c.mp4", "a/b-c.mp4", "a/b/c.mp4", "a/b/c.mov", "a b c.mp4", "A/b/c.mp4"]
    assert len({timeline_name(key) for key in keys}) == len(keys)


def entry(key: str, size: int = 1, modified_s: float = 1.0, etag: str = "e") -> ObjectInfo:
    return ObjectInfo(key, size, modified_s, etag)


def version(*entries: ObjectInfo) -> str:
    [file] = media_files(entries)
    return file.version


@pytest.mark.parametrize(
    ("entries", "same"),
    [
        pytest.param([entry("a.mp4")], True, id="nothing changed"),
        pytest.param(
            [entry("a.mp4", modified_s=1.7)], True, id="only a fraction of a second, which S3 does not always tell"
        ),
        pytest.param([entry("a.mp4", etag='"e"')], True, id="the etag in quotes"),
        pytest.param([entry("a.mp4"), entry("b.mp4.yaml")], True, id="another file's sidecar"),
        pytest.param([entry("a.mp4", size=2)], False, id="it grew"),
        pytest.param([entry("a.mp4", modified_s=2.0)], False, id="written again"),
        pytest.param([entry("a.mp4", etag="f")], False, id="other bytes"),
        pytest.param([entry("a.mp4"), entry("a.mp4.yaml")], False, id="a sidecar came"),
        pytest.param([entry("b.mp4")], False, id="another file"),
    ],
)
def test_a_version_is_what_is_seen_of_a_file(entries: list[ObjectInfo], same: bool) -> None:
    assert (version(*entries) == version(entry("a.mp4"))) is same


def test_the_order_of_a_listing_does_not_count() -> None:
    entries = [entry("a.mp4"), entry("a.mp4.yaml"), entry("b.mp4"), entry("c.txt")]
    files = [MediaFile("a.mp4", version(*entries[:2]), entries[1]), MediaFile("b.mp4", version(entries[2]), None)]
    assert media_files(entries) == files
    assert sorted(media_files(reversed(entries)), key=lambda file: file.key) == files


A, B, C = (MediaFile(f"{name}.mp4", name, None) for name in "abc")
A2 = MediaFile("a.mp4", "a2", None)


@dataclass(frozen=True)
class Case:
    files: tuple[MediaFile, ...] = ()
    looks: dict[str, float] = field(default_factory=dict)
    taken: dict[str, str] = field(default_factory=dict)
    whole: tuple[str, ...] = ()
    most: int = 10
    take: tuple[MediaFile, ...] = ()
    left: dict[str, float] = field(default_factory=dict)
    backlog: bool = False


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(Case(), id="nothing"),
        pytest.param(Case((A,), left={"a": 100.0}), id="seen first"),
        pytest.param(Case((A,), {"a": 81.0}, left={"a": 81.0}), id="not long enough"),
        pytest.param(Case((A,), {"a": 80.0}, take=(A,)), id="long enough"),
        pytest.param(Case((A2,), {"a": 10.0}, left={"a2": 100.0}), id="it grew since"),
        pytest.param(Case((), {"a": 10.0}), id="it went away"),
        pytest.param(Case((A,), taken={A.timeline: "a"}), id="taken before"),
        pytest.param(Case((A2,), {"a2": 10.0}, {A.timeline: "a"}, take=(A2,)), id="another version of what was taken"),
        pytest.param(Case((A,), whole=("a.mp4",), take=(A,)), id="a notice tells that it is whole"),
        pytest.param(Case((A,), taken={A.timeline: "a"}, whole=("a.mp4",)), id="a notice of what was taken"),
        pytest.param(
            Case((C, A, B), {"a": 30.0, "b": 20.0, "c": 20.0}, most=2, take=(B, C), left={"a": 30.0}, backlog=True),
            id="too many: the longest waiting first",
        ),
        pytest.param(
            Case((A, B), {"a": 30.0, "b": 30.0}, whole=("b.mp4",), most=1, take=(B,), left={"a": 30.0}, backlog=True),
            id="too many: noticed ones first",
        ),
        pytest.param(Case((A,), {"a": 900.0}, left={"a": 100.0}), id="the clock was put back"),
    ],
)
def test_decide(case: Case) -> None:
    decision = decide(
        case.files, case.whole, Memory(looks=case.looks), case.taken, 100.0, settle_s=20.0, most=case.most
    )
    assert decision.take == case.take
    asked = {file.timeline: file.version for file in case.take}
    assert decision.memory(case.take) == Memory(looked_s=100.0, looks=case.left, asked=asked, backlog=case.backlog)


def test_what_a_tick_had_no_time_for_is_taken_by_the_next() -> None:
    decision = decide((A, B), (), Memory(looks={"a": 1.0, "b": 1.0}), {}, 100.0)
    memory = decision.memory([A])
    assert memory.backlog
    assert decide((A, B), (), memory, {A.timeline: "a"}, 105.0).take == (B,)


@pytest.mark.parametrize("cursor", [None, "", "0", "nonsense", '{"looks": 3}', '{"other": 1}'])
def test_a_cursor_that_is_none_is_an_empty_memory(cursor: str | None) -> None:
    assert Memory.parse(cursor) == Memory()


# On folders and an instance; runs are not made.


class Intake:
    """A media folder that is looked at. `now_s`: the time, which the test lets pass."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance) -> None:
        self.folder = folder / "media"
        self.instance = instance
        (folder / "profiles").mkdir()
        for name in ("generic", "cup"):
            (folder / "profiles" / f"{name}.yaml").write_text("description: a test\n")
        self.resources = SimpleNamespace(
            storage=StorageResource(url=str(folder / "storage")),
            media=StorageResource(url=str(self.folder)),
            inference=Host(),
            profiles=Profiles(folder / "profiles", SECTIONS),
            progress=None,
            switches={},
            database=Database(f"sqlite:///{folder}/registry.sqlite"),
        )
        self.storage = self.resources.storage.storage
        self.memory = Memory()
        self.now_s = 1000.0

    def put(self, key: str, text: str = "x", modified_s: float = 1.0) -> None:
        path = self.folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        os.utime(path, (modified_s, modified_s))

    def tick(self, *, lost: bool = False) -> list[str]:
        """The keys that a tick takes. `lost`: Dagster dies before it has what the tick gives."""
        self.now_s += LOOK_EVERY_S
        memory, done = look(self.instance, STAGES, self.resources, self.memory, self.now_s, LOG)
        self.memory = self.memory if lost else Memory.parse(memory.model_dump_json())
        return [file.key for file in done]

    def ticks(self, count: int = 5) -> list[str]:
        return [key for _ in range(count) for key in self.tick()]


@pytest.fixture
def intake(tmp_path: Path) -> Iterator[Intake]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Intake(tmp_path, instance)


def test_an_empty_folder_gives_nothing(intake: Intake) -> None:
    assert intake.ticks() == []
    assert registered(intake.instance) == []


def test_each_file_is_taken_once(intake: Intake) -> None:
    for key in ("a.mp4", "cup/a.mp4", "cup/old/a.mp4", "note.txt"):
        intake.put(key)
    assert intake.tick() == []
    assert sorted(intake.ticks()) == ["a.mp4", "cup/a.mp4", "cup/old/a.mp4"]
    names = [timeline_name(key) for key in ("a.mp4", "cup/a.mp4", "cup/old/a.mp4")]
    assert registered(intake.instance) == sorted(names)
    assert [load_spec(intake.storage, name).profile for name in names] == ["generic", "cup", "cup"]
    assert load_spec(intake.storage, names[1]).chunks == (
        ChunkSpec(source=str(intake.folder / "cup/a.mp4"), name="cup/a.mp4"),
    )
    assert intake.ticks() == []


def test_a_name_that_is_not_utf8_holds_up_no_other(intake: Intake, caplog: pytest.LogCaptureFixture) -> None:
    for key in ("a.mp4", "cup/a.mp4", "cup/b#2.mp4"):
        intake.put(key)
    folder = os.fsencode(intake.folder)
    (Path(os.fsdecode(folder + b"/cup/bad\xff.mp4"))).write_text("x")
    Path(os.fsdecode(folder + b"/\xfe")).mkdir()
    Path(os.fsdecode(folder + b"/\xfe/c.mp4")).write_text("x")
    assert sorted(intake.ticks(3)) == ["a.mp4", "cup/a.mp4", "cup/b#2.mp4"]
    told = (
        "Ignored: '\\udcfe' (not UTF-8), 'cup/bad\\udcff.mp4' (not UTF-8). "
        "Rename them, change their permissions or remove the link."
    )
    assert [record.getMessage() for record in caplog.records] == [told] * 3


def test_what_a_tick_sees_does_not_depend_on_a_name_that_is_not_utf8(intake: Intake) -> None:
    for key in ("a.mp4", "cup/a.mp4"):
        intake.put(key)
    before = media_files(intake.resources.media.storage.entries())
    Path(os.fsdecode(os.fsencode(intake.folder) + b"/\xff.mp4")).write_text("x")
    entries, _ = intake.resources.media.storage.readable_entries()
    assert sorted(media_files(entries), key=lambda one: one.key) == sorted(before, key=lambda one: one.key)


def test_what_grows_is_left_until_it_stops(intake: Intake) -> None:
    for length in range(6):
        intake.put("a.mp4", "x" * length, modified_s=float(length))
        assert intake.tick() == []
    assert intake.ticks() == ["a.mp4"]


def test_what_changes_is_taken_again_once(intake: Intake) -> None:
    intake.put("cup/final.mp4")
    assert intake.ticks() == ["cup/final.mp4"]
    before = load_spec(intake.storage, timeline_name("cup/final.mp4"))
    intake.put("cup/final.mp4", modified_s=9.0)
    assert intake.ticks() == ["cup/final.mp4"]
    assert load_spec(intake.storage, timeline_name("cup/final.mp4")).version != before.version
    intake.put(SIDE, "profile: generic\n")
    assert intake.ticks() == ["cup/final.mp4"]
    assert load_spec(intake.storage, timeline_name("cup/final.mp4")).profile == "generic"
    assert len(registered(intake.instance)) == 1


def test_what_changes_under_a_run_is_taken_when_it_has_ended(intake: Intake) -> None:
    intake.put("cup/final.mp4")
    intake.ticks()
    tags = {"dagster/partition": timeline_name("cup/final.mp4")}
    at_work = dg.DagsterRun("mpr", status=dg.DagsterRunStatus.STARTED, tags=tags)
    intake.instance.run_storage.add_run(at_work)
    intake.put(SIDE, "profile: generic\n")
    assert intake.ticks() == []
    assert load_spec(intake.storage, timeline_name("cup/final.mp4")).profile == "cup"
    intake.instance.report_run_failed(at_work)
    assert intake.ticks() == ["cup/final.mp4"]
    assert load_spec(intake.storage, timeline_name("cup/final.mp4")).profile == "generic"


@pytest.mark.parametrize("forget", [lambda intake: None, lambda intake: setattr(intake, "memory", Memory())])
def test_a_tick_that_is_lost_is_made_again(intake: Intake, forget: Callable[[Intake], None]) -> None:
    intake.put("a.mp4")
    intake.put("b.mp4")
    intake.ticks(2)
    assert intake.tick(lost=True) == ["a.mp4", "b.mp4"]
    forget(intake)
    assert intake.ticks() == ["a.mp4", "b.mp4"]
    forget(intake)
    assert intake.ticks() == []


def test_many_files_are_taken_in_bounded_ticks(intake: Intake) -> None:
    for number in range(MOST_A_TICK + 5):
        intake.put(f"{number:04}.mp4")
    taken = [intake.tick() for _ in range(5)]
    assert [len(keys) for keys in taken] == [0, 0, MOST_A_TICK, 5, 0]
    assert len({key for keys in taken for key in keys}) == MOST_A_TICK + 5


def test_a_tick_without_time_takes_a_few_and_the_next_goes_on(intake: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mpr_assets.automation.new_media_sensor.TICK_S", 0.0)
    intake.put("a.mp4")
    assert intake.ticks() == []
    monkeypatch.undo()
    assert intake.tick() == ["a.mp4"]


SIDECARS = {
    "profile": ("profile: cup\n", {"profile": "cup"}),
    "absolute brands": ("brands: /b.yaml\n", {"brands": "/b.yaml"}),
    "brands among the media": (
        "brands: '{folder}/sub/../b.yaml'\n",
        {"refused": "{side}: The brand file {folder}/sub/../b.yaml lies in the watched folder; move it to"},
    ),
    "chunks": (
        "chunks: ['00:10-00:12', '1:00-1:30.5']\n",
        {"chunks": [(10_000, 12_000, None), (60_000, 90_500, None)]},
    ),
    "stream": ("stream: 2\n", {"chunks": [(None, None, 2)]}),
    "stream of chunks": ("{stream: 0, chunks: ['1-2', '3-4']}\n", {"chunks": [(1000, 2000, 0), (3000, 4000, 0)]}),
    "no stream": ("stream: -1\n", {"refused": "{side}: stream is -1, which is out of range; give at least 0."}),
    "no time of recording": (
        "recorded_at: 4 May\n",
        {"refused": "{side}: '4 May' is not a time of recording; write it like 2026-05-04T20:45"},
    ),
    "unknown key": (
        "chunk: [0-1]\n",
        {"refused": "unknown key `chunk` in {side} at the top level; did you mean `chunks`?"},
    ),
    "no span": (
        "chunks: [nonsense]\n",
        {"refused": "{side}: The chunk 'nonsense' is not a span of time; write it as START-END"},
    ),
    "empty": ("", {"refused": "{side} is empty; it needs at least `profile`, `brands`, `chunks`, `stream`"}),
    "large": ("# " + "x" * 100_000, {"refused": "{side} has more than 100 kB; make it shorter."}),
    "an empty number": ('profile: !!int ""', {"refused": "{side}, line 1, column 10: the value `` does not fit"}),
    "not YAML": ("a: [", {"refused": "{side}, line 1"}),
}


@pytest.mark.parametrize("name", SIDECARS)
def test_a_sidecar(intake: Intake, name: str) -> None:
    text, expected = SIDECARS[name]
    intake.put("final.mp4")
    intake.put("final.mp4.yaml", text.replace("{folder}", str(intake.folder)))
    assert intake.ticks() == ["final.mp4"]
    spec = load_spec(intake.storage, timeline_name("final.mp4"))
    said: dict[str, Any] = {"profile": spec.profile, "brands": spec.brands, "refused": spec.refused}
    said["chunks"] = [(chunk.start_ms, chunk.end_ms, chunk.stream) for chunk in spec.chunks]
    usual = {"profile": "generic", "brands": None, "refused": None, "chunks": [(None, None, None)]}
    if "refused" in expected:
        begins = expected["refused"].format(side=intake.folder / "final.mp4.yaml", folder=intake.folder)
        assert said.pop("refused", "").startswith(begins)
        assert said | {"refused": None} == usual
    else:
        assert said == usual | expected


@pytest.mark.parametrize("written", ["2026-05-04T20:45", "'2026-05-04 20:45'", "2026-05-04 20:45:00"])
def test_a_sidecar_says_when_the_file_was_recorded(intake: Intake, written: str) -> None:
    intake.put("final.mp4")
    intake.put("final.mp4.yaml", f"recorded_at: {written}\nchunks: ['1-2', '3-4']\n")
    intake.ticks()
    spec = load_spec(intake.storage, timeline_name("final.mp4"))
    assert [chunk.recorded_at for chunk in spec.chunks] == ["2026-05-04T20:45:00"] * 2


def test_a_sidecars_brands_are_in_the_folder_of_profiles(intake: Intake) -> None:
    intake.put("final.mp4")
    intake.put("final.mp4.yaml", "brands: brands/cup.yaml\n")
    intake.ticks()
    folder = intake.resources.profiles.folder
    assert load_spec(intake.storage, timeline_name("final.mp4")).brands == str(folder / "brands/cup.yaml")


def test_a_notice_is_taken_at_once_and_is_the_same_file(intake: Intake) -> None:
    intake.put("a.mp4")
    intake.put("b.mp4")
    intake.tick()
    for key in ("a.mp4", "a.mp4", "gone.mp4"):
        leave(intake.storage, key)
    intake.now_s -= LOOK_EVERY_S  # no time passes: only a notice brings a look
    assert intake.tick() == ["a.mp4"]
    assert list(noticed(intake.storage)) == ["a.mp4"], "kept until Dagster has the request for certain"
    assert intake.ticks() == ["b.mp4"]
    assert list(noticed(intake.storage)) == []


def test_a_request_names_its_version(intake: Intake) -> None:
    asked = request(A)
    assert (asked.run_key, asked.partition_key, asked.tags) == (f"{A.timeline}-a", A.timeline, {"mpr/media": "a.mp4"})


def test_without_a_media_folder_the_sensor_says_so(intake: Intake) -> None:
    intake.resources.media = None
    with dg.build_sensor_context(intake.instance, resources=vars(intake.resources)) as context:
        said = new_media_sensor(STAGES, "mpr", on=False).evaluate_tick(context)
    assert str(said.skip_message).startswith("MPR_MEDIA_URL is not set: no folder or bucket is watched.")
