"""YAML text to plain data and back, by ruamel.yaml.

What the data must be is `load`'s to check; changing a file that a person keeps is `edit`'s. YAML is read as its version
1.2 reads it: `yes`, `no`, `on` and `off` are text, and so are dates and clock times; only `true` and `false` are
booleans. ruamel's own rules for 1.2 still read dates, `1_000` and `007` as 1.1 did, so the resolver here has the core
schema alone.

The files may come from strangers, as beside new media: tags other than the core schema's are refused, and so is a file
that a few anchors, or merges of them, make large.
"""

from __future__ import annotations

import io
import re
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer, MaxDepthExceededError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError
from ruamel.yaml.resolver import BaseResolver

from gpu_service.errors import BadInput

CORE = "tag:yaml.org,2002:"
MERGE_TAG = f"{CORE}merge"
MAX_VALUES = 500_000
"""Keys and values of a file, each alias counted as what it stands for: some thousand bytes can stand for billions."""
MAX_NUMBER_LENGTH = 100
SCALARS = {
    "bool": (r"true|True|TRUE|false|False|FALSE", "tTfF"),
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "int": (r"[-+]?(0|[1-9][0-9]*)|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    "float": (
        r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+0123456789.",
    ),
    "merge": (r"<<", "<"),
}
"""What is no text, and the characters that it begins with."""
TAGS = {f"{CORE}{name}": re.compile(rf"(?:{pattern})\Z") for name, (pattern, _) in SCALARS.items()}


def parse(name: str, text: str | bytes) -> Any:
    """The plain data of one YAML document; None when it is empty. `name` says in messages where the text is from.

    Raises:
        BadInput: the text is not UTF-8 or not one YAML document, or a mapping has a key twice.
    """
    yaml = YAML(typ="safe", pure=True)
    yaml.Composer = _Composer
    yaml.Resolver = _CoreSchema
    try:
        return yaml.load(_decode(name, text))
    except _UnusableNode as error:
        raise BadInput(error.problem, error.remedy, where=name + _place(error)) from None
    except MaxDepthExceededError:
        raise _too_deep(name) from None
    except MarkedYAMLError as error:
        said = " ".join(filter(None, (error.context, error.problem)))
        what = f"this is not YAML: {said}"
        raise BadInput(what, "check the indentation, colons and quotes there", where=name + _place(error)) from None
    except ReaderError as error:
        raise BadInput(
            f"{name} is not a text file: it has the control character U+{error.character:04X} at "
            f"position {error.position}",
            "save it as plain UTF-8 text",
        ) from None
    except (YAMLError, ValueError, KeyError, AssertionError) as error:  # an assertion: of the version of YAML
        raise BadInput(f"{name} has a value that cannot be read ({error})", "put it in quotes") from None
    except RecursionError:
        raise _too_deep(name) from None


def dump(data: object) -> str:
    """Plain data as YAML text, keys in their order; `parse` reads it back."""
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    buffer = io.StringIO()
    yaml.dump(data, buffer)
    return buffer.getvalue()


class _UnusableNode(MarkedYAMLError):
    def __init__(self, node: Node, problem: str, remedy: str) -> None:
        super().__init__(problem=problem, problem_mark=node.start_mark)
        self.remedy = remedy


class _Composer(Composer):
    """Refuses a key that a mapping has twice, keys that are no single word, tags, and what anchors make large."""

    def __init__(self, loader: object = None) -> None:
        super().__init__(loader)
        self.warn_double_anchors = False  # YAML 1.2 allows an anchor to be defined again

    def compose_document(self) -> object:
        node = super().compose_document()
        _refuse_large(node)
        return node

    def compose_scalar_node(self, anchor: object) -> object:
        node = super().compose_scalar_node(anchor)
        assert isinstance(node, ScalarNode)
        if node.tag == f"{CORE}str":
            return node
        if node.tag not in TAGS or TAGS[node.tag].match(node.value) is None:
            raise _UnusableNode(node, f"the value `{node.value[:20]}` does not fit its tag", "write it without a tag")
        if len(node.value) > MAX_NUMBER_LENGTH:
            raise _UnusableNode(node, f"the number has {len(node.value)} characters", "put it in quotes if it is text")
        return node

    def compose_sequence_node(self, anchor: object) -> object:
        node = super().compose_sequence_node(anchor)
        if node.tag != f"{CORE}seq":
            raise _UnusableNode(node, "a list has a tag", "write it without a tag")
        return node

    def compose_mapping_node(self, anchor: object) -> object:
        node = super().compose_mapping_node(anchor)
        assert isinstance(node, MappingNode)
        if node.tag != f"{CORE}map":
            raise _UnusableNode(node, "a section has a tag", "write it without a tag")
        lines: dict[str, int] = {}
        for key, _ in node.value:
            if key.tag == MERGE_TAG:
                continue
            if not isinstance(key, ScalarNode):
                raise _UnusableNode(key, "a key must be a single word.", "")
            if key.value in lines:
                first = f"the key `{key.value}` is already on line {lines[key.value]}"
                raise _UnusableNode(key, first, "remove one of the two")
            lines[key.value] = key.start_mark.line + 1
        return node


def _refuse_large(root: Node) -> None:
    """Count the values of a document, each alias as what it stands for."""
    counts: dict[int, int] = {}
    open_: set[int] = set()

    def count(node: Node) -> int:
        if isinstance(node, ScalarNode):
            return 1
        if id(node) in open_:
            raise _UnusableNode(node, "it contains itself through an anchor (&) and an alias (*)", "write it out")
        if id(node) not in counts:
            open_.add(id(node))
            parts = node.value if isinstance(node, SequenceNode) else [part for pair in node.value for part in pair]
            counts[id(node)] = 1 + sum(map(count, parts))
            open_.remove(id(node))
            if counts[id(node)] > MAX_VALUES:
                raise _UnusableNode(node, f"it has more than {MAX_VALUES:,} values", "split the file")
        return counts[id(node)]

    count(root)


class _CoreSchema(BaseResolver):
    """What a scalar without quotes is: the core schema of YAML 1.2, except that `007` is text; and merge keys."""

    def __init__(self, loader: object, **_: object) -> None:
        super().__init__(loader)

    @property
    def processing_version(self) -> tuple[int, int]:
        return 1, 2


for _name, (_pattern, _first) in SCALARS.items():
    _CoreSchema.add_implicit_resolver_base(f"{CORE}{_name}", re.compile(f"^(?:{_pattern})$"), list(_first))


def _decode(name: str, text: str | bytes) -> str:
    if isinstance(text, str):
        return text.removeprefix("\ufeff")
    encoding = "utf-16" if text[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return text.decode(encoding)
    except UnicodeDecodeError:
        raise BadInput(f"{name} is not a text file in UTF-8", "save it as plain UTF-8 text") from None


def _place(error: MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    return f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""


def _too_deep(name: str) -> BadInput:
    return BadInput(f"{name} is nested too deeply", "brackets may be left open")
