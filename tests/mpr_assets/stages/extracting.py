"""Frames sampled in this process, without the fence, for tests of what is sampled."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import polars as pl

from mpr_assets.sampling.frames import ExtractedFrame, IndexRow, extracted
from mpr_assets.sampling.settings import ExtractFramesSettings
from mpr_assets.stages.extract_frames import chunk_rows
from mpr_resources.media.decoding import Media, open_media
from mpr_resources.media.streams import StreamPlace


def extract(
    chunks: pl.DataFrame,
    settings: ExtractFramesSettings,
    open_media: Callable[[str, int, StreamPlace], Media] = open_media,
    after: IndexRow | None = None,
) -> Iterator[ExtractedFrame]:
    """The frames of the timeline's table."""
    return extracted(chunk_rows(chunks), settings.plain(), open_media, after)
