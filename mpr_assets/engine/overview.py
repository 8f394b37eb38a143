"""What a stage shows of its table at a glance: plain values. How a stage makes them, it says itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

SECONDS_BY_BRAND = "seconds_by_brand"
"""The label under which a report's materialization has its seconds."""


@dataclass(frozen=True)
class Overview:
    """A picture as SVG, empty where there is nothing to see, a table, and the key of the page that tells the rest.

    `seconds`: on screen by brand, which the history keeps when the table is replaced.
    """

    svg: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    page: str
    seconds: Mapping[str, float]
