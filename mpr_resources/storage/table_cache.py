"""Stages' tables as they are stored, parsed once while they stay the same: for a process that reads them again and
again.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

from mpr_resources.storage.keys import Keys
from mpr_resources.storage.store import MissingObject, ObjectInfo, Storage
from mpr_resources.storage.tables import StageTable, read_table

CACHE_BYTES = 256 * 2**20


@dataclass(frozen=True)
class _Kept:
    info: ObjectInfo
    table: StageTable
    size_bytes: int


class TableCache:
    """Parsed tables, the least recently used out first, bounded by the bytes of their columns. Thread-safe.

    Whether a table is the one that is stored now is looked up at each read, so that another process may replace it.
    """

    def __init__(self, storage: Storage, max_bytes: int = CACHE_BYTES) -> None:
        self._storage = storage
        self._max_bytes = max_bytes
        self._bytes = 0
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, stage: str, timeline: str) -> StageTable:
        """What is stored of a stage of a timeline.

        Raises:
            MissingObject: nothing is.
            PermanentError: the object is no table.
        """
        key = Keys.table(stage, timeline)
        try:
            info = self._storage.entry(key)
        except MissingObject:
            return read_table(self._storage, stage, timeline)  # which says what to do
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None and kept.info == info:
                self._kept.move_to_end(key)
                return kept.table
        # Where it is replaced after it was looked up, the newer one is kept under the older mark, and read once more.
        table = read_table(self._storage, stage, timeline)
        self._keep(key, _Kept(info, table, int(table.rows.estimated_size())))
        return table

    def _keep(self, key: str, kept: _Kept) -> None:
        with self._lock:
            before = self._kept.pop(key, None)
            self._bytes += kept.size_bytes - (before.size_bytes if before else 0)
            self._kept[key] = kept
            while self._bytes > self._max_bytes and len(self._kept) > 1:
                _, oldest = self._kept.popitem(last=False)
                self._bytes -= oldest.size_bytes
