"""`report.json`: the same bytes for the same input, no date of making, no seconds of computing; and its JSON schema."""

from __future__ import annotations

from pydantic import JsonValue
from pydantic.json_schema import JsonSchemaValue

from mpr_assets.report.model import Report


def report_json(report: Report) -> str:
    """`report.json`: UTF-8 text, the stages' seconds left out."""
    return report.model_dump_json(indent=2, exclude={"stages": {"__all__": {"seconds"}}}) + "\n"


def report_schema() -> JsonSchemaValue:
    """What `report.schema.json` beside this file holds. It allows keys that it does not name, for a release may add
    some."""
    schema = Report.model_json_schema()
    _open(schema)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _open(schema: JsonValue) -> None:
    for part in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        _open(part)
    if isinstance(schema, dict) and schema.get("additionalProperties") is False:
        del schema["additionalProperties"]
