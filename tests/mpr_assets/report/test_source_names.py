"""What a report calls the videos."""

from __future__ import annotations

import pytest

from mpr_assets.report.source_names import source_names
from mpr_assets.timelines.spec import ChunkSpec

CASES: dict[str, tuple[list[tuple[str, str | None]], list[str]]] = {
    "no chunks": ([], []),
    "a path": ([("/home/ann/media/cup.mp4", None)], ["cup.mp4"]),
    "as it was given": ([("/home/ann/media/cup/final.mp4", "cup/final.mp4")], ["cup/final.mp4"]),
    "two chunks of one source": ([("/m/a.mp4", None), ("/m/a.mp4", None)], ["a.mp4"]),
    "two files of one name": ([("/m/x/a.mp4", None), ("/m/y/a.mp4", None)], ["x/a.mp4", "y/a.mp4"]),
    "alike for two folders": ([("/m/x/1/a.mp4", None), ("/m/y/1/a.mp4", None)], ["x/1/a.mp4", "y/1/a.mp4"]),
    "a third that is not alike": (
        [("/m/x/a.mp4", None), ("/m/y/a.mp4", None), ("/m/y/b.mp4", None)],
        ["x/a.mp4", "y/a.mp4", "b.mp4"],
    ),
    "one below the other": ([("/a.mp4", None), ("/m/a.mp4", None)], ["a.mp4", "m/a.mp4"]),
    "a key in a bucket": ([("s3://bucket/cup/a%20b.mp4", None)], ["a b.mp4"]),
    "a signed address": ([("https://ann:pw@host/cup/a.mp4?X-Signature=secret", None)], ["a.mp4"]),
    "an address without a path": ([("https://host?token=secret", None)], ["host"]),
    "one path on two hosts": (
        [("https://one/a.mp4", None), ("https://two/a.mp4", None)],
        ["one/a.mp4", "two/a.mp4"],
    ),
    "a key with a question mark": ([("s3://bucket/a?b#c.mp4", None)], ["a?b#c.mp4"]),
}


@pytest.mark.parametrize("case", CASES)
def test_source_names(case: str) -> None:
    given, expected = CASES[case]
    assert [*source_names([ChunkSpec(source=source, name=name) for source, name in given]).values()] == expected
