from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import pytest

from gpu_service.errors import BadInput
from mpr_assets.definitions import SECTIONS
from mpr_assets.engine.open_run import stage_run
from mpr_assets.engine.overrides import NO_OVERRIDES
from mpr_assets.stages.timeline import SCHEMA, resolve
from mpr_assets.stages.timeline import stage as timeline_stage
from mpr_assets.timelines.spec import (
    ChunkSpec,
    TimelineSpec,
    parse_chunk,
    validate_timeline_name,
)
from mpr_resources.database.connection import Database
from mpr_resources.media.probe import Probe
from mpr_resources.media.streams import StreamPlace
from mpr_resources.profiles.folder import Profiles
from mpr_resources.storage.io_manager import StorageResource
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.store import Storage
from tests.clips import write_numbered
from tests.mpr_assets.settings_matrix import LOG, Host

CHUNKS: dict[str, tuple[str, tuple[int, int]]] = {
    "hours": ("00:10:00-00:12:30", (600_000, 750_000)),
    "milliseconds": ("00:10:00.040-00:10:00.050", (600_040, 600_050)),
    "tenths": ("1.5-2.25", (1500, 2250)),
    "seconds": ("90-120", (90_000, 120_000)),
    "minutes": ("1:30-02:00", (90_000, 120_000)),
    "mixed": ("59-1:00:00", (59_000, 3_600_000)),
    "spaces": (" 1 - 2 ", (1000, 2000)),
    "from zero": ("0-0.001", (0, 1)),
}


@pytest.mark.parametrize("name", CHUNKS)
def test_parse_chunk(name: str) -> None:
    text, expected = CHUNKS[name]
    assert parse_chunk(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "-",
            "5",
            "5-",
            "-5",
            "a-b",
            "1-2-3",
            "1:60-2:00",
            "1:00:60-2:00:00",
            "1:60:00-3:00:00",
            "1:2:3:4-5",
            "1,5-2",
        ),
        *("1.2345-2", "1e3-2e3", "+1-2", "1:-2", "٣-٤", "\u0000-1"),
    ],
)
def test_a_chunk_that_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="is not a span of time; write it as START-END"):
        parse_chunk(text)


@pytest.mark.parametrize("text", ["5-5", "0-0", "00:02:00-00:01:00"])
def test_a_chunk_that_ends_before_it_starts_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="ends at or before its start"):
        parse_chunk(text)


@pytest.mark.parametrize("name", ["a", "match-1", "Match_2", "2024-05-01", "试合", "é", "a" * 100])
def test_a_good_name(name: str) -> None:
    assert validate_timeline_name(name) == name


BAD_NAMES: dict[str, tuple[str, str]] = {
    "empty": ("", "is empty; use letters, digits, _ and -, for example 'match-1'"),
    "slash": ("a/b", "holds '/'; use letters, digits, _ and -, for example 'a-b'"),
    "backslash": ("a\\b", r"holds '\\';"),
    "dot": ("match.1", "holds '.'"),
    "parent": ("..", "holds '.'"),
    "space": ("a b", "holds ' '"),
    "newline": ("a\n", r"holds '\n'"),
    "control": ("a\x07b", r"holds '\x07'"),
    "null": ("\0", r"holds '\x00'"),
    "percent": ("a%2f", "holds '%'"),
    "dash first": ("-x", "does not begin with a letter or digit"),
    "underscore first": ("_x", "does not begin with a letter or digit"),
    "long": ("a" * 101, "has 101 characters; use at most 100"),
}


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_bad_name_is_refused(name: str) -> None:
    bad, says = BAD_NAMES[name]
    for check in (validate_timeline_name, lambda value: TimelineSpec(name=value, chunks=())):
        with pytest.raises(BadInput) as refusal:
            check(bad)
        assert says in str(refusal.value)
        assert "\n" not in str(refusal.value)


def probe(source: str, stream: int | None) -> Probe:
    """Two sources: `a` of ten seconds, whose stream 2 lasts one more, and `b` of one and a half."""
    duration_ms = {"a": 10_000, "b": 1_500}[source] + (1000 if stream == 2 else 0)
    base = Fraction(1, 90_000)
    place = StreamPlace(stream or 0, 0)
    return Probe(source, f"v-{source}", duration_ms, Fraction(25), base, "h264", 640, 360, 90, 0, 250, place)


def spec(*chunks: tuple[str, int | None, int | None]) -> TimelineSpec:
    return TimelineSpec(name="t", chunks=tuple(ChunkSpec(source=s, start_ms=a, end_ms=b) for s, a, b in chunks))


LAID: dict[str, tuple[TimelineSpec, list[tuple[str, int, int, int]]]] = {
    "whole": (spec(("a", None, None)), [("a", 0, 10_000, 0)]),
    "span": (spec(("a", 1000, 1040)), [("a", 1000, 1040, 0)]),
    "from": (spec(("a", 9000, None)), [("a", 9000, 10_000, 0)]),
    "to the very end": (spec(("a", None, 10_000)), [("a", 0, 10_000, 0)]),
    "several": (
        spec(("a", 0, 333), ("b", None, None), ("a", 0, 333), ("b", 1, 2)),
        [("a", 0, 333, 0), ("b", 0, 1500, 333), ("a", 0, 333, 1833), ("b", 1, 2, 2166)],
    ),
}


@pytest.mark.parametrize("name", LAID)
def test_chunks_are_laid_on_one_clock(name: str) -> None:
    asked, expected = LAID[name]
    table = resolve(asked, probe)
    assert dict(table.schema) == SCHEMA
    assert table.select("source", "start_ms", "end_ms", "timeline_start_ms").rows() == expected
    assert table["chunk"].to_list() == list(range(len(expected)))


OUTSIDE: dict[str, tuple[TimelineSpec, str]] = {
    "none": (spec(), "The timeline 't' has no chunk"),
    "past the end": (
        spec(("a", 0, 1), ("b", 0, 1501)),
        "Chunk 1 (00:00:00.000 to 00:00:01.501 of b) reaches past the end of the source; the source lasts 00:00:01.500",
    ),
    "after the end": (spec(("b", 1500, 1600)), "starts after the source ends; the source lasts 00:00:01.500"),
    "before the start": (spec(("a", -1, 5)), "starts before the source does"),
    "empty": (spec(("a", 5, 5)), "ends at or before its start"),
    "backwards": (spec(("a", 5, 4)), "ends at or before its start"),
}


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_chunk_outside_its_source_is_refused(name: str) -> None:
    asked, says = OUTSIDE[name]
    with pytest.raises(BadInput) as refusal:
        resolve(asked, probe)
    assert says in str(refusal.value)


def test_each_source_is_probed_once() -> None:
    asked: list[tuple[str, int | None]] = []

    def looked_at(source: str, stream: int | None) -> Probe:
        asked.append((source, stream))
        return probe(source, stream)

    chunks = [("a", 0, None), ("b", 0, None), ("a", 1, None), ("a", 1, 2), ("a", 2, 2)]
    given = tuple(ChunkSpec(source=source, start_ms=start_ms, stream=stream) for source, start_ms, stream in chunks)
    table = resolve(TimelineSpec(name="t", chunks=given), looked_at)
    assert asked == [("a", None), ("b", None), ("a", 2)]
    assert table.select("stream", "end_ms").rows() == [(0, 10_000), (0, 1_500), (0, 10_000), (2, 11_000), (2, 11_000)]


def test_a_real_file(tmp_path: Path) -> None:
    path = write_numbered(tmp_path / "a.mp4", 30, fps=Fraction(30000, 1001), rotation_deg=90)
    [row] = resolve(spec((str(path), None, None))).rows(named=True)
    assert len(row.pop("source_version")) == 32
    assert row == {
        "chunk": 0,
        "source": str(path),
        "start_ms": 0,
        "end_ms": 1001,
        "timeline_start_ms": 0,
        "duration_ms": 1001,
        "fps_num": 30000,
        "fps_den": 1001,
        "time_base_num": 1,
        "time_base_den": 30000,
        "codec": "h264",
        "width_px": 96,
        "height_px": 160,
        "rotation_deg": 270,
        "stream": 0,
        "origin_pts": 0,
        "from_byte": 0,
        "pid": 0,
        "stream_choice": "",
    }


def test_the_stream_that_is_picked_is_part_of_what_the_timeline_is(tmp_path: Path) -> None:
    def files(stream: int | None) -> dict[str, str]:
        chunk = ChunkSpec(source=str(tmp_path / "a.mp4"), stream=stream)
        asked = TimelineSpec(name="t", chunks=(chunk,), version="v")
        return dict(timeline_stage.depends_on(SimpleNamespace(spec=asked)))  # type: ignore[arg-type]

    none, first, second = map(files, (None, 0, 1))
    assert none.keys() == {"spec", "version"}, "what was stored when no stream could be picked stays fresh"
    assert len({str(one) for one in (none, first, second)}) == 3


@pytest.mark.parametrize("results", ["in a folder", "in a bucket"])
def test_media_in_a_bucket_are_read_wherever_results_lie(
    results: str, quick_bucket: tuple[str, str], inputs: Path, tmp_path: Path
) -> None:
    bucket, url = quick_bucket
    media = Storage.open(f"s3://{bucket}/in", s3_endpoint_url=url)
    media.put("clip.mp4", (inputs / "clip.mp4").read_bytes())
    kept = str(tmp_path / "kept") if results == "in a folder" else f"s3://{bucket}/kept"
    storage = StorageResource(url=kept, s3_endpoint_url=url)
    spec = TimelineSpec(name="match", chunks=(ChunkSpec(source=media.where("clip.mp4"), start_ms=None, end_ms=None),))
    storage.storage.put(Keys.spec("match"), spec.model_dump_json().encode())
    (tmp_path / "generic.yaml").write_text("description: a test\n")
    resources = SimpleNamespace(
        storage=storage,
        inference=Host(),
        profiles=Profiles(tmp_path, SECTIONS),
        progress=None,
        switches={},
        database=Database(f"sqlite:///{tmp_path}/registry.sqlite"),
    )
    made = timeline_stage.body(stage_run(timeline_stage, "match", NO_OVERRIDES, resources, LOG))
    assert made.counts == {"duration_ms": 2000, "sources": 1}
