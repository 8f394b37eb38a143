"""A stage's settings as Dagster's launchpad shows them, every field optional, and back to overrides.

What overrides do is in `mpr_assets.engine.overrides`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal, get_args, get_origin

import dagster as dg
from pydantic import Field, JsonValue, create_model
from pydantic.fields import FieldInfo

from gpu_service.settings import old_names
from mpr_assets.engine.overrides import FRAMES, Overrides
from mpr_assets.engine.settings import limits
from mpr_assets.engine.stage import Stage
from mpr_resources.profiles.profile import Profile

MAX_DEFAULT_LETTERS = 80
"""A default that is longer is not told."""

AS_IN_PROFILE = "as_in_profile"
"""The launchpad's field that shows the profile's settings; a run does not read it, so that it may be out of date."""

SET_TO_NONE = "set_to_none"
"""The launchpad's field for settings that are to be none: there a field that is none is one that was not given."""


def overrides_model(stage: Stage) -> type[dg.Config]:
    """The stage's settings with every field optional, as the launchpad shows them."""
    fields: dict[str, Any] = {
        name: (_launchpad_type(info.annotation) | None, Field(None, description=_description(info)))
        for name, info in stage.settings.model_fields.items()
    }
    for name, info in stage.settings.model_fields.items():
        for old in old_names(info):
            fields[old] = (fields[name][0], Field(None, description=f"the old name of {name}"))
    fields[AS_IN_PROFILE] = (
        Any,  # Dagster's maps take no value that is none
        Field(None, description="the profile's settings, to look at; to change one for this run, write it beside this"),
    )
    if stage.per_frame:
        fields[FRAMES] = (str | None, Field(None, description="only these frames by seq, like 10,12,40-60"))
    may_be_none = [
        name for name, info in stage.settings.model_fields.items() if type(None) in get_args(info.annotation)
    ]
    if may_be_none:
        description = f"settings that are to be none, of {', '.join(may_be_none)}"
        fields[SET_TO_NONE] = (list[str] | None, Field(None, description=description))
    return create_model(f"{stage.name}_overrides", __base__=dg.Config, **fields)


def _description(info: FieldInfo) -> str:
    """What the setting is, what it may be, and what it is where the profile does not say.

    Dagster's config has no ranges and no default that depends on the profile: the stage's model checks the value.
    """
    default = info.get_default(call_default_factory=True, validated_data={})
    written = json.dumps(default, ensure_ascii=False, default=str) if default is not None else "none"
    short = [f"{written} unless the profile says otherwise"] if len(written) <= MAX_DEFAULT_LETTERS else []
    return "; ".join([info.description or "", *limits(info), *short])


def _launchpad_type(annotation: Any) -> Any:
    """What Dagster's config system can show of a setting's type; the settings model checks the value."""
    if annotation in (bool, int, float, str):
        return annotation
    origin, options = get_origin(annotation), get_args(annotation)
    if origin in (tuple, list):
        return list[Any]
    if origin is dict:
        return dict[str, Any]
    kinds = {type(one) if origin is Literal else _launchpad_type(one) for one in options if one is not type(None)}
    return kinds.pop() if len(kinds) == 1 else Any


def from_config(config: Mapping[str, JsonValue]) -> Overrides:
    """The overrides that a launchpad's config means.

    Raises:
        BadInput: the frames cannot be.
    """
    shown = {SET_TO_NONE, AS_IN_PROFILE}
    given = {name: value for name, value in config.items() if value is not None and name not in shown}
    nones = config.get(SET_TO_NONE)
    return Overrides.from_record(given | (dict.fromkeys(map(str, nones)) if isinstance(nones, list) else {}))


def scaffold(profile: Profile) -> dict[str, Any]:
    """The launchpad's config before anybody writes in it: the profile's settings, to look at."""
    shown = {name: profile.section(name).model_dump(mode="json") for name in profile.stages}
    return {"ops": {name: {"config": {AS_IN_PROFILE: settings}} for name, settings in shown.items()}}


def as_config(overrides: Overrides) -> dict[str, JsonValue]:
    """The launchpad's config that means these overrides."""
    record = overrides.record()
    nones: list[JsonValue] = [name for name, value in record.items() if value is None]
    config = {name: value for name, value in record.items() if value is not None}
    return {**config, **({SET_TO_NONE: nones} if nones else {})}
