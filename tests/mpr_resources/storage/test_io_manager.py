from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from mpr_resources.step_failure import RETRIES
from mpr_resources.storage.io_manager import StorageResource, TableIOManager
from mpr_resources.storage.tables import StageTable, to_parquet
from tests.mpr_resources.storage.test_tables import ROWS, header


@pytest.fixture
def tables(tmp_path: Path) -> TableIOManager:
    return TableIOManager(store=StorageResource(url=str(tmp_path)))


def save(tables: TableIOManager, stage: str = "run_ocr", timeline: str = "match") -> None:
    with dg.build_output_context(asset_key=stage, partition_key=timeline) as context:
        tables.handle_output(context, StageTable(ROWS, header()))


def load(tables: TableIOManager, stage: str = "run_ocr", timeline: str = "match") -> StageTable:
    with dg.build_input_context(asset_key=dg.AssetKey(stage), partition_key=timeline) as context:
        return tables.load_input(context)


def test_a_table_lies_where_the_layout_says_and_comes_back(tables: TableIOManager, tmp_path: Path) -> None:
    save(tables)
    assert (tmp_path / "stages" / "run_ocr" / "match.parquet").is_file()
    assert load(tables).rows.equals(ROWS)
    assert load(tables).header == header()


def test_each_timeline_has_its_own(tables: TableIOManager, tmp_path: Path) -> None:
    save(tables, timeline="one")
    (tmp_path / "stages" / "run_ocr" / "two.parquet").write_bytes(to_parquet(StageTable(ROWS.head(1), header())))
    assert [load(tables, timeline=name).rows.height for name in ("one", "two")] == [ROWS.height, 1]


AWAY: dict[str, Callable[[TableIOManager], Any]] = {"read": load, "write": save}


@pytest.mark.parametrize("verb", AWAY)
def test_a_storage_that_is_away_is_tried_again_and_named_in_the_end(
    verb: str, tables: TableIOManager, tmp_path: Path
) -> None:
    (tmp_path / "stages").write_text("a file in the way")
    with pytest.raises(dg.RetryRequested) as request:
        AWAY[verb](tables)
    assert request.value.max_retries == RETRIES.max_retries
    cause = request.value.__cause__
    assert isinstance(cause, dg.Failure)
    assert str(cause.description).startswith(f"The storage did not {verb} {tmp_path}/stages/run_ocr/match.parquet (")
