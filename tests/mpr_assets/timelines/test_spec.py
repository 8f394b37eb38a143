from __future__ import annotations

from datetime import date, datetime

import pytest

from gpu_service.errors import BadInput
from mpr_assets.timelines.spec import (
    ChunkSpec,
    TimelineSpec,
    parse_chunk,
    validate_timeline_name,
)

SPANS = {
    "0-1": (0, 1000),
    "90-120.5": (90_000, 120_500),
    "00:10:00-00:12:30": (600_000, 750_000),
    "1:02-1:03.04": (62_000, 63_040),
    "100:00:00.001-100:00:00.002": (360_000_001, 360_000_002),
    " 5 - 6 ": (5000, 6000),
}


@pytest.mark.parametrize("text", SPANS)
def test_a_chunk_is_read(text: str) -> None:
    assert parse_chunk(text) == SPANS[text]


@pytest.mark.parametrize(
    "text", ["", "-", "5", "5-", "-5", "a-b", "1:60-2:00", "0:61:00-2:00:00", "1:2:3:4-9", "1.0001-2", "1-2-3", "١-٢"]
)
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="is not a span of time; write it as START-END"):
        parse_chunk(text)


@pytest.mark.parametrize("text", ["1-1", "2-1", "0:10-9"])
def test_a_span_that_does_not_end_after_its_start_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="put the earlier time first"):
        parse_chunk(text)


@pytest.mark.parametrize("name", ["a", "7", "match-1_b", "Übertragung", "界" * 66, "a" * 100, "मैच", "cafe\u0301"])
def test_a_name_that_can_be_used(name: str) -> None:
    assert validate_timeline_name(name) == name
    assert TimelineSpec(name=name, chunks=()).name == name


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "a/b", "a.b", "-a", "_a", "a b", "a\n", "\x00", "a" * 101, "界" * 67, "\u0301a", "a⚽", "a\udce9"],
)
def test_a_name_that_cannot_be_used(name: str) -> None:
    with pytest.raises(BadInput, match=r"^The timeline name .*use "):
        validate_timeline_name(name)


def test_a_spec_survives_storage() -> None:
    spec = TimelineSpec(name="m", chunks=(ChunkSpec(source="/v/ü.mp4", start_ms=0, end_ms=None),))
    assert TimelineSpec.model_validate_json(spec.model_dump_json()) == spec


RECORDED: dict[str, tuple[object, str]] = {
    "to the minute": ("2026-05-04T20:45", "2026-05-04T20:45:00"),
    "with a space and an offset": ("2026-05-04 20:45:10+02:00", "2026-05-04T20:45:10+02:00"),
    "a day": ("2026-05-04", "2026-05-04T00:00:00"),
    "a day as YAML has it": (date(2026, 5, 4), "2026-05-04T00:00:00"),
    "a time as YAML has it": (datetime(2026, 5, 4, 20, 45), "2026-05-04T20:45:00"),
}


@pytest.mark.parametrize("case", RECORDED)
def test_a_time_of_recording_is_kept_in_one_form(case: str) -> None:
    given, kept = RECORDED[case]
    assert ChunkSpec.model_validate({"source": "/v/a.mp4", "recorded_at": given}).recorded_at == kept


@pytest.mark.parametrize("text", ["", "yesterday", "20:45", "2026-13-01", "04.05.2026", 7])
def test_what_is_no_time_of_recording_is_refused(text: object) -> None:
    with pytest.raises(BadInput, match="is not a time of recording; write it like 2026-05-04T20:45"):
        ChunkSpec.model_validate({"source": "/v/a.mp4", "recorded_at": text})
