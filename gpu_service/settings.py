"""The base of every settings model, and the old names of settings. The models themselves live beside what they set.

A setting that is renamed keeps its old names: `Field(..., validation_alias=AliasChoices("new_name", "old_name"))`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from pydantic import AliasChoices, BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic.fields import FieldInfo
from pydantic_core import core_schema

from gpu_service.errors import BadInput

V = TypeVar("V")


def old_names(field: FieldInfo) -> tuple[str, ...]:
    """The names that a setting had before, the latest first."""
    alias = field.validation_alias
    return tuple(str(name) for name in alias.choices[1:]) if isinstance(alias, AliasChoices) else ()


def _renamed(model: type[BaseModel]) -> dict[str, str]:
    """The present name of a setting by each of its old names."""
    return {old: name for name, field in model.model_fields.items() for old in old_names(field)}


class Settings(BaseModel):
    """Frozen, and strict about its keys: a misspelt setting is an error, never ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: type[BaseModel], handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """A setting with old names is set under one of them alone.

        Only where there are old names: with a function before it, pydantic gives strict JSON to a model as Python has
        it, and then refuses a list for a tuple.
        """
        schema = handler(source)
        return core_schema.no_info_before_validator_function(cls._each_set_once, schema) if _renamed(cls) else schema

    @classmethod
    def _each_set_once(cls, data: object) -> object:
        if isinstance(data, Mapping) and (doubles := _doubles(cls, data)):
            raise ValueError(doubles)
        return data

    def without_effect(self) -> dict[str, str]:
        """Settings that nothing looks at as the others are, each with the reason."""
        return {}


def current_names(model: type[BaseModel], settings: Mapping[str, V]) -> dict[str, V]:
    """The settings with old names replaced by those of the model; unknown names stay as they are.

    Raises:
        BadInput: a setting is given under two of its names.
    """
    if doubles := _doubles(model, settings):
        raise BadInput(doubles)
    renamed = _renamed(model)
    return {renamed.get(name, name): value for name, value in settings.items()}


def _doubles(model: type[BaseModel], settings: Iterable[object]) -> str:
    """One sentence where a setting is given under two of its names, empty otherwise."""
    first: dict[str, str] = {}
    renamed = _renamed(model)
    for given in map(str, settings):
        name = renamed.get(given, given)
        if name in first:
            old = given if given != name else first[name]
            return f"`{old}` is an old name of `{name}`, which is set twice that way; remove one of the two"
        first[name] = given
    return ""
