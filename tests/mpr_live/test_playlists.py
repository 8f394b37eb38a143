"""Playlists of a session: what a player reads in them."""

from __future__ import annotations

import pytest

from mpr_assets.sessions.session import Epoch, Removed, Window
from mpr_live.playlists import LISTED, playlist

ZERO_S = 1_800_000_000.5


def window(number: int, epoch: int = 0, *, lasts_ms: int = 4000, header_bytes: int = 700) -> Window:
    start_ms = number * 4000
    return Window(
        number=number,
        epoch=Epoch(number=epoch, start_pts=0, start_ms=0, time_base_num=1, time_base_den=12800),
        start_pts=0,
        end_pts=0,
        start_ms=start_ms,
        end_ms=start_ms + lasts_ms,
        wall_s=0,
        closed_s=0,
        size_bytes=10_700,
        header_bytes=header_bytes,
        video_packets=100,
        packets_hash="",
        sha256="",
        codec="h264",
        width_px=640,
        height_px=360,
    )


def made(
    windows: list[Window], *, sliding: bool = False, ended: bool = False, removed: tuple[int, ...] = ()
) -> list[str]:
    gone = Removed().with_also(removed)
    text = playlist(windows, sliding=sliding, ended=ended, zero_s=ZERO_S, window_ms=4000, removed=gone)
    return text.splitlines()


HEAD = ["#EXTM3U", "#EXT-X-VERSION:7"]
TARGET = "#EXT-X-TARGETDURATION:"


@pytest.mark.parametrize(
    ("sliding", "ended", "end"),
    [
        (True, False, []),
        (True, True, ["#EXT-X-ENDLIST"]),
        (False, False, ["#EXT-X-PLAYLIST-TYPE:EVENT"]),
        (False, True, ["#EXT-X-PLAYLIST-TYPE:VOD", "#EXT-X-ENDLIST"]),
    ],
)
def test_a_list_of_nothing(sliding: bool, ended: bool, end: list[str]) -> None:
    start = [f"{TARGET}4", "#EXT-X-MEDIA-SEQUENCE:0", "#EXT-X-DISCONTINUITY-SEQUENCE:0", "#EXT-X-INDEPENDENT-SEGMENTS"]
    assert made([], sliding=sliding, ended=ended) == [*HEAD, *start, *end]


def test_a_window_is_a_part_of_its_file_after_the_header_that_its_epoch_shares() -> None:
    assert made([window(0), window(1, lasts_ms=4240)], ended=True)[2:] == [
        f"{TARGET}5",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-DISCONTINUITY-SEQUENCE:0",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        '#EXT-X-MAP:URI="windows/000000.mp4",BYTERANGE="700@0"',
        "#EXT-X-PROGRAM-DATE-TIME:2027-01-15T08:00:00.500Z",
        "#EXTINF:4.000,",
        "#EXT-X-BYTERANGE:10000@700",
        "windows/000000.mp4",
        "#EXT-X-PROGRAM-DATE-TIME:2027-01-15T08:00:04.500Z",
        "#EXTINF:4.240,",
        "#EXT-X-BYTERANGE:10000@700",
        "windows/000001.mp4",
        "#EXT-X-ENDLIST",
    ]


@pytest.mark.parametrize(
    ("before", "after", "discontinuities", "maps"),
    [
        pytest.param(window(0), window(1), 0, 1, id="one epoch"),
        pytest.param(window(0), window(1, 1), 1, 2, id="another epoch"),
        pytest.param(window(0), window(1, 3), 3, 2, id="epochs that left no window"),
        pytest.param(window(0), window(1, header_bytes=720), 0, 2, id="another header"),
    ],
)
def test_the_discontinuities_count_the_epochs(before: Window, after: Window, discontinuities: int, maps: int) -> None:
    lines = made([before, after])
    assert lines.count("#EXT-X-DISCONTINUITY") == discontinuities
    assert sum(one.startswith("#EXT-X-MAP") for one in lines) == maps


def test_a_list_that_slides_counts_what_has_left_it() -> None:
    windows = [window(number, number // 3) for number in range(LISTED + 5)]
    lines = made(windows, sliding=True)
    assert [one for one in lines if one.startswith("windows/")][0::9] == ["windows/000005.mp4", "windows/000014.mp4"]
    assert lines[3:5] == ["#EXT-X-MEDIA-SEQUENCE:5", "#EXT-X-DISCONTINUITY-SEQUENCE:1"]
    assert lines.count("#EXT-X-DISCONTINUITY") == 3
    assert "#EXT-X-ENDLIST" not in lines


def test_what_was_taken_away_is_before_the_list_or_a_gap_in_it() -> None:
    windows = [window(0), window(1), window(2, epoch=1), window(3, epoch=1), window(4, epoch=1)]
    lines = made(windows, removed=(0, 2))
    kept = [one for one in lines if not one.startswith(("#EXTINF", "#EXT-X-PROGRAM", "#EXT-X-BYTERANGE"))]
    assert kept == [
        *HEAD,
        f"{TARGET}4",
        "#EXT-X-MEDIA-SEQUENCE:1",
        "#EXT-X-DISCONTINUITY-SEQUENCE:0",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        '#EXT-X-MAP:URI="windows/000001.mp4",BYTERANGE="700@0"',
        "windows/000001.mp4",
        "#EXT-X-DISCONTINUITY",
        "#EXT-X-GAP",
        "windows/000002.mp4",
        '#EXT-X-MAP:URI="windows/000003.mp4",BYTERANGE="700@0"',
        "windows/000003.mp4",
        "windows/000004.mp4",
    ]
    assert "#EXT-X-PLAYLIST-TYPE:VOD" in made(windows, removed=(0, 2), ended=True)
    assert made(windows, removed=(0, 1, 2, 3, 4))[3:5] == [
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-DISCONTINUITY-SEQUENCE:0",
    ]
