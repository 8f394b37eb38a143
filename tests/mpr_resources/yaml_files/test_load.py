from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field, field_validator

from gpu_service.errors import BadInput
from gpu_service.settings import Settings
from mpr_resources.yaml_files.load import load_file, load_model
from mpr_resources.yaml_files.syntax import dump, parse


class Edges(Settings):
    low: int = Field(50, ge=0, le=500)
    share: float = Field(0.5, gt=0, le=1)
    floor: float = Field(1.0, ge=1)
    engine: Literal["sift", "orb"] = "sift"
    enabled: bool = True
    names: tuple[str, ...] = ()
    limit: int | None = None

    @field_validator("names")
    @classmethod
    def _few(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(names) > 2:
            raise ValueError("at most two names are wanted")
        return names


class Profile(Settings):
    name: str
    edges: Edges = Edges()
    parts: dict[str, Edges] = Field(default_factory=dict)
    maybe: Edges | None = None
    steps: tuple[Edges, ...] = ()


GOOD = {
    "plain": ("name: x", Profile(name="x")),
    "byte_order_mark": ("\ufeffname: x", Profile(name="x")),
    "nested": ("name: x\nedges: {low: 7}", Profile(name="x", edges=Edges(low=7))),
    "text_in_quotes": ('name: "7"', Profile(name="7")),
    "no_is_text": ("name: no", Profile(name="no")),
    "on_is_text": ("name: On", Profile(name="On")),
    "date_is_text": ("name: 2022-02-01", Profile(name="2022-02-01")),
    "clock_is_text": ("name: 18:26", Profile(name="18:26")),
    "leading_zero_is_text": ("name: 007", Profile(name="007")),
    "yes_is_true": ("name: x\nedges: {enabled: no}", Profile(name="x", edges=Edges(enabled=False))),
    "exponent": ("name: x\nedges: {share: 1e-1}", Profile(name="x", edges=Edges(share=0.1))),
    "underscore_is_text": ("name: 1_000", Profile(name="1_000")),
    "version_1_1_is_read_as_1_2": ("%YAML 1.1\n---\nname: yes", Profile(name="yes")),
    "anchor_defined_again": (
        "name: &a x\nparts: {p: &a {low: 7}}\nedges: *a",
        Profile(name="x", edges=Edges(low=7), parts={"p": Edges(low=7)}),
    ),
    "merge": ("name: x\nedges: &a {low: 7}\nmaybe: {<<: *a, share: 1}", None),
    "merged_twice": (
        "name: x\nparts: {p: &b {<<: &a {low: 7}, low: 8}}\nedges: {<<: *b, share: 1}",
        Profile(name="x", edges=Edges(low=8, share=1), parts={"p": Edges(low=8)}),
    ),
    "utf_16": ("name: x".encode("utf-16"), Profile(name="x")),
}


@pytest.mark.parametrize("name", GOOD)
def test_reads(name: str) -> None:
    text, expected = GOOD[name]
    got = load_model("p.yaml", text, Profile)
    assert got == (expected or Profile(name="x", edges=Edges(low=7), maybe=Edges(low=7, share=1)))


KEYS = "`name`, `edges`, `parts`, `maybe`, `steps`"
CHECK = "check the indentation, colons and quotes there."
MISFIT = "the value `{}` does not fit its tag; write it without a tag."
BAD = {
    "empty": ("", "p.yaml is empty; it needs at least `name`."),
    "only_comments": ("# nothing\n", "p.yaml is empty; it needs at least `name`."),
    "list_at_top": ("- a", f"p.yaml holds a list at its top level; it needs keys there: {KEYS}."),
    "word_at_top": ("a", f"p.yaml holds a single value at its top level; it needs keys there: {KEYS}."),
    "open_bracket": (
        "name: [",
        "p.yaml, line 1, column 8: this is not YAML: while parsing a flow node expected the node content, "
        f"but found '<stream end>'; {CHECK}",
    ),
    "tab": (
        "name: x\n\tedges: 1",
        "p.yaml, line 2, column 1: this is not YAML: while scanning for the next token found character '\\t' "
        f"that cannot start any token; {CHECK}",
    ),
    "two_documents": (
        "name: x\n---\nname: y",
        "p.yaml, line 2, column 1: this is not YAML: expected a single document in the stream "
        f"but found another document; {CHECK}",
    ),
    "unknown_alias": (
        "name: *q",
        f"p.yaml, line 1, column 7: this is not YAML: found undefined alias 'q'; {CHECK}",
    ),
    "python_object": (
        "name: !!python/name:os.system",
        f"p.yaml, line 1, column 7: {MISFIT.format('')}",
    ),
    "double_key": (
        "name: x\nname: y",
        "p.yaml, line 2, column 1: the key `name` is already on line 1; remove one of the two.",
    ),
    "double_key_nested": (
        "name: x\nedges:\n  low: 1\n  low: 1",
        "p.yaml, line 4, column 3: the key `low` is already on line 3; remove one of the two.",
    ),
    "list_as_key": ("? [a]\n: 1", "p.yaml, line 1, column 3: a key must be a single word."),
    "not_a_boolean": ("name: !!bool q", f"p.yaml, line 1, column 7: {MISFIT.format('q')}"),
    "not_a_number": ("name: !!int q", f"p.yaml, line 1, column 7: {MISFIT.format('q')}"),
    "jpeg": (b"\xff\xd8\xff\xe0\x00\x10JFIF", "p.yaml is not a text file in UTF-8; save it as plain UTF-8 text."),
    "nul": (
        b"\x00\x01\x02",
        "p.yaml is not a text file: it has the control character U+0000 at position 0; save it as plain UTF-8 text.",
    ),
    "deep": ("[" * 5000, "p.yaml is nested too deeply; brackets may be left open."),
    "unknown_key": ("name: x\nedgse: {}", "unknown key `edgse` in p.yaml at the top level; did you mean `edges`?"),
    "unknown_key_for_required": ("nmae: x", "unknown key `nmae` in p.yaml at the top level; did you mean `name`?"),
    "unknown_key_nested": (
        "name: x\nedges: {shar: 1}",
        "unknown key `shar` in p.yaml at edges; did you mean `share`?",
    ),
    "unknown_key_in_list": (
        "name: x\nsteps: [{low: 1}, {lwo: 1}]",
        "unknown key `lwo` in p.yaml at steps[1]; did you mean `low`?",
    ),
    "unknown_key_in_dict": (
        "name: x\nparts: {a: {engin: orb}}",
        "unknown key `engin` in p.yaml at parts.a; did you mean `engine`?",
    ),
    "unknown_key_in_optional": (
        "name: x\nmaybe: {enable: true}",
        "unknown key `enable` in p.yaml at maybe; did you mean `enabled`?",
    ),
    "unknown_key_unlike_any": (
        "name: x\nedges: {qqqq: 1}",
        "unknown key `qqqq` in p.yaml at edges; known keys are "
        "`enabled`, `engine`, `floor`, `limit`, `low`, `names`, `share`.",
    ),
    "number_as_key": ("name: x\n1: y", "p.yaml: the key `1` is not text; put it in quotes."),
    "missing": ("edges: {}", "p.yaml: there is no `name`; add it."),
    "too_high": (
        "name: x\nedges: {low: 900}",
        "p.yaml: edges.low is 900, which is out of range; give 0 to 500.",
    ),
    "not_above": (
        "name: x\nedges: {share: 0}",
        "p.yaml: edges.share is 0, which is out of range; give more than 0 and at most 1.",
    ),
    "one_sided": (
        "name: x\nedges: {floor: 0.5}",
        "p.yaml: edges.floor is 0.5, which is out of range; give at least 1.",
    ),
    "range_in_list": (
        "name: x\nsteps: [{low: -1}]",
        "p.yaml: steps[0].low is -1, which is out of range; give 0 to 500.",
    ),
    "word_for_number": ("name: x\nedges: {low: abc}", 'p.yaml: edges.low is "abc"; give a whole number, 0 to 500.'),
    "fraction_for_whole": ("name: x\nedges: {low: 1.5}", "p.yaml: edges.low is 1.5; give a whole number, 0 to 500."),
    "word_for_optional": ("name: x\nedges: {limit: q}", 'p.yaml: edges.limit is "q"; give a whole number.'),
    "word_for_switch": ("name: x\nedges: {enabled: maybe}", 'p.yaml: edges.enabled is "maybe"; give true or false.'),
    "number_for_text": ("name: 7", "p.yaml: name is 7; give text (put it in quotes)."),
    "true_for_text": ("name: true", "p.yaml: name is true; give text (put it in quotes)."),
    "empty_text": ("name:", "p.yaml: name is empty; give text."),
    "list_for_text": ("name: [a]", "p.yaml: name is a list of 1; give text."),
    "holds_itself": (
        "name: &a [*a]",
        "p.yaml, line 1, column 7: it contains itself through an anchor (&) and an alias (*); write it out.",
    ),
    "text_for_list": ("name: x\nedges: {names: a}", 'p.yaml: edges.names is "a"; give a list.'),
    "number_in_list": (
        "name: x\nedges: {names: [a, 2]}",
        "p.yaml: edges.names[1] is 2; give text (put it in quotes).",
    ),
    "empty_section": ("name: x\nedges:", "p.yaml: edges is empty; give a section with keys."),
    "number_for_section": ("name: x\nedges: 4", "p.yaml: edges is 4; give a section with keys."),
    "not_a_choice": (
        "name: x\nedges: {engine: sfit}",
        'p.yaml: edges.engine is "sfit"; give one of `sift`, `orb` (did you mean `sift`?).',
    ),
    "own_check": (
        "name: x\nedges: {names: [a, b, c]}",
        "p.yaml: edges.names: at most two names are wanted.",
    ),
    "two_mistakes": (
        "name: 7\nedges: {low: 900}",
        "p.yaml: name is 7; give text (put it in quotes). (1 more mistake in this file.)",
    ),
    "empty_integer": ('name: !!int ""', f"p.yaml, line 1, column 7: {MISFIT.format('')}"),
    "empty_number": ('name: !!float ""', f"p.yaml, line 1, column 7: {MISFIT.format('')}"),
    "no_date": ("name: !!timestamp x", f"p.yaml, line 1, column 7: {MISFIT.format('x')}"),
    "list_as_section": ("name: !!map [1]", "p.yaml, line 1, column 7: a list has a tag; write it without a tag."),
    "tag_of_a_language": (
        'name: !!python/object/apply:os.system ["id"]',
        "p.yaml, line 1, column 7: a list has a tag; write it without a tag.",
    ),
    "set": ("name: !!set {a, b}", "p.yaml, line 1, column 7: a section has a tag; write it without a tag."),
    "long_hexadecimal": (
        "name: 0x" + "f" * 4000,
        "p.yaml, line 1, column 7: the number has 4002 characters; put it in quotes if it is text.",
    ),
    "long_integer": (
        "name: " + "9" * 5000,
        "p.yaml, line 1, column 7: the number has 5000 characters; put it in quotes if it is text.",
    ),
    "doubled_merges": (
        "a0: &a0 {x: 1}\n" + "".join(f"a{i}: &a{i}\n  <<: [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 40)),
        "p.yaml, line 35, column 7: it has more than 500,000 values; split the file.",
    ),
    "billion_laughs": (
        "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12)),
        "p.yaml, line 7, column 5: it has more than 500,000 values; split the file.",
    ),
    "version_without_end": (
        "%YAML 1.29\n---\nname: x\n",
        "p.yaml has a value that cannot be read (version minor part can only be 2 or 1, got (1, 29)); "
        "put it in quotes.",
    ),
    "long_value": (
        "name: x\nedges: {low: " + "a" * 100 + "}",
        'p.yaml: edges.low is "' + "a" * 58 + "…; give a whole number, 0 to 500.",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_refuses(name: str) -> None:
    text, said = BAD[name]
    with pytest.raises(BadInput) as caught:
        load_model("p.yaml", text, Profile)
    assert str(caught.value) == said


def test_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("name: x", encoding="utf-8")
    assert load_file(path, Profile) == Profile(name="x")


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput) as caught:
        load_file(tmp_path / "p.yaml", Profile)
    assert str(caught.value) == f"{tmp_path / 'p.yaml'} does not exist; check the path."


def test_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput) as caught:
        load_file(tmp_path, Profile)
    assert str(caught.value) == f"{tmp_path} is a folder; name a YAML file in it."


DUMPED = {
    "empty": ({}, "{}\n"),
    "order_is_kept": ({"b": 1, "a": 2}, "b: 1\na: 2\n"),
    "nested": ({"a": [{"b": [], "c": {}}]}, "a:\n- b: []\n  c: {}\n"),
    "text_like_a_number": ({"a": "007", "b": "1e5", "c": "1_000"}, "a: '007'\nb: '1e5'\nc: '1_000'\n"),
    "text_like_a_word": ({"a": "true", "b": "~", "c": ""}, "a: 'true'\nb: '~'\nc: ''\n"),
    "other_scripts": ({"a": "Größe 東"}, "a: Größe 東\n"),
    "numbers": ({"a": 1, "b": 1.5, "c": None, "d": True}, "a: 1\nb: 1.5\nc: null\nd: true\n"),
}


@pytest.mark.parametrize("name", DUMPED)
def test_dumps(name: str) -> None:
    data, expected = DUMPED[name]
    assert (dump(data), parse("p.yaml", expected)) == (expected, data)
