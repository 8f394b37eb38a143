"""The nearest of few vectors and of many, and that a graph of other vectors is not used."""

from __future__ import annotations

import numpy as np
import pytest

from gpu_service.errors import PermanentError
from mpr_assets.crops import nearest
from mpr_assets.crops.nearest import Nearest, Vectors

FEW = np.array([[1, 0], [0.6, 0.8], [0, 1], [1, 0]], np.float32)
ORDERS: dict[str, tuple[Vectors, int, list[tuple[int, float]]]] = {
    "none": (FEW[:0], 9, []),
    "the likest first, equal ones by number": (FEW, 9, [(0, 1.0), (3, 1.0), (1, 0.6), (2, 0.0)]),
    "so many": (FEW, 1, [(0, 1.0)]),
}


def found(one: Nearest, query: Vectors, most: int) -> list[tuple[int, float]]:
    numbers, scores = one.to(query, most)
    return [(number, round(score, 4)) for number, score in zip(numbers.tolist(), scores.tolist(), strict=True)]


@pytest.mark.parametrize("case", ORDERS)
def test_the_nearest_of_few(case: str) -> None:
    vectors, most, expected = ORDERS[case]
    assert found(Nearest.over(vectors), FEW[0], most) == expected


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> Vectors:
    """More than are compared one by one."""
    monkeypatch.setattr(nearest, "NUMPY_MOST", 1000)
    made = np.random.default_rng(1).normal(size=(3000, 16)).astype(np.float32)
    return np.asarray(made / np.linalg.norm(made, axis=1, keepdims=True), np.float32)


def test_the_nearest_of_many_by_a_graph_that_is_kept(many: Vectors) -> None:
    exact = Nearest(many, None)
    built = Nearest.over(many)
    saved = built.graph_bytes()
    assert saved is not None
    again = Nearest.over(many, saved)
    for query in many[::500]:
        assert found(built, query, 5) == found(again, query, 5) == found(exact, query, 5)


def test_vectors_of_other_dimensions_are_not_mixed(many: Vectors) -> None:
    saved = Nearest.over(many[:, :8]).graph_bytes()
    assert found(Nearest.over(many, saved), many[7], 1) == [(7, 1.0)]
    assert found(Nearest.over(many, Nearest.over(many[:2000]).graph_bytes()), many[2500], 1) == [(2500, 1.0)]
    with pytest.raises(PermanentError, match="A vector of 8 numbers cannot be compared with vectors of 16"):
        Nearest.over(many).to(many[0, :8], 1)


@pytest.mark.parametrize("keep", [0, 4, 5000], ids=["empty", "its beginning", "cut off"])
def test_a_damaged_graph_is_built_anew(keep: int, many: Vectors) -> None:
    saved = Nearest.over(many).graph_bytes()
    assert saved is not None
    assert not Nearest.over(many, saved).built
    anew = Nearest.over(many, saved[:keep])
    assert (anew.built, found(anew, many[7], 1)) == (True, [(7, 1.0)])
