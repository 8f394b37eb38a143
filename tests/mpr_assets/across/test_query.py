"""What SQL may and may not do. The tables of a storage are in `test_all_tables`."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from gpu_service.errors import BadInput
from mpr_assets.across import query
from mpr_assets.across.query import ask

EXPOSURES = pl.DataFrame(
    {
        "timeline": ["a", "a", "b"],
        "brand": ["Acme", "Zarn", "Acme"],
        "ms": [500, 250, 1500],
        "quad": [[1.0, 2.0], None, []],
    }
)


class Held:
    """Tables that note which were read."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    @property
    def names(self) -> list[str]:
        return ["exposures", "brands"]

    def empty(self, name: str) -> pl.DataFrame:
        return (EXPOSURES if name == "exposures" else EXPOSURES.select("brand")).clear()

    def read(self, name: str) -> pl.DataFrame:
        self.asked.append(name)
        return EXPOSURES if name == "exposures" else EXPOSURES.select(pl.col("brand").unique().sort())


ANSWERED: dict[str, tuple[str, list[tuple[object, ...]], list[str]]] = {
    "no table": ("SELECT 1 AS one", [(1,)], []),
    "no rows": ("SELECT * FROM brands WHERE brand = 'Nike'", [], ["brands"]),
    "a sum": ("SELECT brand, sum(ms) FROM exposures GROUP BY ALL ORDER BY 1", [("Acme", 2000), ("Zarn", 250)],
              ["exposures"]),
    "names in capitals and quotes": ('SELECT count(*) FROM "Exposures"', [(3,)], ["exposures"]),
    "a join by common columns": ("SELECT count(*) FROM exposures JOIN brands USING (brand)", [(3,)],
                                 ["exposures", "brands"]),
    "two names of one table": ("WITH b AS (FROM exposures) SELECT max(ms) FROM b", [(1500,)], ["exposures"]),
    "a list": ("SELECT quad FROM exposures WHERE ms = 500", [([1.0, 2.0],)], ["exposures"]),
    "a pivot": ("PIVOT exposures ON brand USING sum(ms) GROUP BY timeline ORDER BY timeline",
                [("a", 500, 250), ("b", 1500, None)], ["exposures"]),
    "a word in a text": ("SELECT 'drop table exposures; --'", [("drop table exposures; --",)], ["exposures"]),
    "a semicolon at the end": ("SELECT 1;", [(1,)], []),
}  # fmt: skip
"""The statement, its rows, and the tables that were read for it."""


@pytest.mark.parametrize("case", ANSWERED)
def test_a_statement_that_reads_is_answered_from_the_tables_that_it_names(case: str) -> None:
    sql, rows, read = ANSWERED[case]
    held = Held()
    assert list(ask(sql, held).rows) == rows
    assert held.asked == read


def test_columns_are_told_with_their_types() -> None:
    answer = ask("DESCRIBE exposures", Held())
    assert [row[:2] for row in answer.rows] == [
        ("timeline", "VARCHAR"), ("brand", "VARCHAR"), ("ms", "BIGINT"), ("quad", "DOUBLE[]"),
    ]  # fmt: skip
    assert (ask("SELECT 1 AS a, 'x' AS b", Held()).columns, ask("SELECT 1", Held()).types) == (("a", "b"), ("INTEGER",))


REFUSED = {
    "nothing": ("", "The query holds no statements"),
    "a comment alone": ("-- hello", "The query holds no statements"),
    "two statements": ("SELECT 1; DROP TABLE exposures", "The query holds 2 statements"),
    "no SQL": ("exposures of Acme", "The query cannot be answered: Parser Error"),
    "an unknown table": ("SELECT * FROM airings", "Table with name airings does not exist; the tables are exposures,"),
    "an unknown column": ("SELECT seconds FROM exposures", "The query cannot be answered: Binder Error"),
    "insert": ("INSERT INTO exposures VALUES (1)", "kind INSERT, and queries read only"),
    "update": ("UPDATE exposures SET ms = 0", "queries read only"),
    "delete": ("DELETE FROM exposures", "queries read only"),
    "drop": ("DROP VIEW exposures", "kind DROP"),
    "create": ("CREATE TABLE mine AS SELECT 1", "kind CREATE"),
    "write a file": ("COPY exposures TO '{file}'", "kind COPY"),
    "write a folder": ("EXPORT DATABASE '{file}'", "queries read only"),
    "attach a database": ("ATTACH '{file}' AS other", "kind ATTACH"),
    "read a file": ("SELECT * FROM read_csv('{file}')", "The query reaches for what is no table of MPR's"),
    "read a file by its name": ("SELECT * FROM '{file}'", "The query reaches for what is no table of MPR's"),
    "list files": ("SELECT * FROM glob('{file}*')", "The query reaches for what is no table of MPR's"),
    "an extension": ("INSTALL httpfs", "kind LOAD"),
    "a setting": ("SET enable_external_access = true", "kind SET"),
    "a variable of the process": ("SELECT * FROM EXPOSURES_OF_THE_TEST", "does not exist"),
}
EXPOSURES_OF_THE_TEST = EXPOSURES


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_wrong_or_does_more_than_read_is_refused_with_a_sentence(case: str, tmp_path: Path) -> None:
    sql, sentence = REFUSED[case]
    secret = tmp_path / "secret.csv"
    if "read" in case:
        secret.write_text("a\n1\n")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(BadInput) as refused:
        ask(sql.format(file=secret), Held())
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)
    assert sorted(tmp_path.iterdir()) == before


def test_more_rows_than_are_held_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query, "MOST_ROWS", 10)
    assert len(ask("SELECT * FROM range(10)", Held()).rows) == 10
    with pytest.raises(BadInput, match="gives more than 10 rows; narrow it down, or end it with LIMIT"):
        ask("SELECT * FROM range(11)", Held())
