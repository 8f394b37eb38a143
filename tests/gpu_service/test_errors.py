from __future__ import annotations

import json
import pickle

import pytest

from gpu_service.errors import BadInput, HostAway, MissingEngine, MprError, NotThere, PermanentError, TransientError
from gpu_service.host.refusals import from_error

WHAT, REMEDY, WHERE = "the colour is not known", "choose red or blue", "flag.yaml:3"
SENTENCES: dict[str, tuple[tuple[str, str, str], str]] = {
    "nothing": (("", "", ""), ""),
    "what alone": ((WHAT, "", ""), "the colour is not known"),
    "what, whole": (("The colour is not known.", "", ""), "The colour is not known."),
    "what and remedy": ((WHAT, REMEDY, ""), "the colour is not known; choose red or blue."),
    "a question": ((WHAT, "did you mean `red`?", ""), "the colour is not known; did you mean `red`?"),
    "what and where": ((WHAT, "", WHERE), "flag.yaml:3: the colour is not known"),
    "all": ((WHAT, REMEDY, WHERE), "flag.yaml:3: the colour is not known; choose red or blue."),
}
KINDS: dict[type[MprError], tuple[str, int | None]] = {
    MprError: ("failed", None),
    TransientError: ("busy", 503),
    HostAway: ("host_away", 503),
    PermanentError: ("refused", 422),
    BadInput: ("bad_input", 422),
    NotThere: ("bad_input", 422),
    MissingEngine: ("missing_engine", 422),
}
"""Of each class: its kind, and the status with which the service answers; None: none of its own."""


@pytest.mark.parametrize("name", SENTENCES)
def test_the_sentence_is_made_of_the_facts(name: str) -> None:
    (what, remedy, where), sentence = SENTENCES[name]
    assert str(MprError(what, remedy, where=where)) == sentence


def test_every_class_is_listed() -> None:
    def below(one: type[MprError]) -> set[type[MprError]]:
        return {one}.union(*map(below, one.__subclasses__()))

    assert {one for one in below(MprError) if one.__module__ == MprError.__module__} == set(KINDS)


@pytest.mark.parametrize("cls", KINDS)
def test_facts_of_each_class(cls: type[MprError]) -> None:
    kind, status = KINDS[cls]
    error = pickle.loads(pickle.dumps(cls(WHAT, REMEDY, where=WHERE)))  # as it comes from a worker
    assert type(error) is cls
    sentence = "flag.yaml:3: the colour is not known; choose red or blue."
    assert (error.kind, error.what, error.remedy, error.where) == (kind, WHAT, REMEDY, WHERE)
    assert error.body() == {"error": sentence, "kind": kind}
    assert json.loads(json.dumps(error.body())) == error.body()
    refusal = from_error(error)
    assert (refusal and (refusal.status, refusal.sentence, refusal.kind)) == (status and (status, sentence, kind))
