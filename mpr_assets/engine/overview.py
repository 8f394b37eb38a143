"""What a stage shows of its table at a glance: plain values. How a stage makes them, it says itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Overview:
    """A picture as SVG, empty where there is nothing to see, a table, and the key of the page that tells the rest."""

    svg: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    page: str
