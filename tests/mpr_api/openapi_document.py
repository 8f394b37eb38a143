"""Prints the API's OpenAPI document, of which `make types` makes the types of the editor's page."""

from __future__ import annotations

import json

import dagster as dg

from mpr_api.access.config import ApiConfig
from mpr_api.app import create_app
from mpr_api.world.backend import Backend
from mpr_assets.runs.local_instance import resources


def document() -> str:
    with dg.DagsterInstance.ephemeral() as instance:
        return json.dumps(create_app(Backend(ApiConfig(), instance, resources())).openapi(), indent=1)


if __name__ == "__main__":
    print(document())
