"""The time of a source that several timelines have, or one has twice, counted once for each brand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import polars as pl

from mpr_assets.report.exposure_table import inferred_spans

Span = tuple[int, int]


def counted_once(exposures: pl.DataFrame, sources: pl.DataFrame, registered_s: Mapping[str, float]) -> pl.DataFrame:
    """The exposures with the column `once_ms`: how long each was seen where the brand was not seen already.

    Timelines come in the order in which they were registered, so that a later one adds what those before it lack.

    Args:
        exposures: rows (timeline, brand, chunk, start_ms, end_ms, media_start_ms, inferred), and any others.
        sources: rows (timeline, chunk, source).
        registered_s: when each timeline was registered.

    Returns:
        The rows whose chunk is known, by the timelines' order, brand and start; with `once_ms`, and `address`, that of
        the source.
    """
    order = {name: at for at, name in enumerate(sorted(registered_s, key=lambda one: (registered_s[one], one)))}
    there = (
        exposures.join(sources.select("timeline", "chunk", address="source"), on=["timeline", "chunk"])
        .with_columns(pl.col("timeline").replace_strict(order, default=len(order)).alias("order"))
        .sort("order", "timeline", "brand", "start_ms", "chunk")
        .drop("order")
    )
    taken: defaultdict[tuple[str, str], list[Span]] = defaultdict(list)
    once_ms = []
    columns = "address", "brand", "start_ms", "end_ms", "media_start_ms", "inferred"
    for address, brand, start_ms, end_ms, media_start_ms, inferred in there.select(columns).iter_rows():
        away = inferred_spans(inferred or "")
        onto_media_ms = media_start_ms - start_ms
        seen = [(one + onto_media_ms, other + onto_media_ms) for one, other in _without([(start_ms, end_ms)], away)]
        new = _without(seen, taken[address, brand])
        once_ms.append(sum(end - start for start, end in new))
        taken[address, brand] += new
    return there.with_columns(once_ms=pl.Series(once_ms, dtype=pl.Int64))


def _without(spans: list[Span], gone: list[Span]) -> list[Span]:
    """What of these spans lies in none of the others.

    >>> _without([(0, 10)], [(2, 4), (8, 12)])
    [(0, 2), (4, 8)]
    """
    for start, end in gone:
        spans = [
            piece
            for one, other in spans
            for piece in ((one, min(other, start)), (max(one, end), other))
            if piece[0] < piece[1]
        ]
    return spans
