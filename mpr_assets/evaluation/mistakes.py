"""What is wrong in a report, span by span, the worst first; and which brand was taken for which. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from mpr_assets.evaluation.spans import GRID_MS, Cells, FoundSpan, TruthSpan, grid_cells

MistakeKind: TypeAlias = Literal["missed", "false"]


class MistakenSpan(NamedTuple):
    """An unbroken time in which a brand was missed, or claimed and not there. `brand`: its key."""

    brand: str
    kind: MistakeKind
    start_ms: int
    end_ms: int


def mistakes(
    truth: Mapping[str, Sequence[TruthSpan]],
    found: Mapping[str, Sequence[FoundSpan]],
    length_ms: int,
    tolerance_ms: int,
) -> list[MistakenSpan]:
    """All that is wrong on the grid, the longest first."""
    made: list[MistakenSpan] = []
    for brand in sorted({*truth, *found}):
        cells = grid_cells(truth.get(brand, ()), found.get(brand, ()), length_ms, tolerance_ms)
        of_kind: dict[MistakeKind, Cells] = {"missed": cells.must & ~cells.have, "false": cells.have & ~cells.may}
        for kind, wrong in of_kind.items():
            edges = np.flatnonzero(np.diff(np.concatenate([[False], wrong, [False]]).astype(np.int8)))
            made += [
                MistakenSpan(brand, kind, int(start) * GRID_MS, min(int(end) * GRID_MS, length_ms))
                for start, end in edges.reshape(-1, 2)
            ]
    return sorted(made, key=lambda one: (one.start_ms - one.end_ms, one.start_ms, one.brand, one.kind))


def confusions(wrong: Sequence[MistakenSpan]) -> list[tuple[str, str, int]]:
    """Which brand may have been taken for which: (missed, claimed instead, ms in which both are so), the longest first.

    Brands that are missed and claimed at once need not be at one place: it is a hint where to look.
    """
    together: Counter[tuple[str, str]] = Counter()
    missed, false = ([one for one in wrong if one.kind == kind] for kind in ("missed", "false"))
    for one in missed:
        for other in false:
            ms = min(one.end_ms, other.end_ms) - max(one.start_ms, other.start_ms)
            if ms > 0:
                together[one.brand, other.brand] += ms
    return [(*pair, ms) for pair, ms in sorted(together.items(), key=lambda item: (-item[1], item[0]))]
