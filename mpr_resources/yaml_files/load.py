"""YAML files into typed models, with one clear sentence for whatever is wrong in them.

What the files mean belongs to the models: brands/, profiles/. How text becomes data is `syntax`'s.
"""

from __future__ import annotations

import json
import re
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from rapidfuzz import fuzz, process

from gpu_service.errors import BadInput
from gpu_service.settings import old_names
from mpr_resources.yaml_files.read import read_file
from mpr_resources.yaml_files.syntax import parse

M = TypeVar("M", bound=BaseModel)

LIKENESS_TO_SUGGEST = 60.0
"""From this ratio (0 to 100) a known word is named as what was probably meant."""
LONGEST_VALUE_SHOWN = 60

_ABOUT_KEYS = ("extra_forbidden", "invalid_key")
WANTED = {
    "int": "a whole number",
    "float": "a number",
    "decimal": "a number",
    "finite_number": "a number that is not infinite",
    "bool": "true or false",
    "string": "text",
    "list": "a list",
    "tuple": "a list",
    "set": "a list",
    "frozen_set": "a list",
    "dict": "a section with keys",
    "mapping": "a section with keys",
    "model": "a section with keys",
    "path": "a path",
    "none": "empty",
}
"""What is wanted, by the first words of pydantic's error type."""


def load_file(path: Path, model: type[M]) -> M:
    """The model that a YAML file describes.

    Raises:
        BadInput: the file cannot be read, or see `load_model`.
    """
    return load_model(path, read_file(path), model)


def load_model(path_or_name: str | Path, text: str | bytes, model: type[M]) -> M:
    """The model that YAML text describes. `path_or_name` says in messages where the text is from.

    Raises:
        BadInput: the text is empty, not UTF-8, not YAML, has a key twice, an unknown key, or a value of another
            type or out of its range; the message names the file, the place and the remedy.
    """
    name = str(path_or_name)
    data = parse(name, text)
    if data is None:
        raise BadInput(f"{name} is empty", f"it needs at least {_quoted(_required(model))}")
    if not isinstance(data, dict):
        raise BadInput(f"{name} holds {_kind(data)} at its top level", f"it needs keys there: {_known_keys(model)}")
    return validate(name, data, model)


def validate(name: str, data: dict[Any, Any], model: type[M]) -> M:
    """The model that already parsed data describes.

    Raises:
        BadInput: as `load_model`.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        errors = sorted(error.errors(include_url=False), key=lambda one: one["type"] not in _ABOUT_KEYS)
        first = errors[0]
        # A misspelt key is also reported as missing under its right name: that is one mistake.
        others = [one for one in errors[1:] if (first["type"], one["type"]) != ("extra_forbidden", "missing")]
        raise BadInput(_sentence(name, first, model) + _and_more(len(others))) from None


def nearest(word: str, known: list[str]) -> str | None:
    """The known word most like this one, None where none is alike."""
    found = process.extractOne(word, known, scorer=fuzz.ratio, processor=str.lower, score_cutoff=LIKENESS_TO_SUGGEST)
    return found[0] if found else None


def _sentence(name: str, error: ErrorDetails, model: type[BaseModel]) -> str:
    """One sentence for one of pydantic's errors."""
    kind, where, value = error["type"], error["loc"], error["input"]
    place = dotted(where)
    if kind == "extra_forbidden":
        known = sorted({key for one in _models_at(model, where[:-1]) for key in _keys(one)})
        meant = nearest(str(where[-1]), known)
        remedy = f"did you mean `{meant}`?" if meant else f"known keys are {_quoted(known)}."
        at = f"at {dotted(where[:-1])}" if len(where) > 1 else "at the top level"
        return f"unknown key `{where[-1]}` in {name} {at}; {remedy}"
    if kind == "missing":
        owner = f"{dotted(where[:-1])} has" if len(where) > 1 else "there is"
        return f"{name}: {owner} no `{where[-1]}`; add it."
    if kind == "invalid_key":
        return f"{name}: the key `{where[-1]}` is not text; put it in quotes."
    if kind in ("value_error", "assertion_error"):
        said = str(error.get("ctx", {}).get("error") or error["msg"])
        return f"{name}: {place + ': ' if place else ''}{said.rstrip('.')}."
    return f"{name}: {place or 'the file'} is {_shown(value)}{_complaint(error, model)}."


def _complaint(error: ErrorDetails, model: type[BaseModel]) -> str:
    kind, context = error["type"], error.get("ctx", {})
    bounds = _bounds(model, error["loc"])
    if kind in ("greater_than", "greater_than_equal", "less_than", "less_than_equal"):
        return f", which is out of range; give {bounds or error['msg'].removeprefix('Input should be ')}"
    if kind in ("literal_error", "enum"):
        allowed = re.findall(r"'([^']*)'", str(context["expected"]))
        meant = nearest(str(error["input"]), allowed)
        return f"; give one of {_quoted(allowed)}" + (f" (did you mean `{meant}`?)" if meant else "")
    for prefix, wanted in WANTED.items():
        if re.fullmatch(rf"{prefix}(_(type|parsing|from_float|attributes_type).*)?", kind):
            hint = " (put it in quotes)" if wanted == "text" and isinstance(error["input"], bool | int | float) else ""
            between = f", {bounds}" if bounds and "number" in wanted else ""
            return f"; give {wanted}{between}{hint}"
    return f"; {error['msg'][:1].lower()}{error['msg'][1:].rstrip('.')}"


def dotted(where: tuple[int | str, ...]) -> str:
    """A place as a user writes it: `brands[2].name`."""
    path = ""
    for step in where:
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else str(step)
    return path


def _models_at(model: object, where: tuple[int | str, ...]) -> list[type[BaseModel]]:
    """The models that may stand at a place; several where a union leaves it open."""
    return [one for one in _types_at(model, where) if isinstance(one, type) and issubclass(one, BaseModel)]


def _types_at(annotation: object, where: tuple[int | str, ...]) -> Iterator[object]:
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _types_at(get_args(annotation)[0], where)
    elif origin in (Union, types.UnionType):
        for member in get_args(annotation):
            yield from _types_at(member, where)
            # pydantic puts the chosen member's name or tag into the place.
            if where and isinstance(where[0], str):
                yield from _types_at(member, where[1:])
    elif not where:
        yield annotation
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        field = _field(annotation, where[0])
        if field is not None:
            yield from _types_at(field.annotation, where[1:])
    elif get_args(annotation):
        yield from _types_at(get_args(annotation)[-1 if origin is dict else 0], where[1:])


def _field(model: type[BaseModel], key: int | str) -> FieldInfo | None:
    for name, field in model.model_fields.items():
        if key in (name, field.alias, *old_names(field)):
            return field
    return None


def _bounds(model: type[BaseModel], where: tuple[int | str, ...]) -> str:
    """The range of the value at a place in words: `0 to 500`, `more than 0`; empty when it has none."""
    names = [step for step in where if isinstance(step, str)]
    if not names:
        return ""
    cut = len(where) - 1 - list(reversed(where)).index(names[-1])
    for owner in _models_at(model, where[:cut]):
        field = _field(owner, names[-1])
        limits = {type(one).__name__: one for one in field.metadata} if field else {}
        low = getattr(limits.get("Ge"), "ge", None)
        above = getattr(limits.get("Gt"), "gt", None)
        high = getattr(limits.get("Le"), "le", None)
        below = getattr(limits.get("Lt"), "lt", None)
        if low is not None and high is not None:
            return f"{low} to {high}"
        parts = [
            f"{word} {limit}"
            for word, limit in (("at least", low), ("more than", above), ("at most", high), ("less than", below))
            if limit is not None
        ]
        if parts:
            return " and ".join(parts)
    return ""


def _keys(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _required(model: type[BaseModel]) -> list[str]:
    """The keys that a file must have; all where it may do without each."""
    return [field.alias or name for name, field in model.model_fields.items() if field.is_required()] or _keys(model)


def _known_keys(model: type[BaseModel]) -> str:
    return _quoted(_keys(model))


def _quoted(words: list[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def _kind(value: object) -> str:
    return "a list" if isinstance(value, list) else "a single value"


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return "a section with keys"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if value is None:
        return "empty"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= LONGEST_VALUE_SHOWN else text[: LONGEST_VALUE_SHOWN - 1] + "…"


def _and_more(count: int) -> str:
    return f" ({count} more {'mistake' if count == 1 else 'mistakes'} in this file.)" if count else ""
