"""The published schema of `report.json`. `python -m tests.mpr_assets.exports.test_json_schema` writes it anew."""

from __future__ import annotations

import json

import jsonschema_rs
import pytest

from mpr_assets.definitions import ROOT
from mpr_assets.exports.formats import FORMATS
from mpr_assets.exports.json_file import report_schema
from tests.mpr_assets.exports.reports import NAMES, tables

FILE = ROOT / "mpr_assets" / "exports" / "report.schema.json"


def test_the_published_schema_is_that_of_the_report() -> None:
    assert json.loads(FILE.read_text()) == report_schema(), f"run: python -m {__name__}"


@pytest.mark.parametrize("names", [[], NAMES], ids=["no exposure", "odd names"])
def test_a_report_is_by_the_schema(names: list[str]) -> None:
    data = json.loads(FORMATS["json"].make(tables(*names)))
    schema = jsonschema_rs.validator_for(json.loads(FILE.read_text()))
    schema.validate(data | {"added_later": 1})
    assert not schema.is_valid(data | {"duration_ms": "1 s"})
    assert not schema.is_valid({name: data[name] for name in data if name != "brands"})


if __name__ == "__main__":
    FILE.write_text(json.dumps(report_schema(), indent=1) + "\n")
