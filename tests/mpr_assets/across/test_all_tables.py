from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

from gpu_service.errors import PermanentError
from mpr_assets.across.all_tables import AllTables
from mpr_assets.across.query import ask
from mpr_assets.definitions import BY_NAME
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.store import Storage
from mpr_resources.storage.tables import to_parquet
from tests.world import BRAND, TIMELINE, World


def rows_of(sql: str, world: World) -> list[tuple[object, ...]]:
    return list(ask(sql, AllTables(world.storage, BY_NAME)).rows)


@pytest.fixture
def two(world: World) -> World:
    """The finished timeline, and another one that was made of its tables."""
    world.register("other", "generic")
    for stage in ("timeline", "compile_report", "match_brands"):
        world.storage.put(Keys.table(stage, "other"), to_parquet(world.table(stage)))
    return world


def test_without_a_timeline_every_table_is_there_and_empty(tmp_path: object) -> None:
    tables = AllTables(Storage.open(str(tmp_path)), BY_NAME)
    for name in tables.names:
        assert tables.read(name).schema == tables.empty(name).schema, name
        assert tables.read(name).is_empty()
    assert tables.names[:8] == [
        "exposures", "detections", "candidates", "text_lines", "frames", "brands", "timelines", "sources",
    ]  # fmt: skip
    assert set(BY_NAME) <= set(tables.names)


def test_the_tables_of_all_timelines_are_one_below_the_other(two: World) -> None:
    once = two.table("compile_report").rows.height
    assert rows_of("SELECT timeline, count(*) FROM exposures GROUP BY ALL ORDER BY 1", two) == [
        (TIMELINE, once),
        ("other", once),
    ]
    assert rows_of("SELECT DISTINCT timeline FROM text_lines", two) == [(TIMELINE,)]
    assert rows_of("SELECT timeline, profile, duration_ms, chunks FROM timelines ORDER BY 1", two) == [
        (TIMELINE, "board", 2000, 1),
        ("other", "generic", 2000, 1),
    ]
    assert rows_of(f"SELECT DISTINCT stage, brand FROM detections WHERE timeline = '{TIMELINE}'", two) == [
        ("match_brands", BRAND)
    ]
    assert rows_of("SELECT count(*) FROM candidates WHERE brand IS NOT NULL", two) == [(0,)]


def test_a_brand_adds_up_as_in_the_report(two: World) -> None:
    sums = "SELECT timeline, brand, sum(end_ms - start_ms)::BIGINT FROM exposures GROUP BY ALL ORDER BY ALL"
    assert rows_of("SELECT timeline, brand, screen_ms FROM brands ORDER BY ALL", two) == rows_of(sums, two)


def test_what_an_older_version_lacks_is_null(two: World) -> None:
    table = two.table("match_brands")
    without = replace(table, rows=table.rows.drop("legibility").with_columns(pl.col("x").cast(pl.Int64)))
    two.storage.put(Keys.table("match_brands", "other"), to_parquet(without))
    [(known,)] = rows_of("SELECT count(legibility) FROM detections WHERE timeline = 'other'", two)
    assert known == 0
    assert rows_of("SELECT count(*) FROM detections WHERE timeline = 'other' AND x IS NULL", two) == [(0,)]


def test_a_timeline_that_was_not_run_is_told(empty_world: World) -> None:
    assert rows_of("SELECT timeline, duration_ms FROM timelines", empty_world) == [(TIMELINE, None)]


def test_an_object_that_is_no_table_is_named(two: World) -> None:
    two.storage.put(Keys.table("compile_report", "other"), b"not Parquet")
    with pytest.raises(PermanentError, match=r"stages/compile_report/other.parquet is not a table"):
        rows_of("SELECT * FROM exposures", two)
    assert rows_of("SELECT count(*) FROM timelines", two) == [(2,)], "a query that does not name it is answered"
