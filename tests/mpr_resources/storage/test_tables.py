from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pytest

from gpu_service.errors import PermanentError
from mpr_resources.storage.tables import (
    StageTable,
    TableHeader,
    check_schema,
    data_version_of,
    from_parquet,
    hash_of,
    to_parquet,
)

ROWS = pl.DataFrame({"seq": [0, 1], "text": ["Größe", None], "quad": [[1.5, 2.0], []]})


def header(**changes: object) -> TableHeader:
    values: dict[str, object] = {
        "stage": "run_ocr",
        "timeline": "match",
        "profile": "generic",
        "fingerprint": "f",
        "data_version": "d",
        "code_version": "1",
        "settings": {"enabled": True},
        "overrides": {},
        "model": "",
        "upstream": {},
        "skipped": None,
    }
    return TableHeader.model_validate(values | changes)


@pytest.mark.parametrize("rows", [ROWS.clear(), ROWS], ids=["empty", "two rows"])
def test_a_table_comes_back_as_it_was(rows: pl.DataFrame) -> None:
    table = StageTable(rows, header(skipped="off"))
    again = from_parquet(to_parquet(table), "here")
    assert again.rows.equals(rows)
    assert again.rows.schema == rows.schema
    assert again.header == table.header


def test_equal_tables_are_equal_bytes() -> None:
    assert to_parquet(StageTable(ROWS, header())) == to_parquet(StageTable(ROWS.clone(), header()))


NO_TABLES = {
    "nothing": lambda whole: b"",
    "half": lambda whole: whole[: len(whole) // 2],
    "text": lambda whole: b"hello",
    "parquet of another": lambda whole: _plain(),
}


def _plain() -> bytes:
    import io

    buffer = io.BytesIO()
    ROWS.write_parquet(buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("name", NO_TABLES)
def test_what_is_no_table_is_named(name: str) -> None:
    make: Callable[[bytes], bytes] = NO_TABLES[name]
    with pytest.raises(
        PermanentError, match=r"^stages/x is not a table that this version of MPR can read .*; delete it"
    ):
        from_parquet(make(to_parquet(StageTable(ROWS, header()))), "stages/x")


SAME = {
    "order of keys": ({"a": 1, "b": [1, 2]}, {"b": [1, 2], "a": 1}),
    "nothing": ({}, {}),
}
OTHER = {
    "a value": ({"a": 1}, {"a": 2}),
    "a type": ({"a": 1}, {"a": "1"}),
    "order of a list": ([1, 2], [2, 1]),
    "none and missing": ({"a": None}, {}),
}


@pytest.mark.parametrize("name", SAME)
def test_the_same_meaning_has_the_same_hash(name: str) -> None:
    one, two = SAME[name]
    assert hash_of(one) == hash_of(two)


@pytest.mark.parametrize("name", OTHER)
def test_another_meaning_has_another_hash(name: str) -> None:
    one, two = OTHER[name]
    assert hash_of(one) != hash_of(two)


CHANGED = {
    "a value": ROWS.with_columns(seq=pl.Series([0, 2])),
    "null and empty text": ROWS.with_columns(pl.col("text").fill_null("")),
    "a column's name": ROWS.rename({"seq": "number"}),
    "a column's type": ROWS.with_columns(pl.col("seq").cast(pl.Int32)),
    "the order of rows": ROWS.reverse(),
    "no rows": ROWS.clear(),
    "a small difference": ROWS.with_columns(quad=pl.Series([[1.5, 2.0000000000000004], []])),
}


@pytest.mark.parametrize("name", CHANGED)
def test_other_content_has_another_version(name: str) -> None:
    assert data_version_of(CHANGED[name]) != data_version_of(ROWS)


def test_the_version_is_of_content_alone() -> None:
    assert data_version_of(ROWS) == data_version_of(ROWS.clone().rechunk())
    assert data_version_of(ROWS, "skipped") != data_version_of(ROWS)


def test_a_stage_that_breaks_its_schema_is_a_bug() -> None:
    check_schema(ROWS, dict(ROWS.schema), "run_ocr")
    with pytest.raises(ValueError, match="run_ocr made columns"):
        check_schema(ROWS, {"seq": pl.Int32}, "run_ocr")
