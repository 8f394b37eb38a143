"""`--json`: what each command answers is one document of its type on stdout, errors too."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from mpr_cli.document import OPTION, asks_for_json, document_type
from mpr_cli.exit_status import FAILED, UNUSABLE
from tests.command_line_page import commands, fits
from tests.mpr_cli.conftest import Mpr

PITCH = "a pitch with one board"
STEPS: dict[str, Mapping[str, object]] = {
    "timeline list": {"timelines": []},
    "timeline create {inputs}/clip.mp4": {"timeline": "clip"},
    "timeline show clip": {"name": "clip", "profile": "generic", "brands": None},
    "profile list": {"profiles": [{"profile": name, "description": PITCH} for name in ("board", "generic")]},
    "profile show board": {"profile": "board"},
    "profile validate board": {"profile": "board"},
    "brands list": {"status": None, "brands": []},
    "brands add Acme --alias Akme": {"brand": "Acme"},
    "brands alias acme ACM": {"brand": "acme", "texts": ["ACM"], "removed": False},
    "brands list --status confirmed": {
        "brands": [
            {
                "brand": "Acme", "status": "confirmed", "source": "manual", "searched_for": "everywhere",
                "aliases": ["ACM", "Akme"], "listed": [], "pictures": 0, "timelines": 0,
            }
        ]
    },
    "brands show Acme": {"brand": "Acme", "airings": []},
    "brands add Ajax": {"brand": "Ajax"},
    "brands merge Ajax acme": {"alias": "Ajax", "brand": "Acme"},
    "brands exclude FIFA": {"brands": [{"brand": "FIFA", "new": True}]},
    "brands confirm FIFA": {"brands": [{"brand": "FIFA", "new": True}]},
    "brands history FIFA": {},
    "brands export {tmp}/all.csv": {"written": 2, "path": "{tmp}/all.csv"},
    "brands import {tmp}/all.csv": {"new": 0, "changed": 0},
    "cache list": {"folders": []},
    "step clip": {"timeline": "clip", "stage": "timeline", "state": "missing"},
    "status": {"backfills": []},
    "status clip": {"backfills": []},
    "replay clip timeline --through field_segmentation": {"saved_as": None, "path": None},
    "try clip field_segmentation --frames 0": {"timeline": "clip", "stage": "field_segmentation", "seqs": [0]},
    "overlay clip field_segmentation 0": {"timeline": "clip", "stage": "field_segmentation", "seq": 0},
    "history clip": {"timeline": "clip", "stage": None},
    "history clip timeline": {"timeline": "clip", "stage": "timeline"},
    "diff clip:field_segmentation clip:field_segmentation@1": {"settings": [], "facts": [], "screen_times": None},
    "pause clip": {"timeline": "clip", "profile": None, "waiting_runs": 0},
    "resume clip": {"timeline": "clip", "released_runs": 0, "still_on_hold": []},
    "watch clip": {"timeline": "clip", "run_id": None, "status": "none"},
    "stop clip": {"timeline": "clip", "runs": [], "backfills": []},
    "scenario save clip timeline good": {"label": "good", "stage": "timeline", "rows": 1},
    "scenario list": {},
    "scenario show good": {"label": "good", "stage": "timeline", "rows": 1},
    "scenario check": {
        "scenarios": [
            {
                "label": "good", "timeline": "clip", "stage": "timeline",
                "same": True, "detail": "1 the same", "changes": [],
            }
        ]
    },
    "scenario delete good": {"label": "good"},
    "cache clear clip": {"in_use": []},
    "clear clip --yes": {"timeline": "clip"},
    "costs": {"by": "provider", "sums": []},
    "timeline rename clip other --yes": {"timeline": "clip", "new_name": "other"},
    "timeline delete other --yes": {"timeline": "other"},
}  # fmt: skip
"""Commands in the order in which they are given, and what their documents hold besides more."""


def test_every_command_that_prints_has_the_option() -> None:
    without = {words for words, one in commands() if OPTION not in {opt for param in one.params for opt in param.opts}}
    assert without == {"serve"}, "it goes on until it is interrupted, and answers nothing"


TYPES = {words: document_type(command) for words, command in commands()}


def test_documents_from_first_to_last(mpr: Mpr, inputs: Path, tmp_path: Path) -> None:
    for line, holds in STEPS.items():
        argv = line.format(inputs=inputs, tmp=tmp_path).split()
        document = json.loads(mpr(*argv, "--json"))
        kind = TYPES.get(" ".join(argv[:2])) or TYPES[argv[0]]
        assert fits(document, kind), (line, document)
        expected = json.loads(json.dumps(holds).replace("{tmp}", str(tmp_path)))
        assert {name: document[name] for name in expected} == expected, line


ERRORS = {
    "a command that is not there": (["rnu"], UNUSABLE, "usage", "No such command 'rnu'."),
    "an option that is not there": (["cache", "list", "--all"], UNUSABLE, "usage", "No such option: --all"),
    "an argument too few": (["timeline", "show"], UNUSABLE, "usage", "Missing argument 'TIMELINE'."),
    "bad input": (["timeline", "show", "ghost"], UNUSABLE, "bad_input", "The timeline 'ghost' is not registered"),
    "a question declined": (["clear", "clip"], FAILED, "cancelled", "cancelled, nothing was changed"),
}
"""Arguments, the exit status, the kind of the error and how its sentence begins."""


@pytest.mark.parametrize("case", ERRORS)
def test_an_error_is_a_document_too(case: str, mpr: Mpr, inputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    argv, status, kind, says = ERRORS[case]
    mpr("timeline", "create", str(inputs / "clip.mp4"), "--replace")
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    said = mpr.said(*argv, "--json")
    document = json.loads(said.out)
    assert (said.status, document["kind"], list(document)) == (status, kind, ["error", "kind"])
    assert document["error"].startswith(says)
    assert said.err.endswith(f"mpr: {document['error']}\n"), "the sentence is for people too"


def test_a_stage_that_fails_is_an_error(mpr: Mpr, inputs: Path, tmp_path: Path) -> None:
    (tmp_path / "gone.mp4").write_bytes((inputs / "clip.mp4").read_bytes())
    mpr("timeline", "create", str(tmp_path / "gone.mp4"))
    (tmp_path / "gone.mp4").unlink()
    said = mpr.said("step", "gone", "--json")
    document = json.loads(said.out)
    assert (said.status, document["kind"]) == (FAILED, "failed")
    assert document["error"].startswith("timeline failed: ")


OPTIONS = {
    "none": ([], False),
    "the option": (["cache", "list", "--json"], True),
    "after the end of the options": (["brands", "show", "--", "--json"], False),
}


@pytest.mark.parametrize("case", OPTIONS)
def test_whether_json_is_wanted(case: str) -> None:
    argv, wanted = OPTIONS[case]
    assert asks_for_json(argv) == wanted
