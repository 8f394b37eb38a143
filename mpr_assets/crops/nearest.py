"""The nearest of many vectors: all are compared up to `NUMPY_MOST`, above that a graph of neighbours is searched.

The graph is usearch's (Malkov and Yashunin, Efficient and robust approximate nearest neighbor search using hierarchical
navigable small world graphs, 2016), over vectors of eight bits a number; what it finds is compared again by the vectors
themselves, so that likenesses are exact, and a few of the nearest may be missed.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gpu_service.errors import PermanentError

if TYPE_CHECKING:
    from usearch.index import Index

Vectors: TypeAlias = NDArray[np.float32]
"""Shape (n, dimensions), each of length 1."""

NUMPY_MOST = 100_000
"""To so many, all are compared in some milliseconds."""
LOOKED_AT = 256
"""Vectors that the graph gives are at least so many, of which the nearest are kept."""


@dataclass(frozen=True)
class Nearest:
    """Vectors to be searched.

    Attributes:
        graph: of all of them; None: they are few.
        built: whether the graph was made now, so that it is worth keeping.
    """

    vectors: Vectors
    graph: Index | None
    built: bool = False

    @classmethod
    def over(cls, vectors: Vectors, saved: bytes | None = None) -> Nearest:
        """Ready to be searched.

        Args:
            saved: the graph of these very vectors, of `graph_bytes`. It is built where there is none, or where this is
                damaged or of other vectors' number or dimensions.
        """
        if len(vectors) <= NUMPY_MOST:
            return cls(vectors, None)
        graph = _empty_graph(vectors.shape[1])
        if saved is not None:
            with suppress(RuntimeError):  # broken off while it was written
                graph.load(saved)
                if (graph.ndim, len(graph)) == (vectors.shape[1], len(vectors)):
                    return cls(vectors, graph)
            graph = _empty_graph(vectors.shape[1])
        graph.add(np.arange(len(vectors)), vectors)
        return cls(vectors, graph, built=True)

    def graph_bytes(self) -> bytes | None:
        """The graph to be kept; None: there is none."""
        return None if self.graph is None else bytes(self.graph.save() or b"")

    def to(self, query: Vectors, most: int) -> tuple[NDArray[np.int64], Vectors]:
        """The nearest to a vector: their numbers and likenesses, -1 to 1, the likest first, equal ones by number.

        Raises:
            PermanentError: the query has other dimensions.
        """
        if query.shape != self.vectors.shape[1:]:
            raise PermanentError(
                f"A vector of {query.size} numbers cannot be compared with vectors of {self.vectors.shape[1]}",
                "make the vectors anew by the model that is asked now",
            )
        if self.graph is None:
            numbers, scores = np.arange(len(self.vectors)), self.vectors @ query
        else:
            numbers = np.sort(np.asarray(self.graph.search(query, max(most, LOOKED_AT)).keys, np.int64))
            scores = self.vectors[numbers] @ query
        order = np.argsort(-scores, kind="stable")[:most]
        return numbers[order], np.asarray(scores[order], np.float32)


def _empty_graph(dimensions: int) -> Index:
    from usearch.index import Index

    return Index(ndim=dimensions, metric="cos", dtype="i8", expansion_add=64, expansion_search=LOOKED_AT)
