"""The hashes that say whether a result still holds. There are three, each a SHA-256 in hexadecimal:

- `data_version` (made by `mpr_resources.storage.tables.data_version_of`): of what is in a table. It is Dagster's data
  version of the stage; equal content, equal version, whatever made it.
- `config_version`: of a stage's settings and all else that it depends on outside the graph (a model, the brands, the
  video files). It is Dagster's data version of `config/<stage>`; where it changes, the stage is stale.
- `fingerprint`: of all that a result follows from: the stage, its code version, its settings, the data versions of its
  inputs, and what is outside the graph. A run that comes to the fingerprint of what is stored gives that back; pictures
  lie in folders that are named by it.

`report.json` and the page beside it name settings by a hash too, to tell at a glance which are alike; nothing is
decided by it. A list of brands has a `version`, its share in the config versions of the stages that look for them.

Settings go into the last two as `hashed_settings` gives them:

- A setting that has its default is left out, and so is such a part of a setting. So a setting may be added, and nothing
  that is stored goes stale, where its default means what was done before. Those of `FIRST_SETTINGS` are older than this
  rule and always written.
- A setting goes by the first name that it ever had: one that is renamed, with an alias, is the same setting.
- What a stage computes by its defaults is part of its code: whoever changes a default counts the stage's code version
  up. `tests/mpr_assets/engine/test_defaults.py` fails where that is forgotten.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pydantic import JsonValue, TypeAdapter

from gpu_service.settings import Settings, old_names
from mpr_assets.engine.first_settings import FIRST_SETTINGS
from mpr_resources.storage.tables import hash_of


def hashed_settings(stage: str, settings: Settings) -> dict[str, JsonValue]:
    """The settings of a stage as they are hashed, by their first names."""
    older = FIRST_SETTINGS.get(stage, frozenset())
    different = settings.model_dump(mode="json", exclude_defaults=True)
    hashed = {}
    for name, info in type(settings).model_fields.items():
        first = (name, *old_names(info))[-1]
        if name in different or first in older:
            hashed[first] = _ANY.dump_python(getattr(settings, name), mode="json", exclude_defaults=True)
    return hashed


_ANY = TypeAdapter[object](object)


def config_version(settings: Mapping[str, JsonValue], depends_on: Mapping[str, str]) -> str:
    """The version of `config/<stage>`; a stage that is switched off depends on nothing else.

    Args:
        settings: see `hashed_settings`.
        depends_on: what is outside the graph.
    """
    if settings.get("enabled") is False:
        return hash_of({"enabled": False})
    return hash_of([dict(settings), dict(depends_on)])


def fingerprint(
    stage: str,
    code_version: str,
    settings: Mapping[str, JsonValue],
    upstream: Mapping[str, str],
    skipped: str | None,
    only: Iterable[int] | None = None,
) -> str:
    """The name of a result by all that it follows from.

    Args:
        stage, code_version: of the stage.
        settings: see `hashed_settings`.
        upstream: the data version of each input, and what is outside the graph.
        skipped: why the stage is switched off; None: it is not.
        only: the frames that the run is limited to; None: all.
    """
    frames = [] if only is None else [sorted(only)]
    return hash_of([stage, code_version, dict(settings), dict(upstream), skipped, *frames])
