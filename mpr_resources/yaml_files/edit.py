"""Values written into a YAML file that a person keeps: comments, order, quotes and spelling of all else stay."""

from __future__ import annotations

import io
from collections.abc import Mapping

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.tokens import CommentToken

WIDTH = 120


def with_values(text: str, section: str, values: Mapping[str, object]) -> str:
    """The YAML text with these values in a section of its top level, which is added at the end where there is none."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = WIDTH
    indent = _indent(text)
    yaml.indent(mapping=indent, sequence=indent + 2, offset=indent)
    data = yaml.load(text)
    if not isinstance(data, CommentedMap):
        data = CommentedMap()
    if not isinstance(data.get(section), CommentedMap):
        is_new = section not in data
        data[section] = CommentedMap()
        if is_new and len(data) > 1:
            data.yaml_set_comment_before_after_key(section, before="\n")
    for name, value in values.items():
        _set(data[section], name, value)
    buffer = io.StringIO()
    yaml.dump(data, buffer)
    return buffer.getvalue()


def _set(section: CommentedMap, name: str, value: object) -> None:
    """Set a key. The lines after a section belong to its last key: to a new last one they are handed on."""
    last = next(reversed(section), None)
    is_new = name not in section
    section[name] = value
    token = section.ca.items[last][2] if is_new and last is not None and last in section.ca.items else None
    if token is not None:
        of_line, newline, after = token.value.partition("\n")
        section.ca.items[name] = [None, None, CommentToken(newline + after, token.start_mark), None]
        if of_line:
            token.value = of_line + newline
        else:
            del section.ca.items[last]


def _indent(text: str) -> int:
    """How far the file's first indented key is."""
    for line in text.splitlines():
        spaces = len(line) - len(line.lstrip(" "))
        if spaces and line.strip() and not line.lstrip().startswith(("#", "-")):
            return spaces
    return 2
